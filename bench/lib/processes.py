"""Programs with a limit of time."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.lib.skips import Skipped

Argument = str | int | float | Path


def run(command: Sequence[Argument], timeout: float, **options: Any) -> tuple[str, dict[str, float]]:
    """Runs a command to its end; its output, and the load of the machine before it with the seconds it took.

    Skipped where it fails or is not done in time; then it and its children are ended.
    """
    load, started = os.getloadavg()[0], time.monotonic()
    process = subprocess.Popen(
        [str(part) for part in command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        **options,
    )
    try:
        out, err = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        end(process)
        raise Skipped(f"{Path(str(command[0])).name}: no end within {timeout:.0f} s") from None
    except BaseException:
        end(process)
        raise
    if process.returncode != 0:
        lines = [line for line in err.decode(errors="replace").splitlines() if line.strip()]
        raise Skipped(f"exit code {process.returncode}: {lines[-1] if lines else 'no message'}")
    return out.decode(), {"load": round(load, 2), "seconds": round(time.monotonic() - started, 2)}


def end(process: subprocess.Popen[bytes]) -> None:
    """Ends a process that started a session of its own, and its children."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
