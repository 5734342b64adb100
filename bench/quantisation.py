#!/usr/bin/env python3
"""How much quantisation changes digests and answers: the former's type on one axis, the LLM's on the other.

    quantisation.py [--icf ./icf] [--pair NAME LM.gguf FORMER.gguf]... [--types f16,...,q4_0] [-o bench/results/quantisation.json]

For each pair and every combination of types, made with `icf quantize`:

    digest   relative L2 of the digest rows of a text: ||rows - reference|| / ||reference||
    logits   relative L2 of the logits behind [digest rows, FT, question], of every row of the question
    kl       mean Kullback-Leibler divergence of these rows' predictions, in nats
    same_top share of these rows whose likeliest token is the same

The reference is the pair as its files have it: give it in F32 where there is one. Without --pair these are the demo pair, whose
files are Q8_0, and the random weights of the tests in F32. Writes JSON, and a plot as SVG and PNG where matplotlib is there.
"""

import argparse
import itertools
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from gguf import GGUFReader
from safetensors.numpy import save_file

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.lib.command import ROOT, Icf, listed
from models.lib import plots
from models.lib.files import write_json
from models.lib.numbers import relative_l2

TEST_PAIR = ROOT / "java/core/src/test/resources/icformer/golden/e2e-llama"
AS_FILED = "file"
TYPES = ["f16", "bf16", "q8_0", "q5_1", "q5_0", "q4_1", "q4_0"]
CONTEXT_TOKENS = 256
QUESTION = "Where does the teacher live, and which animal lives there?"


def log_softmax(logits: np.ndarray) -> np.ndarray:
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


class Pair:
    """An LLM and its former in any types."""

    def __init__(self, icf: Icf, lm: Path, former: Path) -> None:
        self.icf, self.lm, self.former = icf, lm, former
        text = " ".join(
            json.loads(line)["context"] for line in (ROOT / "models/demo/test.jsonl").read_text().splitlines()[:40]
        )
        self.context = icf.tokenize(lm, text)[:CONTEXT_TOKENS]
        self.question = icf.tokenize(lm, QUESTION)
        tensors = {tensor.name: tensor.data for tensor in GGUFReader(str(former)).tensors}
        self.marker = tensors["marker_ft.weight"].astype(np.float32).reshape(1, -1)

    def quantised(self, source: Path, kind: str) -> Path:
        return source if kind == AS_FILED else self.icf.quantise(source, kind)

    def results(self, former_type: str, lm_type: str) -> tuple[np.ndarray, np.ndarray]:
        """The digest rows of the context, and the logits of the question behind them."""
        lm, former = self.quantised(self.lm, lm_type), self.quantised(self.former, former_type)
        digest = self.icf.dump("digest", "--former", former, "--model", lm, "--tokens", listed(self.context))["digest"]
        question = self.icf.dump("embeddings", "--model", lm, "--tokens", listed(self.question))["embeddings"]
        rows = self.icf.scratch / "rows.safetensors"
        save_file({"rows": np.concatenate([digest, self.marker, question])}, rows)
        logits = self.icf.dump("logits", "--model", lm, "--embeddings", rows)["logits"]
        return digest, logits[-len(self.question) :]

    def compare(self, types: list[str]) -> list[dict]:
        reference_rows, reference = self.results(AS_FILED, AS_FILED)
        log_p = log_softmax(reference)
        entries = []
        for former_type, lm_type in itertools.product([AS_FILED, *types], repeat=2):
            rows, logits = self.results(former_type, lm_type)
            log_q = log_softmax(logits)
            entries.append(
                {
                    "former_type": former_type,
                    "model_type": lm_type,
                    "digest": relative_l2(rows, reference_rows),
                    "logits": relative_l2(logits, reference),
                    "kl": float((np.exp(log_p) * (log_p - log_q)).sum(axis=1).mean()),
                    "same_top": float((logits.argmax(1) == reference.argmax(1)).mean()),
                }
            )
            print(".", end="", file=sys.stderr, flush=True)
        print(file=sys.stderr)
        return entries


def print_table(name: str, entries: list[dict], types: list[str]) -> None:
    by_types = {(e["former_type"], e["model_type"]): e for e in entries}
    for figure in ("digest", "logits"):
        print(f"\n{name}: relative L2 of the {figure}; former's type down, LLM's type across")
        print(" " * 6 + "".join(f"{kind:>9}" for kind in types))
        for former in types:
            print(f"{former:<6}" + "".join(f"{by_types[former, lm][figure]:>9.1e}" for lm in types))


def plot(pyplot: Any, results: dict[str, list[dict]], types: list[str], output: Path) -> None:
    figure, axes = pyplot.subplots(1, len(results), figsize=(5.5 * len(results), 4), squeeze=False, sharey=True)
    for axis, (name, entries) in zip(axes[0], results.items(), strict=True):
        by_types = {(e["former_type"], e["model_type"]): e for e in entries}
        for lm in types:
            line = [by_types[former, lm]["logits"] or np.nan for former in types]
            axis.plot(types, line, marker="o", label=f"logits, LLM {lm}")
        digest = [by_types[former, AS_FILED]["digest"] or np.nan for former in types]
        axis.plot(types, digest, marker="s", color="black", linestyle="--", label="digest rows")
        axis.set(title=name, xlabel="type of the former", yscale="log")
    axes[0][0].set_ylabel("relative L2 against the files as they are")
    axes[0][-1].legend(fontsize=7)
    figure.tight_layout()
    plots.save(pyplot, figure, output, dpi=120)


def shipped_pairs(icf: Icf) -> list[tuple[str, Path, Path]]:
    """The demo pair, and the tests' pair with random weights."""
    random = icf.scratch / "former.gguf"
    icf.run("convert", TEST_PAIR / "icformer", "-o", random)
    return [
        ("demo", ROOT / "models/demo/lm.gguf", ROOT / "models/demo/former.gguf"),
        ("random weights", TEST_PAIR / "lm-f32.gguf", random),
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--icf", default=str(ROOT / "icf"), help="icformer's command line")
    parser.add_argument("--pair", nargs=3, action="append", metavar=("NAME", "LM", "FORMER"))
    parser.add_argument("--types", default=",".join(TYPES))
    parser.add_argument("-o", "--output", type=Path, default=ROOT / "bench/results/quantisation.json")
    arguments = parser.parse_args()
    types = arguments.types.split(",")
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        for name, lm, former in arguments.pair or shipped_pairs(Icf(arguments.icf, scratch)):
            own = scratch / name.replace(" ", "-")
            own.mkdir()
            results[name] = Pair(Icf(arguments.icf, own), Path(lm), Path(former)).compare(types)
            print_table(name, results[name], [AS_FILED, *types])
    shown = [AS_FILED, *types]
    write_json(arguments.output, {"context_tokens": CONTEXT_TOKENS, "question": QUESTION, "types": shown, "pairs": results})
    plots.draw("quantisation", lambda pyplot: plot(pyplot, results, shown, arguments.output))
    return 0


if __name__ == "__main__":
    sys.exit(main())
