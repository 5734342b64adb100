"""Measures a trained pair with PyTorch, in float32.

    python models/train/evaluate.py --llm DIR [--former DIR | --icae DIR] [--data test.jsonl] [--json FILE]

Answers are decoded greedily from the full context, from the digest, from the context cut to the digest's number of rows, and
without any context; their perplexity is that of the wanted answers, end token included. Reconstructions are decoded from
[digest, AE], chunk by chunk; their scores are given by context length. `icf eval answers` measures GGUF files in the same way.
"""

import argparse
import json
import math
from pathlib import Path

import torch

from data import Prompt, Tokenizer, read_documents
from former import Former
from icae import Icae
from metrics import bleu4, exact_match, f1, rouge_2, rouge_l
from train import digest_rows, even_chunks, frozen_llm


@torch.no_grad()
def greedy(llm, front: torch.Tensor, eos: int, most: int) -> list[int]:
    """The most likely tokens after a front [rows, d], up to the end token or `most`."""
    ids, inputs, cache = [], front[None], None
    while len(ids) < most:
        out = llm(inputs_embeds=inputs, past_key_values=cache, use_cache=True)
        cache, token = out.past_key_values, int(out.logits[0, -1].argmax())
        if token == eos:
            break
        ids.append(token)
        inputs = llm.get_input_embeddings()(torch.tensor([[token]]))
    return ids


@torch.no_grad()
def negative_log_likelihood(llm, front: torch.Tensor, answer: list[int]) -> float:
    """Of all tokens of an answer behind a front [rows, d], summed up, in nats."""
    rows = torch.cat([front, llm.get_input_embeddings()(torch.tensor(answer[:-1], dtype=torch.long))])
    logits = llm(inputs_embeds=rows[None]).logits[0, len(front) - 1:]
    return float(torch.nn.functional.cross_entropy(logits, torch.tensor(answer), reduction="sum"))


def length_class(length: int, chunk: int) -> int:
    """The upper bound of a length's class: a multiple of a quarter of a chunk, or a chunk doubled once or more."""
    quarter = math.ceil(chunk / 4)
    if length <= 4 * quarter:
        return math.ceil(max(length, 1) / quarter) * quarter
    return 4 * quarter * 2 ** math.ceil(math.log2(length / (4 * quarter)))


def mean(values: list) -> float | None:
    known = [value for value in values if value is not None]
    return round(sum(known) / len(known), 4) if known else None


class Scores:
    """Of the answers from one kind of context."""

    def __init__(self):
        self.matches, self.f1s, self.rouge_2s, self.rouge_ls = [], [], [], []
        self.loss, self.tokens = 0.0, 0

    def add(self, found: str, wanted: str, loss: float, tokens: int):
        self.matches.append(exact_match(found, wanted))
        self.f1s.append(f1(found, wanted))
        self.rouge_2s.append(rouge_2(found, wanted))
        self.rouge_ls.append(rouge_l(found, wanted))
        self.loss, self.tokens = self.loss + loss, self.tokens + tokens

    def report(self) -> dict:
        return {"exact_match": mean(self.matches), "f1": mean(self.f1s), "rouge_1": mean(self.f1s), "rouge_2": mean(self.rouge_2s),
                "rouge_l": mean(self.rouge_ls), "perplexity": round(math.exp(self.loss / self.tokens), 4)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--llm", type=Path, required=True)
    parser.add_argument("--former", type=Path)
    parser.add_argument("--icae", type=Path)
    parser.add_argument("--chunk", type=int, default=64)
    parser.add_argument("--ratio", type=int, default=0, help="tokens of a chunk for each row: keeps the first rows of its digest")
    parser.add_argument("--data", type=Path, default=Path(__file__).parents[1] / "demo/test.jsonl")
    parser.add_argument("--documents", type=int, default=0, help="first documents of the file; 0 for all")
    parser.add_argument("--longest", type=int, default=512, help="longest context, in tokens")
    parser.add_argument("--questions", type=int, default=0, help="first questions of a document; 0 for all")
    parser.add_argument("--reconstructions", type=int, default=50, help="documents to reconstruct")
    parser.add_argument("--max-tokens", type=int, default=32, help="most tokens of an answer")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--json", type=Path)
    a = parser.parse_args()
    a.device = "cpu"
    if a.threads:
        torch.set_num_threads(a.threads)
    tokenizer, prompt = Tokenizer(a.llm), Prompt()
    llm = frozen_llm(a)
    embed = llm.get_input_embeddings()
    compressor = None
    if a.former:
        compressor = Former.load(a.former).eval()
    elif a.icae:
        compressor = Icae.load(a.icae, llm).eval()
    keep = math.ceil(a.chunk / a.ratio) if a.ratio else None
    documents = read_documents(a.data, tokenizer, prompt, a.longest, a.documents)
    before = tokenizer.encode(prompt.before)
    rows_of = lambda ids: embed(torch.tensor(ids, dtype=torch.long))
    scores: dict[str, Scores] = {}
    by_kind: dict[str, dict[str, list]] = {}
    by_length: dict[str, dict[str, list]] = {}
    lengths: dict[str, list] = {}
    with torch.no_grad():
        for index, document in enumerate(documents):
            bucket = str(length_class(len(document.ids), a.chunk))
            chunks = even_chunks(len(document.ids), a.chunk)
            contexts = {"full": rows_of(document.ids), "none": rows_of([])}
            if compressor is not None:
                rows = digest_rows(compressor, embed, [document], a.chunk, keep, "cpu")[0]
                contexts["digest"] = torch.cat([rows, compressor.FT[0]])
                contexts["truncated"] = rows_of(document.ids[:len(rows)])
            for name, context in contexts.items():
                for q in document.questions[:a.questions or None]:
                    front = torch.cat([rows_of(before), context, rows_of(q.prompt)])
                    answer = tokenizer.decode(greedy(llm, front, tokenizer.eos, a.max_tokens))
                    loss = negative_log_likelihood(llm, front, q.answer)
                    scores.setdefault(name, Scores()).add(answer, q.answer_text, loss, len(q.answer))
                    match = exact_match(answer, q.answer_text)
                    by_length.setdefault(bucket, {}).setdefault(name, []).append(match)
                    by_kind.setdefault(q.kind, {}).setdefault(name, []).append(match)
            if compressor is not None and index < a.reconstructions:
                copy = []  # each chunk from its own rows
                for part, (first, end) in zip(rows.split(len(rows) // len(chunks)), chunks):
                    copy += greedy(llm, torch.cat([part, compressor.AE[0]]), tokenizer.eos, end - first + 8)
                lengths.setdefault(bucket, []).append(bleu4(copy, document.ids))
    report = {"documents": len(documents), "cases": len(scores["full"].matches)}
    report |= {name: found.report() for name, found in scores.items()}
    report["by_kind"] = {kind: {name: mean(v) for name, v in sorted(found.items())} for kind, found in sorted(by_kind.items())}
    report["by_length"] = {bucket: {name: mean(v) for name, v in sorted(found.items())}
                           for bucket, found in sorted(by_length.items(), key=lambda e: int(e[0]))}
    if lengths:
        report["reconstruction"] = {
            "bleu4": mean([v for found in lengths.values() for v in found]),
            "by_length": {bucket: mean(found) for bucket, found in sorted(lengths.items(), key=lambda e: int(e[0]))}}
    text = json.dumps(report, indent=1)
    print(text)
    if a.json:
        a.json.write_text(text + "\n")


if __name__ == "__main__":
    main()
