"""Functions are short enough to be read at once."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = [
    ROOT / ".ci/environment",
    ROOT / "bench/peers/compare",
    ROOT / "bench/gpu/run",
    ROOT / "models/train/run",
]  # without an ending
FILES = sorted([*ROOT.glob("models/**/*.py"), *ROOT.glob("bench/**/*.py"), *SCRIPTS])


def functions(path: Path) -> Iterator[tuple[str, int]]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef):
            yield node.name, node.end_lineno - node.lineno + 1


@pytest.mark.parametrize(("folder", "most"), [("models/train", 40), (".", 60)])
def test_no_function_is_longer_than_a_page(folder: str, most: int) -> None:
    files = [path for path in FILES if path.is_relative_to(ROOT / folder)]
    assert len(files) > 5
    assert [f"{path}: {name}, {lines} lines" for path in files for name, lines in functions(path) if lines > most] == []
