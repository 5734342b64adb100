"""Writes a trained LLM as GGUF. (A former is converted by `./icf convert`.)

    python models/train/export.py DIR -o lm.gguf [--type Q8_0]

DIR is a Hugging Face folder of a Llama model with a SentencePiece tokenizer. Matrices get the type; norms and biases stay F32.
"""

import argparse
import json
from pathlib import Path

import gguf
import numpy as np
import sentencepiece
import torch
from gguf import GGMLQuantizationType as Type
from safetensors.torch import load_file

FILE_TYPES = {"F32": gguf.LlamaFileType.ALL_F32, "F16": gguf.LlamaFileType.MOSTLY_F16, "Q8_0": gguf.LlamaFileType.MOSTLY_Q8_0}

LLM_NAMES = {
    "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm", "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down"}


def layer_name(name: str, names: dict = LLM_NAMES) -> str:
    index, rest = name.split("layers.", 1)[1].split(".", 1)
    stem, kind = rest.rsplit(".", 1)
    return f"blk.{index}.{names[stem]}.{kind}"


def interleave(tensor: np.ndarray, heads: int) -> np.ndarray:
    """Rotate-half layout -> neighbouring pairs, the layout of q and k in GGUF files of architecture `llama`."""
    return tensor.reshape(heads, 2, -1, *tensor.shape[1:]).swapaxes(1, 2).reshape(tensor.shape)


def add_tensor(writer: gguf.GGUFWriter, name: str, value: torch.Tensor, kind: str):
    array = np.ascontiguousarray(value.float().numpy())
    matrix = name.startswith(("blk.", "token_embd", "output.")) and array.ndim == 2
    if matrix and kind == "F16":
        writer.add_tensor(name, array.astype(np.float16))
    elif matrix and kind == "Q8_0" and array.shape[1] % 32 == 0:
        writer.add_tensor(name, gguf.quants.quantize(array, Type.Q8_0), raw_dtype=Type.Q8_0)
    else:
        writer.add_tensor(name, array)


def finish(writer: gguf.GGUFWriter):
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def head(writer: gguf.GGUFWriter, c: dict, name: str, kind: str):
    writer.add_name(name)
    writer.add_file_type(FILE_TYPES[kind])
    if kind == "Q8_0":
        writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    writer.add_block_count(c["num_hidden_layers"])
    writer.add_embedding_length(c["hidden_size"])
    writer.add_feed_forward_length(c["intermediate_size"])
    writer.add_head_count(c["num_attention_heads"])
    writer.add_head_count_kv(c["num_key_value_heads"])
    writer.add_layer_norm_rms_eps(c["rms_norm_eps"])
    writer.add_rope_freq_base(c.get("rope_theta") or c["rope_parameters"]["rope_theta"])


def tokenizer(writer: gguf.GGUFWriter, model: Path):
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(model))
    kinds = []
    for i in range(pieces.vocab_size()):
        kinds.append(gguf.TokenType.UNKNOWN if pieces.is_unknown(i) else gguf.TokenType.CONTROL if pieces.is_control(i)
                     else gguf.TokenType.BYTE if pieces.is_byte(i) else gguf.TokenType.NORMAL)
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list([pieces.id_to_piece(i) for i in range(pieces.vocab_size())])
    writer.add_token_scores([pieces.get_score(i) for i in range(pieces.vocab_size())])
    writer.add_token_types(kinds)
    writer.add_bos_token_id(pieces.bos_id())
    writer.add_eos_token_id(pieces.eos_id())
    writer.add_unk_token_id(pieces.unk_id())
    writer.add_add_bos_token(False)
    writer.add_add_eos_token(False)
    writer.add_add_space_prefix(True)


def export_lm(folder: Path, output: Path, kind: str, name: str):
    c = json.loads((folder / "config.json").read_text())
    writer = gguf.GGUFWriter(str(output), "llama")
    head(writer, c, name, kind)
    writer.add_context_length(c["max_position_embeddings"])
    writer.add_rope_dimension_count(c["hidden_size"] // c["num_attention_heads"])
    writer.add_vocab_size(c["vocab_size"])
    tokenizer(writer, folder / "tokenizer.model")
    state = load_file(folder / "model.safetensors")
    for source, value in state.items():
        if source == "model.embed_tokens.weight":
            target = "token_embd.weight"
        elif source == "model.norm.weight":
            target = "output_norm.weight"
        elif source == "lm_head.weight":
            target = "output.weight"
        else:
            target = layer_name(source)
            if "q_proj" in source or "k_proj" in source:
                heads = c["num_attention_heads"] if "q_proj" in source else c["num_key_value_heads"]
                value = torch.from_numpy(interleave(value.float().numpy(), heads))
        add_tensor(writer, target, value, kind)
    finish(writer)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--type", choices=FILE_TYPES, default="Q8_0")
    parser.add_argument("--name", default="icformer-demo-lm")
    parser.add_argument("-o", "--output", type=Path, required=True)
    a = parser.parse_args()
    export_lm(a.folder, a.output, a.type, a.name)


if __name__ == "__main__":
    main()
