"""Contexts as digest rows, and an LLM that reads rows."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import torch
import torch.nn.functional as F
from torch import nn

from models.lib.chunks import chunk_spans
from models.train.data import Document, Question

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class Compressor(Protocol):
    """Former, Icae and Packing: word embeddings of a chunk -> digest rows, with the rows AE and FT beside them."""

    AE: nn.Parameter  # [1, 1, d]
    FT: nn.Parameter  # [1, 1, d]

    def __call__(self, context: torch.Tensor, lengths: torch.Tensor, keep: int | None = None) -> torch.Tensor: ...


def digest_rows(
    compressor: Compressor, embed: nn.Module, documents: list[Document], chunk: int, keep: int | None, device: str
) -> list[torch.Tensor]:
    """Digest rows of each document, [k * chunks, d]; `keep`: the first rows of each chunk only."""
    pieces = [(d, a, b) for d in documents for a, b in chunk_spans(len(d.ids), chunk)]
    longest = max(b - a for _, a, b in pieces)
    ids = torch.tensor([[0] * (longest - (b - a)) + d.ids[a:b] for d, a, b in pieces], device=device)
    lengths = torch.tensor([b - a for _, a, b in pieces], device=device)
    rows = compressor(embed(ids), lengths, keep)
    counts = [len(chunk_spans(len(d.ids), chunk)) for d in documents]
    return [part.flatten(0, 1) for part in rows.split(counts)]


def pad(rows: list[list[Any]], value: float, device: str | torch.device) -> torch.Tensor:
    longest = max(map(len, rows))
    return torch.tensor([row + [value] * (longest - len(row)) for row in rows], device=device)


def weighted_loss(
    head: nn.Module, hidden: torch.Tensor, targets: torch.Tensor, weights: torch.Tensor, counted: float = 1.0
) -> tuple[torch.Tensor, float]:
    """Cross entropy of hidden [batch, rows, d] at the rows with a weight -> mean loss, share of right tokens among those whose
    weight is `counted` or more."""
    chosen = weights > 0
    logits = head(hidden[chosen]).float()
    losses = F.cross_entropy(logits, targets[chosen], reduction="none")
    w = weights[chosen]
    right = (logits.argmax(-1) == targets[chosen]) & (w >= counted)
    return (losses * w).sum() / w.sum(), float(right.sum() / (w >= counted).sum().clamp(min=1))


@dataclass(frozen=True)
class Tail:
    """What stands behind a context: tokens, and the weight of each one's loss."""

    ids: list[int]
    weights: list[float]


@dataclass(frozen=True)
class Reader:
    """The LLM that reads rows, with the ids that stand in front of a context."""

    llm: "PreTrainedModel"
    before: list[int]
    eos: int
    device: str

    @property
    def head(self) -> nn.Module:
        return self.llm.get_output_embeddings()

    def embed(self, ids: list[int]) -> torch.Tensor:
        """ids [n] -> word embeddings [n, d]"""
        return self.llm.get_input_embeddings()(torch.tensor(ids, dtype=torch.long, device=self.device))

    def hidden(self, sequences: list[torch.Tensor]) -> torch.Tensor:
        """The last hidden rows of sequences of rows, padded at the end: [batch, longest, d]."""
        inputs = torch.nn.utils.rnn.pad_sequence(sequences, batch_first=True)
        return self.llm.model(inputs_embeds=inputs, use_cache=False).last_hidden_state

    def sequence(self, context: torch.Tensor, marker: torch.Tensor | None, ids: list[int]) -> torch.Tensor:
        """[before, context, marker, ids] as rows, [n, d] float32."""
        parts = [self.embed(self.before), context] + ([marker.view(1, -1)] if marker is not None else []) + [self.embed(ids)]
        return torch.cat([part.float() for part in parts])

    def score(
        self, rows: list[torch.Tensor], marker: torch.Tensor, tails: list[Tail], before: bool
    ) -> tuple[torch.Tensor, float]:
        """Runs over [before, digest rows, marker, tail], or without what is in front of the rows, and scores the tails."""
        front = self.embed(self.before if before else []).float()
        sequences, targets, weights = [], [], []
        for digest, tail in zip(rows, tails, strict=True):
            embedded = self.embed(tail.ids[:-1]).float()
            sequences.append(torch.cat([front, digest.float(), marker.view(1, -1), embedded]))
            blind = len(front) + len(digest)  # the marker's row is the first that predicts a token of the tail
            targets.append([0] * blind + tail.ids)
            weights.append([0.0] * blind + tail.weights)
        return weighted_loss(self.head, self.hidden(sequences), pad(targets, 0, self.device), pad(weights, 0.0, self.device))

    def answered(self, questions: list[Question], context: torch.Tensor, marker: torch.Tensor | None) -> list[bool]:
        """Whether each whole answer, end included, is the most likely one token by token: greedy exact match."""
        ahead = len(self.before) + len(context) + (marker is not None)
        hidden = self.hidden([self.sequence(context, marker, q.prompt + q.answer) for q in questions])
        found = []
        for question, rows in zip(questions, hidden, strict=True):
            first = ahead + len(question.prompt) - 1
            found.append(self.head(rows[first : first + len(question.answer)]).argmax(-1).tolist() == question.answer)
        return found
