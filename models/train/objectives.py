"""What is trained against: sequences, losses, and what validation tells."""

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import torch
import torch.nn.functional as F
from torch import nn

from models.train.data import Batches, Document, growing
from models.train.digests import Compressor, Reader, Tail, digest_rows, pad, weighted_loss
from models.train.options import Options

if TYPE_CHECKING:
    from models.train.packing import Packing

DOCUMENT_WEIGHT, ANSWER_WEIGHT, COPY_WEIGHT = 0.15, 2.0, 1.0  # of a token's loss in LLM training
FIRST_WEIGHT = 8.0  # of a reconstruction's first token, which no token before it helps to find
LEAST_QUESTIONS, QUESTION_TOKENS = 8, 12  # behind one context come 8 questions, or one for every 12 of its tokens
ASKED = 4  # questions of a document in validation

Loss = tuple[torch.Tensor, float]  # with the share of right tokens


class Objective(Protocol):
    """What a run asks of a stage."""

    def loss(self, step: int, progress: float) -> tuple[torch.Tensor, float, int]:
        """The loss of a batch, the share of its tokens that are right, and how many tokens it has."""
        ...

    def validate(self) -> dict[str, float]:
        """Figures of documents that are not trained on, each between 0 and 1."""
        ...


# ---- Sequences ---------------------------------------------------------------------------------------------------------


def question_tokens(document: Document, chance: random.Random) -> Tail:
    """Several questions with answers, of which the answers count."""
    ids: list[int] = []
    weights: list[float] = []
    most = max(LEAST_QUESTIONS, len(document.ids) // QUESTION_TOKENS)
    for question in chance.sample(document.questions, min(most, len(document.questions))):
        ids += question.prompt + question.answer
        weights += [0.0] * len(question.prompt) + [ANSWER_WEIGHT] * len(question.answer)
    return Tail(ids, weights)


def lm_sequence(document: Document, chance: random.Random, repeat: list[int], eos: int, copies: float) -> Tail:
    """The document, then either questions and answers or the document once more."""
    ids, weights = list(document.ids), [DOCUMENT_WEIGHT] * len(document.ids)
    if chance.random() < copies or not document.questions:
        ids += repeat + document.ids + [eos]
        weights += [0.0] * len(repeat) + [COPY_WEIGHT] * (len(document.ids) + 1)
        return Tail(ids, weights)
    more = question_tokens(document, chance)
    return Tail(ids + more.ids, weights + more.weights)


def pieces(documents: list[Document], longest: int, options: Options, chance: random.Random) -> list[Document]:
    """Pieces of the documents, as many as a batch holds: mostly of a whole chunk, sometimes shorter, sometimes longer ones.

    A context of several chunks has them begin in the middle of a sentence, and whole chunks use all rows.
    """
    chunk = options.sizes.chunk
    size = min(longest, chance.choice([chunk, chunk, chance.randint(chunk // 4, chunk), longest]))
    found = [Document("", d.ids[first : first + size], []) for d in documents for first in range(0, len(d.ids), size)]
    room = int(options.schedule.batch_tokens / options.sizes.digested_cost(size))
    return chance.sample(found, min(len(found), max(1, room)))


# ---- Behind digests ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Digested:
    """A compressor in front of the LLM that reads its rows."""

    reader: Reader
    compressor: Compressor
    options: Options

    def rows(self, documents: list[Document], keep: int | None = None) -> list[torch.Tensor]:
        embed = self.reader.llm.get_input_embeddings()
        return digest_rows(self.compressor, embed, documents, self.options.sizes.chunk, keep, self.reader.device)

    def reconstruction(self, documents: list[Document], rows: list[torch.Tensor]) -> Loss:
        """Of [rows, AE] -> document and end token."""
        tails = [Tail(d.ids + [self.reader.eos], [FIRST_WEIGHT] + [COPY_WEIGHT] * len(d.ids)) for d in documents]
        return self.reader.score(rows, self.compressor.AE, tails, before=False)

    def answers(self, asked: list[Tail], rows: list[torch.Tensor]) -> Loss:
        """Of [before, rows, FT, question, after] -> answer, for several questions about each document."""
        return self.reader.score(rows, self.compressor.FT, asked, before=True)

    def distillation(self, documents: list[Document], asked: list[Tail], rows: list[torch.Tensor]) -> torch.Tensor:
        """KL divergence from the LLM's own answer distributions with the full context, at the answers' tokens."""
        with torch.no_grad():
            teacher = self.distributions([self.reader.embed(d.ids) for d in documents], None, asked)
        student = self.distributions(rows, self.compressor.FT, asked)
        return F.kl_div(student, teacher, reduction="batchmean", log_target=True)

    def distributions(self, contexts: list[torch.Tensor], marker: torch.Tensor | None, asked: list[Tail]) -> torch.Tensor:
        """Logarithms of what the LLM expects at every token of the answers behind the contexts, [tokens, vocabulary]."""
        reader = self.reader
        hidden = reader.hidden([reader.sequence(c, marker, t.ids[:-1]) for c, t in zip(contexts, asked, strict=True)])
        picked = []
        for rows, context, tail in zip(hidden, contexts, asked, strict=True):
            first = len(reader.before) + len(context) + (marker is not None) - 1
            picked.append(rows[[first + i for i, weight in enumerate(tail.weights) if weight > 0]])
        return reader.head(torch.cat(picked)).float().log_softmax(-1)

    def validation(self, held: list[Document], keep: int | None = None) -> dict[str, float]:
        """Share of document tokens that are right behind the preceding ones, and of questions answered, from digest rows."""
        reconstructed, answered = [], []
        for first in range(0, len(held), 16):
            part = held[first : first + 16]
            rows = self.rows(part, keep)
            reconstructed.append(self.reconstruction(part, rows)[1])
            answered.append(exact(self.reader, part, rows, self.compressor.FT))
        return {
            "reconstructed": sum(reconstructed) / len(reconstructed),
            "digest_exact_match": sum(answered) / len(answered),
        }


def exact(reader: Reader, documents: list[Document], contexts: list[torch.Tensor], marker: torch.Tensor | None) -> float:
    """Share of the first questions of each document that are answered exactly."""
    found: list[bool] = []
    for document, context in zip(documents, contexts, strict=True):
        if document.questions:
            found += reader.answered(document.questions[:ASKED], context, marker)
    return sum(found) / max(len(found), 1)


# ---- Stages ------------------------------------------------------------------------------------------------------------


class LanguageModelling:
    """Stage lm: documents with questions or copies, and in a share of the batches the same from packed rows."""

    def __init__(
        self,
        options: Options,
        reader: Reader,
        repeat: list[int],
        packing: "Packing | None",
        batches: Batches,
        held: list[Document],
    ) -> None:
        self.options, self.reader, self.repeat, self.batches, self.held = options, reader, repeat, batches, held
        self.packed = Digested(reader, packing, options) if packing is not None else None
        self.ratio = packing.ratio if packing is not None else 0

    def loss(self, step: int, progress: float) -> tuple[torch.Tensor, float, int]:
        o = self.options
        chance = random.Random(f"{o.schedule.seed} sequence {step}")
        if chance.random() < o.mixture.packed and self.packed is not None:
            return self.packed_loss(self.packed, step, progress, chance)
        chosen = self.batches.draw(step, progress, lambda n: n + max(n + 10, 85), grown=o.schedule.grown)
        tails = [lm_sequence(d, chance, self.repeat, self.reader.eos, o.mixture.copies) for d in chosen]
        inputs = pad([tail.ids[:-1] for tail in tails], 0, o.device)
        hidden = self.reader.llm.model(input_ids=inputs, use_cache=False).last_hidden_state
        targets = pad([tail.ids[1:] for tail in tails], 0, o.device)
        weights = pad([tail.weights[1:] for tail in tails], 0.0, o.device)
        value, right = weighted_loss(self.reader.head, hidden, targets, weights)
        return value, right, inputs.numel()

    def packed_loss(
        self, packed: Digested, step: int, progress: float, chance: random.Random
    ) -> tuple[torch.Tensor, float, int]:
        o = self.options
        chosen = self.batches.draw(step, progress, o.sizes.digested_cost, grown=o.schedule.grown)
        reconstructs = chance.random() < o.mixture.reconstruct
        if reconstructs:
            longest = growing(self.ratio, self.batches.longest, progress, o.schedule.grown)
            chosen = pieces(chosen, longest, o, chance)
        rows = packed.rows(chosen)
        if reconstructs:
            value, right = packed.reconstruction(chosen, rows)
        else:
            value, right = packed.answers([question_tokens(d, chance) for d in chosen], rows)
        return value, right, sum(len(d.ids) for d in chosen)

    def validate(self) -> dict[str, float]:
        found = {"exact_match": exact(self.reader, self.held, [self.reader.embed(d.ids) for d in self.held], None)}
        return found | (self.packed.validation(self.held) if self.packed is not None else {})


class Compression:
    """Stages pretrain and finetune: they differ in the share of reconstruction and in how documents grow."""

    def __init__(
        self, options: Options, reader: Reader, compressor: nn.Module, batches: Batches, held: list[Document]
    ) -> None:
        self.options, self.batches, self.held = options, batches, held
        self.digested = Digested(reader, compressor, options)

    def kept(self, chance: random.Random) -> int | None:
        """A random prefix of the digests, at least an eighth, in a share of the batches."""
        digests = self.options.sizes.digests
        if chance.random() < self.options.mixture.prefixes:
            return chance.randint(max(1, digests // 8), digests)
        return None

    def loss(self, step: int, progress: float) -> tuple[torch.Tensor, float, int]:
        o, digested = self.options, self.digested
        chance = random.Random(f"{o.schedule.seed} sequence {step}")
        drawn = self.batches.draw(step, progress, o.sizes.digested_cost, grown=o.schedule.grown)
        chosen = [d for d in drawn if d.questions]
        keep, reconstructs = self.kept(chance), chance.random() < o.mixture.reconstruct
        if reconstructs:
            chosen = pieces(chosen, self.batches.longest, o, chance)
        rows = digested.rows(chosen, keep)
        if reconstructs:
            value, right = digested.reconstruction(chosen, rows)
        else:
            asked = [question_tokens(d, chance) for d in chosen]
            value, right = digested.answers(asked, rows)
            if o.mixture.distill:
                value = value + o.mixture.distill * digested.distillation(chosen, asked, rows)
        return value, right, sum(len(d.ids) for d in chosen)

    def validate(self) -> dict[str, float]:
        found = self.digested.validation(self.held)
        if self.options.mixture.prefixes:
            half = self.digested.validation(self.held, self.options.sizes.digests // 2)
            found["exact_match_half"] = half["digest_exact_match"]
        return found
