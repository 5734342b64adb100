"""What is compared: this project from C and from Java, llama.cpp, and engines of Maven Central."""

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

from bench.lib.processes import Argument, run
from bench.lib.skips import Skipped
from bench.peers import packages

PEERS = Path(__file__).resolve().parents[1]
ROOT = PEERS.parents[1]
KHERUD = ("de.kherud", "llama", "4.2.0")
JLAMA = ("com.github.tjake", "jlama-core", "0.8.4")

Usage = dict[str, float]
Sample = tuple[float, Usage]
# (kind, model, n, limit of time) -> milliseconds per token of "decode", or of the whole prompt of "prefill"
Engine = Callable[[str, Path, int, float], Sample]


def say(text: str) -> None:
    print(f"compare: {text}", file=sys.stderr, flush=True)


class Engines:
    versions: ClassVar[dict[str, str]] = {}

    def __init__(self, args: argparse.Namespace, cache: Path) -> None:
        self.args = args
        self.cache = cache
        self.skipped: dict[str, str] = {}
        self.threads = args.threads
        # As ./icf starts the JVM: the threads of OpenMP sleep soon where nothing is set.
        self.env = dict(os.environ)
        if not ({"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"} & set(self.env)):
            self.env["GOMP_SPINCOUNT"] = "10000"
        self.build = self.prepare_own()
        self.available: dict[str, Engine] = {"c": self.c, "java": self.java}
        for name, prepare in (
            ("llama.cpp", self.prepare_llama),
            ("kherud", self.prepare_kherud),
            ("jlama", self.prepare_jlama),
        ):
            if name in args.engines:
                try:
                    self.available[name] = prepare()
                except (Skipped, OSError, subprocess.SubprocessError) as error:
                    self.skipped[name] = str(error)
                    say(f"{name} is skipped: {error}")

    # -- This project: a copy of the build, so that nothing is rebuilt between two samples --

    def prepare_own(self) -> Path:
        build = self.cache / "build"
        if self.args.build:
            build = Path(self.args.build).resolve()
        else:
            say("building")
            subprocess.run([ROOT / "icf", "info"], check=True, stdout=subprocess.DEVNULL)
            shutil.rmtree(build, ignore_errors=True)
            build.mkdir(parents=True)
            shutil.copytree(ROOT / "java/cli/target/modules", build / "modules")
            shutil.copytree(ROOT / "native/target/lib", build / "lib", symlinks=True)
        subprocess.run(
            [
                "cmake",
                "-S",
                ROOT / "bench/native",
                "-B",
                self.cache / "loop",
                "-DCMAKE_BUILD_TYPE=Release",
                f"-DICF_LIBRARY_DIR={build / 'lib'}",
            ],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        subprocess.run(["cmake", "--build", self.cache / "loop"], check=True, stdout=subprocess.DEVNULL)
        return build

    def java_home(self) -> Path:
        current = ROOT / "target/icf/current"
        if current.exists():
            found = re.search(r"^java=(.*)$", current.read_text(), re.MULTILINE)
            if found:
                return Path(found.group(1))
        return Path(os.environ.get("JAVA_HOME", "/usr"))

    def icf(self, *arguments: Argument) -> list[Argument]:
        """The command that ./icf would start."""
        modules = (
            (self.build / "modules.path").read_text().strip()
            if (self.build / "modules.path").exists()
            else str(self.build / "modules")
        )
        return [
            self.java_home() / "bin/java",
            "--module-path",
            modules,
            "--enable-native-access=icformer,icformer.bindings",
            f"-Dicformer.library.path={self.build / 'lib'}",
            f"-Dicformer.root={ROOT}",
            "-XX:+UseSerialGC",
            "-m",
            "icformer.cli/icformer.cli.Main",
            *arguments,
        ]

    def bench(self, *arguments: Argument, timeout: float) -> tuple[dict[str, Any], Usage]:
        out, usage = run(self.icf("bench", "--json", "--threads", self.threads, *arguments), timeout, env=self.env)
        return json.loads(out), usage

    def loop(self, *arguments: Argument, timeout: float) -> tuple[list[dict[str, Any]], Usage]:
        out, usage = run([self.cache / "loop/loop", *arguments, "--threads", self.threads], timeout, env=self.env)
        return [json.loads(line) for line in out.splitlines()], usage

    @staticmethod
    def own_value(kind: str, result: dict[str, Any]) -> float:
        """Milliseconds of a token for decoding, as the whole run took, and of a prompt for prefill."""
        samples = result["samples_ms"]
        return sum(samples) / len(samples) if kind == "decode" else samples[-1]

    @staticmethod
    def warm_up(model: Path) -> int:
        """Runs before the one that counts. What takes microseconds is measured when the JVM has compiled it."""
        return 20 if Path(model).stat().st_size < 100e6 else 1

    def c(self, kind: str, model: Path, n: int, timeout: float) -> Sample:
        warm_up = self.warm_up(model)
        results, usage = self.loop(model, f"--{kind}", n, "--runs", 1, "--warm-up", warm_up, timeout=timeout)
        return self.own_value(kind, results[0]), usage

    def java(self, kind: str, model: Path, n: int, timeout: float) -> Sample:
        warm_up = self.warm_up(model)
        results, usage = self.bench(
            "--model", model, "--only", kind, "--n", n, "--runs", 1, "--warm-up", warm_up, timeout=timeout
        )
        return self.own_value(kind, results["results"][0]), usage

    # -- llama.cpp --

    def prepare_llama(self) -> Engine:
        root = Path(self.args.llama) if self.args.llama else self.cache / "llama.cpp"
        if not (root / "usr/bin/llama-bench").exists():
            got = subprocess.run(
                [PEERS / "get_llama.sh", root], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, timeout=180
            )
            if got.returncode != 0:
                raise Skipped(got.stderr.strip().splitlines()[-1] if got.stderr.strip() else "get_llama.sh failed")
        command = packages.tool(root, "llama-bench")
        if "--library-path" in command:  # the tool's own library lies apart
            at = command.index("--library-path") + 1
            command[at] += f":{packages.libraries(root) / 'llama'}"
        backends = packages.backends(root)

        def llama(kind: str, model: Path, n: int, timeout: float) -> Sample:
            # In the folder of the backends, which is where they are looked for: the best for this CPU is taken.
            test = ["-p", n, "-n", 0] if kind == "prefill" else ["-p", 0, "-n", n]
            out, usage = run(
                [*command, "-m", model, *test, "-r", 1, "-t", self.threads, "-o", "json"], timeout, cwd=backends
            )
            result = json.loads(out[out.index("[") :])[-1]
            self.versions["llama.cpp"] = f"build {result['build_number']} ({result['build_commit']})"
            milliseconds = result["samples_ns"][0] / 1e6
            return (milliseconds / n if kind == "decode" else milliseconds), usage

        return llama

    # -- Engines of Maven Central --

    def jars(self, name: str, artifact: tuple[str, str, str]) -> str:
        folder = self.cache / name
        if not folder.exists() or not any(folder.glob("*.jar")):
            project = self.cache / f"{name}-pom"
            project.mkdir(parents=True, exist_ok=True)
            keys = zip(("groupId", "artifactId", "version"), artifact, strict=True)
            dependency = "".join(f"<{key}>{value}</{key}>" for key, value in keys)
            (project / "pom.xml").write_text(
                '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>'
                f"<groupId>icformer</groupId><artifactId>{name}</artifactId><version>1</version>"
                f"<dependencies><dependency>{dependency}</dependency></dependencies></project>"
            )
            got = subprocess.run(
                [
                    "mvn",
                    "-B",
                    "-q",
                    "-f",
                    project / "pom.xml",
                    "org.apache.maven.plugins:maven-dependency-plugin:3.11.0:copy-dependencies",
                    f"-DoutputDirectory={folder}",
                ],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=180,
                env={**os.environ, "JAVA_HOME": str(self.java_home())},
            )
            if got.returncode != 0:
                errors = [line for line in got.stdout.splitlines() if "ERROR" in line]
                raise Skipped(errors[0] if errors else "its packages cannot be had")
        return ":".join(str(jar) for jar in sorted(folder.glob("*.jar")))

    def compiled(self, name: str, class_path: str) -> str:
        classes = self.cache / f"{name}-classes"
        classes.mkdir(exist_ok=True)
        subprocess.run(
            [
                self.java_home() / "bin/javac",
                "-proc:none",
                "-nowarn",
                "-cp",
                class_path,
                "-d",
                classes,
                PEERS / f"engines/{name}.java",
            ],
            check=True,
            stderr=subprocess.DEVNULL,
        )
        return f"{classes}:{class_path}"

    def prepare_kherud(self) -> Engine:
        class_path = self.compiled("Kherud", self.jars("kherud", KHERUD))
        self.versions["kherud"] = ":".join(KHERUD)

        def kherud(kind: str, model: Path, n: int, timeout: float) -> Sample:
            if kind != "decode":
                raise Skipped("kherud times whole answers only: decode is measured")
            out, usage = run(
                [
                    self.java_home() / "bin/java",
                    "--enable-native-access=ALL-UNNAMED",
                    "-cp",
                    class_path,
                    "Kherud",
                    model,
                    n,
                    self.threads,
                ],
                timeout,
            )
            return json.loads(out.strip().splitlines()[-1])["ms_per_token"], usage

        return kherud

    def prepare_jlama(self) -> Engine:
        class_path = self.compiled("Jlama", self.jars("jlama", JLAMA))
        self.versions["jlama"] = ":".join(JLAMA)

        def jlama(kind: str, model: Path, n: int, timeout: float) -> Sample:
            if kind != "decode":
                raise Skipped("decode is what is measured of jlama")
            shape = "1.1b"  # the only one that is compared; its memory is limited by what a JVM takes
            out, usage = run(
                [
                    self.java_home() / "bin/java",
                    "--enable-native-access=ALL-UNNAMED",
                    "--add-modules",
                    "jdk.incubator.vector",
                    "--enable-preview",
                    f"-Djava.util.concurrent.ForkJoinPool.common.parallelism={self.threads}",
                    "-cp",
                    class_path,
                    "Jlama",
                    self.cache / f"jlama-{shape}",
                    shape,
                    min(n, 64),
                    self.threads,
                    1,
                ],
                timeout,
            )
            return statistics.median(json.loads(out.strip().splitlines()[-1])["ms"]), usage

        return jlama
