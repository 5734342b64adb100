"""Files that are either whole or not there."""

import json
from pathlib import Path
from typing import Any


def write_whole(path: Path, content: str | bytes) -> None:
    """Writes a file beside its place and moves it there: whoever reads it, or is interrupted, has the old one or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_bytes(content.encode() if isinstance(content, str) else content)
    part.replace(path)


def write_json(path: Path, value: Any, indent: int = 1, **options: Any) -> None:
    """Indented JSON with a line's end."""
    write_whole(path, json.dumps(value, indent=indent, **options) + "\n")
