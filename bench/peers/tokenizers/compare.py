#!/usr/bin/env python3
"""Compares the Java tokenizers with llama.cpp: the same vocabularies, the same texts, the same ids.

    compare.py --llama FOLDER [--cases N] [--size small|large] [--seed S] [--every-character] [--keep FOLDER]

trains vocabularies on text of this machine, writes what llama.cpp makes of N hard strings as a fixture, and runs the Java
test on it. The fixture that the test runs on by itself is renewed with

    compare.py --llama FOLDER --cases 330 --longest 40 --size small --keep java/core/src/test/resources/icformer/tokenizers

Needs the Python packages gguf, sentencepiece and tokenizers; exits with 77 where llama.cpp or they
cannot be had.
"""

import argparse
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3]))

from bench.lib.skips import Skipped, skip
from bench.peers.tokenizers import corpus, llama, texts

ROOT = pathlib.Path(__file__).resolve().parents[3]


Fixture = tuple[str, dict, list[dict], list[bytes]]  # kind, keys of the vocabulary, what is asked of it, texts


def escape(data: bytes) -> str:
    """Printable ASCII as it is, all else and the backslash as \\xNN."""
    return "".join(chr(byte) if 0x20 <= byte < 0x7F and byte != 0x5C else f"\\x{byte:02x}" for byte in data)


def columns_of(kind: str, pre_tokenizers: list[str]) -> list[dict]:
    """What is asked of a vocabulary: keys that are set differently, and the two flags of an encoding."""
    plain = {"add": False, "parse": False}
    special = {"add": True, "parse": True}
    if kind == "spm":
        return [
            plain,
            special,
            {"tokenizer.ggml.add_space_prefix": False} | special,
            {"general.name": "Phi-3 mini", "tokenizer.ggml.add_eos_token": True} | special,
        ]
    return [{"tokenizer.ggml.pre": pre} | flags for pre in pre_tokenizers for flags in (plain, special)]


def write_cases(path: pathlib.Path, keys: dict, columns: list[dict], cases: list[bytes], command: list[str]) -> None:
    from bench.peers.tokenizers import vocabularies

    answers: list[list[str]] = []
    with tempfile.TemporaryDirectory() as folder:
        for column in columns:
            overrides = {key: value for key, value in column.items() if "." in key}
            model = pathlib.Path(folder) / "vocabulary.gguf"
            vocabularies.write(model, keys | overrides)
            with llama.Vocabulary(command, model) as vocabulary:
                ids = [vocabulary.tokenize(case, column["add"], column["parse"]) for case in cases]
            answers.append(["!" if row is None else " ".join(map(str, row)) for row in ids])
    with open(path, "w", encoding="ascii") as file:
        file.write("\t".join(["text", *(json.dumps(column, sort_keys=True) for column in columns)]) + "\n")
        for row, case in enumerate(cases):
            cells = [answer[row] for answer in answers]
            same = ["=" if index and cell == cells[index - 1] else cell for index, cell in enumerate(cells)]
            file.write("\t".join([escape(case), *same]) + "\n")


def write_pieces(path: pathlib.Path, keys: dict, command: list[str]) -> None:
    from bench.peers.tokenizers import vocabularies

    control = 1 << 0 | 1 << 3  # unknown, control
    with tempfile.TemporaryDirectory() as folder:
        model = pathlib.Path(folder) / "vocabulary.gguf"
        vocabularies.write(model, keys)
        with llama.Vocabulary(command, model) as vocabulary:
            special, tokens = vocabulary.describe()
    with open(path, "w", encoding="ascii") as file:
        file.write(json.dumps(special) + "\n")
        for attributes, ends, piece in tokens:
            file.write(f"{int(bool(attributes & control))}\t{ends}\t{escape(piece)}\n")


def fixtures(
    training: list[str], cases: list[bytes], size: str, pre_tokenizers: list[str], every_character: bool
) -> list[Fixture]:
    from bench.peers.tokenizers import vocabularies

    spm, bpe = {"small": (900, 1000), "large": (16_000, 24_000)}[size]
    found = [
        ("spm", vocabularies.sentence_piece(training, spm), columns_of("spm", []), cases),
        ("bpe", vocabularies.byte_level(training, bpe), columns_of("bpe", pre_tokenizers), cases),
    ]
    if size == "large":
        found.append(("phrases", vocabularies.sentence_piece(training, spm, phrases=True), columns_of("spm", []), cases))
    if every_character:
        columns = columns_of("bpe", ["gpt-2", "llama-bpe", "qwen35", "deepseek-v3"])[::2]
        found.append(("pairs", vocabularies.byte_pairs(), columns, texts.every_character()))
    return found


def write_fixture(out: pathlib.Path, fixture: Fixture, command: list[str]) -> None:
    kind, keys, columns, cases = fixture
    (out / f"{kind}.json").write_text(json.dumps(keys, ensure_ascii=False) + "\n")
    write_cases(out / f"{kind}.tsv", keys, columns, cases, command)
    write_pieces(out / f"{kind}.pieces.tsv", {"tokenizer.ggml.pre": "gpt-2"} | keys, command)
    print(f"{kind}: {len(cases)} texts, {len(columns)} ways", file=sys.stderr)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--llama", type=pathlib.Path, required=True, help="folder that bench/peers/get_llama.sh filled")
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--size", choices=["small", "large"], default="large")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=pathlib.Path, help="write the fixture here and do not run the test")
    parser.add_argument("--longest", type=int, default=10_000, help="leave out texts of more bytes")
    parser.add_argument("--every-character", action="store_true", help="also compare how each code point is classed")
    parser.add_argument("--pre", nargs="*", help="pre-tokenizers of byte-level BPE; all that are known by default")
    return parser.parse_args()


def main() -> int:
    arguments = parse()
    with tempfile.TemporaryDirectory() as folder:
        scratch = pathlib.Path(folder)
        try:
            from bench.peers.tokenizers import vocabularies

            command = llama.build(arguments.llama, scratch)
        except (ImportError, Skipped) as reason:
            return skip(reason)
        out = arguments.keep or scratch / "fixture"
        out.mkdir(parents=True, exist_ok=True)
        hard = texts.hard(arguments.seed, arguments.cases, corpus.pieces(2, 3_000_000))
        cases = [text for text in hard if len(text) <= arguments.longest]
        pre_tokenizers = arguments.pre or vocabularies.PRE_TOKENIZERS
        training = corpus.pieces(1, 3_000_000)
        for fixture in fixtures(training, cases, arguments.size, pre_tokenizers, arguments.every_character):
            write_fixture(out, fixture, command)
        return 0 if arguments.keep else java_test(out)


def java_test(fixture: pathlib.Path) -> int:
    """The Java test on a fixture; its exit code."""
    command = [
        shutil.which("mvn"),
        "-q",
        "-f",
        ROOT / "pom.xml",
        "-pl",
        "java/core",
        "-am",
        "test",
        "-Dtest=TokenizerParityTest",
        "-Dsurefire.failIfNoSpecifiedTests=false",
        f"-Dicformer.tokenizers={fixture}",
    ]
    return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
