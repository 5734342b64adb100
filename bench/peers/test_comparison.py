"""The stages of the comparison with engines that take no time."""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from bench.lib.skips import Skipped
from bench.peers import comparison, packages
from bench.peers.engines.engines import Sample


def samples(milliseconds: float) -> Callable[..., Sample]:
    return lambda kind, model, n, timeout: (milliseconds * n, {"load": 0.0})


def refuses(kind: str, model: Path, n: int, timeout: float) -> Sample:
    raise Skipped("it times whole answers only")


@pytest.fixture
def compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., comparison.Comparison]:
    engines = {"c": samples(1.0), "llama.cpp": samples(2.0), "kherud": refuses}
    stand_in = SimpleNamespace(available=engines, skipped={"jlama": "no network"}, versions={"ggml": "0.27"})
    monkeypatch.setattr(comparison, "Engines", lambda args, cache: stand_in)
    monkeypatch.setattr("sys.argv", ["compare", "--stages", "demo", "--build=/home/someone/build"])

    def make(**changes: object) -> comparison.Comparison:
        values = {
            "output": tmp_path / "compare.json",
            "cache": tmp_path / "cache",
            "fresh": False,
            "budget": 100.0,
            "threads": 2,
            "rounds": 2,
            "stages": "demo",
            "keep_models": True,
            "compress_shape": "7b",
            "first_token_shape": "1.1b",
        }
        return comparison.Comparison(argparse.Namespace(**values | changes))

    return make


def test_engines_take_turns_and_refusals_are_noted(compared: Callable[..., comparison.Comparison], tmp_path: Path) -> None:
    compared().run()
    found = json.loads((tmp_path / "compare.json").read_text())
    stage = found["stages"]["demo"]
    decoded = [sample["engine"] for sample in stage["samples"] if sample["name"] == "decode"]
    assert decoded == ["c", "llama.cpp", "c", "llama.cpp"]
    assert stage["notes"] == ["kherud decode 256: it times whole answers only"]
    assert stage["done"]
    assert found["skipped"] == {"jlama": "no network"}
    assert found["commands"] == ["bench/peers/compare --stages demo --build=PATH"]


def test_a_stage_that_is_done_is_not_done_again(compared: Callable[..., comparison.Comparison], tmp_path: Path) -> None:
    compared().run()
    before = (tmp_path / "compare.json").read_text()
    again = compared()
    again.engines.available.clear()
    again.run()
    assert json.loads((tmp_path / "compare.json").read_text())["stages"] == json.loads(before)["stages"]


def test_without_time_nothing_is_measured_and_nothing_lost(
    compared: Callable[..., comparison.Comparison], tmp_path: Path
) -> None:
    (tmp_path / "compare.json").write_text(json.dumps({"stages": {"demo": {"samples": [{"ms": 1}], "notes": []}}}))
    compared(budget=0.0).run()
    assert json.loads((tmp_path / "compare.json").read_text())["stages"]["demo"]["samples"] == [{"ms": 1}]


def test_a_stage_of_another_name_is_refused(compared: Callable[..., comparison.Comparison]) -> None:
    with pytest.raises(SystemExit, match="there is no stage demos; there are demo,"):
        compared(stages="demos").run()


def test_turns_end_with_the_time_of_the_stage(compared: Callable[..., comparison.Comparison]) -> None:
    c = compared()
    stage = c.results.begin("demo")
    c.interleaved(stage, time.monotonic() - 1, [({"engine": "c", "name": "decode", "n": 1}, lambda _: (1.0, {}))], 3)
    assert len(stage["samples"]) == 1  # one turn whatever the time


def test_a_folder_without_llama_is_skipped(tmp_path: Path) -> None:
    with pytest.raises(Skipped, match="run bench/peers/get_llama.sh"):
        packages.libraries(tmp_path)
    with pytest.raises(Skipped, match="no llama-bench under"):
        packages.tool(tmp_path, "llama-bench")


def test_a_program_is_started_with_the_loader_beside_its_library(tmp_path: Path) -> None:
    folder = tmp_path / "usr/lib/x86_64-linux-gnu"
    for file in (
        folder / "libllama.so.0",
        folder / "ld-linux-x86-64.so.2",
        tmp_path / "usr/include/llama.h",
        tmp_path / "usr/bin/llama-bench",
    ):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    command = packages.tool(tmp_path, "llama-bench")
    assert command[0] == str(folder / "ld-linux-x86-64.so.2")
    assert command[1] == "--library-path"
    assert command[-1] == str(tmp_path / "usr/bin/llama-bench")
