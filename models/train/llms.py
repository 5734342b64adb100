"""LLMs and compressors at their start."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F

from models.train.former import Former
from models.train.icae import Icae
from models.train.induction import start_with_induction
from models.train.options import Options
from models.train.packing import Packing

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def in_float32(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """An attention as transformers calls it; its gradient takes half the time of that in bfloat16 on a CPU."""
    with torch.autocast("cpu", enabled=False):
        y = F.scaled_dot_product_attention(
            query.float(),
            key.float(),
            value.float(),
            attn_mask=attention_mask,
            scale=scaling,
            is_causal=attention_mask is None and query.shape[2] > 1,
            enable_gqa=query.shape[1] != key.shape[1],
        )
    return y.transpose(1, 2).to(query.dtype), None


def attention(device: str) -> str:
    """The name of transformers' attention for a device."""
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import sdpa_mask

    if device != "cpu":
        return "sdpa"
    AttentionInterface.register("sdpa_float32", in_float32)
    AttentionMaskInterface.register("sdpa_float32", sdpa_mask)
    return "sdpa_float32"


def new_llm(options: Options, vocabulary: int) -> "PreTrainedModel":
    """A tiny Llama with tied embeddings, on the CPU."""
    from transformers import AutoModelForCausalLM, LlamaConfig

    sizes = options.sizes
    torch.manual_seed(options.schedule.seed)
    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=sizes.width,
        intermediate_size=sizes.ff,
        num_hidden_layers=sizes.layers,
        num_attention_heads=sizes.heads,
        num_key_value_heads=sizes.heads,
        max_position_embeddings=2048,
        tie_word_embeddings=True,
        bos_token_id=1,
        eos_token_id=2,
        rms_norm_eps=1e-5,
        attention_bias=not options.start.no_bias,
    )
    llm = AutoModelForCausalLM.from_config(config, attn_implementation=attention(options.device))
    if options.start.in_place:
        start_with_induction(llm)
    return llm


def frozen_llm(folder: Path, device: str) -> "PreTrainedModel":
    from transformers import AutoModelForCausalLM

    found = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation=attention(device))
    return found.to(device).eval().requires_grad_(False)


def new_compressor(options: Options, llm: "PreTrainedModel", ae: torch.Tensor) -> Former | Icae:
    """The checkpoint to go on from, or a compressor at its start; ae [d] is the first value of the AE row."""
    icae = options.compressor == "icae"
    if options.former:
        return Icae.load(options.former, llm) if icae else Former.load(options.former)
    weight = llm.get_input_embeddings().weight.detach()
    if icae:
        compressor = Icae(llm, options.sizes.digests, options.start.rank)
        compressor.start(weight, ae)
        return compressor
    former = Former(options.sizes.former(weight.shape[1], bias=not options.start.no_bias))
    former.start(weight, ae)
    if not options.start.in_place:
        return former
    if options.llm is not None and (options.llm / "packing.pt").exists():
        Packing.load(options.llm).start(former)
    else:
        former.start_in_place()
    return former
