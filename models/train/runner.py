"""The loop of every stage: batches, optimiser steps, checkpoints, the log."""

import csv
import io
import json
import time
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import nn

from models.lib import plots
from models.lib.files import write_whole
from models.train.objectives import Objective
from models.train.options import Options

Entry = dict[str, float]


def optimizers(parameters: list[tuple[str, nn.Parameter]], rate: float) -> list[torch.optim.Optimizer]:
    """Muon for the matrices of the layers, AdamW for embeddings, norms, biases and low-rank additions."""
    matrices = [p for n, p in parameters if p.ndim == 2 and "embed" not in n and "lora" not in n and "lm_head" not in n]
    others = [p for n, p in parameters if not any(p is m for m in matrices)]
    found: list[torch.optim.Optimizer] = []
    if matrices:
        found.append(torch.optim.Muon(matrices, lr=rate, weight_decay=0.01, momentum=0.95, adjust_lr_fn="match_rms_adamw"))
    found.append(torch.optim.AdamW(others, lr=rate * 0.5, betas=(0.9, 0.98), weight_decay=0.0))
    for optimizer in found:
        for group in optimizer.param_groups:
            group["top_rate"] = group["lr"]
    return found


def rate_at(step: int, steps: int, decay: float) -> float:
    """Share of the top rate: a short warm-up, a constant stretch, a straight line to zero over the last `decay`."""
    return min((step + 1) / 50, 1.0, max(0.0, (steps - step) / (decay * steps)))


def mean(values: list[float]) -> float:
    return round(sum(values) / len(values), 4)


class Run:
    """Trains a module's parameters. A folder that holds a checkpoint is gone on with."""

    def __init__(self, options: Options, module: nn.Module, objective: Objective) -> None:
        self.options, self.module, self.objective = options, module, objective
        self.folder = options.output
        self.folder.mkdir(parents=True, exist_ok=True)
        self.parameters = [(n, p) for n, p in module.named_parameters() if p.requires_grad]
        self.optimizers = optimizers(self.parameters, options.schedule.rate)
        self.step, self.tokens, self.seconds = 0, 0, 0.0
        self.history: list[Entry] = []
        self.checkpoint = self.folder / "checkpoint.pt"
        if self.checkpoint.exists():
            self.resume()

    # ---- Checkpoints ----

    def resume(self) -> None:
        state = torch.load(self.checkpoint, map_location=self.options.device, weights_only=True)
        self.module.load_state_dict(state["module"])
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            rates = [group["top_rate"] for group in optimizer.param_groups]  # of this command line, not of the checkpoint
            optimizer.load_state_dict(saved)
            for group, rate in zip(optimizer.param_groups, rates, strict=True):
                group["top_rate"] = rate
        self.step, self.tokens, self.seconds, self.history = (state[n] for n in ("step", "tokens", "seconds", "history"))
        print(f"going on from step {self.step}", flush=True)

    def save(self) -> None:
        state = {
            "module": self.module.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "step": self.step,
            "tokens": self.tokens,
            "seconds": self.seconds,
            "history": self.history,
        }
        part = self.checkpoint.with_suffix(".new")
        torch.save(state, part)
        part.replace(self.checkpoint)

    # ---- Steps ----

    def train(self) -> None:
        """Up to the last step; then the checkpoint is written, and the plot where there is matplotlib."""
        started, saved = time.time() - self.seconds, time.time()
        steps, recent = self.options.schedule.steps, []
        while self.step < steps:
            recent.append(self.advance())
            self.seconds = time.time() - started
            if self.step % self.options.reports.log_every == 0 or self.step == steps:
                self.log(recent)
                recent = []
            if time.time() - saved > self.options.reports.save_seconds:
                self.save()
                saved = time.time()
        self.save()
        plots.draw("train", self.plot)

    def advance(self) -> tuple[float, float]:
        """One step; its loss and the share of right tokens."""
        schedule = self.options.schedule
        self.set_rate(rate_at(self.step, schedule.steps, schedule.decay))
        torch.manual_seed(schedule.seed * 1_000_003 + self.step)
        with self.precision():
            loss, right, tokens = self.objective.loss(self.step, self.step / schedule.steps)
        loss.backward()
        torch.nn.utils.clip_grad_norm_([p for _, p in self.parameters], 1.0)
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        self.step, self.tokens = self.step + 1, self.tokens + tokens
        return float(loss.detach()), right

    def set_rate(self, share: float) -> None:
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group["top_rate"] * share

    def precision(self) -> AbstractContextManager[Any]:
        return torch.autocast(self.options.device, dtype=torch.bfloat16) if self.options.bf16 else nullcontext()

    # ---- Reports ----

    def log(self, recent: list[tuple[float, float]]) -> None:
        entry: Entry = {
            "step": self.step,
            "tokens": self.tokens,
            "seconds": round(self.seconds),
            "loss": mean([loss for loss, _ in recent]),
            "token_accuracy": mean([right for _, right in recent]),
        }
        if self.step % self.options.reports.validate_every == 0 or self.step == self.options.schedule.steps:
            with torch.no_grad():
                entry |= {name: round(value, 4) for name, value in self.objective.validate().items()}
        self.history.append(entry)
        print(json.dumps(entry), flush=True)
        write_table(self.folder / "loss.csv", self.history)

    def plot(self, pyplot: Any) -> None:
        figure, (left, right) = pyplot.subplots(1, 2, figsize=(10, 3.6), layout="constrained")
        left.plot([e["step"] for e in self.history], [e["loss"] for e in self.history])
        left.set(xlabel="step", ylabel="loss", title=self.options.stage, yscale="log")
        for name in columns(self.history):
            if name not in ("step", "tokens", "seconds", "loss"):
                points = [(e["step"], e[name]) for e in self.history if name in e]
                right.plot(*zip(*points, strict=True), label=name.replace("_", " "))
        right.set(xlabel="step", ylim=(0, 1))
        right.legend()
        plots.save(pyplot, figure, self.folder / "loss", dpi=110, endings=(".png",))


def columns(history: list[Entry]) -> list[str]:
    """The names of all entries, in the order in which they appear."""
    return list(dict.fromkeys(name for entry in history for name in entry))


def write_table(path: Path, history: list[Entry]) -> None:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns(history))
    writer.writeheader()
    writer.writerows(history)
    write_whole(path, text.getvalue())
