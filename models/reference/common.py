"""Blocks shared by the IC-Former and the decoder, in numpy float64.

Linear weights are [out, in] as in PyTorch and GGUF. Rows of a matrix are positions.
"""

from dataclasses import dataclass

import numpy as np

Weights = dict[str, np.ndarray]


@dataclass(frozen=True)
class Rope:
    """Rotary position embedding in the rotate-half (NEOX) form.

    factors: [head_dim / 2] divisors of the frequencies (Llama 3 `rope_freqs.weight`), or None.
    """

    theta: float = 10000.0
    linear_factor: float = 1.0
    factors: np.ndarray | None = None

    def rotate(self, x: np.ndarray, positions: np.ndarray) -> np.ndarray:
        """x [heads, rows, head_dim], positions [rows] -> the same shape."""
        half = x.shape[-1] // 2
        frequency = self.theta ** (-np.arange(half) / half)  # theta^(-2i / head_dim)
        if self.factors is not None:
            frequency = frequency / self.factors
        angle = positions[:, None] / self.linear_factor * frequency  # [rows, head_dim / 2]
        cos, sin = np.cos(angle), np.sin(angle)
        low, high = x[..., :half], x[..., half:]
        return np.concatenate([low * cos - high * sin, high * cos + low * sin], axis=-1)


def rms_norm(x: np.ndarray, weight: np.ndarray, eps: float) -> np.ndarray:
    # x / sqrt(mean(x^2) + eps) * weight
    return x / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + eps) * weight


def linear(weights: Weights, name: str, x: np.ndarray) -> np.ndarray:
    y = x @ weights[name + ".weight"].T
    bias = weights.get(name + ".bias")
    return y if bias is None else y + bias


def split_heads(x: np.ndarray, n_head: int) -> np.ndarray:
    """[rows, heads * head_dim] -> [heads, rows, head_dim]"""
    return x.reshape(x.shape[0], n_head, -1).transpose(1, 0, 2)


def attention(q: np.ndarray, k: np.ndarray, v: np.ndarray, allowed: np.ndarray) -> np.ndarray:
    """q [heads, rows, head_dim], k and v [kv_heads, columns, head_dim], allowed [rows, columns] -> [rows, heads * head_dim]

    Key head j serves the query heads j * g ... j * g + g - 1, with g = heads / kv_heads.
    """
    group = q.shape[0] // k.shape[0]
    k, v = np.repeat(k, group, axis=0), np.repeat(v, group, axis=0)
    scores = q @ k.transpose(0, 2, 1) / np.sqrt(q.shape[-1])
    scores = np.where(allowed, scores, -np.inf)
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    weights /= weights.sum(axis=-1, keepdims=True)
    return (weights @ v).transpose(1, 0, 2).reshape(q.shape[1], -1)


def swiglu(weights: Weights, layer: str, x: np.ndarray) -> np.ndarray:
    # down(silu(gate(x)) * up(x))
    gate = linear(weights, layer + "ffn_gate", x)
    return linear(weights, layer + "ffn_down", gate / (1 + np.exp(-gate)) * linear(weights, layer + "ffn_up", x))
