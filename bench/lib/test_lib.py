"""What the benches share."""

import json
import os
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from bench.lib import machine, processes
from bench.lib.command import Icf, listed
from bench.lib.skips import SKIPPED, Skipped, skip
from bench.lib.stages import Deadline, Results

CPUINFO = """\
processor\t: 0
model name\t: Some CPU
physical id\t: 0
core id\t\t: 0
flags\t\t: fpu avx2 avx512f

processor\t: 1
model name\t: Some CPU
physical id\t: 0
core id\t\t: 0
flags\t\t: fpu avx2 avx512f
"""


def test_a_skip_has_a_code_and_a_reason(capsys: pytest.CaptureFixture[str]) -> None:
    assert skip(Skipped("no compiler")) == SKIPPED == 77
    assert capsys.readouterr().err == "skipped: no compiler\n"


def test_the_facts_of_a_machine() -> None:
    found = machine.facts(CPUINFO)
    assert (found["cpu"], found["instructions"]) == ("Some CPU", ["avx2", "avx512f"])
    assert found["memory_bytes"] > 0
    assert os.uname().nodename not in json.dumps(found)


def test_two_threads_of_a_core_are_one_core() -> None:
    assert machine.physical_cores(CPUINFO) == 1
    assert machine.physical_cores("") == len(os.sched_getaffinity(0))


def test_output_and_time_of_a_process() -> None:
    out, usage = processes.run([sys.executable, "-c", "print(1 + 1)"], 30)
    assert (out, set(usage)) == ("2\n", {"load", "seconds"})


def test_a_process_that_fails_is_skipped_with_its_last_line() -> None:
    with pytest.raises(Skipped, match="^exit code 3: the reason$"):
        processes.run([sys.executable, "-c", "import sys; print('x\\nthe reason\\n', file=sys.stderr); sys.exit(3)"], 30)


def test_a_process_out_of_time_is_ended_with_its_children(tmp_path: Path) -> None:
    seen = tmp_path / "pid"
    code = (
        "import pathlib, subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        f"pathlib.Path({str(seen)!r}).write_text(str(child.pid))\n"
        "time.sleep(60)\n"
    )
    with pytest.raises(Skipped, match="no end within 2 s"):
        processes.run([sys.executable, "-c", code], 2)
    status = Path(f"/proc/{seen.read_text()}/stat")
    end = time.monotonic() + 10
    while status.exists() and status.read_text().rsplit(")", 1)[1].split()[0] != "Z":  # ended, and at most not yet fetched
        assert time.monotonic() < end, "the child lives on"
        time.sleep(0.05)


def icf(folder: Path, body: str) -> Icf:
    """A stand-in for the command line."""
    program = folder / "icf"
    program.write_text(f"#!{sys.executable}\nimport sys\narguments = sys.argv[1:]\n{body}")
    program.chmod(0o755)
    return Icf(program, folder)


def test_the_command_line_is_called_and_read(tmp_path: Path) -> None:
    command = icf(tmp_path, "import json; print(json.dumps({'ids': [len(sys.stdin.read()), arguments.index('--json')]}))")
    assert command.tokenize(Path("m.gguf"), "four") == [4, 5]
    assert listed([1, 2, 3]) == "1,2,3"


def test_a_message_of_the_command_line_is_kept(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="^no such model$"):
        icf(tmp_path, "sys.exit('no such model')").json("info")


def test_a_file_is_quantised_once(tmp_path: Path) -> None:
    command = icf(tmp_path, "assert arguments[0] == 'quantize'; open(arguments[2], 'x').write(arguments[3])")
    source = tmp_path / "lm.gguf"
    assert [command.quantise(source, "q8_0").read_text() for _ in range(2)] == ["q8_0", "q8_0"]


def test_dumps_are_read(tmp_path: Path) -> None:
    save_file({"digest": np.ones((2, 3), np.float32)}, tmp_path / "made.safetensors")
    command = icf(
        tmp_path, "import shutil; shutil.copy(sys.path[0] + '/made.safetensors', arguments[arguments.index('-o') + 1])"
    )
    assert command.dump("digest", "--former", "f")["digest"].shape == (2, 3)


def test_results_go_on_with_what_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    first = Results(path)
    first.stage("a").update(done=True)
    first.stage("a")["samples"].append(1)
    first.stage("b")["samples"].append(2)
    first.save()
    again = Results(path)
    assert again.stage("a")["samples"] == [1]
    assert again.stage("b")["samples"] == [2]
    assert again.begin("b")["samples"] == []
    assert Results(path, fresh=True).data == {"stages": {}}


def test_a_stage_ends_with_everything() -> None:
    deadline = Deadline(100)
    assert 99 < deadline.left() <= 100
    assert 9 < deadline.left(time.monotonic() + 10) <= 10
    assert deadline.left(time.monotonic() - 10) == 1.0
    assert not deadline.over()
    assert deadline.over(margin=101)
