"""Documents as token ids, and batches of them."""

import json
import math
import random
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass
class Question:
    prompt: list[int]  # question and what comes before the answer, tokenised apart, as the library does
    answer: list[int]  # with the end token
    kind: str
    text: str
    answer_text: str


@dataclass
class Document:
    text: str
    ids: list[int]
    questions: list[Question]


@dataclass(frozen=True)
class Prompt:
    """The texts around a context; they go into the former's GGUF."""

    before: str = ""
    question: str = "Question: "
    after: str = "Answer:"
    repeat: str = "Repeat:"  # LLM training only: asks for a copy, as the AE row does later


class Tokenizer:
    """Ids of a text without automatic special tokens, from a Hugging Face folder or a SentencePiece model."""

    encode: Callable[[str], list[int]]
    decode: Callable[[list[int]], str]

    def __init__(self, folder: Path) -> None:
        model = folder / "tokenizer.model"
        if model.exists():
            import sentencepiece

            pieces = sentencepiece.SentencePieceProcessor(model_file=str(model))
            self.encode, self.decode = pieces.encode, pieces.decode
            self.eos, self.size = pieces.eos_id(), pieces.vocab_size()
        else:
            from transformers import AutoTokenizer

            slow = AutoTokenizer.from_pretrained(folder)
            self.encode = lambda text: slow.encode(text, add_special_tokens=False)
            self.decode = lambda ids: slow.decode(ids, skip_special_tokens=True)
            self.eos, self.size = slow.eos_token_id, len(slow)


def read_documents(
    path: Path, tokenizer: Tokenizer, prompt: Prompt, longest: int, most: int = 0, breaks: bool = False
) -> list[Document]:
    """Documents of at most `longest` tokens, of the first `most` ones where that is not 0.

    Lines that follow each other with the same context become one document. With `breaks`, every fourth document ends in a line
    break, as text files do. How many are left out for their length is told on standard error.
    """
    documents, after, last = [], tokenizer.encode(prompt.after), None
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            entry = json.loads(line)
            if entry["context"] != last:
                if most and len(documents) == most:
                    break
                text = entry["context"] + ("\n" if breaks and len(documents) % 4 == 3 else "")
                documents.append(Document(text, tokenizer.encode(text), []))
                last = entry["context"]
            for q in entry.get("questions", [entry]):
                documents[-1].questions.append(
                    Question(
                        tokenizer.encode(prompt.question + q["question"]) + after,
                        tokenizer.encode(q["answer"]) + [tokenizer.eos],
                        q.get("kind", ""),
                        q["question"],
                        q["answer"],
                    )
                )
    kept = [d for d in documents if 0 < len(d.ids) <= longest]
    if len(kept) < len(documents):
        empty = sum(not d.ids for d in documents)
        print(
            f"{path}: {len(documents) - len(kept)} of {len(documents)} contexts are left out: "
            f"{len(documents) - len(kept) - empty} have more than {longest} tokens, {empty} have none",
            file=sys.stderr,
        )
    return kept


def growing(start: int, longest: int, progress: float, grown: float) -> int:
    """A length that grows from `start` to `longest`, by equal factors, until `progress` reaches `grown`."""
    return longest if progress >= grown else round(start * (longest / start) ** (progress / grown))


class Batches:
    """Seeded batches of documents of similar length; batch number s depends on (seed, s) alone, so training can resume."""

    WIDTH = 8  # tokens of length per bucket

    def __init__(self, documents: list[Document], tokens: int, seed: int) -> None:
        self.tokens, self.seed = tokens, seed
        self.buckets: dict[int, list[Document]] = {}
        for document in documents:
            self.buckets.setdefault(len(document.ids) // self.WIDTH, []).append(document)
        self.shortest = min(len(d.ids) for d in documents)
        self.longest = max(len(d.ids) for d in documents)

    def draw(
        self, step: int, progress: float, cost: Callable[[int], float], start: int = 8, grown: float = 0.4
    ) -> list[Document]:
        """About `tokens` of cost(length). Lengths grow from `start` to the longest until `progress` reaches `grown`."""
        chance = random.Random(f"{self.seed} {step}")
        limit = growing(max(start, self.shortest), self.longest, progress, grown)
        keys = [key for key in self.buckets if key * self.WIDTH <= limit]
        # Longer documents hold more of what is to be learned: a bucket weighs as its documents' tokens.
        weights = [len(self.buckets[key]) * (key + 1) for key in keys]
        key = chance.choices(keys, weights)[0]
        bucket = self.buckets[key]
        count = max(1, math.floor(self.tokens / cost((key + 1) * self.WIDTH)))
        return [chance.choice(bucket) for _ in range(count)]
