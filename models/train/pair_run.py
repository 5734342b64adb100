"""The loop that trains a pair: rates by the clock or by steps, checkpoints, the log, the report."""

import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from models.lib import plots
from models.lib.files import write_json, write_whole
from models.train.exchange import Exchange
from models.train.feeder import Feeder
from models.train.muon import Muon
from models.train.pair import Pair, all_figures
from models.train.tasks import Tasks

UNTIMED = 5  # steps in which kernels are compiled
WARM_UP = 40


@dataclass(frozen=True)
class Plan:
    """`steps` 0: by the clock."""

    folder: Path
    seconds: float
    steps: int = 0
    phase: tuple[float, float] = (0.0, 1.0)
    rate: float = 2e-3
    reader_rate: float = 1e-3
    hold: float = 0.3  # share of the run in which the rate is constant
    workers: int = 0
    log_seconds: float = 10.0
    save_seconds: float = 60.0
    validation: int = 300  # held-out questions
    stop_after: int = 0  # steps after which this process ends, as if it had been stopped


def optimizers(pair: Pair, plan: Plan) -> list[torch.optim.Optimizer]:
    """Muon for the former's matrices (AdamW on a CPU, where Muon's products take most of a step), AdamW for the rest."""
    named = list(pair.former.named_parameters())
    matrices = [p for name, p in named if p.ndim == 2 and "embed" not in name]
    others = [p for name, p in named if not (p.ndim == 2 and "embed" not in name)]
    card = pair.device == "cuda"
    adam = dict(betas=(0.9, 0.98), weight_decay=0.0, fused=card)
    found = [
        Muon(matrices, plan.rate) if card else torch.optim.AdamW(matrices, lr=plan.rate * 0.3),
        torch.optim.AdamW(others, lr=plan.rate * 0.5, **adam),
        torch.optim.AdamW([pair.llm.reader.requires_grad_()], lr=plan.reader_rate, **adam),
    ]
    for optimizer in found:
        for group in optimizer.param_groups:
            group["top"] = group["lr"]
    return found


def rate_at(step: int, t: float, hold: float) -> float:
    """Share of the top rate: a warm-up, a constant stretch, a straight line to a hundredth."""
    return min((step + 1) / WARM_UP, 1.0, max(0.01, (1 - t) / (1 - hold)))


class PairRun:
    """A folder that holds a checkpoint is gone on with."""

    def __init__(self, pair: Pair, tasks: Tasks, plan: Plan, exchange: Exchange) -> None:
        self.pair, self.tasks, self.plan, self.exchange = pair, tasks, plan, exchange
        self.optimizers = optimizers(pair, plan)
        self.step, self.tokens, self.spent = 0, 0, 0.0
        self.history: list[dict[str, Any]] = []
        self.recent: dict[str, list[tuple[torch.Tensor, torch.Tensor]]] = {}
        self.checkpoint = plan.folder / "checkpoint.pt"
        if self.checkpoint.exists():
            self.resume()

    # ---- Checkpoints ----

    def resume(self) -> None:
        state = torch.load(self.checkpoint, map_location=self.pair.device, weights_only=True)
        self.pair.former.load_state_dict(state["former"])
        self.pair.llm.load(state["reader"])
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        self.step, self.tokens, self.spent, self.history = (state[n] for n in ("step", "tokens", "spent", "history"))
        print(f"going on from step {self.step}", flush=True)

    def save(self) -> None:
        """The checkpoint with all that a run goes on with, and the pair alone in F16."""
        if self.exchange.rank:
            return
        state = dict(
            former=self.pair.former.state_dict(),
            reader=self.pair.llm.state(),
            optimizers=[o.state_dict() for o in self.optimizers],
            step=self.step,
            tokens=self.tokens,
            spent=self.spent,
            history=self.history,
        )
        for path, value in ((self.checkpoint, state), (self.plan.folder / "pair.pt", self.pair.state())):
            torch.save(value, path.with_suffix(".new"))
            path.with_suffix(".new").replace(path)

    # ---- Steps ----

    def progress(self) -> float:
        share = self.step / self.plan.steps if self.plan.steps else self.spent / self.plan.seconds
        return self.exchange.agree(share, self.pair.device)

    def train(self, feeder: Feeder) -> bool:
        """Whether it came to its end."""
        logged = saved = last = time.time()
        begun = self.step
        while (t := self.progress()) < 1:
            if self.plan.stop_after and self.step >= self.plan.stop_after:
                self.save()
                return False
            self.advance(feeder, t)
            now = time.time()
            self.spent += now - last if self.step - begun > UNTIMED else 0.0
            last = now
            if now - logged > self.plan.log_seconds:
                self.log(t)
                logged = now
            if now - saved > self.plan.save_seconds:
                self.save()
                saved = now
        self.log(1.0)
        self.save()
        return True

    def advance(self, feeder: Feeder, t: float) -> None:
        pair = self.pair
        share = rate_at(self.step, t, self.plan.hold)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group["top"] * share
        pair.flat.zero_()
        pair.llm.reader.grad.zero_()
        batch = feeder.get(self.step, t)
        try:
            loss, right, _ = pair.loss(batch, self.tasks.before)
            loss.backward()
            self.recent.setdefault(batch.task, []).append((loss.detach(), right.float().mean()))
        except torch.cuda.OutOfMemoryError:
            print(
                f"! no memory for a batch of {batch.tokens} tokens ({batch.task}): left out; see --memory", file=sys.stderr
            )
            pair.flat.zero_()
            pair.llm.reader.grad.zero_()
            torch.cuda.empty_cache()
        self.update()
        self.step, self.tokens = self.step + 1, self.tokens + batch.tokens * self.exchange.size

    @torch.no_grad()
    def update(self) -> None:
        """Averages, clips and applies the gradients; what is not finite counts for nothing."""
        gradients = (self.pair.flat, self.pair.llm.reader.grad)
        self.exchange.average(*gradients)
        norm = sum(g.square().sum() for g in gradients).sqrt()
        factor = torch.where(torch.isfinite(norm), 1.0 / norm.clamp(min=1.0), 0.0)
        for g in gradients:
            torch.nan_to_num_(g, 0.0, 0.0, 0.0).mul_(factor)
        for optimizer in self.optimizers:
            optimizer.step()
        self.pair.llm.refresh()

    # ---- Reports ----

    def log(self, t: float) -> None:
        entry: dict[str, Any] = {"step": self.step, "tokens": self.tokens, "seconds": round(self.spent, 1), "t": round(t, 4)}
        for task, found in self.recent.items():
            for name, i in (("loss", 0), ("right", 1)):
                entry[f"{task} {name}"] = round(float(torch.stack([x[i] for x in found]).mean()), 4)
        self.recent = {}
        self.history.append(entry)
        if self.exchange.rank == 0:
            left = self.spent * (1 - t) / t if t > 0 else self.plan.seconds
            figures = ", ".join(f"{name} {value}" for name, value in entry.items() if " " in name)
            speed = self.tokens / max(self.spent, 1e-9)
            print(f"step {self.step}, {100 * t:.0f} %, {left:.0f} s left, {speed:.0f} tokens/s: {figures}", flush=True)

    def report(self, more: list[str]) -> None:
        """report.json, report.md and curves.png of held-out figures; what fails costs nothing that was there before."""
        figures = all_figures(self.pair, self.tasks, self.plan.validation)
        write_json(self.plan.folder / "report.json", {"steps": self.step, "tokens": self.tokens, "held_out": figures})
        lines = ["# A pair, on data that it was not trained on", "", *more, ""]
        lines.append(f"{self.step} steps, {self.tokens} tokens, {self.spent:.0f} seconds.")
        lines += [
            "",
            "The wanted tokens before it are given; an answer is exact where every token is right; nats a token.",
            "",
        ]
        lines += ["| | tokens right | exact | nats | of |", "|---|---|---|---|---|"]
        for name, f in figures.items():
            cells = [f"{f[key]:.3f}" if key in f else "" for key in ("tokens_right", "exact", "nats")]
            lines.append(f"| {name} | {' | '.join(cells)} | {f.get('questions', f.get('texts', 'no data'))} |")
        write_whole(self.plan.folder / "report.md", "\n".join(lines) + "\n")
        print("\n".join(lines[-9:]), flush=True)
        plots.draw("curves", self.plot)

    def plot(self, pyplot: Any) -> None:
        figure, axes = pyplot.subplots(1, 2, figsize=(10, 3.6), layout="constrained")
        for axis, kind in zip(axes, ("loss", "right"), strict=True):
            for name in dict.fromkeys(n for e in self.history for n in e if n.endswith(kind)):
                points = [(e["tokens"], e[name]) for e in self.history if name in e]
                axis.plot(*zip(*points, strict=True), label=name.split()[0])
            axis.set(xlabel="tokens", title=kind)
        axes[0].legend()
        plots.save(pyplot, figure, self.plan.folder / "curves", dpi=110, endings=(".png",))
