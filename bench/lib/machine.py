"""What was measured on; no name of it."""

import datetime
import os
import platform
import re
from pathlib import Path
from typing import Any

INSTRUCTIONS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8", "asimd", "asimddp", "i8mm", "sve")


def cpuinfo() -> str:
    path = Path("/proc/cpuinfo")
    return path.read_text() if path.exists() else ""


def facts(info: str | None = None) -> dict[str, Any]:
    """CPU, its instructions, memory, kernel, date, load; `info` stands for /proc/cpuinfo."""
    info = cpuinfo() if info is None else info
    name = re.search(r"^model name\s*:\s*(.*)$", info, re.MULTILINE)
    flags = re.search(r"^(?:flags|Features)\s*:\s*(.*)$", info, re.MULTILINE)
    has = flags.group(1).split() if flags else []
    return {
        "cpu": name.group(1) if name else platform.machine(),
        "cpus": len(os.sched_getaffinity(0)),
        "instructions": [flag for flag in INSTRUCTIONS if flag in has],
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "kernel": platform.release().split("-")[0],
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "load_before": [round(load, 2) for load in os.getloadavg()],
    }


def physical_cores(info: str | None = None) -> int:
    """One thread per physical core, as everything here is measured."""
    info = cpuinfo() if info is None else info
    packages = re.findall(r"^physical id\s*:\s*(\d+)", info, re.MULTILINE)
    cores = set(zip(packages, re.findall(r"^core id\s*:\s*(\d+)", info, re.MULTILINE), strict=True))
    return min(len(cores) or os.cpu_count() or 1, len(os.sched_getaffinity(0)))
