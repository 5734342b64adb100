"""The IC-Former as a trainable PyTorch module, batched. Parameter names are those of the official checkpoints.

The readable reference is models/reference/former.py; a test compares the two.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import nn


@dataclass
class FormerConfig:
    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int = 3
    num_attention_heads: int = 6
    num_key_value_heads: int = 6
    num_query_tokens: int = 32
    chunk_length: int = 128
    cross_attention_frequency: int = 1
    attention_bias: bool = True
    rms_norm_eps: float = 1e-6
    rope_theta: float = 10000.0


class RmsNorm(nn.Module):
    def __init__(self, size: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.eps = eps

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.rms_norm(x.float(), x.shape[-1:], self.weight, self.eps)


def rotate(x: torch.Tensor, angle: torch.Tensor) -> torch.Tensor:
    """Rotate-half RoPE: x [batch, heads, rows, head_dim], angle [rows, head_dim / 2]."""
    low, high = x.chunk(2, dim=-1)
    cos, sin = angle.cos().to(x.dtype), angle.sin().to(x.dtype)
    return torch.cat([low * cos - high * sin, high * cos + low * sin], dim=-1)


class Attention(nn.Module):
    def __init__(self, c: FormerConfig) -> None:
        super().__init__()
        self.heads, self.kv_heads, self.head_dim = (
            c.num_attention_heads,
            c.num_key_value_heads,
            c.hidden_size // c.num_attention_heads,
        )
        kv = self.kv_heads * self.head_dim
        self.q_proj = nn.Linear(c.hidden_size, c.hidden_size, bias=c.attention_bias)
        self.k_proj = nn.Linear(c.hidden_size, kv, bias=c.attention_bias)
        self.v_proj = nn.Linear(c.hidden_size, kv, bias=c.attention_bias)
        self.o_proj = nn.Linear(c.hidden_size, c.hidden_size, bias=c.attention_bias)

    def forward(self, x: torch.Tensor, source: torch.Tensor, allowed: torch.Tensor, angle: torch.Tensor) -> torch.Tensor:
        """x [batch, k, d] reads source [batch, columns, d]; allowed [batch or 1, 1, k, columns]; queries are the last rows."""

        def split(y: torch.Tensor, n: int) -> torch.Tensor:
            return y.unflatten(-1, (n, self.head_dim)).transpose(1, 2)

        q = rotate(split(self.q_proj(x), self.heads), angle[-x.shape[1] :])
        k = rotate(split(self.k_proj(source), self.kv_heads), angle)
        v = split(self.v_proj(source), self.kv_heads)
        group = self.heads // self.kv_heads
        if group > 1:
            k, v = k.repeat_interleave(group, dim=1), v.repeat_interleave(group, dim=1)
        y = F.scaled_dot_product_attention(q, k.to(q.dtype), v.to(q.dtype), attn_mask=allowed)
        return self.o_proj(y.transpose(1, 2).flatten(2))

    @torch.no_grad()
    def copy_values(self, parts: torch.Tensor) -> None:
        """What head h reads is part h / group of parts [parts, head_dim, d], and it writes it back to the same place."""
        group, dim = self.heads // self.kv_heads, self.head_dim
        for head in range(self.heads):
            kv = head // group
            self.v_proj.weight[kv * dim : (kv + 1) * dim] = parts[kv % len(parts)]
            self.o_proj.weight[:, head * dim : (head + 1) * dim] = parts[kv % len(parts)].T

    @torch.no_grad()
    def look_at(self, offsets: list[torch.Tensor], amplitude: float, rms: float) -> None:
        """Turns the queries of head h by its offset [frequencies], on from what the digest embeddings, of size `rms`, say."""
        group, dim, frequencies = self.heads // self.kv_heads, self.head_dim, len(offsets[0])
        self.q_proj.weight.mul_(0.1)
        self.k_proj.weight.mul_(0.1)
        for head, offset in enumerate(offsets):
            cos, sin = torch.diag(offset.cos()), torch.diag(offset.sin())
            base = head * dim
            self.q_proj.weight[base : base + frequencies, : 2 * frequencies] = amplitude * rms * torch.cat([cos, -sin], 1)
            base += dim // 2
            self.q_proj.weight[base : base + frequencies, : 2 * frequencies] = amplitude * rms * torch.cat([sin, cos], 1)
            base = head // group * dim
            self.k_proj.bias[base : base + frequencies] = amplitude


class Mlp(nn.Module):
    def __init__(self, c: FormerConfig) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(c.hidden_size, c.intermediate_size, bias=False)
        self.up_proj = nn.Linear(c.hidden_size, c.intermediate_size, bias=False)
        self.down_proj = nn.Linear(c.intermediate_size, c.hidden_size, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Layer(nn.Module):
    def __init__(self, c: FormerConfig, cross: bool) -> None:
        super().__init__()

        def norm() -> RmsNorm:
            return RmsNorm(c.hidden_size, c.rms_norm_eps)

        self.cross = cross
        if cross:
            self.cross_attn, self.cross_input_layernorm, self.context_layernorm = Attention(c), norm(), norm()
        else:
            self.self_attn, self.input_layernorm = Attention(c), norm()
        self.post_attention_layernorm, self.mlp = norm(), Mlp(c)

    def forward(self, x: torch.Tensor, source: torch.Tensor, allowed: torch.Tensor, angle: torch.Tensor) -> torch.Tensor:
        k = x.shape[1]
        if self.cross:
            x = x + self.cross_attn(self.cross_input_layernorm(x), self.context_layernorm(source), allowed, angle)
        else:
            h = self.input_layernorm(x)
            x = x + self.self_attn(h, h, allowed[:, :, :, -k:], angle[:k])
        return x + self.mlp(self.post_attention_layernorm(x))


class Encoder(nn.Module):
    def __init__(self, c: FormerConfig) -> None:
        super().__init__()
        self.layers = nn.ModuleList(Layer(c, i % c.cross_attention_frequency == 0) for i in range(c.num_hidden_layers))
        self.norm = RmsNorm(c.hidden_size, c.rms_norm_eps)


class Former(nn.Module):
    """Word embeddings of contexts -> digest rows, with the learned rows AE and FT beside them."""

    def __init__(self, config: FormerConfig) -> None:
        super().__init__()
        self.config = c = config
        self.encoder = Encoder(c)
        self.digest_embeddings = nn.Parameter(torch.randn(1, c.num_query_tokens, c.hidden_size) * 0.3)
        self.AE = nn.Parameter(torch.zeros(1, 1, c.hidden_size))
        self.FT = nn.Parameter(torch.zeros(1, 1, c.hidden_size))
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=module.in_features**-0.5)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    @torch.no_grad()
    def start(self, embeddings: torch.Tensor, ae: torch.Tensor | None = None) -> None:
        """Sizes the output like the LLM's word embeddings [vocab, d]; ae [d] is the first value of the AE row."""
        rms = embeddings.float().pow(2).mean().sqrt()
        self.encoder.norm.weight.fill_(rms)
        self.FT.normal_(std=float(rms))
        self.AE.copy_((ae if ae is not None else embeddings.float().mean(0)).view(1, 1, -1))

    @torch.no_grad()
    def start_in_place(self, sharpness: float = 4.5, frequencies: int = 6, looks: list[int] | None = None) -> None:
        """Lets head h of digest i begin by looking at one place: token h of the i-th group of chunk_length / k tokens.
        `looks` names other tokens for the heads than 0, 1, 2, ...

        RoPE makes a score depend on the distance only. With the constant b as bias of the keys, the query R(-distance) b has
        its highest score there. The digest embedding holds (cos, sin) of its own distance, and the query matrix of head h
        turns it on by h. Counted from the end of the chunk, so that distances do not depend on its length.

        What a head reads is written back where it was: values and outputs are parts of one orthogonal matrix and its
        transpose, other parts in every layer. A digest row begins as a sum of its tokens' embeddings, which an LLM can read.
        """
        c = self.config
        k, ratio, dim = c.num_query_tokens, c.chunk_length / c.num_query_tokens, c.hidden_size // c.num_attention_heads
        frequencies = min(frequencies, dim // 2)
        omega = c.rope_theta ** (-torch.arange(frequencies) / (dim / 2))
        i = torch.arange(k)
        turn = -(ratio * (k - i) + i)[:, None] * omega  # minus the distance of the first token of group i
        self.digest_embeddings[0, :, : 2 * frequencies] = torch.cat([turn.cos(), turn.sin()], dim=1)
        rms = float(self.digest_embeddings.pow(2).mean().sqrt())
        amplitude = (sharpness * dim**0.5) ** 0.5
        looks = looks or [head - (c.num_attention_heads - ratio) // 2 for head in range(c.num_attention_heads)]
        parts = torch.linalg.qr(torch.randn(c.hidden_size, c.hidden_size))[0].view(-1, dim, c.hidden_size)
        for index, layer in enumerate(self.encoder.layers):
            layer.mlp.down_proj.weight.mul_(0.1)
            if layer.cross:
                layer.cross_attn.copy_values(parts.roll(-index, 0))
                layer.cross_attn.look_at([look * omega for look in looks], amplitude, rms)

    def forward(self, context: torch.Tensor, lengths: torch.Tensor, keep: int | None = None) -> torch.Tensor:
        """context [batch, n, d], padded at the FRONT; lengths [batch] -> [batch, k, d]. `keep`: only the first digests."""
        k = keep or self.config.num_query_tokens
        batch, n, _ = context.shape
        initial = self.digest_embeddings[:, :k].expand(batch, -1, -1)
        source = torch.cat([context.float(), initial], dim=1)
        column = torch.arange(n, device=context.device)
        visible = column[None] >= (n - lengths)[:, None]
        causal = torch.ones(k, k, dtype=torch.bool, device=context.device).tril()
        allowed = torch.cat(
            [visible[:, None, None].expand(-1, 1, k, -1), causal[None, None].expand(batch, -1, -1, -1)], dim=-1
        )
        dim = self.config.hidden_size // self.config.num_attention_heads
        frequency = self.config.rope_theta ** (-torch.arange(dim // 2, device=context.device) / (dim / 2))
        angle = torch.arange(n + k, device=context.device)[:, None] * frequency
        x = initial
        for layer in self.encoder.layers:
            x = layer(x, source, allowed, angle)
        return self.encoder.norm(x)

    def save(self, folder: Path) -> None:
        """Writes the files of an official checkpoint: config.json, model.safetensors, param.pt."""
        folder.mkdir(parents=True, exist_ok=True)
        c = asdict(self.config)
        config = {
            "architectures": ["ICFormerModel"],
            "model_type": "icformer",
            **c,
            "context_hidden_size": c["hidden_size"],
            "hidden_act": "silu",
            "attention_dropout": 0.0,
            "causal_attention": True,
            "rope_scaling": None,
            "max_position_embeddings": 2048,
            "bos_token_id": 1,
            "eos_token_id": 2,
            "pad_token_id": 0,
            "torch_dtype": "float32",
        }
        (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
        save_file(
            {name: value.contiguous() for name, value in self.encoder.state_dict(prefix="encoder.").items()},
            folder / "model.safetensors",
            metadata={"format": "pt"},
        )
        torch.save(
            {name: getattr(self, name).detach().clone() for name in ("digest_embeddings", "AE", "FT")}, folder / "param.pt"
        )

    @classmethod
    def load(cls, folder: Path) -> "Former":
        values = json.loads((folder / "config.json").read_text())
        former = cls(FormerConfig(**{name: values[name] for name in FormerConfig.__dataclass_fields__ if name in values}))
        former.load_state_dict(load_file(folder / "model.safetensors") | torch.load(folder / "param.pt", weights_only=True))
        return former
