"""Writes a trained LLM as GGUF. (A former is converted by `./icf convert`.)

    python models/train/export.py DIR -o lm.gguf [--type Q8_0]

DIR is a Hugging Face folder of a Llama model with a SentencePiece tokenizer. Matrices get the type; norms and biases stay F32.
"""

import argparse
import json
import sys
from pathlib import Path

import gguf
import numpy as np
import sentencepiece
from gguf import GGMLQuantizationType as Type
from safetensors.torch import load_file

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from models.lib.ggufs import add_sentence_piece, add_sizes, finish, interleave, sentence_piece_types
from models.lib.names import gguf_name

FILE_TYPES = {
    "F32": gguf.LlamaFileType.ALL_F32,
    "F16": gguf.LlamaFileType.MOSTLY_F16,
    "Q8_0": gguf.LlamaFileType.MOSTLY_Q8_0,
}


def add_tensor(writer: gguf.GGUFWriter, name: str, value: np.ndarray, kind: str) -> None:
    array = np.ascontiguousarray(value)
    matrix = name.startswith(("blk.", "token_embd", "output.")) and array.ndim == 2
    if matrix and kind == "F16":
        writer.add_tensor(name, array.astype(np.float16))
    elif matrix and kind == "Q8_0" and array.shape[1] % 32 == 0:
        writer.add_tensor(name, gguf.quants.quantize(array, Type.Q8_0), raw_dtype=Type.Q8_0)
    else:
        writer.add_tensor(name, array)


def head(writer: gguf.GGUFWriter, c: dict, name: str, kind: str) -> None:
    writer.add_name(name)
    writer.add_file_type(FILE_TYPES[kind])
    if kind == "Q8_0":
        writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    add_sizes(
        writer,
        blocks=c["num_hidden_layers"],
        width=c["hidden_size"],
        feed_forward=c["intermediate_size"],
        heads=c["num_attention_heads"],
        kv_heads=c["num_key_value_heads"],
        eps=c["rms_norm_eps"],
    )
    writer.add_rope_freq_base(c.get("rope_theta") or c["rope_parameters"]["rope_theta"])


def tokenizer(writer: gguf.GGUFWriter, model: Path) -> None:
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(model))
    tokens = range(pieces.vocab_size())
    add_sentence_piece(
        writer,
        [pieces.id_to_piece(i) for i in tokens],
        [pieces.get_score(i) for i in tokens],
        sentence_piece_types(pieces),
        add_bos=False,
        bos=pieces.bos_id(),
        eos=pieces.eos_id(),
        unknown=pieces.unk_id(),
    )


def export_lm(folder: Path, output: Path, kind: str, name: str) -> None:
    c = json.loads((folder / "config.json").read_text())
    writer = gguf.GGUFWriter(str(output), "llama")
    head(writer, c, name, kind)
    writer.add_context_length(c["max_position_embeddings"])
    writer.add_rope_dimension_count(c["hidden_size"] // c["num_attention_heads"])
    writer.add_vocab_size(c["vocab_size"])
    tokenizer(writer, folder / "tokenizer.model")
    state = load_file(folder / "model.safetensors")
    for source, value in state.items():
        array = value.float().numpy()
        if "q_proj" in source or "k_proj" in source:
            array = interleave(array, c["num_attention_heads"] if "q_proj" in source else c["num_key_value_heads"])
        add_tensor(writer, gguf_name(source), array, kind)
    finish(writer)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--type", choices=FILE_TYPES, default="Q8_0")
    parser.add_argument("--name", default="icformer-demo-lm")
    parser.add_argument("-o", "--output", type=Path, required=True)
    a = parser.parse_args()
    export_lm(a.folder, a.output, a.type, a.name)


if __name__ == "__main__":
    main()
