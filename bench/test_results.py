"""Pages and plots from the results that are kept, and the models that are compared."""

import json
from pathlib import Path
from typing import Any

import gguf
import pytest

from bench import quality, quantisation, report
from bench.peers.parity import shapes
from bench.peers.tokenizers import compare, texts, vocabularies
from models.lib import plots

BENCH = Path(__file__).parent


def read(name: str) -> Any:
    return json.loads((BENCH / "results" / name).read_text())


def test_the_page_is_that_of_the_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    results = tmp_path / "results/compare.json"
    results.parent.mkdir()
    for name in ("compare.json", "gpu.json"):
        (results.parent / name).write_bytes((BENCH / "results" / name).read_bytes())
    page = tmp_path / "RESULTS.md"
    monkeypatch.setattr("sys.argv", ["report.py", "--results", str(results), "--page", str(page)])
    report.main()
    assert page.read_text() == (BENCH / "RESULTS.md").read_text()


def test_counted_work_is_that_of_the_native_tests() -> None:
    assert report.digest_work(512) * 1e-9 == pytest.approx(64.5, abs=0.05)
    assert report.self_attention_work(512) * 1e-9 == pytest.approx(
        4184, rel=0.02
    )  # the graph leaves out rows of its last layer
    assert report.context_work(1024) == 2 * report.digest_work(512)


def test_a_linear_fit() -> None:
    start, slope, r2 = report.fit([(1, 3.0), (2, 5.0), (3, 7.0)])
    assert (start, slope, r2) == pytest.approx((1.0, 2.0, 1.0))


def test_the_plot_of_quantisation(tmp_path: Path) -> None:
    results = read("quantisation.json")
    output = tmp_path / "quantisation.json"
    assert plots.draw("test", lambda pyplot: quantisation.plot(pyplot, results["pairs"], results["types"], output))
    assert {path.suffix for path in tmp_path.iterdir()} == {".svg", ".png"}


def test_table_and_plot_of_quality(tmp_path: Path) -> None:
    result = json.loads((BENCH.parent / "models/demo/training/quality.json").read_text())
    pairs = result.get("pairs", [result])
    lines = quality.table(pairs)
    assert len(lines) == 2 + sum(source in pair for pair in pairs for source in quality.SOURCES)
    assert all(line.count("|") == lines[0].count("|") for line in lines)
    assert plots.draw("test", lambda pyplot: quality.plot(pyplot, pairs, tmp_path / "quality.json"))


@pytest.mark.parametrize("name", ["llama, RoPE factors", "qwen2", "qwen3, YaRN"])
def test_models_to_compare_are_whole(name: str, tmp_path: Path) -> None:
    path, shape = tmp_path / "model.gguf", shapes.SHAPES[name]
    shapes.write(path, name, shape, 100)
    reader = gguf.GGUFReader(str(path))
    names = {tensor.name for tensor in reader.tensors}
    assert {"token_embd.weight", "blk.1.ffn_down.weight", "output.weight"} <= names
    assert ("rope_freqs.weight" in names) == bool(shape.rope_factors)
    assert ("blk.0.attn_q.bias" in names) == bool(shape.biases)
    assert ("blk.0.attn_q_norm.weight" in names) == shape.head_norms
    assert len(reader.get_field("tokenizer.ggml.tokens").contents()) == shape.n_vocab


def test_vocabularies_of_a_few_texts(tmp_path: Path) -> None:
    training = ["the quick brown fox jumps over the lazy dog\n" * 30, "pack my box with five dozen liquor jugs\n" * 30]
    for keys, end in (
        (vocabularies.sentence_piece(training, 340), "</s>"),
        (vocabularies.byte_level(training, 300), "<|endoftext|>"),
    ):
        tokens, types = keys["tokenizer.ggml.tokens"], keys["tokenizer.ggml.token_type"]
        assert len(tokens) == len(types)
        assert tokens[keys["tokenizer.ggml.eos_token_id"]] == end
        assert {gguf.TokenType.CONTROL, gguf.TokenType.USER_DEFINED} <= set(types)
        vocabularies.write(tmp_path / "vocabulary.gguf", keys)
        assert gguf.GGUFReader(str(tmp_path / "vocabulary.gguf")).get_field("tokenizer.ggml.tokens").contents() == tokens
    assert len(vocabularies.byte_pairs()["tokenizer.ggml.tokens"]) == 256 + 65536


def test_hard_texts_depend_on_the_seed_alone() -> None:
    corpus = ["some text of a document", "und noch ein Text"]
    first, second = (texts.hard(3, 200, corpus) for _ in range(2))
    assert first == second
    assert len(first) == 200
    assert any(not is_utf8(text) for text in first)


def is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def test_texts_are_escaped_to_printable_characters() -> None:
    assert compare.escape(b"a\\\n\xff~") == "a\\x5c\\x0a\\xff~"


def test_what_is_asked_of_a_vocabulary() -> None:
    assert len(compare.columns_of("spm", [])) == 4
    assert [column["tokenizer.ggml.pre"] for column in compare.columns_of("bpe", ["qwen2", "gpt-2"])] == [
        "qwen2",
        "qwen2",
        "gpt-2",
        "gpt-2",
    ]
