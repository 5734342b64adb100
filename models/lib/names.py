"""Names of tensors: those of Hugging Face and official IC-Former checkpoints, and those of GGUF files."""

FIXED = {
    "encoder.norm.weight": "output_norm.weight",
    "model.norm.weight": "output_norm.weight",
    "model.embed_tokens.weight": "token_embd.weight",
    "lm_head.weight": "output.weight",
}

LAYER = {
    "cross_attn.q_proj": "attn_q",
    "cross_attn.k_proj": "attn_k",
    "cross_attn.v_proj": "attn_v",
    "cross_attn.o_proj": "attn_output",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "cross_input_layernorm": "attn_norm",
    "input_layernorm": "attn_norm",
    "context_layernorm": "context_norm",
    "post_attention_layernorm": "ffn_norm",
}


def gguf_name(name: str) -> str:
    """The name in a GGUF file of a tensor of a Llama-family or IC-Former checkpoint."""
    if name in FIXED:
        return FIXED[name]
    index, rest = name.split("layers.", 1)[1].split(".", 1)
    stem, kind = rest.rsplit(".", 1)
    return f"blk.{index}.{LAYER[stem]}.{kind}"
