"""The baseline of the paper: the LLM itself, with LoRA and memory tokens, compresses a context (ICAE, arXiv 2307.06945)."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class LoraLinear(nn.Module):
    """A frozen linear layer with a low-rank addition that can be switched off: W x + B A x · alpha / rank."""

    def __init__(self, frozen: nn.Linear, rank: int, alpha: float) -> None:
        super().__init__()
        self.frozen, self.scale, self.enabled = frozen, alpha / rank, False
        self.a = nn.Parameter(torch.randn(rank, frozen.in_features) * frozen.in_features**-0.5)
        self.b = nn.Parameter(torch.zeros(frozen.out_features, rank))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.frozen(x)
        return y + (x @ self.a.to(x.dtype).T) @ self.b.to(x.dtype).T * self.scale if self.enabled else y


class Icae(nn.Module):
    """The interface of Former, with the LLM as encoder. `llm` stays frozen and is not a submodule."""

    def __init__(self, llm: "PreTrainedModel", n_memory: int, rank: int = 32, alpha: float = 32.0) -> None:
        super().__init__()
        width = llm.config.hidden_size
        self.n_memory, self.rank, self.alpha = n_memory, rank, alpha
        self.digest_embeddings = nn.Parameter(torch.randn(1, n_memory, width) * 0.3)
        self.AE = nn.Parameter(torch.zeros(1, 1, width))
        self.FT = nn.Parameter(torch.zeros(1, 1, width))
        self.scale = nn.Parameter(torch.ones(width))
        self.llm = [llm]
        self.lora = nn.ModuleList()
        for layer in llm.model.layers:
            for name in ("q_proj", "k_proj", "v_proj", "o_proj"):
                wrapped = LoraLinear(getattr(layer.self_attn, name), rank, alpha)
                setattr(layer.self_attn, name, wrapped)
                self.lora.append(wrapped)

    def state_dict(self, *arguments: Any, **named: Any) -> dict[str, torch.Tensor]:
        """What is trained: the LLM's own matrices are left out."""
        return {name: value for name, value in super().state_dict(*arguments, **named).items() if ".frozen." not in name}

    def load_state_dict(self, state: dict[str, torch.Tensor], **named: Any) -> Any:
        missing = self.state_dict().keys() ^ state.keys()
        if missing:
            raise KeyError(f"not the same parameters: {sorted(missing)}")
        return super().load_state_dict(state, strict=False)

    @torch.no_grad()
    def start(self, embeddings: torch.Tensor, ae: torch.Tensor | None = None) -> None:
        rms = float(embeddings.float().pow(2).mean().sqrt())
        self.digest_embeddings.normal_(std=rms)
        self.FT.normal_(std=rms)
        self.scale.fill_(rms)
        self.AE.copy_((ae if ae is not None else embeddings.float().mean(0)).view(1, 1, -1))

    @contextmanager
    def encoding(self) -> Iterator[None]:
        for lora in self.lora:
            lora.enabled = True
        try:
            yield
        finally:
            for lora in self.lora:
                lora.enabled = False

    def forward(self, context: torch.Tensor, lengths: torch.Tensor, keep: int | None = None) -> torch.Tensor:
        """context [batch, n, d], padded at the FRONT -> hidden states of the memory tokens [batch, k, d]."""
        k = keep or self.n_memory
        batch, n, _ = context.shape
        rows = torch.cat([context, self.digest_embeddings[:, :k].expand(batch, -1, -1)], dim=1)
        column = torch.arange(n + k, device=rows.device)
        first = (n - lengths)[:, None]
        visible = column[None] >= first  # padding is hidden, but sees itself, so that no row is empty
        allowed = (column[:, None] >= column[None]) & (
            visible[:, None] | torch.eye(n + k, dtype=torch.bool, device=rows.device)
        )
        positions = (column[None] - first).clamp(min=0)
        with self.encoding():
            mask = torch.zeros(allowed.shape, device=rows.device).masked_fill(~allowed, float("-inf"))[:, None]
            hidden = (
                self.llm[0]
                .model(inputs_embeds=rows, attention_mask=mask, position_ids=positions, use_cache=False)
                .last_hidden_state[:, -k:]
                .float()
            )
        return torch.nn.functional.rms_norm(hidden, hidden.shape[-1:], self.scale, 1e-6)

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        config = {"n_memory": self.n_memory, "rank": self.rank, "alpha": self.alpha}
        (folder / "icae.json").write_text(json.dumps(config, indent=2) + "\n")
        torch.save(self.state_dict(), folder / "icae.pt")

    @classmethod
    def load(cls, folder: Path, llm: "PreTrainedModel") -> "Icae":
        icae = cls(llm, **json.loads((folder / "icae.json").read_text()))
        icae.load_state_dict(torch.load(folder / "icae.pt", weights_only=True))
        return icae
