"""The reference against transformers, and the fixtures against the reference."""

import hashlib
import json
from pathlib import Path

import pytest

from models.reference import make_fixtures, validate

FIXTURES = Path(__file__).parents[1] / "fixtures"
MANIFEST = json.loads((FIXTURES / "manifest.json").read_text())


def test_the_decoder_equals_that_of_transformers(capsys: pytest.CaptureFixture[str]) -> None:
    report = validate.Report()
    validate.check_transformers(report)
    assert report.failed == 0, capsys.readouterr().out


def test_the_fixtures_are_those_of_the_manifest() -> None:
    for name, digest in MANIFEST["sha256"].items():
        assert hashlib.sha256((FIXTURES / name).read_bytes()).hexdigest() == digest, name


@pytest.mark.parametrize("index", [0, 3, 11])
def test_formers_are_written_byte_for_byte_the_same(index: int, tmp_path: Path) -> None:
    name = list(make_fixtures.FORMERS)[index]
    made = make_fixtures.make_former(tmp_path, name, 100 + 10 * index)
    assert json.loads(json.dumps(made)) == MANIFEST["formers"][index]
    assert (tmp_path / made["gguf"]).read_bytes() == (FIXTURES / made["gguf"]).read_bytes()


@pytest.mark.parametrize("name", ["llama-bias", "qwen3"])
def test_decoders_are_written_byte_for_byte_the_same(name: str, tmp_path: Path) -> None:
    index = list(make_fixtures.DECODERS).index(name)
    made = make_fixtures.make_decoder(tmp_path, name, 500 + 10 * index)
    assert json.loads(json.dumps(made)) == MANIFEST["decoders"][index]
    assert (tmp_path / made["gguf"]).read_bytes() == (FIXTURES / made["gguf"]).read_bytes()
