"""Writes the small seeded models of models/fixtures, with inputs and expected outputs of this reference.

    python models/reference/make_fixtures.py [-o models/fixtures]

Two runs write the same bytes (with the same numpy and gguf versions).
"""

import argparse
import hashlib
import json
import sys
from dataclasses import asdict, replace
from pathlib import Path

import gguf
import numpy as np
from safetensors.numpy import save_file

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from models.lib import random_weights as weights_of
from models.lib.ggufs import (
    ATTENTION_BIASES,
    add_byte_level,
    add_sentence_piece,
    add_sizes,
    byte_level_tokens,
    byte_spelling,
    finish,
    interleave,
    sentence_piece_tokens,
)
from models.lib.rope import llama3_factors
from models.reference import decoder, former
from models.reference.common import Rope, Weights

FORMER = former.FormerConfig(n_embd=32, n_ff=40, n_layer=2, n_head=2, n_head_kv=2, n_digest=8, chunk_length=64)
CASES = [(0, 0), (1, 0), (7, 0), (64, 0), (50, 24)]  # (context rows, max_chunk; 0: one chunk)

FORMERS = {
    "gqa": (replace(FORMER, n_embd=64, n_head=4, n_head_kv=2), CASES),
    "mqa": (replace(FORMER, n_embd=48, n_head=3, n_head_kv=1, n_ff=80), CASES),
    "bias": (replace(FORMER, n_head_kv=1), CASES),
    "interval2": (replace(FORMER, n_layer=4, cross_interval=2), CASES),
    "interval3": (replace(FORMER, n_layer=4, n_head_kv=1, cross_interval=3), CASES),
    "rope-linear": (replace(FORMER, rope=Rope(linear_factor=4.0)), CASES),
    "theta-eps": (replace(FORMER, rope=Rope(theta=500000.0), eps=1e-3), CASES),
    "head-dim-32": (replace(FORMER, n_head=1, n_head_kv=1), CASES),
    "head-dim-80": (replace(FORMER, n_embd=80, n_ff=32, n_head=1, n_head_kv=1, n_layer=1), CASES),
    "head-dim-64": (replace(FORMER, n_embd=64, n_head=1, n_head_kv=1, n_layer=1), CASES),
    "long-chunk": (replace(FORMER, chunk_length=256), [(256, 0), (300, 0), (300, 256), (299, 100)]),
    "many-digests": (replace(FORMER, n_digest=96, n_layer=1), [(0, 0), (5, 0), (90, 0), (90, 64)]),
}
BIASED_FORMERS = {"bias", "interval3"}

DECODER = decoder.DecoderConfig("llama", n_vocab=276, n_embd=32, n_ff=48, n_layer=2, n_head=2, n_head_kv=2, head_dim=16)
DECODERS = {
    "llama-gqa": replace(DECODER, n_embd=64, n_head=4, n_head_kv=2),
    "llama-mqa": replace(DECODER, n_head_kv=1),
    "llama-mha": DECODER,
    "llama-rope-linear": replace(DECODER, rope=Rope(linear_factor=4.0)),
    "llama-rope-factors": replace(DECODER, rope=Rope(500000.0, factors=llama3_factors(16, 500000.0, 8.0, 32))),
    "llama-theta-eps": replace(DECODER, rope=Rope(theta=1000000.0), eps=1e-3),
    "llama-bias": replace(DECODER, n_head_kv=1),
    "mistral-window": replace(DECODER, window=8),
    "qwen2": replace(DECODER, architecture="qwen2", n_head_kv=1, eps=1e-6, rope=Rope(theta=1000000.0)),
    "qwen3": replace(
        DECODER, architecture="qwen3", n_head=2, n_head_kv=1, head_dim=32, eps=1e-6, rope=Rope(theta=1000000.0)
    ),
}
UNTIED = {"llama-mqa", "llama-bias", "qwen2"}
PROMPT_LENGTH, GENERATED, SMALLEST_GAP = 16, 32, 0.02


def former_weights(config: former.FormerConfig, biased: bool, seed: int) -> Weights:
    random = np.random.default_rng(seed)
    d, kv = config.n_embd, config.n_embd // config.n_head * config.n_head_kv
    weights = {"digest_embd.weight": weights_of.small(random, config.n_digest, d)}
    for i in range(config.n_layer):
        layer = f"blk.{i}."
        weights[layer + "attn_norm.weight"] = weights_of.norm(random, d)
        if i % config.cross_interval == 0:
            weights[layer + "context_norm.weight"] = weights_of.norm(random, d)
        weights |= weights_of.projections(random, layer, d, d, kv, ATTENTION_BIASES if biased else ())
        weights |= weights_of.feed_forward(random, layer, d, config.n_ff)
    weights["output_norm.weight"] = weights_of.norm(random, d)
    weights["marker_ft.weight"] = weights_of.small(random, 1, d)
    weights["marker_ae.weight"] = weights_of.small(random, 1, d)
    return weights


def decoder_weights(name: str, config: decoder.DecoderConfig, seed: int) -> Weights:
    biased = {"llama-bias": ATTENTION_BIASES, "qwen2": ATTENTION_BIASES[:3]}.get(name, ())
    return weights_of.decoder(config, seed, biased, head_norms=config.architecture == "qwen3", tied=name not in UNTIED)


SENTENCE_PIECE_WORDS = [
    "\u2581",
    *"etaoinshrdlucmfwyg",
    "\u2581t",
    "he",
    "\u2581the",
    "in",
    "an",
    "er",
    "re",
    "on",
    "\u2581a",
    "ou",
]
SPACE = byte_spelling()[32]
MERGES = [
    (SPACE, "t"),
    ("h", "e"),
    (SPACE + "t", "he"),
    ("i", "n"),
    ("a", "n"),
    ("e", "r"),
    ("r", "e"),
    ("o", "n"),
    (SPACE, "a"),
    ("o", "u"),
    ("in", "g"),
    (SPACE, "s"),
    ("an", "d"),
    (SPACE, "w"),
]
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]


def write_tokenizer(writer: gguf.GGUFWriter, config: decoder.DecoderConfig) -> None:
    if config.architecture == "llama":
        words = SENTENCE_PIECE_WORDS[: config.n_vocab - 259]
        add_sentence_piece(writer, *sentence_piece_tokens(words), add_bos=True)
        return
    pieces, types = byte_level_tokens(MERGES, SPECIAL, unused=config.n_vocab - 256 - len(MERGES) - len(SPECIAL))
    add_byte_level(writer, pieces, types, MERGES)
    end = pieces.index("<|endoftext|>")
    writer.add_bos_token_id(end)
    writer.add_eos_token_id(pieces.index("<|im_end|>"))
    writer.add_pad_token_id(end)
    writer.add_add_bos_token(False)


def add_rope(writer: gguf.GGUFWriter, rope: Rope) -> None:
    writer.add_rope_freq_base(rope.theta)
    if rope.linear_factor != 1.0:
        writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(rope.linear_factor)


def begin(
    path: Path, architecture: str, name: str, config: former.FormerConfig | decoder.DecoderConfig, context: int | None = None
) -> gguf.GGUFWriter:
    """A file with the keys that both kinds of models have."""
    writer = gguf.GGUFWriter(str(path), architecture)
    writer.add_name(name)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    add_sizes(
        writer,
        blocks=config.n_layer,
        context=context,
        width=config.n_embd,
        feed_forward=config.n_ff,
        heads=config.n_head,
        kv_heads=config.n_head_kv,
        eps=config.eps,
    )
    add_rope(writer, config.rope)
    return writer


def write_former(path: Path, name: str, config: former.FormerConfig, weights: Weights) -> None:
    writer = begin(path, "icformer", name, config)
    writer.add_uint32("icformer.digest_count", config.n_digest)
    writer.add_uint32("icformer.chunk_length", config.chunk_length)
    writer.add_uint32("icformer.cross_attention_interval", config.cross_interval)
    writer.add_string("icformer.prompt.question", "\nQuestion: ")
    writer.add_string("icformer.prompt.after", "\nAnswer:")
    for tensor, value in weights.items():
        writer.add_tensor(tensor, value)
    finish(writer)


def write_decoder(path: Path, name: str, config: decoder.DecoderConfig, weights: Weights) -> None:
    writer = begin(path, config.architecture, name, config, config.context_length)
    if config.n_head * config.head_dim != config.n_embd:
        writer.add_key_length(config.head_dim)
        writer.add_value_length(config.head_dim)
    if config.architecture == "llama":
        writer.add_rope_dimension_count(config.head_dim)
        writer.add_vocab_size(config.n_vocab)
    if config.window:
        writer.add_sliding_window(config.window)
    write_tokenizer(writer, config)
    for tensor, value in weights.items():
        if config.architecture == "llama" and (".attn_q." in tensor or ".attn_k." in tensor):
            value = interleave(value, config.n_head if ".attn_q." in tensor else config.n_head_kv)
        writer.add_tensor(tensor, np.ascontiguousarray(value))
    if config.rope.factors is not None:
        writer.add_tensor("rope_freqs.weight", config.rope.factors.astype(np.float32))
    finish(writer)


def make_former(folder: Path, name: str, seed: int) -> dict:
    config, cases = FORMERS[name]
    weights = former_weights(config, name in BIASED_FORMERS, seed)
    # About the size of a trained LLM's word embeddings; the rows differ in size, so that the context norm matters.
    random = np.random.default_rng(seed + 1)
    scale = random.uniform(0.02, 0.2, (max(n for n, _ in cases), 1))
    context = (random.standard_normal((len(scale), config.n_embd)) * scale).astype(np.float32)
    tensors, entries = {"context": context}, []
    for n, max_chunk in cases:
        case = f"n{n}" + (f"_chunk{max_chunk}" if max_chunk else "")
        tensors[case + ".digest"] = former.digest(config, weights, context[:n], max_chunk).astype(np.float32)
        spans = former.chunk_spans(n, max_chunk)
        entries.append({"case": case, "n": n, "max_chunk": max_chunk, "chunk_spans": spans, "digest": case + ".digest"})
    write_former(folder / f"former-{name}.gguf", name, config, weights)
    save_file(tensors, folder / f"former-{name}.safetensors")
    return {
        "name": name,
        "gguf": f"former-{name}.gguf",
        "data": f"former-{name}.safetensors",
        "bias": name in BIASED_FORMERS,
        "config": describe(config),
        "cases": entries,
    }


def make_decoder(folder: Path, name: str, seed: int) -> dict:
    config = DECODERS[name]
    control = {0, 1, 2} if config.architecture == "llama" else set(range(270, config.n_vocab))
    while True:  # seeds in order, until greedy decoding is far from ties and meets no control token
        weights = decoder_weights(name, config, seed)
        if config.rope.factors is not None:
            config = replace(config, rope=replace(config.rope, factors=config.rope.factors.astype(np.float32)))
        prompt = np.random.default_rng(seed + 1).integers(3, 256, PROMPT_LENGTH).astype(np.int32)
        rows = decoder.embed(weights, prompt)
        ids, taken = decoder.greedy(config, weights, rows, GENERATED)
        if decoder.smallest_gap(taken) >= SMALLEST_GAP and not control & set(ids) and len(set(ids)) >= 8:
            break
        seed += 1000
    tensors = {
        "ids": prompt,
        "logits": decoder.logits(config, weights, rows).astype(np.float32),
        "greedy_ids": np.array(ids, np.int32),
    }
    write_decoder(folder / f"decoder-{name}.gguf", name, config, weights)
    save_file(tensors, folder / f"decoder-{name}.safetensors")
    return {
        "name": name,
        "gguf": f"decoder-{name}.gguf",
        "data": f"decoder-{name}.safetensors",
        "tied": name not in UNTIED,
        "config": describe(config),
        "seed": seed,
        "smallest_gap_over_logit_std": round(decoder.smallest_gap(taken), 4),
    }


def describe(config: former.FormerConfig | decoder.DecoderConfig) -> dict:
    values = asdict(config)
    rope = values.pop("rope")
    if rope["factors"] is None:
        del rope["factors"]
    else:
        rope["factors"] = [float(f) for f in rope["factors"]]
    return values | {"rope": rope}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, default=Path(__file__).parents[1] / "fixtures")
    folder = parser.parse_args().output
    folder.mkdir(parents=True, exist_ok=True)
    manifest = {
        "format": 1,
        "tolerance": {
            "former_relative_l2": 2e-5,
            "decoder_relative_l2": 2e-5,
            "note": "float32 weights and activations, against float64 rounded to float32",
        },
        "formers": [make_former(folder, name, 100 + 10 * i) for i, name in enumerate(FORMERS)],
        "decoders": [make_decoder(folder, name, 500 + 10 * i) for i, name in enumerate(DECODERS)],
    }
    manifest["sha256"] = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.iterdir())
        if path.suffix in (".gguf", ".safetensors")
    }
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")
    total = sum(path.stat().st_size for path in folder.iterdir())
    print(f"{len(manifest['formers'])} formers, {len(manifest['decoders'])} decoders, {total / 1e6:.2f} MB")
    for entry in manifest["decoders"]:
        print(entry["name"], entry["smallest_gap_over_logit_std"])


if __name__ == "__main__":
    main()
