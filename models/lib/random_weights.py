"""Random weights under their GGUF names, matrices [out, in], with gains that make the softmax neither flat nor saturated.

The order of the draws is part of the result: models/fixtures is made with it.
"""

from typing import Protocol

import numpy as np

Weights = dict[str, np.ndarray]


class DecoderSizes(Protocol):
    """What the weights of an LLM depend on."""

    @property
    def n_vocab(self) -> int: ...
    @property
    def n_embd(self) -> int: ...
    @property
    def n_ff(self) -> int: ...
    @property
    def n_layer(self) -> int: ...
    @property
    def n_head(self) -> int: ...
    @property
    def n_head_kv(self) -> int: ...
    @property
    def head_dim(self) -> int: ...


def matrix(random: np.random.Generator, rows: int, columns: int, gain: float = 1.0) -> np.ndarray:
    return (random.standard_normal((rows, columns)) * gain / np.sqrt(columns)).astype(np.float32)


def norm(random: np.random.Generator, size: int) -> np.ndarray:
    return random.uniform(0.5, 1.5, size).astype(np.float32)


def small(random: np.random.Generator, *shape: int) -> np.ndarray:
    """Of embeddings, markers and biases."""
    return (random.standard_normal(shape) * 0.3).astype(np.float32)


def feed_forward(random: np.random.Generator, layer: str, n_embd: int, n_ff: int) -> Weights:
    return {
        layer + "ffn_norm.weight": norm(random, n_embd),
        layer + "ffn_gate.weight": matrix(random, n_ff, n_embd, 1.5),
        layer + "ffn_up.weight": matrix(random, n_ff, n_embd, 1.5),
        layer + "ffn_down.weight": matrix(random, n_embd, n_ff, 1.5),
    }


def projections(random: np.random.Generator, layer: str, n_embd: int, q: int, kv: int, biased: tuple[str, ...]) -> Weights:
    """The matrices of an attention with q and kv columns; `biased` names those with a bias."""
    weights = {
        layer + "attn_q.weight": matrix(random, q, n_embd, 1.5),
        layer + "attn_k.weight": matrix(random, kv, n_embd, 1.5),
        layer + "attn_v.weight": matrix(random, kv, n_embd),
        layer + "attn_output.weight": matrix(random, n_embd, q),
    }
    for name in biased:
        weights[layer + name + ".bias"] = small(random, len(weights[layer + name + ".weight"]))
    return weights


def decoder(
    sizes: DecoderSizes, seed: int, biased: tuple[str, ...] = (), head_norms: bool = False, tied: bool = True
) -> Weights:
    """An LLM of the Llama family."""
    random = np.random.default_rng(seed)
    d, q, kv = sizes.n_embd, sizes.n_head * sizes.head_dim, sizes.n_head_kv * sizes.head_dim
    weights = {"token_embd.weight": small(random, sizes.n_vocab, d)}
    for i in range(sizes.n_layer):
        layer = f"blk.{i}."
        weights[layer + "attn_norm.weight"] = norm(random, d)
        weights |= projections(random, layer, d, q, kv, biased)
        if head_norms:
            weights[layer + "attn_q_norm.weight"] = norm(random, sizes.head_dim)
            weights[layer + "attn_k_norm.weight"] = norm(random, sizes.head_dim)
        weights |= feed_forward(random, layer, d, sizes.n_ff)
    weights["output_norm.weight"] = norm(random, d)
    if not tied:
        weights["output.weight"] = matrix(random, sizes.n_vocab, d, 2)
    return weights
