"""The stages of bench/peers/compare: who is measured with what, in turns."""

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.lib import machine
from bench.lib.processes import run
from bench.lib.skips import Skipped
from bench.lib.stages import Deadline, Results
from bench.peers.engines.engines import PEERS, ROOT, Engines, Sample, say

DEFAULT_BUDGET = 1500  # seconds; each stage has its share of it

Record = dict[str, Any]  # engine, name, n, type
Measure = Callable[[float], Sample]  # within a limit of time
Stage = dict[str, Any]  # what is written of one
StageFunction = Callable[[Stage, float], None]  # up to an end


class Comparison:
    def __init__(self, args: argparse.Namespace) -> None:
        self.args = args
        self.cache = Path(args.cache).expanduser().resolve()
        self.models = self.cache / "models"
        self.models.mkdir(parents=True, exist_ok=True)
        self.results = Results(args.output.resolve(), args.fresh)
        self.engines = Engines(args, self.cache)
        self.deadline = Deadline(args.budget)  # building and getting the peers is not part of it
        data = self.results.data
        data["machine"] = machine.facts()
        command = " ".join(
            ["bench/peers/compare", *(re.sub(r"^(--[a-z-]+=)?[~/].*", r"\1PATH", part) for part in sys.argv[1:])]
        )
        commands = data.setdefault("commands", [])  # more than one where a run went on with what was missing
        if command not in commands:
            commands.append(command)
        data["threads"] = args.threads
        data["skipped"] = self.engines.skipped
        self.save()

    def save(self) -> None:
        self.results.data.setdefault("versions", {}).update(self.engines.versions)
        self.results.save()

    # -- Files --

    def pair(self, shape: str, model_type: str, former_type: str | None = None) -> tuple[Path, Path | None]:
        """Paths of an LLM and a former with random weights; made by the first stage that needs them."""
        model = self.models / f"llm-{shape}-{model_type}.gguf"
        former = self.models / f"former-{shape}-{former_type}.gguf" if former_type else None
        if not model.exists() or (former and not former.exists()):
            say(f"making {model.name}" + (f" and {former.name}" if former else ""))
            only = "first_token" if former else "decode"
            self.engines.bench(
                "--shape",
                shape,
                "--type",
                model_type,
                "--former-type",
                former_type or "q8_0",
                "--keep",
                self.models,
                "--only",
                only,
                "--n",
                2,
                "--runs",
                1,
                "--warm-up",
                0,
                timeout=400,
            )
        return model, former

    # -- One stage --

    def stage(self, name: str, seconds: float, function: StageFunction) -> None:
        if self.results.stage(name).get("done"):
            say(f"{name}: done before")
            return
        if self.deadline.over(margin=5):
            say(f"{name}: no time left")
            return
        stage = self.results.begin(name)
        started = time.monotonic()
        say(f"{name}: up to {seconds:.0f} s, load {os.getloadavg()[0]:.2f}")
        try:
            function(stage, started + seconds)
            stage["done"] = True
        except (Skipped, OSError, subprocess.SubprocessError, ValueError, KeyError) as error:
            stage["notes"].append(f"{type(error).__name__}: {error}")
            say(f"{name}: {error}")
        stage["seconds"] = round(time.monotonic() - started, 1)
        self.save()

    def note(self, stage: Stage, text: str) -> None:
        if text not in stage["notes"]:
            stage["notes"].append(text)
            say(text)

    def sample(self, stage: Stage, record: Record, measure: Measure, timeout: float) -> bool:
        """Takes one sample; False where there is none and will be none."""
        try:
            value, usage = measure(timeout)
        except Skipped as error:
            self.note(stage, f"{record['engine']} {record['name']} {record['n']}: {error}")
            self.save()
            return False
        stage["samples"].append({**record, "ms": value, **usage})
        say(f"  {record['engine']:<10} {record['name']:<24} {record['n']:>5}  {value:.3f} ms")
        self.save()
        return True

    def interleaved(self, stage: Stage, end: float, measurements: list[tuple[Record, Measure]], rounds: int) -> None:
        """measurements: list of (record, function of a time limit). Takes turns until the rounds or the time are over."""
        dead: set[int] = set()
        for turn in range(rounds):
            for i, (record, measure) in enumerate(measurements):
                if i in dead or (turn > 0 and time.monotonic() > end) or self.deadline.over():
                    continue
                if not self.sample(stage, record, measure, max(30.0, self.deadline.left(end))):
                    dead.add(i)
            if time.monotonic() > end:
                return

    def decoding(
        self, model: Callable[[], Path], type_name: str, prompt: int, tokens: int, engines: dict[str, list[str]]
    ) -> StageFunction:
        """Decode and prefill on one file by all engines in turn."""

        def stage_function(stage: Stage, end: float) -> None:
            file = model()
            measurements = []
            for kind, n in (("decode", tokens), ("prefill", prompt)):
                for name in engines[kind]:
                    if name in self.engines.available:
                        measure = self.engines.available[name]
                        measurements.append(
                            (
                                {"engine": name, "name": kind, "n": n, "type": "own q4" if name == "jlama" else type_name},
                                lambda limit, m=measure, k=kind, count=n: m(k, file, count, limit),
                            )
                        )
            self.interleaved(stage, end, measurements, self.args.rounds)

        return stage_function

    def compress(self, stage: Stage, end: float) -> None:
        model, former = self.pair(self.args.compress_shape, "q4_0", "q8_0")
        other = self.pair(self.args.compress_shape, "q4_0", "q4_0")[1] if self.args.compress_q4 else None

        def c(n: int, file: Path = former) -> Measure:
            def measure(limit: float) -> Sample:
                results, usage = self.engines.loop(model, file, "--compress", n, "--runs", 3, timeout=limit)
                return statistics.median(results[0]["samples_ms"]), usage

            return measure

        def java(name: str, n: int, runs: int = 3, file: Path = former, warm_up: int = 1) -> Measure:
            def measure(limit: float) -> Sample:
                results, usage = self.engines.bench(
                    "--model",
                    model,
                    "--former",
                    file,
                    "--only",
                    name,
                    "--n",
                    n,
                    "--runs",
                    runs,
                    "--warm-up",
                    warm_up,
                    timeout=limit,
                )
                return results["results"][0]["median_ms"], usage

            return measure

        def record(engine: str, name: str, n: int, kind: str = "q8_0") -> Record:
            return {"engine": engine, "name": name, "n": n, "type": kind}

        measurements = [
            (record("c", "compress", 512), c(512)),
            (record("java", "compress", 512), java("compress", 512)),
            (record("c", "compress", 128), c(128)),
            (record("java", "compress", 128), java("compress", 128)),
            (record("java", "compress_cold", 512), java("compress_cold", 512)),
            (record("java", "compress_plain", 512), java("compress_plain", 512)),
        ]
        if other:
            measurements.append((record("c", "compress", 512, "q4_0"), c(512, other)))
        if self.args.reference:
            measurements.append((record("pytorch", "compress", 512, "bf16"), self.reference))
        # The baseline takes a hundred times as long: once, before the turns of the others.
        self.sample(
            stage,
            record("java", "compress_self_attention", 512, "q4_0"),
            java("compress_self_attention", 512, runs=1, warm_up=0),
            max(30.0, self.deadline.left(end)),
        )
        self.interleaved(stage, end, measurements, self.args.rounds)

    def reference(self, limit: float) -> Sample:
        """The official implementation, random weights of the same sizes."""
        shape = self.args.compress_shape
        out, usage = run(
            [self.args.torch_python, PEERS / "engines/reference.py", self.args.reference, shape, self.args.threads], limit
        )
        result = json.loads(out.strip().splitlines()[-1])
        self.engines.versions["pytorch"] = result["version"]
        return statistics.median(result["samples_ms"]), usage

    def lengths(self, stage: Stage, end: float) -> None:
        model, former = self.pair(self.args.compress_shape, "q4_0", "q8_0")
        for n in (128, 256, 512, 1024, 2048, 4096, 8192):
            if time.monotonic() > end:
                raise Skipped(f"no time for {n} tokens and more")

            def measure(limit: float, n: int = n) -> Sample:
                results, usage = self.engines.bench(
                    "--model",
                    model,
                    "--former",
                    former,
                    "--only",
                    "compress",
                    "--n",
                    n,
                    "--runs",
                    3 if n < 4096 else 2,
                    timeout=limit,
                )
                result = results["results"][0]
                return result["median_ms"], {**usage, "gflops": result["gflops"]}

            self.sample(
                stage,
                {"engine": "java", "name": "compress", "n": n, "type": "q8_0"},
                measure,
                max(30.0, self.deadline.left(end)),
            )

    def first_token(self, stage: Stage, end: float) -> None:
        model, former = self.pair(self.args.first_token_shape, "q8_0", "q8_0")

        def measurement(name: str, n: int) -> tuple[Record, Measure]:
            def measure(limit: float) -> Sample:
                results, usage = self.engines.bench(
                    "--model",
                    model,
                    "--former",
                    former,
                    "--only",
                    name,
                    "--n",
                    n,
                    "--runs",
                    1,
                    "--warm-up",
                    1 if name == "first_token" else 0,
                    timeout=limit,
                )
                return results["results"][0]["median_ms"], usage

            return {"engine": "java", "name": name, "n": n, "type": "q8_0"}, measure

        lengths = (512, 1024, 2048) if self.args.rounds > 1 else (2048,)
        self.interleaved(
            stage, end, [measurement(name, n) for n in reversed(lengths) for name in ("first_token", "first_token_full")], 2
        )

    def rss(self, stage: Stage, end: float) -> None:
        """Peak memory of an answer from the demo's context, and of its parts as icf info tells them."""
        context = self.cache / "context.txt"
        context.write_text((ROOT / "models/demo/calder.txt").read_text())
        command = self.engines.icf(
            "ask", "--json", "--context", context, "--question", "Who?", "--threads", self.args.threads
        )
        started = time.monotonic()
        process = subprocess.Popen(
            [str(part) for part in command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=self.engines.env
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            raise Skipped("icf ask failed on the demo's context")
        stage["samples"].append(
            {
                "engine": "java",
                "name": "ask_peak_rss",
                "n": 0,
                "type": "demo",
                "bytes": usage.ru_maxrss * 1024,
                "ms": (time.monotonic() - started) * 1e3,
            }
        )

    def prepare(self) -> None:
        """Everything that takes time and is not measured: builds, peers, files."""
        for model_type in ("q8_0", "q4_0", "f16", "q4_K"):
            self.pair("1.1b", model_type, "q8_0" if model_type == "q8_0" else None)
        self.pair(self.args.compress_shape, "q4_0", "q8_0")
        if self.args.compress_q4:
            self.pair(self.args.compress_shape, "q4_0", "q4_0")
        if "jlama" in self.engines.available:
            try:
                self.engines.available["jlama"]("decode", None, 1, 600)
            except Skipped as error:
                say(f"jlama: {error}")
        say("everything is there")

    def all_stages(self) -> dict[str, tuple[float, StageFunction]]:
        """Seconds of the default budget, and what is done in them."""
        all_engines = {"decode": ["c", "java", "llama.cpp", "kherud", "jlama"], "prefill": ["c", "java", "llama.cpp"]}
        llm_only = {"decode": ["c", "java", "llama.cpp", "kherud"], "prefill": ["c", "llama.cpp"]}
        two = {"decode": ["c", "llama.cpp"], "prefill": ["c", "llama.cpp"]}
        demo = ROOT / "models/demo/lm.gguf"
        return {
            "demo": (40, self.decoding(lambda: demo, "q8_0", 512, 256, {**all_engines, "decode": llm_only["decode"]})),
            "1.1b-q8_0": (130, self.decoding(lambda: self.pair("1.1b", "q8_0")[0], "q8_0", 512, 128, llm_only)),
            "1.1b-q4_0": (130, self.decoding(lambda: self.pair("1.1b", "q4_0")[0], "q4_0", 512, 128, all_engines)),
            "first-token": (90, self.first_token),
            "7b-q4_0": (180, self.decoding(lambda: self.pair("7b", "q4_0")[0], "q4_0", 128, 32, llm_only)),
            "compress": (170, self.compress),
            "lengths": (130, self.lengths),
            "1.1b-f16": (150, self.decoding(lambda: self.pair("1.1b", "f16")[0], "f16", 512, 64, llm_only)),
            "1.1b-q4_K": (110, self.decoding(lambda: self.pair("1.1b", "q4_K")[0], "q4_K", 512, 128, llm_only)),
            **{
                f"7b-{kind}": (100, self.decoding(lambda kind=kind: self.pair("7b", kind)[0], kind, 64, 16, two))
                for kind in ("q8_0", "q4_K", "f16")
            },
            "rss": (10, self.rss),
        }

    def run(self) -> None:
        stages = self.all_stages()
        wanted = self.args.stages.split(",") if self.args.stages else list(stages)
        for name in wanted:
            if name not in stages:
                raise SystemExit(f"compare: there is no stage {name}; there are {', '.join(stages)}")
        for name in wanted:
            seconds, function = stages[name]
            self.stage(name, seconds * self.args.budget / DEFAULT_BUDGET, function)
        if not self.args.keep_models and not self.args.stages:
            shutil.rmtree(self.models, ignore_errors=True)
        say(f"results in {self.results.path}")
