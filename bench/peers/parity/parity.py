#!/usr/bin/env python3
"""Compares icformer with llama.cpp: the same GGUF files, the same ggml, the same tokens.

    bench/peers/get_llama.sh FOLDER
    parity.py --llama FOLDER [--icf ./icf] [--only TEXT] [--types f16,q4_0,...] [-o bench/results/parity.json]

Makes a random-weight LLM of every architecture and kind of RoPE scaling (shapes.py), and quantises it with `icf quantize`. For
each file llama.cpp (llama_logits.cpp, llama-perplexity) and `icf` compute

    logits      of every row of a prompt: relative L2 = ||ours - theirs|| / ||theirs||
    greedy      256 tokens, F32 only: how many are the same before the first that differs
    perplexity  of a text, with its error estimate

on the CPU, with the backend variant that ggml chooses for it. F32 is compared with a KV cache of F32, once as it is (for which
llama.cpp needs its attention without flash: another order of the sums); the other types with a cache of F16 and flash attention,
and with the weights as the file has them. There the arithmetic is the same on both sides, operation by operation.

With weights laid out anew for the CPU, which is the default of both, sums are rounded elsewhere. A difference of 1e-7 then
turns the rounding of an activation to 8 bits now and then, by 1/254 of its block's largest, and everything behind it differs:
`packed` says by how much, and `llama_packed` how much llama.cpp differs from itself for the same reason. No bar is set there.

Needs the Python packages gguf and numpy; exits with 77 where llama.cpp or they cannot be had, with 1 where a bar is missed.
"""

import argparse
import random
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from bench.lib.skips import Skipped, skip

try:
    import numpy as np

    from bench.lib.command import ROOT, Icf, listed
    from bench.peers import packages
    from bench.peers.parity import shapes
    from models.lib.files import write_json
    from models.lib.numbers import relative_l2
except ImportError as error:
    sys.exit(skip(error))

BARS = {"F32": 1e-5}  # relative L2 of the logits
QUANTISED_BAR = 1e-3
TYPES = ["f16", "bf16", "q8_0", "q6_K", "q4_K", "q4_0"]
# Every shape is compared in F32; these, one per architecture, in the other types too.
QUANTISED = ["llama, grouped queries", "llama, biases", "llama, YaRN", "qwen2", "qwen3", "qwen3, heads of 128"]
PROMPT, GENERATED = 96, 256
THREADS = 1  # the models are small, and other work on the machine would hold up the barriers between threads
CONTEXT = 128  # of the perplexity


def same_top(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Share of the rows whose largest logit is the same token's."""
    return float((ours.argmax(1) == theirs.argmax(1)).mean())


Outcome = tuple[np.ndarray, np.ndarray | None]  # logits [rows, vocabulary], greedy ids


class Comparison:
    def __init__(self, llama: Path, icf: Icf, scratch: Path) -> None:
        self.llama, self.icf, self.scratch = llama, icf, scratch
        self.backends = packages.backends(llama)
        self.program = packages.build(llama, Path(__file__).with_name("llama_logits.cpp"), scratch)
        self.perplexity_tool = packages.tool(llama, "llama-perplexity")
        self.text = scratch / "text.txt"
        self.text.write_text(text(6000, seed=5))

    def versions(self) -> dict[str, str]:
        info = self.icf.json("info")
        llama = max(self.llama.glob("usr/lib/*/libllama.so.0.*"), default=Path("unknown")).name
        return {"icformer": info["icformer"], "ggml": info["ggml"], "llama": llama, "cpu": info["devices"][0]["backend"]}

    def results(self, only: str, types: list[str]) -> Iterator[dict[str, Any]]:
        """One by one, of every shape whose name contains `only`."""
        for seed, (name, shape) in enumerate(shapes.SHAPES.items(), 100):
            if only not in name:
                continue
            plain = self.scratch / f"{seed}.gguf"
            shapes.write(plain, name, shape, seed)
            for kind in ["F32", *(types if name in QUANTISED else [])]:
                model = plain if kind == "F32" else self.icf.quantise(plain, kind)
                result = {"model": name} | self.compare(model, kind)
                if name in QUANTISED:
                    result["perplexity"] = self.perplexity(model)
                yield result
                if model != plain:
                    model.unlink()
            plain.unlink()

    def theirs(self, model: Path, ids: np.ndarray, generated: int, cache: str, layout: str) -> Outcome:
        tokens, output = self.scratch / "tokens.bin", self.scratch / "logits.bin"
        ids.astype(np.int32).tofile(tokens)
        subprocess.run(
            [*self.program, model, tokens, output, str(self.backends), str(generated), str(THREADS), cache, layout],
            check=True,
        )
        values = np.fromfile(output, np.int32)
        vocabulary = (len(values) - generated) // (len(ids) + generated)
        rows = values[: len(ids) * vocabulary]
        return rows.view(np.float32).reshape(-1, vocabulary), values[len(rows) : len(rows) + generated]

    def ours(self, model: Path, ids: np.ndarray, generated: int, cache: str, layout: str) -> Outcome:
        tensors = self.icf.dump(
            "logits",
            "--model",
            model,
            "--tokens",
            listed(ids),
            "--generate",
            generated,
            "--threads",
            THREADS,
            "--kv-type",
            cache,
            "--ctx",
            len(ids) + generated,
            *(["--no-repack"] if layout == "plain" else []),
        )
        return tensors["logits"], tensors.get("ids")

    def compare(self, model: Path, kind: str) -> dict[str, Any]:
        ids = np.random.default_rng(7).integers(3, 256, PROMPT)
        generated = GENERATED if kind == "F32" else 0
        cache = "f32" if kind == "F32" else "f16"
        theirs, their_ids = self.theirs(model, ids, generated, cache, "plain")
        ours, our_ids = self.ours(model, ids, generated, cache, "plain")
        result = {"type": kind, "relative_l2": relative_l2(ours, theirs), "same_top": same_top(ours, theirs)}
        if generated:
            same = our_ids == their_ids
            result["greedy_same"] = int(same.argmin()) if not same.all() else generated
            result["greedy"] = generated
        else:
            packed, _ = self.ours(model, ids, 0, cache, "repacked")
            their_packed, _ = self.theirs(model, ids, 0, cache, "repacked")
            result["packed"] = relative_l2(packed, theirs)
            result["packed_same_top"] = same_top(packed, theirs)
            result["llama_packed"] = relative_l2(their_packed, theirs)
        result["passed"] = result["relative_l2"] <= BARS.get(kind, QUANTISED_BAR) and result.get(
            "greedy_same", 0
        ) == result.get("greedy", 0)
        return result

    def perplexity(self, model: Path) -> dict[str, float]:
        ours = self.icf.json(
            "eval",
            "perplexity",
            "--model",
            model,
            "--text",
            self.text,
            "--ctx",
            CONTEXT,
            "--threads",
            THREADS,
            "--no-repack",
        )
        # -b: one chunk at a time; the tool looks for backends where it is started
        command = [
            *self.perplexity_tool,
            "-m",
            model,
            "-f",
            self.text,
            "-c",
            str(CONTEXT),
            "-b",
            str(CONTEXT),
            "-t",
            str(THREADS),
            "-fa",
            "on",
            "-ngl",
            "0",
            "--no-repack",
        ]
        for _ in range(5):  # its messages come from a thread that may not live to write the last of them
            done = subprocess.run(command, cwd=self.backends, capture_output=True, text=True)
            found = re.search(r"PPL = ([\d.]+) \+/- ([\d.]+)", done.stdout + done.stderr)
            if found:
                break
        else:
            raise RuntimeError(
                f"llama-perplexity ended with {done.returncode}: {(done.stdout + done.stderr).strip()[-300:]}"
            )
        theirs, their_error = map(float, found.groups())
        return {
            "perplexity": ours["perplexity"],
            "error": ours["error"],
            "tokens": ours["tokens"],
            "llama_perplexity": theirs,
            "llama_error": their_error,
            "relative_difference": abs(ours["perplexity"] - theirs) / theirs,
        }


def text(letters: int, seed: int) -> str:
    chance = random.Random(seed)
    words = ["".join(chance.choices(shapes.LETTERS, k=chance.randint(2, 9))) for _ in range(letters // 6)]
    return " ".join(words)


def print_table(results: list[dict]) -> None:
    print(
        f"{'model':<31} {'type':<5} {'relative L2':>11} {'greedy':>8} {'packed':>8} {'llama.cpp':>9} {'perplexity':>11} "
        f"{'llama.cpp':>11}"
    )
    for r in results:
        greedy = f"{r['greedy_same']}/{r['greedy']}" if "greedy" in r else ""
        packed = f"{r['packed']:>8.1e} {r['llama_packed']:>9.1e}" if "packed" in r else " " * 18
        p = r.get("perplexity")
        figures = f"{p['perplexity']:>11.4f} {p['llama_perplexity']:>11.4f}" if p else ""
        mark = "" if r["passed"] else "  MISSED"
        print(f"{r['model']:<31} {r['type']:<5} {r['relative_l2']:>11.1e} {greedy:>8} {packed} {figures}{mark}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--llama", type=Path, required=True, help="folder that bench/peers/get_llama.sh filled")
    parser.add_argument("--icf", default=str(ROOT / "icf"), help="icformer's command line")
    parser.add_argument("--only", default="", help="models whose name contains this")
    parser.add_argument("--types", default=",".join(TYPES), help="types beside F32")
    parser.add_argument("-o", "--output", type=Path, default=ROOT / "bench/results/parity.json")
    arguments = parser.parse_args()
    types = [kind for kind in arguments.types.split(",") if kind]
    results = []
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        try:
            comparison = Comparison(arguments.llama.resolve(), Icf(arguments.icf, scratch), scratch)
        except Skipped as reason:
            return skip(reason)
        versions = comparison.versions()
        for result in comparison.results(arguments.only, types):
            results.append(result)
            print(".", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    print_table(results)
    bars = BARS | {"other types": QUANTISED_BAR}
    write_json(
        arguments.output,
        {
            "prompt": PROMPT,
            "generated": GENERATED,
            "threads": THREADS,
            "perplexity_context": CONTEXT,
            "bars": bars,
            "versions": versions,
            "results": results,
        },
    )
    missed = sum(not result["passed"] for result in results)
    print(f"{len(results) - missed} of {len(results)} within the bars")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
