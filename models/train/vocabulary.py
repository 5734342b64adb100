"""Token ids as the library makes them, from the vocabulary of a GGUF."""

import json
import random
import subprocess
import sys
from pathlib import Path

import gguf
from tokenizers import Regex, Tokenizer, models, pre_tokenizers

from models.train.gguf_llm import NotRead

WORDS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}%s| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
SPLITS = {  # tokenizer.ggml.pre: expressions that cut a text, and whether GPT-2's follows
    "gpt-2": ([], True),
    "gpt2": ([], True),
    "smollm": ([r"\p{N}"], True),
    "llama-bpe": ([WORDS % "{1,3}"], False),
    "qwen2": ([WORDS % ""], False),
}


def read_tokenizer(path: Path) -> Tokenizer:
    """Control tokens in a text are text."""
    fields = gguf.GGUFReader(str(path)).fields
    kind, pre = (fields[f"tokenizer.ggml.{key}"].contents() for key in ("model", "pre"))
    if kind != "gpt2" or pre not in SPLITS:
        raise NotRead(f"vocabularies of kind {kind}/{pre} are not read; those that are: gpt2/ {', '.join(SPLITS)}")
    words = {word: i for i, word in enumerate(fields["tokenizer.ggml.tokens"].contents())}
    merges = [tuple(merge.split(" ", 1)) for merge in fields["tokenizer.ggml.merges"].contents()]
    tokenizer = Tokenizer(models.BPE(words, merges, ignore_merges=pre == "llama-bpe"))
    expressions, gpt2 = SPLITS[pre]
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(e), "isolated") for e in expressions]
        + [pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=gpt2)]
    )
    return tokenizer


def text_before(path: Path) -> str:
    """What stands before everything where the LLM's file says so: the text of its first token."""
    fields = gguf.GGUFReader(str(path)).fields
    if "tokenizer.ggml.add_bos_token" not in fields or not fields["tokenizer.ggml.add_bos_token"].contents():
        return ""
    return fields["tokenizer.ggml.tokens"].contents()[fields["tokenizer.ggml.bos_token_id"].contents()]


def sample(texts: list[str], count: int = 100, length: int = 500) -> str:
    chance = random.Random(1)
    parts = []
    for text in chance.sample(texts, min(count, len(texts))):
        start = chance.randrange(max(1, len(text) - length))
        parts.append(text[start : start + length])
    return "\n\n".join(parts).replace("\x00", "")


def compare(tokenizer: Tokenizer, llm: Path, icf: Path, texts: list[str]) -> None:
    """Stops where the library has other ids for a sample of the data; says so where it cannot be asked."""
    text = sample(texts)
    command = [str(icf), "tokenize", "--no-bos", "--json", "--model", str(llm), "-"]
    if not (icf.parent / "native/target/lib/libicf.so").exists():
        print(f"! {icf} is not built: the tokenizer is not compared with the library's", file=sys.stderr)
        return
    done = subprocess.run(command, input=text.encode(), capture_output=True, check=False, timeout=300)
    if done.returncode != 0:
        print(f"! the tokenizer is not compared with the library's: {done.stderr.decode().strip()}", file=sys.stderr)
        return
    ours, theirs = tokenizer.encode(text, add_special_tokens=False).ids, json.loads(done.stdout)["ids"]
    if ours != theirs:
        at = next((i for i, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b), min(len(ours), len(theirs)))
        raise NotRead(f"the tokenizer differs from the library's at {tokenizer.decode(theirs[max(0, at - 5) : at + 5])!r}")
    print(f"tokenizer: {len(ours)} ids of a sample are the library's")
