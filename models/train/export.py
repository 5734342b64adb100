"""Writes a trained pair as GGUF.

    python models/train/export.py lm DIR -o lm.gguf [--type Q8_0]
    python models/train/export.py former DIR --target lm.gguf -o former.gguf [--type F16]

`lm` takes a Hugging Face folder of a Llama model with a SentencePiece tokenizer. `former` takes what the trainer writes, and
gives the same file as `./icf convert DIR --target lm.gguf -o former.gguf` with the prompt of the folder's prompt.json.
Matrices get the type; embeddings of the digests, markers, norms and biases stay F32.
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
FORMER_NAMES = LLM_NAMES | {
    "cross_attn.q_proj": "attn_q", "cross_attn.k_proj": "attn_k", "cross_attn.v_proj": "attn_v",
    "cross_attn.o_proj": "attn_output", "cross_input_layernorm": "attn_norm", "context_layernorm": "context_norm"}


def layer_name(name: str, names: dict) -> str:
    index, rest = name.split("layers.", 1)[1].split(".", 1)
    stem, kind = rest.rsplit(".", 1)
    return f"blk.{index}.{names[stem]}.{kind}"


def interleave(tensor: np.ndarray, heads: int) -> np.ndarray:
    """Rotate-half layout -> neighbouring pairs, the layout of q and k in GGUF files of architecture `llama`."""
    return tensor.reshape(heads, 2, -1, *tensor.shape[1:]).swapaxes(1, 2).reshape(tensor.shape)


def vocabulary_hash(tokens: list[str]) -> int:
    """FNV-1a, 64 bits, over each token's UTF-8 bytes and a byte 0xFF."""
    value = 0xCBF29CE484222325
    for token in tokens:
        for byte in token.encode() + b"\xff":
            value = (value ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return value


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
            target = layer_name(source, LLM_NAMES)
            if "q_proj" in source or "k_proj" in source:
                heads = c["num_attention_heads"] if "q_proj" in source else c["num_key_value_heads"]
                value = torch.from_numpy(interleave(value.float().numpy(), heads))
        add_tensor(writer, target, value, kind)
    finish(writer)


def export_former(folder: Path, output: Path, kind: str, name: str, target: Path):
    c = json.loads((folder / "config.json").read_text())
    prompt = json.loads((folder / "prompt.json").read_text())
    lm = gguf.GGUFReader(target)
    architecture = lm.get_field("general.architecture").contents()
    tokens = lm.get_field("tokenizer.ggml.tokens").contents()
    writer = gguf.GGUFWriter(str(output), "icformer")
    head(writer, c, name, kind)
    writer.add_uint32("icformer.digest_count", c["num_query_tokens"])
    writer.add_uint32("icformer.chunk_length", c["chunk_length"])
    writer.add_uint32("icformer.cross_attention_interval", c["cross_attention_frequency"])
    for key in ("before", "question", "after"):
        writer.add_key_value(f"icformer.prompt.{key}", prompt[key], gguf.GGUFValueType.STRING)  # add_string drops empty texts
    writer.add_string("icformer.target.architecture", architecture)
    writer.add_uint32("icformer.target.embedding_length", lm.get_field(f"{architecture}.embedding_length").contents())
    writer.add_uint32("icformer.target.vocab_size", len(tokens))
    writer.add_uint64("icformer.target.vocab_hash", vocabulary_hash(tokens))
    rows = torch.load(folder / "param.pt", map_location="cpu", weights_only=True)
    add_tensor(writer, "digest_embd.weight", rows["digest_embeddings"][0], "F32")
    add_tensor(writer, "marker_ft.weight", rows["FT"].flatten(), "F32")
    add_tensor(writer, "marker_ae.weight", rows["AE"].flatten(), "F32")
    for source, value in load_file(folder / "model.safetensors").items():
        add_tensor(writer, "output_norm.weight" if source == "encoder.norm.weight" else layer_name(source, FORMER_NAMES), value, kind)
    finish(writer)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("lm", "former"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--target", type=Path, help="GGUF of the LLM (former)")
    parser.add_argument("--type", choices=FILE_TYPES, default="Q8_0")
    parser.add_argument("--name")
    parser.add_argument("-o", "--output", type=Path, required=True)
    a = parser.parse_args()
    if a.what == "lm":
        export_lm(a.folder, a.output, a.type, a.name or "icformer-demo-lm")
    elif a.target is None:
        parser.error("former needs --target")
    else:
        export_former(a.folder, a.output, a.type, a.name or "icformer-demo-former", a.target)


if __name__ == "__main__":
    main()
