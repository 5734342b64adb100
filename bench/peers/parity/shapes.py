"""Random-weight LLMs as GGUF files: one of every architecture and kind of RoPE scaling that icformer decodes.

The widths are multiples of 256, so that every type of ggml fits, and the layers are few: random weights without training amplify
a deviation from layer to layer, so that deep ones say little about a single layer's arithmetic.
"""

import itertools
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gguf
import numpy as np

from models.lib import ggufs, random_weights
from models.lib.rope import llama3_factors


@dataclass(frozen=True)
class Shape:
    architecture: str = "llama"
    n_embd: int = 256
    n_ff: int = 512
    n_layer: int = 2
    n_head: int = 4
    n_head_kv: int = 4
    head_dim: int = 64
    n_vocab: int = 512
    tied: bool = False
    biases: tuple[str, ...] = ()
    head_norms: bool = False
    eps: float = 1e-5
    rope_base: float = 10000.0
    rope: dict = field(default_factory=dict)  # keys below "<architecture>.rope."
    rope_factors: tuple[float, ...] = ()  # [head_dim / 2], Llama 3's divisors of the frequencies
    window: int = 0
    context: int = 1024


def qwen2(**changes: Any) -> Shape:
    return Shape(
        **{"architecture": "qwen2", "biases": ggufs.ATTENTION_BIASES[:3], "eps": 1e-6, "rope_base": 1e6, "n_head_kv": 2}
        | changes
    )


def qwen3(**changes: Any) -> Shape:
    return Shape(**{"architecture": "qwen3", "head_norms": True, "eps": 1e-6, "rope_base": 1e6, "n_head_kv": 2} | changes)


YARN = {"scaling.type": "yarn", "scaling.factor": 4.0, "scaling.original_context_length": 64}

SHAPES = {
    "llama": Shape(),
    "llama, grouped queries": Shape(n_head=8, n_head_kv=2, head_dim=32),
    "llama, one key head": Shape(n_head_kv=1),
    "llama, tied": Shape(tied=True),
    "llama, biases": Shape(biases=ggufs.ATTENTION_BIASES),
    "llama, heads of 80": Shape(n_embd=320, n_head_kv=2, head_dim=80),
    "llama, heads of 128": Shape(n_head=2, n_head_kv=1, head_dim=128),
    "llama, theta 500000": Shape(rope_base=5e5, n_head_kv=2),
    "llama, RoPE factors": Shape(rope_base=5e5, n_head_kv=2, rope_factors=tuple(llama3_factors(64, 5e5, 8.0, 64).tolist())),
    "llama, linear": Shape(rope={"scaling.type": "linear", "scaling.factor": 4.0}),
    "llama, linear unnamed": Shape(rope={"scaling.factor": 4.0}),
    "llama, linear old key": Shape(rope={"scale_linear": 2.0}),
    "llama, YaRN": Shape(rope=YARN),
    "llama, YaRN, attention factor": Shape(rope=YARN | {"scaling.attn_factor": 1.2}),
    "llama, YaRN, trained context": Shape(rope={k: v for k, v in YARN.items() if "original" not in k}, context=128),
    "llama, YaRN, factors": Shape(rope=YARN, rope_factors=tuple(llama3_factors(64, 1e4, 8.0, 64).tolist())),
    "qwen2": qwen2(),
    "qwen2, tied": qwen2(tied=True),
    "qwen2, YaRN": qwen2(rope=YARN),
    "qwen3": qwen3(),
    "qwen3, tied": qwen3(tied=True),
    "qwen3, heads of 128": qwen3(head_dim=128),
    "qwen3, YaRN": qwen3(rope=YARN),
}


def weights(shape: Shape, seed: int) -> random_weights.Weights:
    tensors = random_weights.decoder(shape, seed, shape.biases, shape.head_norms, shape.tied)
    if shape.rope_factors:
        tensors["rope_freqs.weight"] = np.array(shape.rope_factors, np.float32)
    return tensors


LETTERS = "etaoinshrdlucmfwygpbvkqjxz"


def pairs(count: int) -> list[tuple[str, str]]:
    return list(itertools.islice(itertools.product(LETTERS, LETTERS), count))


def write_sentence_piece(writer: gguf.GGUFWriter, size: int) -> None:
    """3 special tokens, 256 bytes, the letters, and pairs of letters."""
    words = ["\u2581", *LETTERS]
    words += [a + b for a, b in pairs(size - 259 - len(words))]
    ggufs.add_sentence_piece(writer, *ggufs.sentence_piece_tokens(words), add_bos=True)


def write_byte_level(writer: gguf.GGUFWriter, size: int) -> None:
    """256 bytes as GPT-2 spells them, pairs of letters, and 2 special tokens."""
    special = ["<|endoftext|>", "<|im_end|>"]
    merges = pairs(size - 256 - len(special))
    ggufs.add_byte_level(writer, *ggufs.byte_level_tokens(merges, special), merges)
    writer.add_eos_token_id(size - 1)
    writer.add_add_bos_token(False)


def write(path: Path, name: str, shape: Shape, seed: int) -> None:
    """An F32 file."""
    writer = gguf.GGUFWriter(str(path), shape.architecture)
    writer.add_name(name)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    ggufs.add_sizes(
        writer,
        blocks=shape.n_layer,
        context=shape.context,
        width=shape.n_embd,
        feed_forward=shape.n_ff,
        heads=shape.n_head,
        kv_heads=shape.n_head_kv,
        eps=shape.eps,
    )
    writer.add_rope_freq_base(shape.rope_base)
    writer.add_key_length(shape.head_dim)
    writer.add_value_length(shape.head_dim)
    if shape.architecture == "llama":
        writer.add_rope_dimension_count(shape.head_dim)
        writer.add_vocab_size(shape.n_vocab)
    for key, value in shape.rope.items():
        key = f"{shape.architecture}.rope.{key}"
        {str: writer.add_string, float: writer.add_float32, int: writer.add_uint32}[type(value)](key, value)
    (write_sentence_piece if shape.architecture == "llama" else write_byte_level)(writer, shape.n_vocab)
    for tensor, value in weights(shape, seed).items():
        writer.add_tensor(tensor, np.ascontiguousarray(value))
    ggufs.finish(writer)
