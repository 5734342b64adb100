"""icformer's command line, as other programs call it."""

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file

ROOT = Path(__file__).resolve().parents[2]


class Icf:
    """Runs `icf` and reads what it prints or writes; scratch is a folder for files of its own."""

    def __init__(self, command: str | Path, scratch: Path) -> None:
        self.command, self.scratch = str(command), scratch

    def run(self, *arguments: object, text: str | None = None) -> str:
        """Its standard output. `text` is its standard input."""
        done = subprocess.run([self.command, *map(str, arguments)], input=text, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(done.stderr.strip())
        return done.stdout

    def json(self, *arguments: object, text: str | None = None) -> Any:
        return json.loads(self.run(*arguments, "--json", text=text))

    def tokenize(self, model: Path, text: str) -> list[int]:
        return self.json("tokenize", "-", "--no-bos", "--model", model, text=text)["ids"]

    def quantise(self, source: Path, kind: str) -> Path:
        """A file of another type in the scratch folder; made once."""
        target = self.scratch / f"{source.stem}-{kind}.gguf"
        if not target.exists():
            self.run("quantize", source, target, kind)
        return target

    def dump(self, what: str, *arguments: object) -> dict[str, np.ndarray]:
        """What `icf dump` writes, tensor by tensor."""
        output = self.scratch / f"{what}.safetensors"
        self.run("dump", what, *arguments, "-o", output)
        return load_file(output)


def listed(ids: Sequence[int]) -> str:
    """Token ids as --tokens takes them."""
    return ",".join(map(str, ids))
