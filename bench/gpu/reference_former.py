"""The IC-Former in PyTorch, doing the work that the official implementation does: in every layer keys and values of the whole
chunk and of the digests, and queries of the digests, are computed anew. Attention is PyTorch's own fused one, which the official
code does without. models/reference/former.py is the same in numpy and float64, and says what is computed."""

import torch
import torch.nn.functional as F

LAYERS = 3
EPS, ROPE_BASE = 1e-5, 10000.0


def random_weights(shape, dtype, where):
    """Under the names of models/FORMAT.md."""
    def matrix(n_out, n_in):
        return torch.randn(n_out, n_in, device=where, dtype=torch.float32).mul_(0.02).to(dtype)

    w = {"digest_embd.weight": matrix(shape.digests, shape.width), "output_norm.weight": torch.ones(shape.width, device=where, dtype=dtype)}
    for i in range(LAYERS):
        for name in ("context_norm", "attn_norm", "ffn_norm"):
            w[f"blk.{i}.{name}.weight"] = torch.ones(shape.width, device=where, dtype=dtype)
        for name, n_out, n_in in (("attn_q", shape.width, shape.width), ("attn_k", shape.kv_width, shape.width),
                                  ("attn_v", shape.kv_width, shape.width), ("attn_output", shape.width, shape.width),
                                  ("ffn_gate", shape.feed_forward, shape.width), ("ffn_up", shape.feed_forward, shape.width),
                                  ("ffn_down", shape.width, shape.feed_forward)):
            w[f"blk.{i}.{name}.weight"] = matrix(n_out, n_in)
    return w


def rotation(positions, head, dtype):
    """Cosines and sines [n, head], of halves."""
    frequencies = ROPE_BASE ** (-torch.arange(0, head, 2, device=positions.device, dtype=torch.float32) / head)
    angles = torch.outer(positions.float(), frequencies).repeat(1, 2)
    return angles.cos().to(dtype), angles.sin().to(dtype)


def rotate(x, cos, sin):
    first, second = x.chunk(2, dim=-1)
    return x * cos + torch.cat([-second, first], dim=-1) * sin


def digest(shape, w, context):
    """context [batch, n, width] → [batch, digests, width]"""
    batch, n, width = context.shape
    k, head = shape.digests, width // shape.heads
    x = w["digest_embd.weight"].expand(batch, -1, -1)
    source = torch.cat([context, x], dim=1)
    visible = torch.ones(k, n + k, dtype=torch.bool, device=context.device).tril(n)
    cos, sin = rotation(torch.arange(n + k, device=context.device), head, context.dtype)

    def heads(y, count):
        return y.view(batch, y.shape[1], count, head).transpose(1, 2)

    for i in range(LAYERS):
        def linear(name, y):
            return F.linear(y, w[f"blk.{i}.{name}.weight"])

        def norm(name, y):
            return F.rms_norm(y, (width,), w[f"blk.{i}.{name}.weight"], EPS)

        c = norm("context_norm", source)
        q = rotate(heads(linear("attn_q", norm("attn_norm", x)), shape.heads), cos[n:], sin[n:])
        keys = rotate(heads(linear("attn_k", c), shape.kv_heads), cos, sin)
        values = heads(linear("attn_v", c), shape.kv_heads)
        attended = F.scaled_dot_product_attention(q, keys, values, attn_mask=visible, enable_gqa=shape.heads != shape.kv_heads)
        x = x + linear("attn_output", attended.transpose(1, 2).reshape(batch, k, width))
        h = norm("ffn_norm", x)
        x = x + linear("ffn_down", F.silu(linear("ffn_gate", h)) * linear("ffn_up", h))
    return F.rms_norm(x, (width,), w["output_norm.weight"], EPS)


@torch.no_grad()
def measure(args, shape, milliseconds, emit):
    where = "cuda" if torch.cuda.is_available() and not args.small else "cpu"
    finish = torch.cuda.synchronize if where == "cuda" else lambda: None
    w = random_weights(shape, torch.bfloat16, where)
    for batch in sorted({1} | {b for b, n in args.contexts if n == shape.chunk}):
        context = torch.randn(batch, shape.chunk, shape.width, device=where).mul_(0.02).bfloat16()
        for name, work in (("on the device", lambda: digest(shape, w, context)), ("in the host's memory", lambda: digest(shape, w, context).cpu())):
            elapsed, best = milliseconds(args, work, finish)
            emit("official", elapsed, "ms", {"contexts": batch, "n": shape.chunk, "rows": name}, lowest=best,
                 version=f"torch {torch.__version__}", where=where)
