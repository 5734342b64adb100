"""Trains small vocabularies on text of this machine and writes them as GGUF files without tensors."""

import json
import pathlib
import tempfile

import gguf
import sentencepiece
import tokenizers

from models.lib import ggufs

NORMAL, CONTROL, USER_DEFINED = gguf.TokenType.NORMAL, gguf.TokenType.CONTROL, gguf.TokenType.USER_DEFINED

SPM_CONTROL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "[INST]", "<|unused_7|>"]
SPM_USER = ["<tool>", "</tool>", "▁▁▁▁", "\n\n\n", "ééé", "<tool></tool>"]
BPE_CONTROL = ["<|endoftext|>", "<|begin_of_text|>", "<|im_start|>", "<|im_end|>", "<|eot_id|>", "<｜tool▁call｜>"]
BPE_USER = ["<think>", "</think>", "    \n", "  x"]

# Every way to cut texts into words that is compared, each by one of its names.
PRE_TOKENIZERS = [
    "default",
    "gpt-2",
    "llama-bpe",
    "dbrx",
    "qwen2",
    "qwen35",
    "smollm",
    "falcon",
    "deepseek-coder",
    "deepseek-v3",
    "tekken",
    "gpt-4o",
    "bailingmoe",
    "seed-coder",
    "bloom",
    "viking",
    "minicpm5",
    "laguna",
    "ufakzeka",
]


def sentence_piece(texts: list[str], size: int, phrases: bool = False) -> dict:
    """A BPE model of SentencePiece with byte fallback, as Llama 2 has, with its GGUF keys; tokens may be of several words."""
    with tempfile.TemporaryDirectory() as folder:
        prefix = pathlib.Path(folder) / "model"
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(line for text in texts for line in text.split("\n") if line.strip()),
            model_prefix=str(prefix),
            model_type="bpe",
            vocab_size=size,
            byte_fallback=True,
            character_coverage=0.98,
            normalization_rule_name="identity",
            remove_extra_whitespaces=False,
            split_digits=True,
            allow_whitespace_only_pieces=True,
            split_by_whitespace=not phrases,
            max_sentence_length=20000,
            num_threads=1,
            minloglevel=2,
            control_symbols=SPM_CONTROL,
            user_defined_symbols=SPM_USER,
        )
        model = sentencepiece.SentencePieceProcessor(model_file=f"{prefix}.model")
    pieces = [model.id_to_piece(id) for id in range(model.vocab_size())]
    tokens = [text.replace("▁", " ") if text in SPM_USER else text for text in pieces]  # as converters write them
    scores = [model.get_score(id) for id in range(model.vocab_size())]
    types = [int(kind) for kind in ggufs.sentence_piece_types(model, frozenset(SPM_USER))]
    return {
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.scores": scores,
        "tokenizer.ggml.token_type": types,
        "tokenizer.ggml.bos_token_id": model.bos_id(),
        "tokenizer.ggml.eos_token_id": model.eos_id(),
        "tokenizer.ggml.unknown_token_id": model.unk_id(),
        "tokenizer.ggml.add_bos_token": True,
        "tokenizer.ggml.add_eos_token": False,
        "tokenizer.ggml.add_space_prefix": True,
    }


def byte_level(texts: list[str], size: int) -> dict:
    """A byte-level BPE model. It is trained across words, so that a wrong word boundary shows in the ids."""
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE())
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Sequence(
        [
            tokenizers.pre_tokenizers.Split(tokenizers.Regex(r"[^\n]{1,12}|\n+"), "isolated"),
            tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=size - len(BPE_CONTROL) - len(BPE_USER),
        show_progress=False,
        initial_alphabet=sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet()),
    )
    tokenizer.train_from_iterator(texts, trainer)
    model = json.loads(tokenizer.to_str())["model"]
    tokens = [text for text, _ in sorted(model["vocab"].items(), key=lambda item: item[1])]
    types = [NORMAL] * len(tokens) + [CONTROL] * len(BPE_CONTROL) + [USER_DEFINED] * len(BPE_USER)
    tokens += BPE_CONTROL + BPE_USER
    merges = [" ".join(pair) if isinstance(pair, list) else pair for pair in model["merges"]]
    return {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": types,
        "tokenizer.ggml.merges": merges,
        "tokenizer.ggml.bos_token_id": tokens.index("<|begin_of_text|>"),
        "tokenizer.ggml.eos_token_id": tokens.index("<|endoftext|>"),
    }


def byte_pairs() -> dict:
    """Every pair of bytes is a token, in a shuffled order of ranks: almost every word boundary shows in the ids."""
    letters = ggufs.byte_spelling()
    pairs = [(index * 40503) % 65536 for index in range(65536)]
    pairs = [(pair >> 8, pair & 255) for pair in pairs]
    tokens = letters + [letters[left] + letters[right] for left, right in pairs]
    return {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": [NORMAL] * len(tokens),
        "tokenizer.ggml.merges": [f"{letters[left]} {letters[right]}" for left, right in pairs],
        "tokenizer.ggml.eos_token_id": 0,
    }


def write(path: pathlib.Path, keys: dict) -> None:
    """Writes a GGUF file that llama.cpp loads with vocab_only."""
    writer = gguf.GGUFWriter(path, "llama")
    for key, value in keys.items():
        if isinstance(value, bool):
            writer.add_bool(key, value)
        elif isinstance(value, int):
            writer.add_uint32(key, value)
        elif isinstance(value, str):
            writer.add_string(key, value)
        else:
            writer.add_array(key, value)
    ggufs.finish(writer)
