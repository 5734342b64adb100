"""Text to train and to test tokenizers with: documentation, manual pages, program translations and sources of this machine."""

import glob
import gzip
import random
import struct
import sys
import sysconfig


def _read(path: str, limit: int) -> str:
    opener = gzip.open if path.endswith(".gz") else open
    try:
        with opener(path, "rb") as file:
            return file.read(limit).decode("utf-8", "ignore")
    except OSError:
        return ""


def _translations(path: str) -> str:
    """The translated messages of a GNU gettext .mo file."""
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError:
        return ""
    if len(data) < 28 or data[:4] not in (b"\xde\x12\x04\x95", b"\x95\x04\x12\xde"):
        return ""
    order = "<" if data[:4] == b"\xde\x12\x04\x95" else ">"
    count, _, table = struct.unpack_from(order + "III", data, 8)
    messages = []
    for index in range(count):
        length, offset = struct.unpack_from(order + "II", data, table + 8 * index)
        messages.append(data[offset : offset + length].decode("utf-8", "ignore").replace("\0", "\n"))
    return "\n".join(messages)


def pieces(seed: int, n_bytes: int, piece: int = 4000) -> list[str]:
    """About n_bytes of text, cut into pieces: a third English, a third other languages, a third source code."""
    chance = random.Random(seed)
    kinds = [
        (_read, glob.glob("/usr/share/doc/*/*") + glob.glob("/usr/share/man/man*/*.gz")),
        (_translations, glob.glob("/usr/share/locale/*/LC_MESSAGES/*.mo")),
        (_read, glob.glob(sysconfig.get_paths()["stdlib"] + "/**/*.py", recursive=True)),
    ]
    chosen: list[str] = []
    for read, paths in kinds:
        paths.sort()
        chance.shuffle(paths)
        have = 0
        for path in paths:
            if have >= n_bytes // len(kinds):
                break
            text = read(path) if read is _translations else read(path, 40 * piece)
            for start in range(0, min(len(text), 8 * piece), piece):
                part = text[start : start + piece]
                chosen.append(part)
                have += len(part.encode())
    chance.shuffle(chosen)
    return chosen


if __name__ == "__main__":
    for part in pieces(int(sys.argv[1]), int(sys.argv[2])):
        sys.stdout.write(part)
