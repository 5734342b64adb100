"""Writes the small seeded models of models/fixtures, with inputs and expected outputs of this reference.

    python models/reference/make_fixtures.py [-o models/fixtures]

Two runs write the same bytes (with the same numpy and gguf versions).
"""

import argparse
import hashlib
import json
from dataclasses import asdict, replace
from pathlib import Path

import gguf
import numpy as np
from safetensors.numpy import save_file

import decoder
import former
from common import Rope
from validate import llama3_factors

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
    "llama-rope-factors": replace(DECODER, rope=Rope(500000.0, factors=llama3_factors(16, 500000.0, 8.0, 1.0, 4.0, 32))),
    "llama-theta-eps": replace(DECODER, rope=Rope(theta=1000000.0), eps=1e-3),
    "llama-bias": replace(DECODER, n_head_kv=1),
    "mistral-window": replace(DECODER, window=8),
    "qwen2": replace(DECODER, architecture="qwen2", n_head_kv=1, eps=1e-6, rope=Rope(theta=1000000.0)),
    "qwen3": replace(DECODER, architecture="qwen3", n_head=2, n_head_kv=1, head_dim=32, eps=1e-6,
                     rope=Rope(theta=1000000.0)),
}
UNTIED = {"llama-mqa", "llama-bias", "qwen2"}
PROMPT_LENGTH, GENERATED, SMALLEST_GAP = 16, 32, 0.02


def matrix(random, rows: int, columns: int, gain: float = 1.0) -> np.ndarray:
    return (random.standard_normal((rows, columns)) * gain / np.sqrt(columns)).astype(np.float32)


def norm(random, size: int) -> np.ndarray:
    return random.uniform(0.5, 1.5, size).astype(np.float32)


def bias(random, size: int) -> np.ndarray:
    return (random.standard_normal(size) * 0.3).astype(np.float32)


def feed_forward(random, layer: str, n_embd: int, n_ff: int) -> dict:
    return {layer + "ffn_norm.weight": norm(random, n_embd), layer + "ffn_gate.weight": matrix(random, n_ff, n_embd, 1.5),
            layer + "ffn_up.weight": matrix(random, n_ff, n_embd, 1.5),
            layer + "ffn_down.weight": matrix(random, n_embd, n_ff, 1.5)}


def projections(random, layer: str, n_embd: int, q: int, kv: int, biased: tuple) -> dict:
    """Attention matrices with gains that make the softmax neither flat nor saturated; `biased` names those with a bias."""
    weights = {layer + "attn_q.weight": matrix(random, q, n_embd, 1.5), layer + "attn_k.weight": matrix(random, kv, n_embd, 1.5),
               layer + "attn_v.weight": matrix(random, kv, n_embd), layer + "attn_output.weight": matrix(random, n_embd, q)}
    for name in biased:
        weights[layer + name + ".bias"] = bias(random, len(weights[layer + name + ".weight"]))
    return weights


def former_weights(config: former.FormerConfig, biased: bool, seed: int) -> dict:
    random = np.random.default_rng(seed)
    d, kv = config.n_embd, config.n_embd // config.n_head * config.n_head_kv
    weights = {"digest_embd.weight": (random.standard_normal((config.n_digest, d)) * 0.3).astype(np.float32)}
    for i in range(config.n_layer):
        layer = f"blk.{i}."
        weights[layer + "attn_norm.weight"] = norm(random, d)
        if i % config.cross_interval == 0:
            weights[layer + "context_norm.weight"] = norm(random, d)
        names = ("attn_q", "attn_k", "attn_v", "attn_output") if biased else ()
        weights |= projections(random, layer, d, d, kv, names)
        weights |= feed_forward(random, layer, d, config.n_ff)
    weights["output_norm.weight"] = norm(random, d)
    weights["marker_ft.weight"] = (random.standard_normal((1, d)) * 0.3).astype(np.float32)
    weights["marker_ae.weight"] = (random.standard_normal((1, d)) * 0.3).astype(np.float32)
    return weights


def decoder_weights(name: str, config: decoder.DecoderConfig, seed: int) -> dict:
    random = np.random.default_rng(seed)
    d, q, kv = config.n_embd, config.n_head * config.head_dim, config.n_head_kv * config.head_dim
    weights = {"token_embd.weight": (random.standard_normal((config.n_vocab, d)) * 0.3).astype(np.float32)}
    biased = {"llama-bias": ("attn_q", "attn_k", "attn_v", "attn_output"), "qwen2": ("attn_q", "attn_k", "attn_v")}
    for i in range(config.n_layer):
        layer = f"blk.{i}."
        weights[layer + "attn_norm.weight"] = norm(random, d)
        weights |= projections(random, layer, d, q, kv, biased.get(name, ()))
        if config.architecture == "qwen3":
            weights[layer + "attn_q_norm.weight"] = norm(random, config.head_dim)
            weights[layer + "attn_k_norm.weight"] = norm(random, config.head_dim)
        weights |= feed_forward(random, layer, d, config.n_ff)
    weights["output_norm.weight"] = norm(random, d)
    if name in UNTIED:
        weights["output.weight"] = matrix(random, config.n_vocab, d, 2)
    return weights


def spm_vocabulary(size: int) -> tuple[list, list, list]:
    """-> pieces, scores, types of a SentencePiece-style vocabulary: 3 special, 256 bytes, then pieces by rank."""
    T = gguf.TokenType
    pieces = ["<unk>", "<s>", "</s>"] + [f"<0x{b:02X}>" for b in range(256)]
    types = [T.UNKNOWN, T.CONTROL, T.CONTROL] + [T.BYTE] * 256
    words = ["\u2581"] + list("etaoinshrdlucmfwyg") + ["\u2581t", "he", "\u2581the", "in", "an", "er", "re", "on", "\u2581a", "ou"]
    words = words[:size - len(pieces)]
    types += [T.NORMAL] * len(words)
    scores = [0.0] * len(pieces) + [-float(i) for i in range(len(words))]
    return pieces + words, scores, types


def byte_level_vocabulary(size: int) -> tuple[list, list, list]:
    """-> pieces, merges, types of a GPT-2-style vocabulary: 256 byte characters, merges, end of text."""
    printable = list(range(33, 127)) + list(range(161, 173)) + list(range(174, 256))
    others = [b for b in range(256) if b not in printable]
    character = {b: chr(b) for b in printable} | {b: chr(256 + i) for i, b in enumerate(others)}
    space = character[32]
    merges = [(space, "t"), ("h", "e"), (space + "t", "he"), ("i", "n"), ("a", "n"), ("e", "r"), ("r", "e"), ("o", "n"),
              (space, "a"), ("o", "u"), ("in", "g"), (space, "s"), ("an", "d"), (space, "w")]
    pieces = [character[b] for b in range(256)] + [a + b for a, b in merges]
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    padding = [f"<unused{i}>" for i in range(size - len(pieces) - len(special))]
    T = gguf.TokenType
    types = [T.NORMAL] * len(pieces) + [T.CONTROL] * len(special) + [T.UNUSED] * len(padding)
    return pieces + special + padding, [f"{a} {b}" for a, b in merges], types


def write_tokenizer(writer: gguf.GGUFWriter, config: decoder.DecoderConfig):
    if config.architecture == "llama":
        pieces, scores, types = spm_vocabulary(config.n_vocab)
        writer.add_tokenizer_model("llama")
        writer.add_tokenizer_pre("default")
        writer.add_token_list(pieces)
        writer.add_token_scores(scores)
        writer.add_token_types(types)
        writer.add_bos_token_id(1)
        writer.add_eos_token_id(2)
        writer.add_unk_token_id(0)
        writer.add_add_bos_token(True)
        writer.add_add_eos_token(False)
        writer.add_add_space_prefix(True)
    else:
        pieces, merges, types = byte_level_vocabulary(config.n_vocab)
        writer.add_tokenizer_model("gpt2")
        writer.add_tokenizer_pre("qwen2")
        writer.add_token_list(pieces)
        writer.add_token_types(types)
        writer.add_token_merges(merges)
        end = pieces.index("<|endoftext|>")
        writer.add_bos_token_id(end)
        writer.add_eos_token_id(pieces.index("<|im_end|>"))
        writer.add_pad_token_id(end)
        writer.add_add_bos_token(False)


def add_rope(writer: gguf.GGUFWriter, rope: Rope):
    writer.add_rope_freq_base(rope.theta)
    if rope.linear_factor != 1.0:
        writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(rope.linear_factor)


def finish(writer: gguf.GGUFWriter):
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def write_former(path: Path, name: str, config: former.FormerConfig, weights: dict):
    writer = gguf.GGUFWriter(str(path), "icformer")
    writer.add_name(name)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    writer.add_block_count(config.n_layer)
    writer.add_embedding_length(config.n_embd)
    writer.add_feed_forward_length(config.n_ff)
    writer.add_head_count(config.n_head)
    writer.add_head_count_kv(config.n_head_kv)
    writer.add_layer_norm_rms_eps(config.eps)
    add_rope(writer, config.rope)
    writer.add_uint32("icformer.digest_count", config.n_digest)
    writer.add_uint32("icformer.chunk_length", config.chunk_length)
    writer.add_uint32("icformer.cross_attention_interval", config.cross_interval)
    writer.add_string("icformer.prompt.question", "\nQuestion: ")
    writer.add_string("icformer.prompt.after", "\nAnswer:")
    for tensor, value in weights.items():
        writer.add_tensor(tensor, value)
    finish(writer)


def write_decoder(path: Path, name: str, config: decoder.DecoderConfig, weights: dict):
    writer = gguf.GGUFWriter(str(path), config.architecture)
    writer.add_name(name)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    writer.add_block_count(config.n_layer)
    writer.add_context_length(config.context_length)
    writer.add_embedding_length(config.n_embd)
    writer.add_feed_forward_length(config.n_ff)
    writer.add_head_count(config.n_head)
    writer.add_head_count_kv(config.n_head_kv)
    writer.add_layer_norm_rms_eps(config.eps)
    add_rope(writer, config.rope)
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
            value = decoder.interleave(value, config.n_head if ".attn_q." in tensor else config.n_head_kv)
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
    return {"name": name, "gguf": f"former-{name}.gguf", "data": f"former-{name}.safetensors",
            "bias": name in BIASED_FORMERS, "config": describe(config), "cases": entries}


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
    tensors = {"ids": prompt, "logits": decoder.logits(config, weights, rows).astype(np.float32),
               "greedy_ids": np.array(ids, np.int32)}
    write_decoder(folder / f"decoder-{name}.gguf", name, config, weights)
    save_file(tensors, folder / f"decoder-{name}.safetensors")
    return {"name": name, "gguf": f"decoder-{name}.gguf", "data": f"decoder-{name}.safetensors", "tied": name not in UNTIED,
            "config": describe(config), "seed": seed,
            "smallest_gap_over_logit_std": round(decoder.smallest_gap(taken), 4)}


def describe(config) -> dict:
    values = asdict(config)
    rope = values.pop("rope")
    if rope["factors"] is None:
        del rope["factors"]
    else:
        rope["factors"] = [float(f) for f in rope["factors"]]
    return values | {"rope": rope}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, default=Path(__file__).parents[1] / "fixtures")
    folder = parser.parse_args().output
    folder.mkdir(parents=True, exist_ok=True)
    manifest = {
        "format": 1,
        "tolerance": {"former_relative_l2": 2e-5, "decoder_relative_l2": 2e-5,
                      "note": "float32 weights and activations, against float64 rounded to float32"},
        "formers": [make_former(folder, name, 100 + 10 * i) for i, name in enumerate(FORMERS)],
        "decoders": [make_decoder(folder, name, 500 + 10 * i) for i, name in enumerate(DECODERS)],
    }
    manifest["sha256"] = {path.name: hashlib.sha256(path.read_bytes()).hexdigest()
                          for path in sorted(folder.iterdir()) if path.suffix in (".gguf", ".safetensors")}
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")
    total = sum(path.stat().st_size for path in folder.iterdir())
    print(f"{len(manifest['formers'])} formers, {len(manifest['decoders'])} decoders, {total / 1e6:.2f} MB")
    for entry in manifest["decoders"]:
        print(entry["name"], entry["smallest_gap_over_logit_std"])


if __name__ == "__main__":
    main()
