"""Trains a SentencePiece BPE vocabulary with byte fallback on a corpus.

    python models/corpus/tokenizer.py train.jsonl --size 1408 -o DIR

Writes DIR/tokenizer.model. Pieces 0 ... 2 are <unk>, <s>, </s>, then 256 bytes (a line break is one of them, as in Llama),
then pieces by merge rank. With a small world nearly every word becomes one piece.
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import sentencepiece


def texts(path: Path, most: int) -> Iterator[str]:
    with path.open(encoding="utf-8") as lines:
        for count, line in enumerate(lines):
            if count == most:
                return
            document = json.loads(line)
            yield document["context"]
            yield "Repeat:"
            for question in document.get("questions") or [document]:
                yield f"Question: {question['question']}"
                yield f"Answer: {question['answer']}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--size", type=int, default=1408)
    parser.add_argument("--documents", type=int, default=20000, help="documents to read")
    parser.add_argument("-o", "--output", type=Path, required=True)
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=texts(arguments.corpus, arguments.documents),
        model_prefix=str(arguments.output / "tokenizer"),
        model_type="bpe",
        vocab_size=arguments.size,
        byte_fallback=True,
        character_coverage=1.0,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        add_dummy_prefix=True,
        split_digits=False,
        unk_id=0,
        bos_id=1,
        eos_id=2,
        pad_id=-1,
        minloglevel=2,
        num_threads=1,
    )
    (arguments.output / "tokenizer.vocab").unlink()


if __name__ == "__main__":
    main()
