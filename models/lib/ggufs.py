"""What GGUF files have in common, whoever writes them."""

from typing import Any

import gguf
import numpy as np

ATTENTION_BIASES = ("attn_q", "attn_k", "attn_v", "attn_output")


def add_sizes(
    writer: gguf.GGUFWriter,
    *,
    blocks: int,
    width: int,
    feed_forward: int,
    heads: int,
    kv_heads: int,
    eps: float,
    context: int | None = None,
) -> None:
    """The keys that every architecture has."""
    writer.add_block_count(blocks)
    if context is not None:
        writer.add_context_length(context)
    writer.add_embedding_length(width)
    writer.add_feed_forward_length(feed_forward)
    writer.add_head_count(heads)
    writer.add_head_count_kv(kv_heads)
    writer.add_layer_norm_rms_eps(eps)


def finish(writer: gguf.GGUFWriter) -> None:
    """Writes the file: header, keys, tensors where there are any."""
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    if any(writer.tensors):
        writer.write_tensors_to_file()
    writer.close()


def interleave(tensor: np.ndarray, heads: int) -> np.ndarray:
    """Rotate-half layout -> that of q and k in files of architecture `llama`: rows i and i + head_dim / 2 of a head become rows
    2i and 2i + 1."""
    return tensor.reshape(heads, 2, -1, *tensor.shape[1:]).swapaxes(1, 2).reshape(tensor.shape)


# ---- Vocabularies ----


def byte_spelling() -> list[str]:
    """The 256 bytes as GPT-2 spells them: printable ones as they are, the others from U+0100 on."""
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = iter(range(256))
    return [chr(byte) if byte in printable else chr(256 + next(others)) for byte in range(256)]


def sentence_piece_tokens(words: list[str]) -> tuple[list[str], list[float], list[int]]:
    """Pieces, scores and types: unknown, begin, end, 256 bytes, then words by rank."""
    kind = gguf.TokenType
    pieces = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    types = [kind.UNKNOWN, kind.CONTROL, kind.CONTROL] + [kind.BYTE] * 256 + [kind.NORMAL] * len(words)
    return pieces + words, [0.0] * len(pieces) + [-float(i) for i in range(len(words))], types


def sentence_piece_types(model: Any, user_defined: frozenset[str] = frozenset()) -> list[int]:
    """The type of every piece of a SentencePieceProcessor; `user_defined` are spelt as in the model."""
    kind = gguf.TokenType

    def type_of(piece: int) -> int:
        if model.is_unknown(piece):
            return kind.UNKNOWN
        if model.is_control(piece):
            return kind.CONTROL
        if model.is_byte(piece):
            return kind.BYTE
        return kind.USER_DEFINED if model.id_to_piece(piece) in user_defined else kind.NORMAL

    return [type_of(piece) for piece in range(model.vocab_size())]


def add_sentence_piece(
    writer: gguf.GGUFWriter,
    pieces: list[str],
    scores: list[float],
    types: list[int],
    *,
    add_bos: bool,
    bos: int = 1,
    eos: int = 2,
    unknown: int = 0,
) -> None:
    """A vocabulary of SentencePiece, as Llama 2 has."""
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(pieces)
    writer.add_token_scores(scores)
    writer.add_token_types(types)
    writer.add_bos_token_id(bos)
    writer.add_eos_token_id(eos)
    writer.add_unk_token_id(unknown)
    writer.add_add_bos_token(add_bos)
    writer.add_add_eos_token(False)
    writer.add_add_space_prefix(True)


def byte_level_tokens(merges: list[tuple[str, str]], special: list[str], unused: int = 0) -> tuple[list[str], list[int]]:
    """Pieces and types: 256 bytes, what the merges make, special tokens, tokens that stand for nothing."""
    kind = gguf.TokenType
    pieces = byte_spelling() + [a + b for a, b in merges]
    types = [kind.NORMAL] * len(pieces) + [kind.CONTROL] * len(special) + [kind.UNUSED] * unused
    return pieces + special + [f"<unused{i}>" for i in range(unused)], types


def add_byte_level(
    writer: gguf.GGUFWriter, pieces: list[str], types: list[int], merges: list[tuple[str, str]], *, pre: str = "qwen2"
) -> None:
    """A byte-level vocabulary, as GPT-2 has, without the ids of its special tokens."""
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list(pieces)
    writer.add_token_types(types)
    writer.add_token_merges([f"{a} {b}" for a, b in merges])
