"""llama.cpp's tokenizer, out of a folder that the distribution's packages were unpacked into (see ../get_llama.sh)."""

import pathlib
import struct
import subprocess
from typing import Any

from bench.peers import packages

HERE = pathlib.Path(__file__).parent


def build(root: pathlib.Path, folder: pathlib.Path) -> list[str]:
    """Compiles the vocabulary server; the command that starts it, with the folder's own loader and C library."""
    return packages.build(root, HERE / "llama_vocab_server.cpp", folder)


class Vocabulary:
    """The vocabulary of one GGUF file in a process of its own."""

    def __init__(self, command: list[str], model: pathlib.Path) -> None:
        self._process = subprocess.Popen([*command, str(model)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def _ask(self, request: bytes) -> None:
        self._process.stdin.write(request)
        self._process.stdin.flush()

    def _ints(self, count: int) -> tuple[int, ...]:
        data = self._process.stdout.read(4 * count)
        if len(data) != 4 * count:
            raise RuntimeError(f"llama.cpp ended with {self._process.wait()}")
        return struct.unpack(f"<{count}i", data)

    def tokenize(self, text: bytes, add_special: bool, parse_special: bool) -> list[int] | None:
        """The ids of a text; None where llama.cpp throws."""
        self._ask(struct.pack("<cBBi", b"T", add_special, parse_special, len(text)) + text)
        (count,) = self._ints(1)
        return None if count < 0 else list(self._ints(count))

    def detokenize(self, ids: list[int], remove_special: bool, unparse_special: bool) -> bytes:
        self._ask(struct.pack(f"<cBBi{len(ids)}i", b"D", remove_special, unparse_special, len(ids), *ids))
        (length,) = self._ints(1)
        return self._process.stdout.read(length)

    def describe(self) -> tuple[dict[str, int], list[tuple[int, int, bytes]]]:
        """The special tokens, and (attributes, end of generation, piece) of every token."""
        self._ask(b"V")
        count, bos, eos, eot, add_bos, add_eos = self._ints(6)
        tokens = []
        for _ in range(count):
            attributes, ends, length = self._ints(3)
            tokens.append((attributes, ends, self._process.stdout.read(length)))
        return {"bos": bos, "eos": eos, "eot": eot, "add_bos": add_bos, "add_eos": add_eos}, tokens

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait()

    def __enter__(self) -> "Vocabulary":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()
