"""Measures a trained pair with PyTorch, in float32.

    python models/train/evaluate.py --llm DIR [--former DIR | --icae DIR] --data test.jsonl [--documents 200] [--json FILE]

Answers are decoded greedily from the full context, from the digest, from the context cut to the digest's number of rows, and
without any context. Reconstructions are decoded from [digest, AE]; their scores are given by context length.
"""

import argparse
import json
from pathlib import Path

import torch

from data import Prompt, Tokenizer, read_documents
from former import Former
from icae import Icae
from metrics import bleu4, exact_match, f1, rouge_l
from train import digest_rows, frozen_llm


@torch.no_grad()
def greedy(llm, fronts: list[torch.Tensor], eos: int, most: int) -> list[list[int]]:
    """The most likely tokens after each front [rows, d], up to the end token or `most`."""
    found = []
    for front in fronts:
        ids, inputs, cache = [], front[None], None
        while len(ids) < most:
            out = llm(inputs_embeds=inputs, past_key_values=cache, use_cache=True)
            cache, token = out.past_key_values, int(out.logits[0, -1].argmax())
            if token == eos:
                break
            ids.append(token)
            inputs = llm.get_input_embeddings()(torch.tensor([[token]]))
        found.append(ids)
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--llm", type=Path, required=True)
    parser.add_argument("--former", type=Path)
    parser.add_argument("--icae", type=Path)
    parser.add_argument("--digests", type=int, default=32, help="memory tokens (with --icae)")
    parser.add_argument("--rank", type=int, default=32, help="LoRA rank (with --icae)")
    parser.add_argument("--chunk", type=int, default=128)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--documents", type=int, default=200)
    parser.add_argument("--longest", type=int, default=128, help="longest context, in tokens")
    parser.add_argument("--questions", type=int, default=4, help="most questions of a document")
    parser.add_argument("--reconstructions", type=int, default=50, help="documents to reconstruct")
    parser.add_argument("--bucket", type=int, default=16, help="width of a class of context lengths, in tokens")
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
        compressor = Icae(llm, a.digests, a.rank).eval()
        compressor.load_state_dict(torch.load(a.icae / "icae.pt", weights_only=True))
    documents = read_documents(a.data, tokenizer, prompt, a.longest, a.documents)
    before = tokenizer.encode(prompt.before)
    rows_of = lambda ids: embed(torch.tensor(ids, dtype=torch.long))
    scores: dict[str, list] = {}
    by_kind: dict[str, dict[str, list]] = {}
    by_length: dict[str, dict[str, list]] = {}
    lengths: dict[str, list] = {}
    with torch.no_grad():
        for index, document in enumerate(documents):
            bucket = str((len(document.ids) - 1) // a.bucket * a.bucket + a.bucket)
            contexts = {"full": rows_of(document.ids), "none": rows_of([])}
            if compressor is not None:
                rows = digest_rows(compressor, embed, [document], a.chunk, None, "cpu")[0]
                contexts["digest"] = torch.cat([rows, compressor.FT[0]])
                contexts["truncated"] = rows_of(document.ids[:len(rows)])
            for name, context in contexts.items():
                for q in document.questions[:a.questions]:
                    front = torch.cat([rows_of(before), context, rows_of(q.prompt)])
                    answer = tokenizer.decode(greedy(llm, [front], tokenizer.eos, 16)[0])
                    result = (exact_match(answer, q.answer_text), f1(answer, q.answer_text), rouge_l(answer, q.answer_text))
                    scores.setdefault(name, []).append(result)
                    by_length.setdefault(bucket, {}).setdefault(name, []).append(result[0])
                    by_kind.setdefault(q.kind, {}).setdefault(name, []).append(result[0])
            if compressor is not None and index < a.reconstructions:
                copy = greedy(llm, [torch.cat([rows, compressor.AE[0]])], tokenizer.eos, len(document.ids) + 8)[0]
                lengths.setdefault(bucket, []).append(bleu4(copy, document.ids))
    mean = lambda values: round(sum(values) / len(values), 4)
    report = {"documents": len(documents), "questions": len(scores["full"])}
    for name, results in scores.items():
        report[name] = dict(zip(("exact_match", "f1", "rouge_l"), (mean(column) for column in zip(*results))))
    report["by_kind"] = {kind: {name: mean(v) for name, v in sorted(found.items())} for kind, found in sorted(by_kind.items())}
    report["by_length"] = {f"up to {bucket}": {name: mean(v) for name, v in sorted(found.items())}
                           for bucket, found in sorted(by_length.items(), key=lambda e: int(e[0]))}
    if lengths:
        report["reconstruction"] = {
            "bleu4": mean([v for found in lengths.values() for v in found]),
            "by_length": {"up to " + bucket: mean(found) for bucket, found in sorted(lengths.items(), key=lambda e: int(e[0]))}}
    text = json.dumps(report, indent=1)
    print(text)
    if a.json:
        a.json.write_text(text + "\n")


if __name__ == "__main__":
    main()
