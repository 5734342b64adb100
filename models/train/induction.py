"""A start for a tiny LLM from scratch: attention that can already look a few tokens back and find repetitions.

Small transformers spend most of their training before induction heads (Olsson et al. 2022) appear. Here layer 0 begins with
heads that look 1 ... H tokens back, through constant biases in queries and keys (RoPE makes their score depend on the distance
alone), and layer 1 with two heads that look for what followed the current token, or the current pair of tokens, before. All
weights stay trainable.
"""

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def orthonormal(rows: int, columns: int) -> torch.Tensor:
    """Random [rows, columns] with orthonormal rows, rows <= columns."""
    return torch.linalg.qr(torch.randn(columns, rows))[0].T.contiguous()


@torch.no_grad()
def start_with_induction(llm: "PreTrainedModel", sharpness: float = 4.5, frequencies: int = 6, match: float = 1.8) -> None:
    """Fills in a LlamaForCausalLM with attention biases, as many key heads as heads, and tied embeddings."""
    c = llm.config
    width, heads, dim = c.hidden_size, c.num_attention_heads, c.hidden_size // c.num_attention_heads
    frequencies = min(frequencies, dim // 4)
    # Embeddings of size 1, as large as what the heads write; the last norm keeps the logits near 1.
    llm.model.embed_tokens.weight.normal_(std=1.0)
    llm.model.norm.weight.fill_(width**-0.5)
    for layer in llm.model.layers:
        start_layer(layer, heads, dim)
    omega = c.rope_parameters["rope_theta"] ** (-torch.arange(frequencies) / (dim // 2))
    token = orthonormal(dim, width)  # what a head of layer 0 reads of a token
    slots = orthonormal(width, width).view(heads, dim, width)  # where the head of each distance writes it
    look_back(llm.model.layers[0].self_attn, token, slots, omega, (sharpness * dim**0.5) ** 0.5)
    find_again(llm.model.layers[1].self_attn, token, slots, frequencies, match)


def start_layer(layer: torch.nn.Module, heads: int, dim: int) -> None:
    """Matrices that keep the size of what goes through them; what a head reads as a value it writes back to the same place."""
    width = heads * dim
    for projection in (layer.mlp.gate_proj, layer.mlp.up_proj, layer.mlp.down_proj):
        projection.weight.normal_(std=projection.in_features**-0.5)
    layer.mlp.down_proj.weight.mul_(0.5)
    attention = layer.self_attn
    for head in range(heads):
        part = slice(head * dim, (head + 1) * dim)
        attention.q_proj.weight[part] = orthonormal(dim, width)
        attention.k_proj.weight[part] = orthonormal(dim, width)
        attention.v_proj.weight[part] = orthonormal(dim, width)
        attention.o_proj.weight[:, part] = attention.v_proj.weight[part].T


def look_back(
    look: torch.nn.Module, token: torch.Tensor, slots: torch.Tensor, omega: torch.Tensor, amplitude: float
) -> None:
    """Head h of the attention looks h + 1 tokens back and writes that to slot h; token [dim, d], slots [heads, dim, d]."""
    heads, dim, _ = slots.shape
    half, frequencies = dim // 2, len(omega)
    for head in range(heads):
        part, base = slice(head * dim, (head + 1) * dim), head * dim
        look.q_proj.weight[part] *= 0.1
        look.k_proj.weight[part] *= 0.1
        look.k_proj.bias[base : base + frequencies] = amplitude
        turn = -(head + 1) * omega  # the query R(-distance) b meets the key b best at this distance
        look.q_proj.bias[base : base + frequencies] = amplitude * turn.cos()
        look.q_proj.bias[base + half : base + half + frequencies] = amplitude * turn.sin()
        look.v_proj.weight[part] = token
        look.o_proj.weight[:, part] = slots[head].T


def find_again(find: torch.nn.Module, token: torch.Tensor, slots: torch.Tensor, frequencies: int, match: float) -> None:
    """Two heads of the attention look for what followed this token, and this pair of tokens, before."""
    dim = len(token)
    half = dim // 2
    # Fast frequencies would make a match depend on its distance: only the slow ones compare.
    slow = torch.ones(dim, 1)
    slow[:frequencies] = slow[half : half + frequencies] = 0
    for head, (query, key) in enumerate([(token, slots[0]), (slots[0], slots[1])]):
        part = slice(head * dim, (head + 1) * dim)
        find.q_proj.weight[part] = match * slow * query
        find.k_proj.weight[part] = match * slow * key
        find.o_proj.weight[:, part] *= 2
