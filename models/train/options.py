"""What a run is asked to do: presets, the command line, and the values it comes to."""

import argparse
import dataclasses
from dataclasses import dataclass
from pathlib import Path

import torch

from models.train.former import FormerConfig

STAGES = ("lm", "pretrain", "finetune")
COMPRESSORS = ("former", "icae")


@dataclass(frozen=True)
class Sizes:
    """Of the tiny LLM (width to ff) and of the compressor; the former's width is the LLM's."""

    width: int
    layers: int
    heads: int
    ff: int
    former_layers: int
    former_heads: int
    former_ff: int
    digests: int
    chunk: int

    def former(self, width: int, bias: bool) -> FormerConfig:
        heads = self.former_heads
        return FormerConfig(
            width, self.former_ff, self.former_layers, heads, heads, self.digests, self.chunk, attention_bias=bias
        )

    def digested_cost(self, n: int) -> float:
        """Tokens and rows of a sequence behind the digest of n tokens, about."""
        return 1.6 * n + self.digests


@dataclass(frozen=True)
class Schedule:
    """How long, how fast, how much at once."""

    steps: int
    longest: int  # most tokens of a context
    batch_tokens: int
    rate: float
    decay: float  # share of the steps in which the rate falls to zero
    grown: float  # share of the steps after which documents have their full length
    seed: int


@dataclass(frozen=True)
class Mixture:
    """Shares of the batches, but for distill, which is a weight."""

    copies: float
    packed: float
    reconstruct: float
    prefixes: float
    distill: float


@dataclass(frozen=True)
class Start:
    """How the parameters begin."""

    plain_start: bool
    no_bias: bool
    rank: int

    @property
    def in_place(self) -> bool:
        return not (self.plain_start or self.no_bias)


@dataclass(frozen=True)
class Reports:
    log_every: int
    validate_every: int
    validation_documents: int
    save_seconds: float


@dataclass(frozen=True)
class Options:
    stage: str
    compressor: str
    data: Path
    validation: Path
    tokenizer: Path | None
    llm: Path | None
    former: Path | None
    output: Path
    device: str
    bf16: bool
    sizes: Sizes
    schedule: Schedule
    mixture: Mixture
    start: Start
    reports: Reports


@dataclass(frozen=True)
class Preset(Sizes):
    """Everything that depends on how large the pair is. Each of them is an option of the command line, too."""

    longest: int
    batch_tokens: int
    rate: float
    decay: float
    lm_steps: int
    pretrain_steps: int
    finetune_steps: int


# `cpu` is the shipped pair, on two cores. `gpu` is for one card with 24 GB or more.
PRESETS = {
    "cpu": Preset(
        width=128,
        layers=4,
        heads=4,
        ff=384,
        former_layers=3,
        former_heads=4,
        former_ff=384,
        digests=16,
        chunk=64,
        longest=512,
        batch_tokens=2500,
        rate=0.004,
        decay=0.4,
        lm_steps=33800,
        pretrain_steps=1000,
        finetune_steps=3200,
    ),
    "gpu": Preset(
        width=512,
        layers=8,
        heads=8,
        ff=1408,
        former_layers=3,
        former_heads=8,
        former_ff=1408,
        digests=128,
        chunk=512,
        longest=512,
        batch_tokens=65536,
        rate=0.006,
        decay=0.4,
        lm_steps=12000,
        pretrain_steps=12000,
        finetune_steps=8000,
    ),
}


def parser(description: str | None) -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("stage", choices=STAGES)
    p.add_argument("--compressor", choices=COMPRESSORS, default="former", help="what pretrain and finetune train")
    p.add_argument("--preset", choices=PRESETS, default="cpu")
    p.add_argument("--data", type=Path, required=True)
    p.add_argument("--validation", type=Path, required=True)
    p.add_argument("--tokenizer", type=Path, help="folder with tokenizer.model (stage lm)")
    p.add_argument("--llm", type=Path, help="Hugging Face folder of the frozen LLM")
    p.add_argument("--former", type=Path, help="checkpoint of the compressor to start from")
    p.add_argument("-o", "--output", type=Path, required=True)
    p.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    p.add_argument("--no-bf16", dest="bf16", action="store_false")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--steps", type=int, default=0, help="0: as the preset says")
    p.add_argument("--log-every", type=int, default=25)
    p.add_argument("--validate-every", type=int, default=200)
    p.add_argument("--validation-documents", type=int, default=64)
    p.add_argument("--save-seconds", type=float, default=120)
    add_mixture(p)
    for field in dataclasses.fields(Preset):
        p.add_argument("--" + field.name.replace("_", "-"), type=type(getattr(PRESETS["cpu"], field.name)))
    return p


def add_mixture(p: argparse.ArgumentParser) -> None:
    """What batches are made of, and how the parameters begin."""
    p.add_argument("--copies", type=float, default=0.3, help="lm: share of sequences that repeat their document")
    p.add_argument(
        "--packed", type=float, default=0.0, help="lm: share of batches whose contexts are rows of several tokens"
    )
    p.add_argument(
        "--reconstruct", type=float, help="share of digest batches that reconstruct; finetune 0.25, otherwise 0.5"
    )
    p.add_argument(
        "--prefixes",
        type=float,
        default=0.0,
        help="share of batches that see a random number of the first digests only, an eighth of them to all",
    )
    p.add_argument("--distill", type=float, default=0.0, help="weight of the distillation from full-context answers")
    p.add_argument("--grown", type=float, help="share of the steps after which documents have their full length")
    p.add_argument("--rank", type=int, default=32, help="icae: rank of the LoRA matrices")
    p.add_argument("--plain-start", action="store_true", help="random start instead of looking in place")
    p.add_argument(
        "--no-bias", action="store_true", help="no attention biases, as official checkpoints (implies --plain-start)"
    )


def parse(arguments: list[str] | None = None, description: str | None = None) -> Options:
    values = vars(parser(description).parse_args(arguments))
    preset = dataclasses.asdict(PRESETS[values["preset"]])
    finetunes = values["stage"] == "finetune"
    defaults = preset | {"reconstruct": 0.25 if finetunes else 0.5, "grown": 0.0 if finetunes else 0.4}
    values |= {name: default for name, default in defaults.items() if values[name] is None}
    values["steps"] = values["steps"] or values[values["stage"] + "_steps"]
    groups = {"sizes": Sizes, "schedule": Schedule, "mixture": Mixture, "start": Start, "reports": Reports}
    for name, group in groups.items():
        values[name] = group(**{field.name: values[field.name] for field in dataclasses.fields(group)})
    return Options(**{field.name: values[field.name] for field in dataclasses.fields(Options)})
