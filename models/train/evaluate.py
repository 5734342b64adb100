"""Measures a trained pair with PyTorch, in float32.

    python models/train/evaluate.py --llm DIR [--former DIR | --icae DIR] [--data test.jsonl] [--json FILE]

Answers are decoded greedily from the full context, from the digest, from the context cut to the digest's number of rows, and
without any context; their perplexity is that of the wanted answers, end token included. Reconstructions are decoded from
[digest, AE], chunk by chunk; their scores are given by context length. `icf eval answers` measures GGUF files in the same way.
"""

import argparse
import json
import math
import sys
from dataclasses import dataclass, field
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from models.lib.chunks import chunk_spans
from models.lib.files import write_whole
from models.train.data import Document, Prompt, Question, Tokenizer, read_documents
from models.train.digests import Compressor, Reader, digest_rows
from models.train.former import Former
from models.train.icae import Icae
from models.train.llms import frozen_llm
from models.train.metrics import bleu4, exact_match, f1, rouge_2, rouge_l


@torch.no_grad()
def greedy(reader: Reader, front: torch.Tensor, most: int) -> list[int]:
    """The most likely tokens after a front [rows, d], up to the end token or `most`."""
    ids, inputs, cache = [], front[None], None
    while len(ids) < most:
        out = reader.llm(inputs_embeds=inputs, past_key_values=cache, use_cache=True)
        cache, token = out.past_key_values, int(out.logits[0, -1].argmax())
        if token == reader.eos:
            break
        ids.append(token)
        inputs = reader.embed([token])[None]
    return ids


@torch.no_grad()
def negative_log_likelihood(reader: Reader, front: torch.Tensor, answer: list[int]) -> float:
    """Of all tokens of an answer behind a front [rows, d], summed up, in nats."""
    rows = torch.cat([front, reader.embed(answer[:-1])])
    logits = reader.llm(inputs_embeds=rows[None]).logits[0, len(front) - 1 :]
    return float(torch.nn.functional.cross_entropy(logits, torch.tensor(answer), reduction="sum"))


def length_class(length: int, chunk: int) -> int:
    """The upper bound of a length's class: a multiple of a quarter of a chunk, or a chunk doubled once or more."""
    quarter = math.ceil(chunk / 4)
    if length <= 4 * quarter:
        return math.ceil(max(length, 1) / quarter) * quarter
    return 4 * quarter * 2 ** math.ceil(math.log2(length / (4 * quarter)))


def mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return round(sum(known) / len(known), 4) if known else None


@dataclass
class Scores:
    """Of the answers from one kind of context."""

    matches: list[float] = field(default_factory=list)
    f1s: list[float] = field(default_factory=list)
    rouge_2s: list[float | None] = field(default_factory=list)
    rouge_ls: list[float] = field(default_factory=list)
    loss: float = 0.0
    tokens: int = 0

    def add(self, found: str, wanted: str, loss: float, tokens: int) -> float:
        """Takes one answer in; whether it is exact."""
        self.matches.append(exact_match(found, wanted))
        self.f1s.append(f1(found, wanted))
        self.rouge_2s.append(rouge_2(found, wanted))
        self.rouge_ls.append(rouge_l(found, wanted))
        self.loss, self.tokens = self.loss + loss, self.tokens + tokens
        return self.matches[-1]

    def report(self) -> dict[str, float | None]:
        f1_mean = mean(self.f1s)
        return {
            "exact_match": mean(self.matches),
            "f1": f1_mean,
            "rouge_1": f1_mean,
            "rouge_2": mean(self.rouge_2s),
            "rouge_l": mean(self.rouge_ls),
            "perplexity": round(math.exp(self.loss / self.tokens), 4),
        }


Table = dict[str, dict[str, list[float]]]  # class -> source -> exact matches


@dataclass
class Evaluation:
    """Asks the questions of documents and gathers the scores."""

    reader: Reader
    tokenizer: Tokenizer
    compressor: Compressor | None
    chunk: int
    keep: int | None
    max_tokens: int
    documents: int = 0
    scores: dict[str, Scores] = field(default_factory=dict)
    by_kind: Table = field(default_factory=dict)
    by_length: Table = field(default_factory=dict)
    reconstructions: dict[str, list[float]] = field(default_factory=dict)

    @torch.no_grad()
    def add(self, document: Document, questions: list[Question], reconstruct: bool) -> None:
        self.documents += 1
        bucket = str(length_class(len(document.ids), self.chunk))
        contexts = {"full": self.reader.embed(document.ids), "none": self.reader.embed([])}
        if self.compressor is not None:
            embed = self.reader.llm.get_input_embeddings()
            rows = digest_rows(self.compressor, embed, [document], self.chunk, self.keep, self.reader.device)[0]
            contexts["digest"] = torch.cat([rows, self.compressor.FT[0]])
            contexts["truncated"] = self.reader.embed(document.ids[: len(rows)])
            if reconstruct:
                copy = self.reconstruction(rows, chunk_spans(len(document.ids), self.chunk))
                self.reconstructions.setdefault(bucket, []).append(bleu4(copy, document.ids))
        for name, context in contexts.items():
            for question in questions:
                match = self.ask(name, context, question)
                self.by_length.setdefault(bucket, {}).setdefault(name, []).append(match)
                self.by_kind.setdefault(question.kind, {}).setdefault(name, []).append(match)

    def ask(self, name: str, context: torch.Tensor, question: Question) -> float:
        front = torch.cat([self.reader.embed(self.reader.before), context, self.reader.embed(question.prompt)])
        answer = self.tokenizer.decode(greedy(self.reader, front, self.max_tokens))
        loss = negative_log_likelihood(self.reader, front, question.answer)
        return self.scores.setdefault(name, Scores()).add(answer, question.answer_text, loss, len(question.answer))

    def reconstruction(self, rows: torch.Tensor, chunks: list[tuple[int, int]]) -> list[int]:
        """The tokens of a document, each chunk from its own rows."""
        copy: list[int] = []
        for part, (first, end) in zip(rows.split(len(rows) // len(chunks)), chunks, strict=True):
            copy += greedy(self.reader, torch.cat([part, self.compressor.AE[0]]), end - first + 8)
        return copy

    def report(self) -> dict:
        found: dict = {"documents": self.documents, "cases": len(self.scores["full"].matches)}
        found |= {name: scores.report() for name, scores in self.scores.items()}
        found["by_kind"] = {kind: means(table) for kind, table in sorted(self.by_kind.items())}
        found["by_length"] = {bucket: means(self.by_length[bucket]) for bucket in sorted(self.by_length, key=int)}
        if self.reconstructions:
            found["reconstruction"] = {
                "bleu4": mean([value for values in self.reconstructions.values() for value in values]),
                "by_length": {
                    bucket: mean(self.reconstructions[bucket]) for bucket in sorted(self.reconstructions, key=int)
                },
            }
        return found


def means(found: dict[str, list[float]]) -> dict[str, float | None]:
    return {name: mean(values) for name, values in sorted(found.items())}


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--llm", type=Path, required=True)
    parser.add_argument("--former", type=Path)
    parser.add_argument("--icae", type=Path)
    parser.add_argument("--chunk", type=int, default=64)
    parser.add_argument(
        "--ratio", type=int, default=0, help="tokens of a chunk for each row: keeps the first rows of its digest"
    )
    parser.add_argument("--data", type=Path, default=Path(__file__).parents[1] / "demo/test.jsonl")
    parser.add_argument("--documents", type=int, default=0, help="first documents of the file; 0 for all")
    parser.add_argument("--longest", type=int, default=512, help="longest context, in tokens")
    parser.add_argument("--questions", type=int, default=0, help="first questions of a document; 0 for all")
    parser.add_argument("--reconstructions", type=int, default=50, help="documents to reconstruct")
    parser.add_argument("--max-tokens", type=int, default=32, help="most tokens of an answer")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


def main() -> None:
    a = parse()
    if a.threads:
        torch.set_num_threads(a.threads)
    tokenizer, prompt, llm = Tokenizer(a.llm), Prompt(), frozen_llm(a.llm, "cpu")
    compressor = None
    if a.former:
        compressor = Former.load(a.former).eval()
    elif a.icae:
        compressor = Icae.load(a.icae, llm).eval()
    reader = Reader(llm, tokenizer.encode(prompt.before), tokenizer.eos, "cpu")
    keep = math.ceil(a.chunk / a.ratio) if a.ratio else None
    evaluation = Evaluation(reader, tokenizer, compressor, a.chunk, keep, a.max_tokens)
    for index, document in enumerate(read_documents(a.data, tokenizer, prompt, a.longest, a.documents)):
        evaluation.add(document, document.questions[: a.questions or None], reconstruct=index < a.reconstructions)
    text = json.dumps(evaluation.report(), indent=1)
    print(text)
    if a.json:
        write_whole(a.json, text + "\n")


if __name__ == "__main__":
    main()
