"""The IC-Former (arXiv 2406.13618) in numpy float64: word embeddings of a context -> digest rows.

Weights are a dict under the names of models/FORMAT.md: digest_embd.weight [k, d], output_norm.weight, and blk.N.*.
"""

from dataclasses import dataclass, field

import numpy as np

from models.lib.chunks import chunk_spans
from models.reference.common import Rope, Weights, attention, linear, rms_norm, split_heads, swiglu


@dataclass(frozen=True)
class FormerConfig:
    n_embd: int
    n_ff: int
    n_layer: int
    n_head: int
    n_head_kv: int
    n_digest: int
    chunk_length: int = 512
    cross_interval: int = 1  # layers with index % cross_interval == 0 are cross-attention
    eps: float = 1e-6
    rope: Rope = field(default_factory=Rope)


def digest(config: FormerConfig, weights: Weights, context: np.ndarray, max_chunk: int = 0) -> np.ndarray:
    """context [n, d] -> [k * chunks, d]"""
    weights = {name: np.asarray(tensor, np.float64) for name, tensor in weights.items()}
    context = np.asarray(context, np.float64)
    return np.concatenate([digest_chunk(config, weights, context[a:b]) for a, b in chunk_spans(len(context), max_chunk)])


def digest_chunk(config: FormerConfig, weights: Weights, context: np.ndarray) -> np.ndarray:
    """context [n, d] -> [k, d]"""
    initial = weights["digest_embd.weight"]
    # Every cross layer reads the context and the INITIAL digests; only the query stream is updated.
    source = np.concatenate([context, initial])
    x = initial
    for i in range(config.n_layer):
        layer = f"blk.{i}."
        if i % config.cross_interval == 0:
            x = x + cross_attention(config, weights, layer, x, source)
        else:
            x = x + self_attention(config, weights, layer, x)
        h = rms_norm(x, weights[layer + "ffn_norm.weight"], config.eps)
        x = x + swiglu(weights, layer, h)
    return rms_norm(x, weights["output_norm.weight"], config.eps)


def cross_attention(config: FormerConfig, weights: Weights, layer: str, x: np.ndarray, source: np.ndarray) -> np.ndarray:
    """x [k, d] reads source [n + k, d]: keys at positions 0 ... n + k - 1, queries at the last k of them."""
    k, n = len(x), len(source) - len(x)
    q = linear(weights, layer + "attn_q", rms_norm(x, weights[layer + "attn_norm.weight"], config.eps))
    c = rms_norm(source, weights[layer + "context_norm.weight"], config.eps)
    # Every digest sees the whole chunk; among digest columns the mask is causal.
    allowed = np.concatenate([np.ones((k, n), bool), np.tril(np.ones((k, k), bool))], axis=1)
    return attend(config, weights, layer, q, c, np.arange(n, n + k), np.arange(n + k), allowed)


def self_attention(config: FormerConfig, weights: Weights, layer: str, x: np.ndarray) -> np.ndarray:
    """Causal self-attention over the digest stream x [k, d]."""
    h = rms_norm(x, weights[layer + "attn_norm.weight"], config.eps)
    positions = np.arange(len(x))
    q = linear(weights, layer + "attn_q", h)
    return attend(config, weights, layer, q, h, positions, positions, np.tril(np.ones((len(x), len(x)), bool)))


def attend(
    config: FormerConfig,
    weights: Weights,
    layer: str,
    q: np.ndarray,
    source: np.ndarray,
    q_positions: np.ndarray,
    k_positions: np.ndarray,
    allowed: np.ndarray,
) -> np.ndarray:
    """q [k, d] reads source [columns, d], as `allowed` [k, columns] says."""
    q = config.rope.rotate(split_heads(q, config.n_head), q_positions)
    k = config.rope.rotate(split_heads(linear(weights, layer + "attn_k", source), config.n_head_kv), k_positions)
    v = split_heads(linear(weights, layer + "attn_v", source), config.n_head_kv)
    return linear(weights, layer + "attn_output", attention(q, k, v, allowed))
