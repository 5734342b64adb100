"""The measurements of a GPU, tried on the CPU with small shapes: pytest bench/gpu. ICF_LIBRARY names another folder of libicf.so
than that of the build; without one the tests that need it are skipped."""

import importlib.machinery
import importlib.util
import json
import os
import pathlib
import subprocess
import sys
import time

import pytest

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
LIBRARY = pathlib.Path(os.environ.get("ICF_LIBRARY", ROOT / "native/target/lib"))
sys.path.insert(0, str(HERE))

needs_library = pytest.mark.skipif(not (LIBRARY / "libicf.so").exists(), reason="the library is not built")


def load_run():
    loader = importlib.machinery.SourceFileLoader("gpu_run", str(HERE / "run"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("gpu_run", loader))
    loader.exec_module(module)
    return module


def rehearse(folder, *more):
    command = [sys.executable, HERE / "run", "--small", "--library", LIBRARY, "--work", folder / "work", "--output", folder / "gpu.json"]
    done = subprocess.run([str(c) for c in [*command, *more]], capture_output=True, text=True, check=False, timeout=300)
    return done, json.loads((folder / "gpu.json").read_text())


@pytest.fixture(scope="module")
def tests_folder(tmp_path_factory):
    """Three programs in the place of the native tests: one passes, one fails, one is skipped."""
    folder = tmp_path_factory.mktemp("tests")
    for name, script in (("test_good", "exit 0"), ("test_bad", "echo wrong >&2; exit 1"), ("test_skipped", "exit 77")):
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
    return folder


@needs_library
def test_every_stage_returns(tmp_path, tests_folder):
    done, result = rehearse(tmp_path, "--tests", tests_folder, "--llama-bench", "/nowhere/llama-bench")
    stages = result["stages"]
    assert [name for name in load_run().STAGES if name not in stages] == []
    assert stages["decode"]["status"] == "failed" and "/nowhere/llama-bench" in stages["decode"]["reason"]
    assert {f["name"] for f in stages["decode"]["figures"]} == {"prefill", "decode"}
    assert stages["tests"]["status"] == "failed" and "test_bad" in stages["tests"]["reason"]
    assert "wrong" in (tmp_path / "gpu.log").read_text()
    values = {f["of"]["test"]: f["value"] for f in stages["tests"]["figures"] if f["of"]["graphs"] == "on"}
    assert (values["test_good"], values["test_skipped"]) == ("passed", "skipped")
    torch = importlib.util.find_spec("torch") is not None
    numpy = importlib.util.find_spec("numpy") is not None
    for names, there in ((("devices", "make", "compress", "self-attention", "first-token", "no-graphs", "pair"), True),
                         (("agreement", "no-tf32"), numpy), (("peaks", "official", "profile"), torch)):
        for name in names:
            assert stages[name]["status"] == ("done" if there else "failed"), (name, stages[name])
            assert not there or stages[name]["figures"], name
    assert result["bars"] and done.returncode == 1
    for f in stages["agreement"]["figures"] if numpy else []:  # of the CPU with itself
        assert f["of"]["against"] != f"CPU {f['of']['type']}" or f["value"] == (1 if f["unit"] == "of the steps" else 0)
    assert next(f["value"] for f in stages["pair"]["figures"] if f["name"] == "pair_same_tokens") == 1


@needs_library
def test_figures_survive(tmp_path):
    _, first = rehearse(tmp_path, "--stages", "devices,make,compress")
    _, second = rehearse(tmp_path, "--stages", "devices,compress,no-graphs")
    assert second["stages"]["compress"] == first["stages"]["compress"]  # not measured again
    assert second["stages"]["no-graphs"]["status"] == "done"
    _, third = rehearse(tmp_path, "--stages", "no-graphs", "--again")
    assert "compress" not in third["stages"]


@needs_library
def test_nothing_is_reached_without_time(tmp_path):
    _, result = rehearse(tmp_path, "--limit", "0")
    assert {entry["status"] for entry in result["stages"].values()} == {"not reached"}


def test_a_child_is_ended_with_what_it_started(tmp_path):
    run = load_run()
    args = run.argparse.Namespace(limit=60, output=tmp_path / "gpu.json", again=False, library=tmp_path, work=tmp_path / "work")
    it = run.Run(args)
    script = ('echo \'{"name": "a", "value": 1}\'; echo "[warning" >&2; echo \'{"broken\'; sleep 100 & echo $! > started; wait')
    start = time.monotonic()
    child = it.call("stage", ["sh", "-c", script], time.monotonic() + 1, folder=tmp_path)
    assert child.code is None and time.monotonic() - start < 20
    assert [f["value"] for f in json.loads((tmp_path / "gpu.json").read_text())["stages"]["stage"]["figures"]] == [1]
    assert "[warning" in (tmp_path / "gpu.log").read_text()
    started = pathlib.Path(f"/proc/{(tmp_path / 'started').read_text().strip()}/stat")
    assert not started.exists() or started.read_text().split()[2] == "Z"


def test_bars_are_met_or_not():
    run = load_run()

    class Found(run.Results):
        def __init__(self):  # pylint: disable=super-init-not-called
            self.stages = {"compress": {"figures": [{"name": "compress", "of": {"contexts": 8, "n": 512, "former": "f16"}, "value": 1.0,
                                                     "times_floor": 2, "tflops": 500}]},
                           "self-attention": {"figures": [
                               {"name": "compress_self_attention", "of": {"contexts": 8, "n": 512, "n_batch": 1}, "value": 90.0},
                               {"name": "compress_self_attention", "of": {"contexts": 8, "n": 512, "n_batch": 2}, "value": 60.0}]}}
    rows = {r["what"]: r for r in run.bars(Found())}
    row = rows["compress 8x512, former f16, against self-attention"]
    assert (row["value"], row["met"]) == (60.0, False)  # the faster of ours
    assert rows["compress 8x512, former q8_0, against self-attention"]["met"] is None


def test_pytorch_computes_the_reference():
    torch = pytest.importorskip("torch")
    sys.path.insert(0, str(ROOT / "models/reference"))
    import former
    import numpy as np
    import reference_former
    import weights
    from common import Rope
    shape = weights.SHAPES["tiny"]
    w = reference_former.random_weights(shape, torch.float32, "cpu")
    w = {name: t * 3 if t.dim() == 2 else t for name, t in w.items()}
    context = torch.randn(1, 40, shape.width)
    config = former.FormerConfig(n_embd=shape.width, n_ff=shape.feed_forward, n_layer=reference_former.LAYERS, n_head=shape.heads,
                                 n_head_kv=shape.kv_heads, n_digest=shape.digests, eps=reference_former.EPS,
                                 rope=Rope(theta=reference_former.ROPE_BASE))
    expected = former.digest(config, {name: t.numpy() for name, t in w.items()}, context[0].numpy())
    found = reference_former.digest(shape, w, context)[0].numpy()
    assert np.linalg.norm(found - expected) / np.linalg.norm(expected) < 1e-4
