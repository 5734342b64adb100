"""Results that are gathered stage by stage: what is measured stays, and the next call goes on with what is missing."""

import json
import time
from pathlib import Path
from typing import Any

from models.lib.files import write_json


class Results:
    """A JSON file with an entry for each stage under "stages"."""

    def __init__(self, path: Path, fresh: bool = False) -> None:
        self.path = path
        self.data: dict[str, Any] = {}
        if path.exists() and not fresh:
            self.data = json.loads(path.read_text())
        self.stages: dict[str, dict[str, Any]] = self.data.setdefault("stages", {})

    def stage(self, name: str) -> dict[str, Any]:
        """The entry of a stage, with "samples" and "notes"."""
        return self.stages.setdefault(name, {"samples": [], "notes": []})

    def begin(self, name: str) -> dict[str, Any]:
        """The same, without what a call before this one left there."""
        entry = self.stage(name)
        entry["samples"].clear()
        entry["notes"].clear()
        return entry

    def save(self) -> None:
        write_json(self.path, self.data, sort_keys=True)


class Deadline:
    """The end of everything, within which stages have ends of their own."""

    def __init__(self, seconds: float) -> None:
        self.end = time.monotonic() + seconds

    def left(self, end: float | None = None) -> float:
        """Seconds to the end, or to a stage's end where that is sooner; at least one."""
        return max(1.0, min(self.end, self.end if end is None else end) - time.monotonic())

    def over(self, margin: float = 0.0) -> bool:
        return time.monotonic() > self.end - margin
