"""An environment that is damaged is seen to be."""

import importlib.machinery
import importlib.util
import venv
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture
def environment() -> ModuleType:
    loader = importlib.machinery.SourceFileLoader("environment", str(Path(__file__).with_name("environment")))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("environment", loader))
    loader.exec_module(module)
    return module


def test_what_is_missing_or_cut_short_is_named(environment: ModuleType, tmp_path: Path) -> None:
    python, whole = tmp_path / "bin/python", tmp_path / "whole"
    assert environment.complaint(python, whole) == "it was not finished"
    whole.write_text("1")
    assert environment.complaint(python, whole) == "its interpreter does not run"
    venv.create(tmp_path, with_pip=False)
    assert environment.complaint(python, whole) == "it has 0 packages, not 1"
    site = next((tmp_path / "lib").glob("python*/site-packages"))
    package = site / "small-1.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: small\nVersion: 1\n")
    (package / "RECORD").write_text("small.py,,4\nsmall-1.dist-info/RECORD,,\n")
    assert environment.complaint(python, whole) == "damaged: small.py"
    (site / "small.py").write_text("a=1\n")
    assert environment.complaint(python, whole) is None
    (site / "small.py").write_text("a=\n")
    assert environment.complaint(python, whole) == "damaged: small.py"


def test_the_name_depends_on_the_requirements(environment: ModuleType, tmp_path: Path) -> None:
    before = environment.key()
    for name in [*environment.REQUIREMENTS, environment.CONSTRAINTS]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes((environment.ROOT / name).read_bytes())
    environment.ROOT = tmp_path
    assert environment.key() == before
    (tmp_path / environment.CONSTRAINTS).write_text("numpy==2\n")
    assert environment.key() != before
