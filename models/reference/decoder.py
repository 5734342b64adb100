"""A Llama-family decoder in numpy float64, without a KV cache: the whole sequence at every step.

Weights are a dict under their GGUF names, with q and k in the rotate-half layout of Hugging Face checkpoints
(`interleave` in models/lib/ggufs.py makes the layout that GGUF files of architecture `llama` use).
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from models.reference.common import Rope, Weights, attention, linear, rms_norm, split_heads, swiglu


@dataclass(frozen=True)
class DecoderConfig:
    architecture: str  # "llama", "qwen2", "qwen3"
    n_vocab: int
    n_embd: int
    n_ff: int
    n_layer: int
    n_head: int
    n_head_kv: int
    head_dim: int
    eps: float = 1e-5
    rope: Rope = field(default_factory=Rope)
    window: int = 0  # a position sees itself and the window - 1 positions before it; 0: all before it
    context_length: int = 256


def embed(weights: Weights, ids: ArrayLike) -> np.ndarray:
    """ids [n] -> [n, d]"""
    return np.asarray(weights["token_embd.weight"], np.float64)[np.asarray(ids, int)]


def logits(config: DecoderConfig, weights: Weights, rows: np.ndarray) -> np.ndarray:
    """rows [n, d] at positions 0 ... n - 1 -> [n, vocab]"""
    weights = {name: np.asarray(tensor, np.float64) for name, tensor in weights.items()}
    x = np.asarray(rows, np.float64)
    for i in range(config.n_layer):
        layer = f"blk.{i}."
        x = x + self_attention(config, weights, layer, rms_norm(x, weights[layer + "attn_norm.weight"], config.eps))
        x = x + swiglu(weights, layer, rms_norm(x, weights[layer + "ffn_norm.weight"], config.eps))
    x = rms_norm(x, weights["output_norm.weight"], config.eps)
    output = weights.get("output.weight", weights["token_embd.weight"])  # tied where there is no output.weight
    return x @ output.T


def self_attention(config: DecoderConfig, weights: Weights, layer: str, h: np.ndarray) -> np.ndarray:
    """h [n, d] -> [n, d]"""
    q = split_heads(linear(weights, layer + "attn_q", h), config.n_head)
    k = split_heads(linear(weights, layer + "attn_k", h), config.n_head_kv)
    v = split_heads(linear(weights, layer + "attn_v", h), config.n_head_kv)
    if layer + "attn_q_norm.weight" in weights:  # Qwen 3: RMS norm of every head, before RoPE
        q = rms_norm(q, weights[layer + "attn_q_norm.weight"], config.eps)
        k = rms_norm(k, weights[layer + "attn_k_norm.weight"], config.eps)
    positions = np.arange(len(h))
    distance = positions[:, None] - positions[None, :]
    allowed = distance >= 0
    if config.window:
        allowed &= distance < config.window
    q, k = config.rope.rotate(q, positions), config.rope.rotate(k, positions)
    return linear(weights, layer + "attn_output", attention(q, k, v, allowed))


def greedy(config: DecoderConfig, weights: Weights, rows: np.ndarray, count: int) -> tuple[list[int], np.ndarray]:
    """The `count` most likely tokens after `rows`, and the logits [count, vocab] they were taken from. Never stops early."""
    ids, taken = [], []
    for _ in range(count):
        last = logits(config, weights, rows)[-1]
        ids.append(int(last.argmax()))
        taken.append(last)
        rows = np.concatenate([rows, embed(weights, ids[-1:])])
    return ids, np.array(taken)


def smallest_gap(taken: np.ndarray) -> float:
    """Smallest difference of the two highest logits, in standard deviations of their row."""
    top = np.sort(taken, axis=-1)
    return float(((top[:, -1] - top[:, -2]) / taken.std(axis=-1)).min())
