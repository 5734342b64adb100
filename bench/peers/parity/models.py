"""Random-weight LLMs as GGUF files: one of every architecture and kind of RoPE scaling that icformer decodes.

The widths are multiples of 256, so that every type of ggml fits, and the layers are few: random weights without training amplify
a deviation from layer to layer, so that deep ones say little about a single layer's arithmetic.
"""

import itertools
from dataclasses import dataclass, field
from pathlib import Path

import gguf
import numpy as np


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
    biases: tuple = ()
    head_norms: bool = False
    eps: float = 1e-5
    rope_base: float = 10000.0
    rope: dict = field(default_factory=dict)  # keys below "<architecture>.rope."
    rope_factors: tuple = ()  # [head_dim / 2], Llama 3's divisors of the frequencies
    window: int = 0
    context: int = 1024


def llama3_factors(head_dim: int, base: float, factor: float, original_context: int) -> tuple:
    """Divisors of the frequencies as Llama 3.1 has them: 1 for wavelengths up to a quarter of the original context, `factor`
    for those above it, and a smooth passage between."""
    frequency = base ** (-np.arange(head_dim // 2) * 2 / head_dim)
    smooth = np.clip((original_context * frequency / (2 * np.pi) - 1) / (4 - 1), 0, 1)
    return tuple((1 / ((1 - smooth) / factor + smooth)).tolist())


def qwen2(**changes) -> Shape:
    return Shape(**{"architecture": "qwen2", "biases": ("attn_q", "attn_k", "attn_v"), "eps": 1e-6, "rope_base": 1e6,
                    "n_head_kv": 2} | changes)


def qwen3(**changes) -> Shape:
    return Shape(**{"architecture": "qwen3", "head_norms": True, "eps": 1e-6, "rope_base": 1e6, "n_head_kv": 2} | changes)


YARN = {"scaling.type": "yarn", "scaling.factor": 4.0, "scaling.original_context_length": 64}

SHAPES = {
    "llama": Shape(),
    "llama, grouped queries": Shape(n_head=8, n_head_kv=2, head_dim=32),
    "llama, one key head": Shape(n_head_kv=1),
    "llama, tied": Shape(tied=True),
    "llama, biases": Shape(biases=("attn_q", "attn_k", "attn_v", "attn_output")),
    "llama, heads of 80": Shape(n_embd=320, n_head_kv=2, head_dim=80),
    "llama, heads of 128": Shape(n_head=2, n_head_kv=1, head_dim=128),
    "llama, theta 500000": Shape(rope_base=5e5, n_head_kv=2),
    "llama, RoPE factors": Shape(rope_base=5e5, n_head_kv=2,
                                 rope_factors=llama3_factors(64, 5e5, 8.0, 64)),
    "llama, linear": Shape(rope={"scaling.type": "linear", "scaling.factor": 4.0}),
    "llama, linear unnamed": Shape(rope={"scaling.factor": 4.0}),
    "llama, linear old key": Shape(rope={"scale_linear": 2.0}),
    "llama, YaRN": Shape(rope=YARN),
    "llama, YaRN, attention factor": Shape(rope=YARN | {"scaling.attn_factor": 1.2}),
    "llama, YaRN, trained context": Shape(rope={k: v for k, v in YARN.items() if "original" not in k}, context=128),
    "llama, YaRN, factors": Shape(rope=YARN, rope_factors=llama3_factors(64, 1e4, 8.0, 64)),
    "qwen2": qwen2(),
    "qwen2, tied": qwen2(tied=True),
    "qwen2, YaRN": qwen2(rope=YARN),
    "qwen3": qwen3(),
    "qwen3, tied": qwen3(tied=True),
    "qwen3, heads of 128": qwen3(head_dim=128),
    "qwen3, YaRN": qwen3(rope=YARN),
}


def matrix(random, rows: int, columns: int, gain: float = 1.0) -> np.ndarray:
    return (random.standard_normal((rows, columns)) * gain / np.sqrt(columns)).astype(np.float32)


def norm(random, size: int) -> np.ndarray:
    return random.uniform(0.5, 1.5, size).astype(np.float32)


def weights(shape: Shape, seed: int) -> dict[str, np.ndarray]:
    """Matrices [out, in] with gains that make the softmax neither flat nor saturated."""
    random = np.random.default_rng(seed)
    d, q, kv = shape.n_embd, shape.n_head * shape.head_dim, shape.n_head_kv * shape.head_dim
    tensors = {"token_embd.weight": (random.standard_normal((shape.n_vocab, d)) * 0.3).astype(np.float32)}
    for i in range(shape.n_layer):
        layer = f"blk.{i}."
        tensors[layer + "attn_norm.weight"] = norm(random, d)
        tensors[layer + "attn_q.weight"] = matrix(random, q, d, 1.5)
        tensors[layer + "attn_k.weight"] = matrix(random, kv, d, 1.5)
        tensors[layer + "attn_v.weight"] = matrix(random, kv, d)
        tensors[layer + "attn_output.weight"] = matrix(random, d, q)
        for name in shape.biases:
            size = len(tensors[f"{layer}{name}.weight"])
            tensors[f"{layer}{name}.bias"] = (random.standard_normal(size) * 0.3).astype(np.float32)
        if shape.head_norms:
            tensors[layer + "attn_q_norm.weight"] = norm(random, shape.head_dim)
            tensors[layer + "attn_k_norm.weight"] = norm(random, shape.head_dim)
        tensors[layer + "ffn_norm.weight"] = norm(random, d)
        tensors[layer + "ffn_gate.weight"] = matrix(random, shape.n_ff, d, 1.5)
        tensors[layer + "ffn_up.weight"] = matrix(random, shape.n_ff, d, 1.5)
        tensors[layer + "ffn_down.weight"] = matrix(random, d, shape.n_ff, 1.5)
    tensors["output_norm.weight"] = norm(random, d)
    if not shape.tied:
        tensors["output.weight"] = matrix(random, shape.n_vocab, d, 2)
    if shape.rope_factors:
        tensors["rope_freqs.weight"] = np.array(shape.rope_factors, np.float32)
    return tensors


LETTERS = "etaoinshrdlucmfwygpbvkqjxz"


def pairs(count: int) -> list[tuple[str, str]]:
    return list(itertools.islice(itertools.product(LETTERS, LETTERS), count))


def write_sentence_piece(writer: gguf.GGUFWriter, size: int) -> None:
    """3 special tokens, 256 bytes, the letters, and pairs of letters."""
    kind = gguf.TokenType
    pieces = ["<unk>", "<s>", "</s>"] + [f"<0x{byte:02X}>" for byte in range(256)]
    types = [kind.UNKNOWN, kind.CONTROL, kind.CONTROL] + [kind.BYTE] * 256
    words = ["\u2581", *LETTERS]
    words += [a + b for a, b in pairs(size - len(pieces) - len(words))]
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(pieces + words)
    writer.add_token_scores([0.0] * len(pieces) + [-float(i) for i in range(len(words))])
    writer.add_token_types(types + [kind.NORMAL] * len(words))
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_add_bos_token(True)
    writer.add_add_space_prefix(True)


def write_byte_level(writer: gguf.GGUFWriter, size: int) -> None:
    """256 bytes as GPT-2 spells them, pairs of letters, and 2 special tokens."""
    kind = gguf.TokenType
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    spelling = {byte: chr(byte) for byte in printable} | {byte: chr(256 + i) for i, byte in enumerate(others)}
    special = ["<|endoftext|>", "<|im_end|>"]
    merges = pairs(size - 256 - len(special))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list([spelling[byte] for byte in range(256)] + [a + b for a, b in merges] + special)
    writer.add_token_types([kind.NORMAL] * (size - len(special)) + [kind.CONTROL] * len(special))
    writer.add_token_merges([f"{a} {b}" for a, b in merges])
    writer.add_eos_token_id(size - 1)
    writer.add_add_bos_token(False)


def write(path: Path, name: str, shape: Shape, seed: int) -> None:
    """An F32 file."""
    writer = gguf.GGUFWriter(str(path), shape.architecture)
    writer.add_name(name)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    writer.add_block_count(shape.n_layer)
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.n_embd)
    writer.add_feed_forward_length(shape.n_ff)
    writer.add_head_count(shape.n_head)
    writer.add_head_count_kv(shape.n_head_kv)
    writer.add_layer_norm_rms_eps(shape.eps)
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
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
