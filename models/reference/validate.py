"""Checks this reference against files made with the official IC-Former code, and its decoder against transformers.

    python models/reference/validate.py [--golden DIR]

DIR holds folders icf-* (checkpoint/, inputs.safetensors, outputs.safetensors, manifest.json) and e2e-* (lm-hf/, icformer/,
golden.safetensors, manifest.json). Without it only the comparison with transformers runs.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import torch
from numpy.typing import ArrayLike
from safetensors.torch import load_file

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from models.lib.names import gguf_name
from models.lib.numbers import relative_l2
from models.lib.rope import llama3_factors
from models.reference import decoder, former
from models.reference.common import Rope, Weights

TOLERANCE = 2e-5  # float32 rounding of the other side; ours is float64


def to_numpy(state: dict[str, torch.Tensor]) -> Weights:
    return {gguf_name(name): tensor.to(torch.float64).numpy() for name, tensor in state.items()}


def load_former(folder: Path) -> tuple[former.FormerConfig, Weights, Weights]:
    """-> configuration, weights, markers {"AE", "FT"} [d]"""
    c = json.loads((folder / "config.json").read_text())
    scaling = c.get("rope_scaling")
    config = former.FormerConfig(
        n_embd=c["hidden_size"],
        n_ff=c["intermediate_size"],
        n_layer=c["num_hidden_layers"],
        n_head=c["num_attention_heads"],
        n_head_kv=c["num_key_value_heads"],
        n_digest=c["num_query_tokens"],
        cross_interval=c["cross_attention_frequency"],
        eps=c["rms_norm_eps"],
        rope=Rope(c["rope_theta"], scaling["factor"] if scaling else 1.0),
    )
    weights = to_numpy(load_file(folder / "model.safetensors"))
    param = torch.load(folder / "param.pt", map_location="cpu", weights_only=True)
    rows = {name: value.detach().to(torch.float64).numpy()[0] for name, value in param.items()}
    weights["digest_embd.weight"] = rows.pop("digest_embeddings")
    return config, weights, {name: row[0] for name, row in rows.items()}


def load_decoder(folder: Path) -> tuple[decoder.DecoderConfig, Weights]:
    c = json.loads((folder / "config.json").read_text())
    config = decoder.DecoderConfig(
        "llama",
        c["vocab_size"],
        c["hidden_size"],
        c["intermediate_size"],
        c["num_hidden_layers"],
        c["num_attention_heads"],
        c["num_key_value_heads"],
        c["head_dim"],
        c["rms_norm_eps"],
        Rope(c["rope_theta"]),
    )
    return config, to_numpy(load_file(folder / "model.safetensors"))


class Report:
    def __init__(self) -> None:
        self.failed = 0

    def compare(self, name: str, ours: ArrayLike, theirs: ArrayLike) -> None:
        distance = relative_l2(ours, theirs)
        self.verdict(f"{name:48} rel L2 {distance:.2e}", distance <= TOLERANCE)

    def verdict(self, text: str, good: bool) -> None:
        self.failed += not good
        print(f"{text}  {'ok' if good else 'FAILED'}")


def check_former(folder: Path, report: Report) -> None:
    config, weights, _ = load_former(folder / "checkpoint")
    context = load_file(folder / "inputs.safetensors")["context"].numpy()
    outputs = load_file(folder / "outputs.safetensors")
    for case in json.loads((folder / "manifest.json").read_text())["cases"]:
        max_chunk = case["max_chunk_len"] if case["use_chunk"] else 0
        ours = former.digest(config, weights, context[: case["n"]], max_chunk)
        report.compare(f"{folder.name} {case['case']}", ours, outputs[f"{case['case']}.digest"].numpy())


def front_rows(golden: Weights, lm_weights: Weights, digest: np.ndarray, markers: Weights, name: str) -> np.ndarray:
    """The rows in front of an answer or a reconstruction, [n, d]."""
    if name == "ae":
        return np.concatenate([digest, markers["AE"][None]])
    before, question, after = (
        decoder.embed(lm_weights, golden[ids]) for ids in ("qa.pre_ids", f"{name}.prompt_ids", "qa.post_ids")
    )
    return np.concatenate([before, digest, markers["FT"][None], question, after])


def check_pair(folder: Path, report: Report) -> None:
    lm, lm_weights = load_decoder(folder / "lm-hf")
    config, weights, markers = load_former(folder / "icformer")
    golden = {name: tensor.numpy() for name, tensor in load_file(folder / "golden.safetensors").items()}
    for case in json.loads((folder / "manifest.json").read_text())["cases"]:
        name = case["case"]
        if name == "plain":
            rows = decoder.embed(lm_weights, golden["plain.ids"])
            report.compare(f"{folder.name} {name} logits", decoder.logits(lm, lm_weights, rows), golden["plain.logits"])
        else:
            context = decoder.embed(lm_weights, golden[f"{name}.context_ids"])
            digest = former.digest(config, weights, context, case["max_chunk_len"] if case["use_chunk"] else 0)
            report.compare(f"{folder.name} {name} digest", digest, golden[f"{name}.digest"])
            rows = front_rows(golden, lm_weights, digest, markers, name)
            report.compare(f"{folder.name} {name} inputs", rows, golden[f"{name}.inputs_embeds"])
        ids, taken = decoder.greedy(lm, lm_weights, rows, 32)
        report.compare(f"{folder.name} {name} generated logits", taken, golden[f"{name}.gen_logits"])
        report.verdict(f"{folder.name} {name} generated ids", ids == golden[f"{name}.gen_ids"].tolist())


def check_transformers(report: Report) -> None:
    """Random models of every architecture that the fixtures use, ours against transformers in float64."""
    import transformers as hf

    torch.manual_seed(1)
    shape = dict(
        vocab_size=64,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=128,
    )
    cases = {
        "llama": hf.LlamaConfig(**shape),
        "llama-bias": hf.LlamaConfig(**shape, attention_bias=True),
        "llama-linear": hf.LlamaConfig(
            **shape, rope_parameters={"rope_type": "linear", "factor": 4.0, "rope_theta": 10000.0}
        ),
        "llama3": hf.LlamaConfig(
            **shape,
            rope_parameters={
                "rope_type": "llama3",
                "factor": 8.0,
                "low_freq_factor": 1.0,
                "high_freq_factor": 4.0,
                "original_max_position_embeddings": 32,
                "rope_theta": 10000.0,
            },
        ),
        "qwen2": hf.Qwen2Config(**shape),
        "qwen3": hf.Qwen3Config(**shape, head_dim=16),
        "mistral": hf.MistralConfig(**shape, sliding_window=8),
    }
    for name, c in cases.items():
        model = hf.AutoModelForCausalLM.from_config(c, attn_implementation="eager").to(torch.float64).eval()
        with torch.no_grad():
            for tensor in model.parameters():
                tensor.add_(torch.randn_like(tensor) * 0.3)
        rope = Rope(
            c.rope_parameters["rope_theta"],
            4.0 if name == "llama-linear" else 1.0,
            llama3_factors(8, 10000.0, 8.0, 32) if name == "llama3" else None,
        )
        head_dim = getattr(c, "head_dim", None) or c.hidden_size // c.num_attention_heads
        ours = decoder.DecoderConfig(
            name.split("-")[0], 64, 32, 48, 2, 4, 2, head_dim, c.rms_norm_eps, rope, window=8 if name == "mistral" else 0
        )
        weights = to_numpy(model.state_dict())
        ids = torch.randint(0, 64, (1, 24))
        with torch.no_grad():
            theirs = model(ids).logits[0].numpy()
        report.compare(f"transformers {name}", decoder.logits(ours, weights, decoder.embed(weights, ids[0])), theirs)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--golden", type=Path, help="folder with icf-* and e2e-* sets")
    arguments = parser.parse_args()
    report = Report()
    check_transformers(report)
    if arguments.golden:
        for folder in sorted(arguments.golden.glob("icf-*")):
            check_former(folder, report)
        for folder in sorted(arguments.golden.glob("e2e-*")):
            check_pair(folder, report)
    print(f"{report.failed} failed")
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
