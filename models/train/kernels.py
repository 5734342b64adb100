"""Triton kernels of fused.py, a row of the matrices to a program. Rows may lie apart: *_stride is the distance between them."""

import triton
import triton.language as tl


@triton.jit
def rms_norm(x, w, out, rstd, out_stride, eps, D: tl.constexpr, BLOCK: tl.constexpr):
    """out = x * rstd * w, rstd = 1 / sqrt(mean(x^2) + eps); x [M, D]."""
    row = tl.program_id(0).to(tl.int64)
    c = tl.arange(0, BLOCK)
    inside = c < D
    v = tl.load(x + row * D + c, mask=inside, other=0.0).to(tl.float32)
    r = 1.0 / tl.sqrt(tl.sum(v * v) / D + eps)
    tl.store(rstd + row, r)
    y = v * r * tl.load(w + c, mask=inside, other=0.0)
    tl.store(out + row * out_stride + c, y.to(out.dtype.element_ty), mask=inside)


@triton.jit
def rms_norm_backward(dy, x, rstd, w, residual, dx, dy_stride, D: tl.constexpr, BLOCK: tl.constexpr):
    """dx = rstd * (g - u * mean(g * u)) + residual, u = x * rstd, g = dy * w."""
    row = tl.program_id(0).to(tl.int64)
    c = tl.arange(0, BLOCK)
    inside = c < D
    r = tl.load(rstd + row)
    unit = tl.load(x + row * D + c, mask=inside, other=0.0).to(tl.float32) * r
    g = tl.load(dy + row * dy_stride + c, mask=inside, other=0.0).to(tl.float32) * tl.load(w + c, mask=inside, other=0.0)
    mean = tl.sum(g * unit) / D
    d = r * (g - unit * mean) + tl.load(residual + row * D + c, mask=inside, other=0.0).to(tl.float32)
    tl.store(dx + row * D + c, d.to(dx.dtype.element_ty), mask=inside)


@triton.jit
def rope(x, cos, sin, T, x_stride, PAIRS: tl.constexpr, HALF: tl.constexpr, HALVES: tl.constexpr, BLOCK: tl.constexpr):
    """Turns pairs of x in place: neighbours, or with HALVES elements that lie half a head apart; cos, sin [T, HALF]."""
    row = tl.program_id(0).to(tl.int64)
    p = tl.arange(0, BLOCK)
    inside = p < PAIRS
    at = (row % T) * HALF + p % HALF
    c, s = tl.load(cos + at, mask=inside, other=0.0), tl.load(sin + at, mask=inside, other=0.0)
    if HALVES:
        here = x + row * x_stride + p // HALF * 2 * HALF + p % HALF
        there = here + HALF
    else:
        here = x + row * x_stride + 2 * p
        there = here + 1
    a = tl.load(here, mask=inside, other=0.0).to(tl.float32)
    b = tl.load(there, mask=inside, other=0.0).to(tl.float32)
    tl.store(here, (a * c - b * s).to(x.dtype.element_ty), mask=inside)
    tl.store(there, (a * s + b * c).to(x.dtype.element_ty), mask=inside)


@triton.jit
def swiglu(gu, out, out_stride, FF: tl.constexpr, BLOCK: tl.constexpr):
    """out = silu(gate) * up; gu [M, 2 FF]."""
    row = tl.program_id(0).to(tl.int64)
    c = tl.arange(0, BLOCK)
    inside = c < FF
    g = tl.load(gu + row * 2 * FF + c, mask=inside, other=0.0).to(tl.float32)
    u = tl.load(gu + row * 2 * FF + FF + c, mask=inside, other=0.0).to(tl.float32)
    tl.store(out + row * out_stride + c, (g * tl.sigmoid(g) * u).to(out.dtype.element_ty), mask=inside)


@triton.jit
def swiglu_backward(da, gu, dgu, da_stride, FF: tl.constexpr, BLOCK: tl.constexpr):
    """d silu(g) = s * (1 + g * (1 - s)), s = sigmoid(g)."""
    row = tl.program_id(0).to(tl.int64)
    c = tl.arange(0, BLOCK)
    inside = c < FF
    d = tl.load(da + row * da_stride + c, mask=inside, other=0.0).to(tl.float32)
    g = tl.load(gu + row * 2 * FF + c, mask=inside, other=0.0).to(tl.float32)
    u = tl.load(gu + row * 2 * FF + FF + c, mask=inside, other=0.0).to(tl.float32)
    s = tl.sigmoid(g)
    tl.store(dgu + row * 2 * FF + c, (d * u * s * (1.0 + g * (1.0 - s))).to(dgu.dtype.element_ty), mask=inside)
    tl.store(dgu + row * 2 * FF + FF + c, (d * g * s).to(dgu.dtype.element_ty), mask=inside)


@triton.jit
def cross_entropy(z, target, weight, loss, right, V: tl.constexpr, BLOCK: tl.constexpr):
    """loss = (logsumexp(z) - z[target]) * weight; z [n, V] becomes (softmax(z) - onehot(target)) * weight."""
    row = tl.program_id(0).to(tl.int64)
    z += row * V
    t = tl.load(target + row)
    w = tl.load(weight + row)
    wanted = tl.load(z + t).to(tl.float32)
    c = tl.arange(0, BLOCK)
    most = tl.full([BLOCK], -1e30, tl.float32)
    total = tl.zeros([BLOCK], tl.float32)
    for start in range(0, V, BLOCK):
        v = tl.load(z + start + c, mask=start + c < V, other=-1e30).to(tl.float32)
        m = tl.maximum(most, v)
        total = total * tl.exp(most - m) + tl.exp(v - m)
        most = m
    peak = tl.max(most)
    lse = peak + tl.log(tl.sum(total * tl.exp(most - peak)))
    tl.store(loss + row, (lse - wanted) * w)
    tl.store(right + row, (wanted >= peak).to(tl.int8))
    for start in range(0, V, BLOCK):
        inside = start + c < V
        v = tl.load(z + start + c, mask=inside, other=-1e30).to(tl.float32)
        p = tl.exp(v - lse)
        p = tl.where(start + c == t, p - 1.0, p) * w
        tl.store(z + start + c, p.to(z.dtype.element_ty), mask=inside)
