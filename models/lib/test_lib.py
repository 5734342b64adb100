"""What reference, trainer and benches share."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gguf
import numpy as np
import pytest

from models.lib import ggufs, plots, random_weights
from models.lib.chunks import chunk_spans
from models.lib.files import write_json, write_whole
from models.lib.names import gguf_name
from models.lib.numbers import relative_l2
from models.lib.rope import llama3_factors

FIXTURES = Path(__file__).parents[1] / "fixtures"


@pytest.mark.parametrize(
    ("n", "longest", "spans"),
    [
        (32, 32, [(0, 32)]),
        (33, 32, [(0, 17), (17, 33)]),
        (65, 32, [(0, 22), (22, 44), (44, 65)]),
        (0, 32, [(0, 0)]),
        (1000, 0, [(0, 1000)]),
    ],
)
def test_chunks_are_even(n: int, longest: int, spans: list[tuple[int, int]]) -> None:
    assert chunk_spans(n, longest) == spans


def test_chunks_are_those_of_the_fixtures() -> None:
    for former in json.loads((FIXTURES / "manifest.json").read_text())["formers"]:
        for case in former["cases"]:
            assert chunk_spans(case["n"], case["max_chunk"]) == [tuple(span) for span in case["chunk_spans"]]


def test_relative_l2() -> None:
    assert relative_l2([3.0, 4.0], [0.0, 5.0]) == pytest.approx(np.sqrt(10) / 5)
    assert relative_l2(np.zeros((0, 3)), np.zeros((0, 3))) == 0.0
    with pytest.raises(ValueError, match="shapes differ"):
        relative_l2([1.0], [1.0, 2.0])


def test_names_of_both_kinds_of_checkpoints() -> None:
    assert gguf_name("model.layers.11.self_attn.q_proj.bias") == "blk.11.attn_q.bias"
    assert gguf_name("encoder.layers.0.context_layernorm.weight") == "blk.0.context_norm.weight"
    assert gguf_name("lm_head.weight") == "output.weight"
    with pytest.raises(KeyError):
        gguf_name("model.layers.0.mlp.experts.weight")


def test_a_file_is_whole_or_not_there(tmp_path: Path) -> None:
    path = tmp_path / "deep/result.json"
    write_json(path, {"a": 1})
    assert path.read_text() == '{\n "a": 1\n}\n'
    with pytest.raises(TypeError):
        write_json(path, {"b": object()})
    assert json.loads(path.read_text()) == {"a": 1}
    write_whole(path, b"\x00\x01")
    assert path.read_bytes() == b"\x00\x01"
    assert [entry.name for entry in path.parent.iterdir()] == ["result.json"]


def test_a_plot_that_fails_costs_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    def drawing(_: Any) -> None:
        raise ValueError("no ink")

    assert not plots.draw("report", drawing)
    assert capsys.readouterr().err == "report: no plot: ValueError: no ink\n"


def test_a_missing_matplotlib_costs_nothing(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    assert not plots.draw("report", lambda pyplot: pytest.fail("drawn without matplotlib"))
    assert "no plot: ModuleNotFoundError" in capsys.readouterr().err


def test_the_same_plot_has_the_same_bytes(tmp_path: Path) -> None:
    def drawing(pyplot: Any) -> None:
        figure, axes = pyplot.subplots()
        axes.plot([1, 2], [3, 4])
        plots.save(pyplot, figure, tmp_path / "plot")

    contents = []
    for _ in range(2):
        assert plots.draw("report", drawing)
        contents.append([(tmp_path / f"plot{ending}").read_bytes() for ending in (".svg", ".png")])
    assert contents[0] == contents[1]


def test_llama_3_factors_leave_short_waves_and_stretch_long_ones() -> None:
    factors = llama3_factors(64, 5e5, 8.0, 64)
    assert factors[0] == 1.0
    assert factors[-1] == pytest.approx(8.0)
    assert np.all(np.diff(factors) >= 0)


# ---- GGUF ----

SIZES = SimpleNamespace(n_vocab=40, n_embd=32, n_ff=48, n_layer=2, n_head=4, n_head_kv=2, head_dim=8)


def test_interleaving_puts_halves_side_by_side() -> None:
    assert ggufs.interleave(np.arange(8)[:, None], 2)[:, 0].tolist() == [0, 2, 1, 3, 4, 6, 5, 7]


def test_bytes_have_256_spellings() -> None:
    spelling = ggufs.byte_spelling()
    assert len(set(spelling)) == 256
    assert (spelling[ord("a")], spelling[ord(" ")], spelling[ord("\n")]) == ("a", "\u0120", "\u010a")
    assert all(character.isprintable() for character in spelling)


def test_vocabularies_have_a_type_for_every_piece() -> None:
    pieces, scores, types = ggufs.sentence_piece_tokens(["a", "b"])
    assert (len(pieces), pieces[-2:], scores[-2:]) == (261, ["a", "b"], [0.0, -1.0])
    assert len(types) == len(scores) == len(pieces)
    pieces, types = ggufs.byte_level_tokens([("h", "e")], ["<end>"], unused=2)
    assert pieces[256:] == ["he", "<end>", "<unused0>", "<unused1>"]
    kind = gguf.TokenType
    assert types[255:] == [kind.NORMAL, kind.NORMAL, kind.CONTROL, kind.UNUSED, kind.UNUSED]


def test_random_weights_depend_on_the_seed_alone_and_are_all_there() -> None:
    first, second = (random_weights.decoder(SIZES, 3, ("attn_q",), head_norms=True, tied=False) for _ in range(2))
    assert list(first) == list(second)
    assert all(np.array_equal(first[name], second[name]) for name in first)
    assert first["blk.1.attn_k.weight"].shape == (16, 32)
    assert first["blk.0.attn_q.bias"].shape == (32,)
    assert {"output.weight", "blk.0.attn_q_norm.weight"} <= set(first)
    assert "output.weight" not in random_weights.decoder(SIZES, 3)


def test_a_written_file_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "tiny.gguf"
    writer = gguf.GGUFWriter(str(path), "llama")
    ggufs.add_sizes(writer, blocks=2, width=32, feed_forward=48, heads=4, kv_heads=2, eps=1e-5, context=128)
    ggufs.add_sentence_piece(writer, *ggufs.sentence_piece_tokens(["a"]), add_bos=True)
    weights = random_weights.decoder(SIZES, 1)
    for name, value in weights.items():
        writer.add_tensor(name, value)
    ggufs.finish(writer)
    reader = gguf.GGUFReader(str(path))
    assert {tensor.name for tensor in reader.tensors} == set(weights)
    assert reader.get_field("llama.attention.head_count_kv").contents() == 2
    assert reader.get_field("llama.context_length").contents() == 128


def test_a_file_without_tensors_is_a_file(tmp_path: Path) -> None:
    path = tmp_path / "vocabulary.gguf"
    writer = gguf.GGUFWriter(str(path), "llama")
    merges = [("h", "e")]
    ggufs.add_byte_level(writer, *ggufs.byte_level_tokens(merges, []), merges)
    ggufs.finish(writer)
    reader = gguf.GGUFReader(str(path))
    assert reader.tensors == []
    assert reader.get_field("tokenizer.ggml.merges").contents() == ["h e"]
