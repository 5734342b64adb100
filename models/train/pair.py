"""A frozen LLM with its reader, and a former: the loss of a batch, files, held-out figures."""

import math
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from models.lib.files import write_json
from models.train.corpus import PROMPT, Asked
from models.train.former import Former, FormerConfig
from models.train.gguf_llm import Head, Llm
from models.train.tasks import Batch, Tasks

Figure = dict[str, float]
SCALE = 2.0  # W + SCALE * B A
ARRAYS = ("ids", "lengths", "tail", "keep", "row", "target", "weight")


def former_config(width: int, heads: int, chunk: int, ratio: int, layers: int = 3) -> FormerConfig:
    """Heads as the LLM has, where they divide its width into even parts."""
    if width % heads or width // heads % 2:
        heads = max(n for n in range(1, width // 32 + 1) if width % (2 * n) == 0)
    ff = max(64, width * 8 // 3 // 64 * 64)
    return FormerConfig(width, ff, layers, heads, heads, chunk // ratio, chunk)


class Pair:
    def __init__(self, llm: Path, rank: int, chunk: int, ratio: int, state: dict | None = None) -> None:
        """`state`: of a pair to go on from, as `state()` gives it."""
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        dtype = torch.bfloat16 if self.device == "cuda" else torch.float32
        rank, scale = (state["rank"], state["scale"]) if state else (rank, SCALE)
        self.llm = Llm(llm, rank, scale, self.device, dtype)
        sizes = self.llm.sizes
        config = FormerConfig(**state["config"]) if state else former_config(sizes.width, sizes.heads, chunk, ratio)
        self.former = Former(config)
        if state:
            self.load(state)
        else:
            self.former.start(self.llm.embeddings.cpu())
            looks = [head % ratio for head in range(config.num_attention_heads)]
            self.former.start_in_place(looks=looks)
        self.former.to(self.device)
        self.flat = self.flat_gradients()

    def flat_gradients(self) -> torch.Tensor:
        """One vector that holds the gradients of all the former's parameters."""
        flat = torch.zeros(sum(p.numel() for p in self.former.parameters()), device=self.device)
        at = 0
        for p in self.former.parameters():
            p.grad = flat[at : at + p.numel()].view_as(p)
            at += p.numel()
        return flat

    # ---- Losses ----

    def loss(self, batch: Batch, before: list[int], adapter: bool = True, exact: bool = False) -> tuple[torch.Tensor, ...]:
        """The weighted mean of the losses, and which of the scored tokens [n] are right; counts `batch.row` beside it."""
        t = {name: self.put(getattr(batch, name)) for name in ARRAYS}
        x = self.llm.embeddings[t["tail"]]  # [B, T, d]
        if batch.task != "read":
            with torch.autocast(self.device, dtype=torch.bfloat16, enabled=self.device == "cuda"):
                digest = self.former(self.llm.embeddings[t["ids"]], t["lengths"])
            b, d, dtype = len(x), self.llm.sizes.width, self.llm.dtype
            rows = digest.reshape(b, -1, d)[:, batch.rows[0] : batch.rows[1]].to(dtype)
            parts = [rows, getattr(self.former, batch.mark).expand(b, 1, d).to(dtype), x]
            if before and batch.mark == "FT":
                parts.insert(0, self.llm.embeddings[before].expand(b, -1, -1))
            x = torch.cat(parts, 1)
        h = self.llm(x, adapter)[t["keep"]]
        total, right = Head.apply(h, self.llm.head, t["target"], t["weight"], exact)
        return total / batch.scored, right, t["row"]

    def put(self, array: np.ndarray) -> torch.Tensor:
        tensor = torch.from_numpy(np.ascontiguousarray(array))
        return tensor.pin_memory().to("cuda", non_blocking=True) if self.device == "cuda" else tensor

    # ---- Files ----

    def state(self) -> dict:
        """What a pair is, in F16: to go on from, in another run."""
        halves = {name: value.half().cpu() for name, value in self.former.state_dict().items()}
        reader = {name: value.half() for name, value in self.llm.state().items()}
        rest = dict(config=asdict(self.former.config), scale=self.llm.scale, rank=self.llm.rank)
        return dict(former=halves, lora=reader, **rest)

    def load(self, state: dict) -> None:
        self.former.load_state_dict({name: value.float() for name, value in state["former"].items()})
        self.llm.load(state["lora"])

    def export(self, folder: Path, before: str) -> None:
        """The former in the official layout, the reader and the prompt beside it, as `icf convert` takes them."""
        self.former.save(folder)
        save_file({name: value.contiguous() for name, value in self.llm.state().items()}, folder / "reader.safetensors")
        write_json(folder / "reader.json", {"rank": self.llm.rank, "scale": self.llm.scale})
        prompt = {"before": before, "question": PROMPT.question, "after": PROMPT.after}
        write_json(folder / "prompt.json", prompt)


# ---- Held-out figures -----------------------------------------------------------------------------------------------------


@torch.no_grad()
def copies(pair: Pair, tasks: Tasks, chunks: int, count: int) -> Figure:
    """Share of right tokens in copies of held-out text."""
    held, chunk = tasks.data.held.astype(np.int64), tasks.chunk
    if len(held) <= chunks * chunk:
        return {}
    starts = np.random.default_rng(7).integers(0, len(held) - chunks * chunk, count)
    x = np.stack([held[s : s + chunks * chunk] for s in starts])
    batch = tasks.copies(x.reshape(-1, chunk), (0, chunks * tasks.digests), x)
    return {"tokens_right": float(pair.loss(batch, tasks.before, exact=True)[1].float().mean()), "texts": count}


@torch.no_grad()
def answers(
    pair: Pair,
    tasks: Tasks,
    task: str,
    most: int,
    adapter: bool = True,
    shown: Callable[[list[int]], list[int]] = lambda context: context,
) -> Figure:
    """Answers that are right in every token, and nats a token, over at most `most` held-out questions."""
    every = [(context, [one]) for context, asked in tasks.data.questions["validation"] for one in asked]
    every = [every[i] for i in np.random.default_rng(3).permutation(len(every))[:most]]
    exact, loss, scored = 0, 0.0, 0.0
    for chunks, found in sorted(tasks.by_chunks(every).items()):
        for start in range(0, len(found), 50):
            part: list[Asked] = [(shown(context), asked) for context, asked in found[start : start + 50]]
            batch = tasks.questions(task, chunks, part)
            mean, right, row = pair.loss(batch, tasks.before, adapter, exact=True)
            wrong = torch.zeros(len(part), device=pair.device).index_add_(0, row, (~right).float())
            exact += int((wrong == 0).sum())
            loss, scored = loss + float(mean) * batch.scored, scored + batch.scored
    return {"exact": exact / len(every), "nats": loss / scored, "questions": len(every)} if scored else {}


def all_figures(pair: Pair, tasks: Tasks, most: int) -> dict[str, Figure]:
    """From the digest, the full text, as many tokens of it as the digest has rows, and nothing."""
    found = {f"copies of {n} chunk{'s' * (n > 1)}": copies(pair, tasks, n, max(2, most // 8)) for n in (1, 4)}
    found["digest"] = answers(pair, tasks, "ask", most)
    found["full text, reader on"] = answers(pair, tasks, "read", most)
    found["full text, LLM as it is"] = answers(pair, tasks, "read", most, adapter=False)
    found["cut, reader on"] = answers(pair, tasks, "read", most, shown=lambda c: c[: math.ceil(len(c) / tasks.ratio)])
    found["nothing, reader on"] = answers(pair, tasks, "read", most, shown=lambda c: c[:1])
    return found
