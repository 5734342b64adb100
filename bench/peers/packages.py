"""llama.cpp's library and tools, out of a folder that get_llama.sh filled, run through that folder's own loader."""

import pathlib
import shutil
import subprocess

from bench.lib.skips import Skipped


def libraries(root: pathlib.Path) -> pathlib.Path:
    """The folder of libllama."""
    folder = next(iter(sorted(root.glob("usr/lib/*-linux-gnu"))), root)
    if not (folder / "libllama.so.0").exists() or not (root / "usr/include/llama.h").exists():
        raise Skipped(f"no libllama and llama.h under {root}: run bench/peers/get_llama.sh {root}")
    return folder


def backends(root: pathlib.Path) -> pathlib.Path:
    """The folder of ggml's loadable backends."""
    found = next(iter(sorted(libraries(root).glob("**/libggml-cpu-*.so"))), None)
    if found is None:
        raise Skipped(f"no CPU backend of ggml under {root}")
    return found.parent


def command(root: pathlib.Path, program: pathlib.Path) -> list[str]:
    """The command that starts a program with the C library that the packages were built for."""
    folder = libraries(root)
    loader = next(iter(folder.glob("ld-linux-*.so.*")), None)
    places = ":".join(map(str, [folder, folder / "llama", folder / "blas"]))
    return [str(loader), "--library-path", places, str(program)] if loader else [str(program)]


def tool(root: pathlib.Path, name: str) -> list[str]:
    """The command that starts one of llama.cpp's tools."""
    program = root / "usr/bin" / name
    if not program.exists():
        raise Skipped(f"no {name} under {root}")
    return command(root, program)


def build(root: pathlib.Path, source: pathlib.Path, folder: pathlib.Path) -> list[str]:
    """Compiles a program of one C++ file that uses libllama into a folder; the command that starts it."""
    found = libraries(root)
    compiler = shutil.which("g++") or shutil.which("c++")
    if compiler is None:
        raise Skipped("no C++ compiler")
    program = folder / source.stem
    subprocess.run(
        [
            compiler,
            "-O1",
            "-std=c++17",
            "-Wall",
            "-Wextra",
            f"-I{root}/usr/include",
            "-o",
            program,
            source,
            found / "libllama.so.0",
            found / "libggml.so.0",
            found / "libggml-base.so.0",
            "-Wl,--allow-shlib-undefined",
        ],
        check=True,
    )
    return command(root, program)
