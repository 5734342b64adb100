"""A frozen LLM out of a GGUF file, with a reader: low-rank matrices on its projections that learn.

A group is the projections that read the same rows (q k v; output; gate and up; down). Its matrix is [W | s B] and its input
[h | h A^T]: one product gives W h + s B A h. Gradients of A and B are written by the layers' own backward passes into one flat
vector, so that norm, clipping, exchange and the optimiser's step are each one pass.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch
import torch.nn.functional as F

from models.train import fused

GROUPS = [["attn_q", "attn_k", "attn_v"], ["attn_output"], ["ffn_gate", "ffn_up"], ["ffn_down"]]
HALVES = {"llama": False, "qwen2": True}  # whether RoPE turns halves of a head, or neighbours
SLICE = 8192  # rows of logits that are there at a time


class NotRead(ValueError):
    """A file of a kind that is not read here; the message says which."""


@dataclass(frozen=True)
class Sizes:
    """What a GGUF's header says of an LLM of the families that are read."""

    architecture: str
    width: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    ff: int
    eps: float
    rope_base: float
    rope_factor: float
    eos: int

    @classmethod
    def read(cls, file: gguf.GGUFReader) -> "Sizes":
        def value(name: str, default: Any = None) -> Any:
            field = file.fields.get(name.replace("*", architecture))
            if field is None and default is None:
                raise NotRead(f"the LLM's file has no {name.replace('*', architecture)}")
            return default if field is None else field.contents()

        architecture = ""
        architecture = value("general.architecture")
        if architecture not in HALVES:
            raise NotRead(f"LLMs of architecture {architecture} are not trained for; those that are: {', '.join(HALVES)}")
        if value("*.expert_count", 0):
            raise NotRead("LLMs with experts are not trained for")
        scaling = value("*.rope.scaling.type", "none")
        if scaling not in ("none", "linear"):
            raise NotRead(f"rope.scaling.type {scaling} is not trained for")
        width, heads = int(value("*.embedding_length")), int(value("*.attention.head_count"))
        return cls(
            architecture,
            width,
            int(value("*.block_count")),
            heads,
            int(value("*.attention.head_count_kv", heads)),
            int(value("*.attention.key_length", width // heads)),
            int(value("*.feed_forward_length")),
            float(value("*.attention.layer_norm_rms_epsilon")),
            float(value("*.rope.freq_base", 10000.0)),
            float(value("*.rope.scaling.factor", 1.0)) if scaling == "linear" else 1.0,
            int(value("tokenizer.ggml.eos_token_id")),
        )


class Group:
    """[W | s B] of the projections of a group, [out, inside + extra], with views of their A and B in the reader's vectors."""

    a: torch.Tensor  # [extra, inside], in the type that is multiplied
    a_grad: torch.Tensor
    b_half: list[torch.Tensor]  # of every projection [out of it, rank]
    b_grads: list[torch.Tensor]

    def __init__(self, weights: list[torch.Tensor], biases: list[torch.Tensor | None], rank: int) -> None:
        self.sizes = [len(w) for w in weights]
        self.inside, self.rank = weights[0].shape[1], rank
        self.out, self.extra = sum(self.sizes), rank * len(weights)
        self.matrix = torch.zeros(self.out, self.inside + self.extra, dtype=weights[0].dtype, device=weights[0].device)
        self.matrix[:, : self.inside] = torch.cat(weights)
        self.bias: torch.Tensor | None = None
        if any(bias is not None for bias in biases):
            parts = [torch.zeros_like(w[:, 0]) if b is None else b.to(w.dtype) for w, b in zip(weights, biases, strict=True)]
            self.bias = torch.cat(parts)

    def blocks(self, x: torch.Tensor) -> Iterator[torch.Tensor]:
        """The parts of x [out, extra] in which a projection meets its own adapter."""
        row = 0
        for i, n in enumerate(self.sizes):
            yield x[row : row + n, i * self.rank : (i + 1) * self.rank]
            row += n


class Llm:
    """x [B, T, width] -> last hidden states [B * T, width], normed. Causal: padding at the end needs no mask.

    `reader` holds A and B of every matrix in float32, `reader.grad` what the backward passes add up.
    """

    def __init__(self, path: Path, rank: int, scale: float, device: str, dtype: torch.dtype) -> None:
        file = gguf.GGUFReader(str(path))
        self.sizes = Sizes.read(file)
        self.device, self.dtype, self.rank, self.scale = device, dtype, rank, scale
        w = {tensor.name: self.weight(tensor) for tensor in file.tensors}
        self.embeddings, self.norm = w["token_embd.weight"], w["output_norm.weight"]
        self.head = w.get("output.weight", self.embeddings)
        self.factors = w.get("rope_freqs.weight")
        layers = range(self.sizes.layers)
        self.norms = [(w[f"blk.{i}.attn_norm.weight"], w[f"blk.{i}.ffn_norm.weight"]) for i in layers]
        self.groups = [[self.group(w, i, names) for names in GROUPS] for i in layers]
        self.lay_out_reader()
        self.begin_reader()

    def weight(self, tensor: Any) -> torch.Tensor:
        """A matrix in the type that is multiplied, anything else in float32."""
        values = np.array(gguf.quants.dequantize(tensor.data, tensor.tensor_type))
        x = torch.from_numpy(values).to(self.device)
        return x.to(self.dtype) if x.ndim == 2 else x.float()

    def group(self, w: dict[str, torch.Tensor], layer: int, names: list[str]) -> Group:
        stems = [f"blk.{layer}.{name}" for name in names]
        for stem in stems:
            if f"{stem}.weight" not in w:
                raise NotRead(f"the LLM's file has no {stem}.weight")
        return Group([w[f"{s}.weight"] for s in stems], [w.get(f"{s}.bias") for s in stems], self.rank)

    # ---- The reader ----

    def lay_out_reader(self) -> None:
        """Makes the flat vectors, and what is seen of them by name and by group."""
        every = [group for groups in self.groups for group in groups]
        count = sum(g.extra * g.inside + g.rank * g.out for g in every)
        self.reader = torch.zeros(count, device=self.device)
        self.reader.grad = torch.zeros(count, device=self.device)
        self.half = torch.zeros(count, dtype=self.dtype, device=self.device)
        self.views: dict[str, torch.Tensor] = {}
        self.offsets: dict[str, int] = {}
        at = 0
        for i, groups in enumerate(self.groups):
            for names, group in zip(GROUPS, groups, strict=True):
                at = self.lay_out_group(group, [f"blk.{i}.{name}" for name in names], at)
        self.targets = [view for g in every for view in g.blocks(g.matrix[:, g.inside :])]
        self.sources = [half for g in every for half in g.b_half]

    def lay_out_group(self, group: Group, names: list[str], at: int) -> int:
        def take(name: str, rows: int, columns: int) -> list[torch.Tensor]:
            nonlocal at
            self.offsets[name] = at
            at += rows * columns
            return [v[at - rows * columns : at].view(rows, columns) for v in (self.reader, self.reader.grad, self.half)]

        a, group.a_grad, group.a = take(names[0] + ".a", group.extra, group.inside)
        group.b_half, group.b_grads = [], []
        for j, (name, n) in enumerate(zip(names, group.sizes, strict=True)):
            b, gradient, half = take(name + ".b", n, self.rank)
            group.b_grads.append(gradient)
            group.b_half.append(half)
            self.views[name + ".a"], self.views[name + ".b"] = a[j * self.rank : (j + 1) * self.rank], b
        return at

    def begin_reader(self) -> None:
        """A random, B zero: the LLM as it is."""
        for name, view in self.views.items():
            if name.endswith(".a"):
                view.normal_(std=view.shape[1] ** -0.5)
            else:
                view.zero_()
        self.refresh()

    def state(self) -> dict[str, torch.Tensor]:
        """blk.N.NAME.a [rank, in] and .b [out, rank], in the order of rows of the GGUF's own matrices."""
        return {name: view.detach().cpu().clone() for name, view in self.views.items()}

    @torch.no_grad()
    def load(self, state: dict[str, torch.Tensor]) -> None:
        for name, view in self.views.items():
            view.copy_(state[name])
        self.refresh()

    @torch.no_grad()
    def refresh(self) -> None:
        """Takes the reader as it is now into the matrices that are multiplied."""
        self.half.copy_(self.reader.detach())
        torch._foreach_copy_(self.targets, torch._foreach_mul(self.sources, self.scale))

    # ---- Computing ----

    def angles(self, positions: int) -> tuple[torch.Tensor, torch.Tensor]:
        """cos and sin [positions, head_dim / 2]."""
        dim = self.sizes.head_dim
        frequency = self.sizes.rope_base ** (-torch.arange(0, dim, 2, device=self.device).float() / dim)
        if self.factors is not None:
            frequency = frequency / self.factors
        angle = torch.arange(positions, device=self.device).float()[:, None] * frequency / self.sizes.rope_factor
        return angle.cos().contiguous(), angle.sin().contiguous()

    def __call__(self, x: torch.Tensor, adapter: bool = True) -> torch.Tensor:
        """`adapter`: whether the reader is on."""
        batch, positions, d = x.shape
        cos, sin = self.angles(positions)
        x = x.reshape(batch * positions, d)
        if torch.is_grad_enabled() and not x.requires_grad:
            x = x.detach().requires_grad_()
        for i in range(self.sizes.layers):
            q, k, v, x = BeforeAttention.apply(x, self, i, positions, cos, sin, adapter)
            y = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
            x = AfterAttention.apply(y, x, self, i, adapter)
        return F.rms_norm(x.float(), (d,), self.norm, self.sizes.eps).to(self.dtype)


# ---- A layer and its gradients --------------------------------------------------------------------------------------------


def multiply(h: torch.Tensor, g: Group, adapter: bool) -> torch.Tensor:
    """h [M, inside + extra], of which the first part is filled: fills the rest; returns the product [M, out]."""
    if adapter:
        torch.mm(h[:, : g.inside], g.a.T, out=h[:, g.inside :])
        y = h @ g.matrix.T
    else:
        y = h[:, : g.inside] @ g.matrix[:, : g.inside].T
    return y if g.bias is None else y.add_(g.bias)


def multiply_backward(dy: torch.Tensor, h: torch.Tensor, g: Group, scale: float, adapter: bool) -> torch.Tensor:
    """The gradient of h [M, :inside]; those of A and B go to the reader."""
    if not adapter:
        return dy @ g.matrix[:, : g.inside]
    dh = dy @ g.matrix
    add_gradients(dy, h[:, : g.inside], h[:, g.inside :], dh[:, g.inside :], g, scale)
    dh[:, : g.inside].addmm_(dh[:, g.inside :], g.a)
    return dh[:, : g.inside]


def add_gradients(
    dy: torch.Tensor, x: torch.Tensor, down: torch.Tensor, ddown: torch.Tensor, g: Group, scale: float
) -> None:
    """dA += ddown^T x, dB += s dy^T down, of every projection its own block; x [M, inside], down = x A^T [M, extra]."""
    g.a_grad.add_(ddown.T @ x)
    for gradient, part in zip(g.b_grads, g.blocks(dy.T @ down), strict=True):
        gradient.add_(part, alpha=scale)


class BeforeAttention(torch.autograd.Function):
    """x -> rotated q, rotated k, v of a layer, and x itself, so that its two gradients meet here."""

    @staticmethod
    def forward(
        ctx: Any,
        x: torch.Tensor,
        llm: Llm,
        i: int,
        positions: int,
        cos: torch.Tensor,
        sin: torch.Tensor,
        adapter: bool,
    ) -> tuple[torch.Tensor, ...]:
        g, s = llm.groups[i][0], llm.sizes
        h = torch.empty(len(x), g.inside + g.extra, dtype=x.dtype, device=x.device)
        rstd = fused.rms_norm(x, llm.norms[i][0], h, s.eps)
        y = multiply(h, g, adapter)
        fused.rope(y, (s.heads + s.kv_heads) * s.head_dim // 2, cos, sin, HALVES[s.architecture])
        y = y.view(-1, positions, s.heads + 2 * s.kv_heads, s.head_dim).transpose(1, 2)
        ctx.save_for_backward(x, h, rstd, cos, sin)
        ctx.llm, ctx.i, ctx.adapter = llm, i, adapter
        return *y.split([s.heads, s.kv_heads, s.kv_heads], 1), x.detach()

    @staticmethod
    def backward(ctx: Any, dq: torch.Tensor, dk: torch.Tensor, dv: torch.Tensor, dx: torch.Tensor) -> tuple:
        x, h, rstd, cos, sin = ctx.saved_tensors
        llm, i, s = ctx.llm, ctx.i, ctx.llm.sizes
        dy = torch.cat([t.transpose(1, 2) for t in (dq, dk, dv)], 2).reshape(len(x), -1)
        fused.rope(dy, (s.heads + s.kv_heads) * s.head_dim // 2, cos, -sin, HALVES[s.architecture])
        dh = multiply_backward(dy, h, llm.groups[i][0], llm.scale, ctx.adapter)
        return fused.rms_norm_backward(dh, x, rstd, llm.norms[i][0], dx.contiguous()), *[None] * 6


class AfterAttention(torch.autograd.Function):
    """What attention read, and x -> the layer's output: x += o(y); x += down(silu(gate(h)) * up(h)), h = norm(x)."""

    @staticmethod
    def forward(ctx: Any, y: torch.Tensor, x: torch.Tensor, llm: Llm, i: int, adapter: bool) -> torch.Tensor:
        _, output, gate_up, down = llm.groups[i]
        rows, ctx.shape = len(x), y.transpose(1, 2).shape
        y = y.transpose(1, 2).reshape(rows, output.inside)
        x = torch.addmm(x, y, output.matrix[:, : output.inside].T)
        if output.bias is not None:
            x.add_(output.bias)
        low = y @ output.a.T
        if adapter:
            x.addmm_(low, output.matrix[:, output.inside :].T)
        h = torch.empty(rows, gate_up.inside + gate_up.extra, dtype=x.dtype, device=x.device)
        rstd = fused.rms_norm(x, llm.norms[i][1], h, llm.sizes.eps)
        t = multiply(h, gate_up, adapter)
        s = torch.empty(rows, down.inside + down.extra, dtype=x.dtype, device=x.device)
        fused.swiglu(t, s)
        ctx.save_for_backward(y, low, x, rstd, h, t, s)
        ctx.llm, ctx.i, ctx.adapter = llm, i, adapter
        return x + multiply(s, down, adapter)

    @staticmethod
    def backward(ctx: Any, dout: torch.Tensor) -> tuple:
        y, low, x, rstd, h, t, s = ctx.saved_tensors
        llm, adapter = ctx.llm, ctx.adapter
        _, output, gate_up, down = llm.groups[ctx.i]
        dout = dout.contiguous()
        ds = multiply_backward(dout, s, down, llm.scale, adapter)
        dh = multiply_backward(fused.swiglu_backward(ds, t), h, gate_up, llm.scale, adapter)
        dx = fused.rms_norm_backward(dh, x, rstd, llm.norms[ctx.i][1], dout)
        dy = dx @ output.matrix
        if adapter:
            add_gradients(dx, y, low, dy[:, output.inside :], output, llm.scale)
            dy[:, : output.inside].addmm_(dy[:, output.inside :], output.a)
        return dy[:, : output.inside].reshape(ctx.shape).transpose(1, 2), dx, None, None, None


class Head(torch.autograd.Function):
    """Weighted cross entropy against the frozen head [vocabulary, width], the gradient made with the loss, slice by slice.

    h [n, width], target and weight [n] -> the sum of the losses, and which tokens [n] were the likeliest. `exact`: one token
    alone is right where two are equally likely.
    """

    @staticmethod
    def forward(
        ctx: Any, h: torch.Tensor, head: torch.Tensor, target: torch.Tensor, weight: torch.Tensor, exact: bool
    ) -> tuple[torch.Tensor, torch.Tensor]:
        g = torch.empty_like(h)
        losses, rights = [], []
        for start in range(0, len(h), SLICE):
            cut = slice(start, start + SLICE)
            z = h[cut] @ head.T
            first = z.argmax(-1) == target[cut] if exact else None
            loss, likeliest = fused.cross_entropy(z, target[cut], weight[cut])
            losses.append(loss)
            rights.append(likeliest if first is None else first)
            torch.mm(z, head, out=g[cut])
        ctx.save_for_backward(g)
        loss, right = torch.cat(losses), torch.cat(rights)
        ctx.mark_non_differentiable(right)
        return loss.sum(), right

    @staticmethod
    def backward(ctx: Any, d: torch.Tensor, _: torch.Tensor) -> tuple:
        return ctx.saved_tensors[0] * d.to(ctx.saved_tensors[0].dtype), None, None, None, None
