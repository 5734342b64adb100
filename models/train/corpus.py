"""Texts and questions of files -> token ids, kept in a folder.

Texts: .txt, .md, JSON Lines ({"text"}; .xz and .gz too), folders of them. Questions: JSON Lines of {"context", "questions":
[{"question", "answer"}]} or {"context", "question", "answer" or "answers"}. A part is held out: every fiftieth stretch of a text,
every twentieth context. An entry whose "split" is "validation" is held out whole, one whose split is "test" is left out.
"""

import gzip
import json
import lzma
import random
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer

from models.lib.files import write_json
from models.train.data import Prompt
from models.train.made_questions import make, passages

PROMPT = Prompt("", "\nQuestion: ", "\nAnswer:")
ENDINGS = (".txt", ".md", ".jsonl")
STRETCH, HELD_STRETCH, HELD_CONTEXT = 20000, 50, 20  # characters; one of so many is held out
LONGEST_PROMPT, LONGEST_ANSWER = 80, 40  # tokens

Asked = tuple[list[int], list[tuple[list[int], list[int]]]]  # context, [(question with what follows it, answer and end)]


@dataclass
class Texts:
    train: list[str] = field(default_factory=list)
    held: list[str] = field(default_factory=list)


@dataclass
class Entry:
    """A context with [(question, answer)]."""

    context: str
    questions: list[tuple[str, str]]
    held: bool


def open_text(path: Path) -> Any:
    opener = {".xz": lzma.open, ".gz": gzip.open}.get(path.suffix, open)
    return opener(path, "rt", encoding="utf-8")


def files_of(path: Path) -> list[Path]:
    """The texts in a folder, or the file that is named."""
    found = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    return [p for p in found if p.name.removesuffix(".xz").removesuffix(".gz").endswith(ENDINGS)]


def entries(path: Path) -> Iterator[dict]:
    with open_text(path) as lines:
        for line in lines:
            if line.strip():
                yield json.loads(line)


def read_texts(paths: list[Path]) -> Texts:
    texts = Texts()
    for path in (file for place in paths for file in files_of(place)):
        if ".jsonl" in path.name:
            for entry in entries(path):
                add_text(texts, entry.get("text") or entry["context"], entry.get("split"))
        else:
            with open_text(path) as file:
                add_text(texts, file.read(), None)
    if texts.train and not texts.held:  # too little for a stretch of its own
        last = texts.train.pop()
        texts.train.append(last[: len(last) * 9 // 10])
        texts.held.append(last[len(last) * 9 // 10 :])
    return texts


def add_text(texts: Texts, text: str, split: str | None) -> None:
    if split is not None:
        if split != "test":
            (texts.held if split == "validation" else texts.train).append(text)
        return
    for start in range(0, len(text), STRETCH):
        part = text[start : start + STRETCH]
        (texts.held if zlib.crc32(part.encode()) % HELD_STRETCH == 0 else texts.train).append(part)


def read_questions(paths: list[Path], held: bool = False) -> list[Entry]:
    """Lines of the same context, one behind the other, become one entry."""
    found: list[Entry] = []
    for path in paths:
        for entry in entries(path):
            asked = [
                (q["question"].strip(), str(q.get("answer") or q["answers"][0]).strip())
                for q in entry.get("questions", [entry])
            ]
            if found and found[-1].context == entry["context"]:
                found[-1].questions += asked
            elif entry.get("split") != "test":
                out = held or entry.get("split") == "validation"
                out = out or zlib.crc32(entry["context"].encode()) % HELD_CONTEXT == 0
                found.append(Entry(entry["context"], asked, out))
    return found


def made_entries(texts: list[str], seed: int, most: int = 60000) -> list[Entry]:
    """Passages with the questions that the rules make of them."""
    chance, found = random.Random(seed), []
    for text in chance.sample(texts, len(texts)):
        for passage in passages(text, chance):
            if len(found) == most:
                return found
            if asked := make(passage, chance):
                found.append(Entry(passage, [(q, a) for _, q, a in asked], False))
    return found


# ---- Ids ------------------------------------------------------------------------------------------------------------------


class Encoder:
    """Ids of texts, without tokens that nobody wrote."""

    def __init__(self, tokenizer: Tokenizer, eos: int) -> None:
        self.tokenizer, self.eos = tokenizer, eos

    def one(self, text: str) -> list[int]:
        return self.tokenizer.encode(text, add_special_tokens=False).ids

    def all(self, texts: list[str]) -> list[list[int]]:
        return [e.ids for e in self.tokenizer.encode_batch(texts, add_special_tokens=False)]

    def asked(self, found: list[Entry], longest: int, what: str) -> list[Asked]:
        """Says how many contexts and questions are left out."""
        after, kept, dropped = self.one(PROMPT.after), [], 0
        contexts = self.all([entry.context for entry in found])
        questions = iter(self.all([PROMPT.question + q for entry in found for q, _ in entry.questions]))
        answers = iter(self.all([" " + a for entry in found for _, a in entry.questions]))
        for entry, context in zip(found, contexts, strict=True):
            asked = [(next(questions) + after, [*next(answers), self.eos]) for _ in entry.questions]
            fit = [(q, a) for q, a in asked if len(q) <= LONGEST_PROMPT and len(a) <= LONGEST_ANSWER]
            dropped += len(asked) - len(fit)
            if 8 <= len(context) <= longest and fit:
                kept.append((context, fit))
        print(
            f"{what}: {len(kept)} contexts; left out: {len(found) - len(kept)} contexts (not of 8 to {longest} tokens, or "
            f"without a question), {dropped} questions that are too long"
        )
        return kept


@dataclass
class Data:
    """What is trained on: ids of the texts one behind the other, where each begins, and questions."""

    ids: np.ndarray
    offsets: np.ndarray  # [texts + 1]
    held: np.ndarray
    questions: dict[str, list[Asked]]  # train, made, validation
    constants: dict[str, list[int]]  # parts of questions that batches are made of
    eos: int

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(folder / "text.npz", ids=self.ids, off=self.offsets, val=self.held)
        write_json(folder / "questions.json", self.questions, indent=0)
        write_json(folder / "constants.json", {"eos": self.eos, **self.constants})

    @classmethod
    def load(cls, folder: Path) -> "Data":
        arrays = np.load(folder / "text.npz")
        constants = json.loads((folder / "constants.json").read_text())
        questions = json.loads((folder / "questions.json").read_text())
        ids = [arrays[name].astype(np.int64) for name in ("ids", "off", "val")]
        return cls(*ids, questions, constants, constants.pop("eos"))


def prepare(encoder: Encoder, texts: Texts, found: list[Entry], before: list[int], longest: int = 1536) -> Data:
    """The contexts that are trained on are texts, too."""
    train = [entry for entry in found if not entry.held]
    made = made_entries(texts.train, 1)
    ids = [np.array(x, np.int32) for x in encoder.all(texts.train + [e.context for e in train])]
    held = encoder.all(texts.held + [e.context for e in found if e.held])
    questions = {
        "train": encoder.asked(train, longest, "questions"),
        "made": encoder.asked(made, longest, "questions made by rules"),
        "validation": encoder.asked([e for e in found if e.held], longest, "questions held out"),
    }
    constants = {
        "before": before,
        "locate_before": encoder.one(PROMPT.question + 'What follows "'),
        "gap_before": encoder.one(PROMPT.question + 'What stands in the gap of "'),
        "gap": encoder.one(" ____"),
        "locate_after": encoder.one('"?' + PROMPT.after),
    }
    offsets = np.cumsum([0] + [len(x) for x in ids])
    return Data(np.concatenate(ids), offsets, np.array(sum(held, []), np.int32), questions, constants, encoder.eos)
