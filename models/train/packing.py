"""Digest rows made by hand, for a tiny LLM to learn to read: a few tokens side by side in each row.

A large LLM can read what it was never shown. One of a million parameters reads only what its training held, and a former
cannot teach a frozen LLM. So the stage `lm` may show it some of its contexts as `k` rows instead of tokens: row i of a chunk
holds a short code of each token of the i-th group of chunk / k tokens, and a constant that tells which row it is. That is
what the first layer of a former can write exactly, and `Packing.start` lets a former begin with it.
"""

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

from models.train.former import Former, FormerConfig


class Packing(nn.Module):
    """The interface of Former: word embeddings of a chunk -> digest rows, with the rows AE and FT beside them."""

    def __init__(self, config: FormerConfig) -> None:
        super().__init__()
        c = self.config = config
        self.ratio = c.chunk_length // c.num_query_tokens
        if (
            c.chunk_length % c.num_query_tokens
            or c.num_attention_heads % self.ratio
            or c.num_key_value_heads != c.num_attention_heads
        ):
            raise ValueError(
                "packing needs as many heads for each token of a row, with keys of their own: "
                f"{c.chunk_length} tokens in {c.num_query_tokens} rows, {c.num_attention_heads} heads"
            )
        # Those of all places, one after the other.
        self.codes = nn.Parameter(torch.linalg.qr(torch.randn(c.hidden_size, c.hidden_size))[0])
        self.places = nn.Parameter(torch.randn(1, c.num_query_tokens, c.hidden_size) * 0.3, requires_grad=False)
        self.AE = nn.Parameter(torch.zeros(1, 1, c.hidden_size))
        self.FT = nn.Parameter(torch.zeros(1, 1, c.hidden_size))
        self.scale = nn.Parameter(torch.ones(c.hidden_size))

    @torch.no_grad()
    def begin(self, embeddings: torch.Tensor, ae: torch.Tensor) -> None:
        """Sizes the rows like the LLM's word embeddings [vocab, d]; the places are those of a former that starts in place."""
        former = Former(self.config)
        former.start(embeddings, ae)
        former.start_in_place()
        self.places.copy_(former.digest_embeddings)
        self.AE.copy_(former.AE)
        self.FT.copy_(former.FT)
        self.scale.copy_(former.encoder.norm.weight)

    def forward(self, context: torch.Tensor, lengths: torch.Tensor, keep: int | None = None) -> torch.Tensor:
        """context [batch, n, d], padded at the FRONT; lengths [batch] -> [batch, k, d]. `keep`: only the first rows."""
        c, eps = self.config, self.config.rms_norm_eps
        batch, n, _ = context.shape
        codes = F.rms_norm(context.float(), (c.hidden_size,), None, eps) @ self.codes.T
        visible = torch.arange(n, device=context.device)[None] >= (n - lengths)[:, None]
        codes = F.pad(codes * visible[..., None], (0, 0, c.chunk_length - n, 0))
        # Token j of each group writes its code to the j-th part of the row.
        groups = codes.unflatten(1, (c.num_query_tokens, self.ratio)).unflatten(-1, (self.ratio, -1))
        rows = self.places + groups.diagonal(dim1=2, dim2=3).transpose(-1, -2).flatten(2)
        return F.rms_norm(rows, (c.hidden_size,), self.scale, eps)[:, :keep]

    @torch.no_grad()
    def start(self, former: Former, sharpness: float = 9.0) -> None:
        """Lets a former of the same shape begin by writing these rows: its first layer packs, the others add little."""

        def shape(c: FormerConfig) -> tuple[int, int, int, int]:
            return c.hidden_size, c.chunk_length, c.num_query_tokens, c.num_attention_heads

        if shape(former.config) != shape(self.config):
            raise ValueError(
                "the LLM's packed rows and the former differ in width, chunk, digests or heads: "
                f"{shape(self.config)} and {shape(former.config)}"
            )
        heads = self.config.num_attention_heads
        former.digest_embeddings.copy_(self.places)
        former.start_in_place(sharpness, looks=[head * self.ratio // heads for head in range(heads)])
        former.AE.copy_(self.AE)
        former.FT.copy_(self.FT)
        former.encoder.norm.weight.copy_(self.scale)
        first = next(layer for layer in former.encoder.layers if layer.cross)
        for layer in former.encoder.layers:
            (layer.cross_attn if layer.cross else layer.self_attn).o_proj.weight.mul_(0.1)
            layer.mlp.down_proj.weight.mul_(0.1)
        first.cross_attn.v_proj.weight.copy_(self.codes)
        first.cross_attn.o_proj.weight.copy_(torch.eye(self.config.hidden_size))

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        torch.save({"config": vars(self.config), "state": self.state_dict()}, folder / "packing.pt")

    @classmethod
    def load(cls, folder: Path) -> "Packing":
        saved = torch.load(folder / "packing.pt", weights_only=True)
        packing = cls(FormerConfig(**saved["config"]))
        packing.load_state_dict(saved["state"])
        return packing
