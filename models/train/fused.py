"""The elementwise steps of a Llama-family decoder and its loss, each in one pass over memory: Triton on a GPU, PyTorch elsewhere.

Every function writes its result where the next matrix product reads it: rows may lie apart (a leading dimension larger than
their width), as the columns behind them hold what a low-rank adapter adds.
"""

import os

import torch
import torch.nn.functional as F

try:
    from models.train import kernels
except ImportError:
    kernels = None
INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"


def fused(x: torch.Tensor) -> bool:
    """Whether Triton computes: on a GPU, or anywhere under its interpreter."""
    return kernels is not None and (x.is_cuda or INTERPRETED)


def block(n: int) -> int:
    """The power of two that n columns fit in."""
    return 1 << (n - 1).bit_length()


def rms_norm(x: torch.Tensor, w: torch.Tensor, out: torch.Tensor, eps: float) -> torch.Tensor:
    """out[:, :D] = x / rms(x) * w; returns 1 / rms [M] float32. x [M, D] without gaps, w [D] float32."""
    rows, d = x.shape
    rstd = torch.empty(rows, dtype=torch.float32, device=x.device)
    if fused(x):
        kernels.rms_norm[(rows,)](x, w, out, rstd, out.stride(0), eps, D=d, BLOCK=block(d), num_warps=4)
    else:
        v = x.float()
        torch.rsqrt(v.pow(2).mean(-1) + eps, out=rstd)
        out[:, :d] = v * rstd[:, None] * w
    return rstd


def rms_norm_backward(
    dy: torch.Tensor, x: torch.Tensor, rstd: torch.Tensor, w: torch.Tensor, residual: torch.Tensor
) -> torch.Tensor:
    """The gradient [M, D] of x through rms_norm, plus that of the path beside it. The rows of dy may lie apart."""
    rows, d = x.shape
    dx = torch.empty_like(x)
    if fused(x):
        kernels.rms_norm_backward[(rows,)](dy, x, rstd, w, residual, dx, dy.stride(0), D=d, BLOCK=block(d), num_warps=4)
    else:
        unit, g = x.float() * rstd[:, None], dy[:, :d].float() * w
        dx.copy_(rstd[:, None] * (g - unit * (g * unit).mean(-1, keepdim=True)) + residual.float())
    return dx


def rope(x: torch.Tensor, pairs: int, cos: torch.Tensor, sin: torch.Tensor, halves: bool) -> None:
    """Turns the first `pairs` pairs of every row of x in place; row r has the angles [r % T] of cos, sin [T, head_dim / 2].

    A pair is two neighbours (files of architecture `llama`) or, with `halves`, elements half a head apart. -sin turns back.
    """
    positions, half = cos.shape
    if fused(x):
        kernels.rope[(len(x),)](
            x, cos, sin, positions, x.stride(0), PAIRS=pairs, HALF=half, HALVES=halves, BLOCK=block(pairs), num_warps=4
        )
        return
    heads = x[:, : 2 * pairs].float().view(-1, positions, pairs // half, 2 * half)
    c, s = cos[None, :, None], sin[None, :, None]
    if halves:
        a, b = heads.chunk(2, -1)
        turned = torch.cat([a * c - b * s, a * s + b * c], -1)
    else:
        a, b = heads[..., 0::2], heads[..., 1::2]
        turned = torch.stack([a * c - b * s, a * s + b * c], -1)
    x[:, : 2 * pairs] = turned.reshape(len(x), 2 * pairs).to(x.dtype)


def swiglu(gu: torch.Tensor, out: torch.Tensor) -> None:
    """out[:, :F] = silu(gate) * up; gu [M, 2 F] without gaps."""
    rows, ff = len(gu), gu.shape[1] // 2
    if fused(gu):
        kernels.swiglu[(rows,)](gu, out, out.stride(0), FF=ff, BLOCK=block(ff), num_warps=8)
    else:
        out[:, :ff] = F.silu(gu[:, :ff].float()) * gu[:, ff:].float()


def swiglu_backward(da: torch.Tensor, gu: torch.Tensor) -> torch.Tensor:
    """The gradient [M, 2 F] of gu; the rows of da may lie apart."""
    rows, ff = len(gu), gu.shape[1] // 2
    dgu = torch.empty_like(gu)
    if fused(gu):
        kernels.swiglu_backward[(rows,)](da, gu, dgu, da.stride(0), FF=ff, BLOCK=block(ff), num_warps=8)
    else:
        d, g, u = da[:, :ff].float(), gu[:, :ff].float(), gu[:, ff:].float()
        s = g.sigmoid()
        dgu[:, :ff] = d * u * s * (1 + g * (1 - s))
        dgu[:, ff:] = d * g * s
    return dgu


def cross_entropy(z: torch.Tensor, target: torch.Tensor, weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Weighted losses [n] and whether the wanted token was the likeliest [n]; the logits z [n, V] become their gradient."""
    n, vocabulary = z.shape
    if fused(z):
        loss = torch.empty(n, dtype=torch.float32, device=z.device)
        right = torch.empty(n, dtype=torch.int8, device=z.device)
        kernels.cross_entropy[(n,)](z, target, weight, loss, right, V=vocabulary, BLOCK=4096, num_warps=8)
        return loss, right.bool()
    f = z.float()
    lse = f.logsumexp(-1)
    loss = (lse - f.gather(1, target[:, None])[:, 0]) * weight
    right = f.argmax(-1) == target
    g = torch.exp(f - lse[:, None])
    g.scatter_add_(1, target[:, None], torch.full_like(g[:, :1], -1.0))
    z.copy_(g.mul_(weight[:, None]))
    return loss, right
