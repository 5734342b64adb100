"""The trainer of pairs: an LLM made on the spot as GGUF, batches, gradients, whole runs."""

import json
import os
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import gguf
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.numpy import load_file

from models.lib import ggufs, random_weights
from models.lib.numbers import relative_l2
from models.train import fused
from models.train.corpus import Encoder, Entry, prepare, read_questions, read_texts
from models.train.former import Former
from models.train.gguf_llm import GROUPS, HALVES, Head, Llm, NotRead, Sizes
from models.train.made_questions import infinitive, make
from models.train.muon import Muon
from models.train.pair import Pair, answers
from models.train.tasks import MOST_ROWS, Tasks
from models.train.vocabulary import read_tokenizer

FIXTURES = Path(__file__).parents[1] / "fixtures"
RUN = Path(__file__).with_name("run")
WORDS = "the old king and his young queen found a silver ring under seven stones near Oslo in spring".split()
SIZES = SimpleNamespace(n_vocab=0, n_embd=64, n_ff=96, n_layer=2, n_head=4, n_head_kv=2, head_dim=16)


@pytest.fixture(scope="session")
def llm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two layers, a byte-level vocabulary with the pre-tokenizer `smollm`."""
    path = tmp_path_factory.mktemp("llm") / "tiny.gguf"
    space = ggufs.byte_spelling()[32]
    merges = [(space, "t"), ("h", "e"), (space + "t", "he"), ("i", "n"), ("1", "2"), ("e", "r"), ("o", "n")]
    pieces, types = ggufs.byte_level_tokens(merges, ["<end>"])
    writer = gguf.GGUFWriter(str(path), "llama")
    ggufs.add_sizes(writer, blocks=2, width=64, feed_forward=96, heads=4, kv_heads=2, eps=1e-5, context=2048)
    ggufs.add_byte_level(writer, pieces, types, merges, pre="smollm")
    writer.add_eos_token_id(len(pieces) - 1)
    sizes = SimpleNamespace(**{**vars(SIZES), "n_vocab": len(pieces)})
    for name, value in random_weights.decoder(sizes, 5).items():
        writer.add_tensor(name, value)
    ggufs.finish(writer)
    return path


@pytest.fixture(scope="session")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of texts, and a file of questions."""
    folder = tmp_path_factory.mktemp("data")
    chance = random.Random(2)
    for i in range(3):
        sentences = ["The " + " ".join(chance.choices(WORDS, k=9)) + "." for _ in range(300)]
        sentences.append("The king built a tower of stone near the river.")
        (folder / f"{i}.md").write_text(" ".join(sentences))
    contexts = [" ".join(chance.choices(WORDS, k=30)) for _ in range(60)]
    lines = [{"context": c, "question": "What is the third word?", "answer": c.split()[2]} for c in contexts]
    (folder / "qa.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


@pytest.fixture(scope="session")
def tasks(llm: Path, sources: Path) -> Tasks:
    found = read_questions([sources / "qa.jsonl"])
    encoder = Encoder(read_tokenizer(llm), 263)
    return Tasks(prepare(encoder, read_texts([sources / f"{i}.md" for i in range(3)]), found, []), 64, 16, 1500, 1)


# ---- The LLM ----


@pytest.mark.parametrize(
    "name", ["llama-gqa", "llama-mqa", "llama-bias", "llama-rope-linear", "llama-rope-factors", "llama-theta-eps", "qwen2"]
)
def test_an_llm_equals_the_reference(name: str) -> None:
    case = load_file(FIXTURES / f"decoder-{name}.safetensors")
    model = Llm(FIXTURES / f"decoder-{name}.gguf", 4, 2.0, "cpu", torch.float32)
    ids = torch.from_numpy(case["ids"].astype(np.int64))
    with torch.no_grad():
        logits = model(model.embeddings[ids][None]) @ model.head.T
    assert relative_l2(logits.numpy(), case["logits"][: len(logits)]) < 1e-4


def test_another_architecture_is_refused_by_name() -> None:
    with pytest.raises(NotRead, match="architecture qwen3"):
        Sizes.read(gguf.GGUFReader(str(FIXTURES / "decoder-qwen3.gguf")))


def plain(model: Llm, p: dict[str, torch.Tensor], x: torch.Tensor, adapter: bool) -> torch.Tensor:
    """The same by autograd: x [B, T, d] -> [B * T, d]."""
    batch, n, d = x.shape
    cos, sin = (a.repeat_interleave(2, -1) for a in model.angles(n))
    s = model.sizes

    def linear(h: torch.Tensor, i: int, name: str) -> torch.Tensor:
        at, names = next((k, g) for k, g in enumerate(GROUPS) if name in g)
        group, j = model.groups[i][at], names.index(name)
        row = sum(group.sizes[:j])
        y = h @ group.matrix[row : row + group.sizes[j], : group.inside].T
        low = h @ p[f"blk.{i}.{name}.a"].T
        return y + model.scale * low @ p[f"blk.{i}.{name}.b"].T if adapter else y

    def split(y: torch.Tensor) -> torch.Tensor:
        return y.view(batch, n, -1, s.head_dim).transpose(1, 2)

    def turn(y: torch.Tensor) -> torch.Tensor:
        across = torch.stack([-y[..., 1::2], y[..., 0::2]], -1).flatten(-2)
        return y * cos + across * sin

    for i in range(s.layers):
        h = F.rms_norm(x, (d,), model.norms[i][0], s.eps)
        q, k, v = (split(linear(h, i, name)) for name in GROUPS[0])
        y = F.scaled_dot_product_attention(turn(q), turn(k), v, is_causal=True, enable_gqa=True)
        x = x + linear(y.transpose(1, 2).flatten(2), i, "attn_output")
        h = F.rms_norm(x, (d,), model.norms[i][1], s.eps)
        x = x + linear(F.silu(linear(h, i, "ffn_gate")) * linear(h, i, "ffn_up"), i, "ffn_down")
    return F.rms_norm(x, (d,), model.norm, s.eps).view(-1, d)


@pytest.mark.parametrize("adapter", [True, False])
def test_gradients_equal_autograd(llm: Path, adapter: bool) -> None:
    torch.manual_seed(0)
    model = Llm(llm, 4, 2.0, "cpu", torch.float32)
    for view in model.views.values():
        view.normal_(std=0.1)
    model.refresh()
    p = {name: view.clone().requires_grad_() for name, view in model.views.items()}
    x, c = (torch.randn(3, 11, 64) * 0.3).requires_grad_(), torch.randn(33, 64)
    wanted = plain(model, p, x, adapter)
    (wanted * c).sum().backward()
    dx, x.grad = x.grad, None
    found = model(x, adapter)
    (found * c).sum().backward()
    assert relative_l2(found.detach(), wanted.detach()) < 1e-5
    assert relative_l2(x.grad, dx) < 1e-5
    for name, view in model.views.items():
        gradient = model.reader.grad.as_strided(view.shape, view.stride(), view.storage_offset())
        if adapter:
            assert relative_l2(gradient, p[name].grad) < 1e-4, name
        else:
            assert not gradient.any()


def test_the_heads_gradient_equals_autograd() -> None:
    torch.manual_seed(1)
    h, head, target, weight = torch.randn(20, 8), torch.randn(50, 8), torch.randint(0, 50, (20,)), torch.rand(20)
    first, second = h.clone().requires_grad_(), h.clone().requires_grad_()
    loss, right = Head.apply(first, head, target, weight, True)
    loss.backward()
    wanted = (F.cross_entropy(second @ head.T, target, reduction="none") * weight).sum()
    wanted.backward()
    assert float(loss) == pytest.approx(float(wanted), rel=1e-5)
    assert relative_l2(first.grad, second.grad) < 1e-5
    assert torch.equal(right, (h @ head.T).argmax(-1) == target)


INTERPRETED = """
import sys, torch
from models.train import fused
torch.manual_seed(0)
def every():
    torch.manual_seed(0)
    x, w, out = torch.randn(6, 24), torch.rand(24), torch.zeros(6, 30)
    rstd = fused.rms_norm(x, w, out, 1e-5)
    yield out[:, :24]
    yield fused.rms_norm_backward(torch.randn(6, 30), x, rstd, w, torch.randn(6, 24))
    a = torch.randn(3, 4)
    for halves in (False, True):
        y = torch.randn(6, 40)
        fused.rope(y, 16, a.cos(), a.sin(), halves)
        yield y
    gu, s = torch.randn(6, 48), torch.zeros(6, 30)
    fused.swiglu(gu, s)
    yield s[:, :24]
    yield fused.swiglu_backward(torch.randn(6, 30), gu)
    z = torch.randn(6, 5000)
    yield from fused.cross_entropy(z, torch.randint(0, 5000, (6,)), torch.rand(6))
    yield z
assert fused.INTERPRETED and fused.fused(torch.zeros(1))
kernels = list(every())
fused.INTERPRETED = False
for i, (a, b) in enumerate(zip(kernels, every(), strict=True)):
    torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5, msg=lambda m: f"{i}: {m}")
"""


def test_kernels_equal_their_fallback() -> None:
    pytest.importorskip("triton", reason="Triton is not installed: its kernels are not compared")
    environment = {**os.environ, "TRITON_INTERPRET": "1"}
    subprocess.run([sys.executable, "-c", INTERPRETED], env=environment, cwd=RUN.parents[2], check=True)


def test_muon_equals_pytorchs() -> None:
    torch.manual_seed(0)
    start = [torch.randn(64, 64), torch.randn(128, 64), torch.randn(64, 128), torch.randn(64, 64)]
    theirs, ours = ([torch.nn.Parameter(p.clone()) for p in start] for _ in range(2))
    reference = torch.optim.Muon(theirs, lr=1e-2, weight_decay=0.01, momentum=0.95, adjust_lr_fn="match_rms_adamw")
    muon = Muon(ours, 1e-2)
    for _ in range(3):
        for x, y in zip(theirs, ours, strict=True):
            x.grad = torch.randn_like(x)
            y.grad = x.grad.clone()
        reference.step()
        muon.step()
    for x, y, p in zip(theirs, ours, start, strict=True):
        assert float((x - y).norm() / (x - p).norm()) < 0.05  # bf16


# ---- Data ----


def test_digits_are_split_as_the_library_does(llm: Path) -> None:
    tokenizer = read_tokenizer(llm)
    assert [tokenizer.id_to_token(i) for i in tokenizer.encode("the 12", add_special_tokens=False).ids][-2:] == ["1", "2"]


def test_made_questions_are_answered_by_their_passage() -> None:
    passage = (
        "The old king built a tower of stone. Anna found a golden ring under the bridge. Oslo is the capital of Norway. "
        "The traveller was sad because the winter was very long. Seven brothers lived there in 1875. "
        '"Where is my ring?" said Anna. '
    )
    kinds = set()
    for seed in range(20):
        for kind, question, answer in make(passage, random.Random(seed)):
            kinds.add(kind)
            assert answer.lower() in passage.lower(), (question, answer)
            assert question.endswith("?") and answer
    assert kinds >= {"who", "what", "where", "is", "why", "said"}
    assert [infinitive(v) for v in ("carried", "stopped", "closed", "went")] == ["carry", "stop", "close", "go"]


def test_what_is_held_out_is_not_trained_on(sources: Path) -> None:
    texts = read_texts([sources / "0.md"])
    assert texts.held and texts.train and not set(texts.held) & set(texts.train)
    found = read_questions([sources / "qa.jsonl"])
    assert {entry.held for entry in found} == {True, False}


def test_dropped_contexts_are_counted(llm: Path, capsys: pytest.CaptureFixture[str]) -> None:
    encoder = Encoder(read_tokenizer(llm), 263)
    encoder.asked(
        [Entry("king " * 99, [("Who?", "king")], False), Entry("the old king", [("Who?", "king")], False)], 50, "qa"
    )
    assert "qa: 1 contexts; left out: 1 contexts" in capsys.readouterr().out


@pytest.mark.parametrize("before", [[], [7]])
def test_the_targets_of_a_batch_are_its_next_tokens(tasks: Tasks, before: list[int]) -> None:
    tasks.before, seen = before, set()
    try:
        for number in range(120):
            b = tasks.draw(number, number % 12 / 12)
            seen.add(b.task)
            lead = 0 if b.task == "read" else b.rows[1] - b.rows[0] + 1 + len(before) * (b.mark == "FT")
            width = lead + b.tail.shape[1]
            assert b.tokens == len(b.tail) * width and b.keep.max() < b.tokens
            row, column = b.keep // width, b.keep % width - lead + 1
            inside = column < b.tail.shape[1]
            assert (b.tail[row[inside], column[inside]] == b.target[inside]).all()
            assert (row == b.row).all() and b.ids.shape[1] <= 64
            assert b.rows[1] - b.rows[0] <= 16 * MOST_ROWS
    finally:
        tasks.before = []
    assert seen == {"copy", "continue", "locate", "ask", "read"}


def test_a_batch_depends_on_its_number_alone(tasks: Tasks) -> None:
    first, second = tasks.draw(5, 0.7), tasks.draw(5, 0.7)
    assert np.array_equal(first.tail, second.tail) and np.array_equal(first.ids, second.ids)


# ---- Runs ----


@pytest.fixture(scope="session")
def command(llm: Path, sources: Path) -> Callable[..., list[str]]:
    def of(*more: object) -> list[str]:
        fixed = ["--llm", llm, "--text", sources, "--qa", sources / "qa.jsonl", "--rank", 4, "--tokens", 400, "--workers", 0]
        return [str(x) for x in [RUN, *fixed, "--validation", 8, "--icf", "/nowhere/icf", *more]]

    return of


def start(arguments: list[str], *before: str) -> str:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, *before, *arguments], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout + done.stderr


def test_a_run_that_went_on_equals_one_that_was_not_stopped(command: Callable, tmp_path: Path) -> None:
    said = start(command("--steps", 8, "-o", tmp_path / "whole"))
    assert "is not built: the tokenizer is not compared" in said
    start(command("--steps", 8, "--stop-after", 3, "-o", tmp_path / "parts"))
    assert not (tmp_path / "parts/final").exists()
    assert "going on from step 3" in start(command("--steps", 8, "-o", tmp_path / "parts"))
    states = [torch.load(tmp_path / name / "checkpoint.pt", weights_only=True) for name in ("whole", "parts")]
    for part in ("former", "reader"):
        assert all(torch.equal(value, states[1][part][name]) for name, value in states[0][part].items())
    final = tmp_path / "whole/final"
    assert Former.load(final).config.chunk_length == 64
    assert load_file(final / "reader.safetensors")["blk.1.ffn_gate.b"].shape == (96, 4)
    assert json.loads((final / "reader.json").read_text()) == {"rank": 4, "scale": 2.0}
    assert json.loads((final / "prompt.json").read_text())["after"] == "\nAnswer:"
    assert "| full text, reader on |" in (tmp_path / "whole/report.md").read_text()
    start(command("--steps", 2, "--from", tmp_path / "whole/pair.pt", "--phase", 0.6, 1, "-o", tmp_path / "next"))


def test_two_processes_keep_the_same_parameters(command: Callable, tmp_path: Path) -> None:
    said = start(
        command("--steps", 3, "-o", tmp_path), "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"
    )
    assert (tmp_path / "report.md").exists(), said


def test_copies_are_learned(llm: Path, tasks: Tasks) -> None:
    """Of one row, by a few dozen steps: far above chance."""
    torch.manual_seed(0)
    pair = Pair(llm, 8, 64, 4)
    optimizer = torch.optim.AdamW([*pair.former.parameters(), pair.llm.reader.requires_grad_()], lr=3e-3)
    rights = []
    for number in range(40):
        pair.flat.zero_()
        pair.llm.reader.grad.zero_()
        loss, right, _ = pair.loss(tasks.draw(number, 0.0), [])
        loss.backward()
        optimizer.step()
        pair.llm.refresh()
        rights.append(float(right.float().mean()))
    assert np.mean(rights[-5:]) > max(0.15, 2 * rights[0]), rights
    assert answers(pair, tasks, "ask", 4)["questions"] <= 4
    assert HALVES[pair.llm.sizes.architecture] is False and not fused.fused(torch.zeros(1))
