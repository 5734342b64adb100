#!/usr/bin/env python3
"""Makes the page and the plots from what bench/peers/compare measured, and bench/gpu/run on a GPU.

    python3 bench/report.py [--results bench/results/compare.json] [--gpu bench/results/gpu.json]

Writes bench/RESULTS.md, and where matplotlib is installed (pip install -r bench/requirements.txt) the plots in
bench/results/ as SVG and PNG.
"""

import argparse
import json
import pathlib
import statistics
import sys
from typing import Any

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from bench import gpu_page
from models.lib import plots
from models.lib.files import write_whole

BENCH = pathlib.Path(__file__).resolve().parent

# Multiply-adds of one chunk of n tokens at the shape of Llama 2 7B, in closed form: native/test/test_flops.cpp.
WIDTH, FEED_FORWARD, FORMER_LAYERS, DIGESTS, LLM_LAYERS = 4096, 11008, 3, 128, 32


def digest_work(n: int) -> int:
    rows = FORMER_LAYERS * DIGESTS * WIDTH * (WIDTH + 3 * FEED_FORWARD) + (FORMER_LAYERS - 1) * DIGESTS * WIDTH**2
    return rows + FORMER_LAYERS * WIDTH * (2 * DIGESTS * n + DIGESTS * (DIGESTS + 1))


def self_attention_work(n: int) -> int:
    per_row = LLM_LAYERS * (4 * WIDTH**2 + 3 * WIDTH * FEED_FORWARD)
    return (n + DIGESTS) * per_row + LLM_LAYERS * 2 * WIDTH * (n + DIGESTS) ** 2


def context_work(n: int, chunk: int = 512) -> int:
    chunks = -(-n // chunk)
    return chunks * digest_work(-(-n // chunks))


# ---- What was measured ----


class Results:
    """What bench/peers/compare wrote: samples of stages, each by an engine."""

    def __init__(self, data: dict[str, Any]) -> None:
        self.data = data
        self.stages: dict[str, dict[str, Any]] = data["stages"]

    def samples(self, stage: str, engine: str, name: str, n: int | None = None, kind: str | None = None) -> list[float]:
        return [
            s["ms"]
            for s in self.stages.get(stage, {}).get("samples", [])
            if s["engine"] == engine
            and s["name"] == name
            and (n is None or s["n"] == n)
            and (kind is None or s["type"] == kind)
        ]

    def median(self, stage: str, engine: str, name: str, n: int | None = None, kind: str | None = None) -> float | None:
        found = self.samples(stage, engine, name, n, kind)
        return statistics.median(found) if found else None

    def ratio(self, stage: str, name: str, over: str, under: str) -> float | None:
        """How much faster `under` is than `over`: the median of the turns that both took."""
        pairs = zip(self.samples(stage, over, name), self.samples(stage, under, name), strict=False)
        found = [a / b for a, b in pairs]
        return statistics.median(found) if found else None

    def length(self, stage: str, name: str) -> int:
        """Tokens of a stage's "decode" or "prefill"."""
        return next(s["n"] for s in self.stages[stage]["samples"] if s["name"] == name)

    def speed(self, stage: str, engine: str, name: str) -> float | None:
        """Tokens per second of "decode", which is timed by token, or "prefill", which is timed as a whole."""
        ms = self.median(stage, engine, name)
        return None if ms is None else 1e3 / ms if name == "decode" else self.length(stage, name) * 1e3 / ms


def number(value: float | None, digits: int = 3) -> str:
    return "–" if value is None else f"{value:.{digits}g}" if value < 1000 else f"{value:.0f}"


def table(header: list[str], rows: list[list[Any]]) -> list[str]:
    lines = [
        "| " + " | ".join(header) + " |",
        "|" + "|".join(" --- " if i == 0 else " ---: " for i in range(len(header))) + "|",
    ]
    return lines + ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows] + [""]


DECODING = ["demo", "1.1b-q8_0", "1.1b-q4_0", "1.1b-f16", "1.1b-q4_K", "7b-q4_0", "7b-q8_0", "7b-q4_K", "7b-f16"]


ENGINES = ["c", "java", "llama.cpp", "kherud", "jlama"]


def decoding(r: Results) -> list[str]:
    rows = []
    for stage in DECODING:
        for name in ("decode", "prefill"):
            if r.median(stage, "c", name) is not None:
                rows.append(
                    [
                        stage,
                        f"{name} {r.length(stage, name)}",
                        *(number(r.speed(stage, engine, name)) for engine in ENGINES),
                        number(r.ratio(stage, name, "llama.cpp", "c")),
                        number(r.ratio(stage, name, "c", "java")),
                        number(r.ratio(stage, name, "kherud", "java")),
                        len(r.samples(stage, "c", name)),
                    ]
                )
    pairs = [
        c / java
        for stage in DECODING
        for c, java in zip(r.samples(stage, "c", "decode"), r.samples(stage, "java", "decode"), strict=False)
    ]
    over_all = (
        [
            f"Over all {len(pairs)} turns of decoding, Java's speed is {statistics.median(pairs):.2f} of C's in the median; "
            f"single turns spread from {min(pairs):.2f} to {max(pairs):.2f}.",
            "",
        ]
        if pairs
        else []
    )
    return (
        [
            "## Decoding and prefill",
            "",
            "Tokens per second, medians; ratios are medians over the turns, above 1 where this project is faster. Decoding is "
            "greedy with sampling in this project, of random tokens in llama-bench. jlama reads a model of the same shape in a "
            "four-bit type of its own.",
            "",
            *table(
                [
                    "file",
                    "what",
                    "C",
                    "Java",
                    "llama.cpp",
                    "kherud",
                    "jlama",
                    "C : llama.cpp",
                    "Java : C",
                    "Java : kherud",
                    "turns",
                ],
                rows,
            ),
            *over_all,
        ]
        if rows
        else []
    )


def compression(r: Results) -> list[str]:
    def row(text: str, engine: str, name: str, n: int, kind: str | None = None) -> list[Any] | None:
        value = r.median("compress", engine, name, n=n, kind=kind)
        return (
            None
            if value is None
            else [
                text,
                number(value, 4),
                number(2e-6 * digest_work(n) / value) if name == "compress" and engine != "pytorch" else "",
                len(r.samples("compress", engine, name, n, kind)),
            ]
        )

    rows = [
        row("512 tokens, Q8_0 former, from C", "c", "compress", 512, "q8_0"),
        row("512 tokens, Q8_0 former, from Java", "java", "compress", 512, "q8_0"),
        row("128 tokens, Q8_0 former, from C", "c", "compress", 128, "q8_0"),
        row("512 tokens, Q4_0 former, from C", "c", "compress", 512, "q4_0"),
        row("512 tokens, token table cold", "java", "compress_cold", 512),
        row("512 tokens, step by step", "java", "compress_plain", 512),
        row("512 tokens, official PyTorch code, bf16", "pytorch", "compress", 512),
        row("512 tokens, the LLM's own self-attention, Q4_0", "java", "compress_self_attention", 512),
    ]
    rows = [each for each in rows if each]
    if not rows:
        return []
    fast = r.median("compress", "java", "compress", n=512, kind="q8_0")
    baseline = r.median("compress", "java", "compress_self_attention", n=512)
    official = r.median("compress", "pytorch", "compress", n=512)
    lengths = [r.median("compress", "c", "compress", n=n, kind="q8_0") for n in (512, 128)]
    facts = [
        f"Counted from the graphs: {digest_work(512) * 1e-9:.1f} G multiply-adds for 512 tokens to 128 rows; the LLM's own "
        "self-attention takes 4184 G, 65 times as many (native/test/test_flops.cpp)."
    ]
    if fast and baseline:
        facts.append(f"The digest of 512 tokens is {baseline / fast:.0f} times as fast as the LLM's own self-attention.")
    if fast and official:
        facts.append(f"It is {official / fast:.2f} times as fast as the official PyTorch code in bf16.")
    if all(lengths):
        facts.append(f"512 tokens cost {lengths[0] / lengths[1]:.2f} times as much as 128.")
    return ["## Compression", "", *table(["what", "ms", "GFLOP/s", "turns"], rows), *(f"- {fact}" for fact in facts), ""]


def points(r: Results) -> list[tuple[int, float]]:
    return sorted((s["n"], s["ms"]) for s in r.stages.get("lengths", {}).get("samples", []))


def fit(pairs: list[tuple[int, float]]) -> tuple[float, float, float]:
    """Least squares, ms = a + b n: (a, b, R²)."""
    mean_n = statistics.fmean(n for n, _ in pairs)
    mean_ms = statistics.fmean(ms for _, ms in pairs)
    slope = sum((n - mean_n) * (ms - mean_ms) for n, ms in pairs) / sum((n - mean_n) ** 2 for n, _ in pairs)
    start = mean_ms - slope * mean_n
    residual = sum((ms - start - slope * n) ** 2 for n, ms in pairs)
    total = sum((ms - mean_ms) ** 2 for _, ms in pairs)
    return start, slope, 1 - residual / total if total else 1.0


def lengths(r: Results) -> list[str]:
    pairs = points(r)
    if not pairs:
        return []
    rows = [[n, number(ms, 4), number(2e-6 * context_work(n) / ms), number(n * 1e3 / ms, 4)] for n, ms in pairs]
    lines = ["## Compression by context length", "", *table(["tokens", "ms", "GFLOP/s", "tokens/s"], rows)]
    if len(pairs) > 2:
        start, slope, r2 = fit(pairs)
        lines += [f"Linear fit: {start:.1f} ms + {slope * 512:.1f} ms for each 512 tokens, R² = {r2:.4f}.", ""]
        whole = [(n, ms) for n, ms in pairs if n >= 512]
        if len(whole) > 2:
            lines += [f"Of whole chunks alone (512 tokens and more): R² = {fit(whole)[2]:.4f}.", ""]
    return lines


LENGTHS = (512, 1024, 2048)  # of contexts, for the time to the first token


def first_token(r: Results) -> list[str]:
    rows = []
    for n in LENGTHS:
        digest = r.median("first-token", "java", "first_token", n=n)
        full = r.median("first-token", "java", "first_token_full", n=n)
        if digest and full:
            rows.append([n, number(digest, 4), number(full, 4), number(full / digest)])
    return (
        [
            "## Time to the first token",
            "",
            "A context and a question of 32 tokens, up to the first token of the answer.",
            "",
            *table(["context tokens", "compressed, ms", "in full, ms", "ratio"], rows),
        ]
        if rows
        else []
    )


def memory(r: Results) -> list[str]:
    for sample in r.stages.get("rss", {}).get("samples", []):
        return ["## Memory", "", f"Peak of `icf ask` on the demo pair, JVM included: {sample['bytes'] / 2**20:.0f} MiB.", ""]
    return []


def conditions(r: Results) -> list[str]:
    machine = r.data["machine"]
    versions = r.data.get("versions", {})
    loads = [s["load"] for stage in r.stages.values() for s in stage["samples"] if "load" in s]
    lines = [
        "## Machine, versions, command",
        "",
        f"- {machine['cpu']}, {machine['cpus']} CPUs ({', '.join(machine['instructions'])}), "
        f"{machine['memory_bytes'] / 2**30:.0f} GiB, Linux {machine['kernel']}; {machine['date']}",
        f"- {r.data['threads']} threads in every engine",
        *(f"- {name}: {version}" for name, version in sorted(versions.items())),
    ]
    if loads:
        lines.append(
            f"- load average before a sample: {statistics.median(loads):.2f} in the median, at most {max(loads):.2f}. "
            "A sample itself adds the threads of its engine to the next one's"
        )
    lines += ["", "```", *r.data["commands"], "python3 bench/report.py", "```", ""]
    skipped = [f"- {name}: {reason}" for name, reason in sorted(r.data.get("skipped", {}).items())]
    skipped += [f"- {stage}: {note}" for stage, content in r.stages.items() for note in content["notes"]]
    if skipped:
        lines += ["Not measured:", "", *skipped, ""]
    return lines


# ---- Plots ----

PLOT_STYLE = {"figure.figsize": (7, 4.2), "font.size": 10}


def ticks(axes: Any, ns: list[int]) -> None:
    axes.set_xticks(ns, [str(n) for n in ns])
    axes.minorticks_off()


def plot_lengths(pyplot: Any, r: Results) -> Any:
    """Time by the length of the context, beside the time that the counted work takes at the best speed measured."""
    pairs = points(r)
    ns, best = [n for n, _ in pairs], max(2e-6 * context_work(n) / ms for n, ms in pairs)
    figure, axes = pyplot.subplots()
    axes.plot(ns, [ms for _, ms in pairs], "o-", label="compress, measured")
    axes.plot(
        ns,
        [2e-6 * context_work(n) / best for n in ns],
        "--",
        label=f"floor: counted work at {best:.0f} GFLOP/s, the best measured",
    )
    axes.plot(
        ns,
        [2e-6 * self_attention_work(n) / best for n in ns],
        ":",
        label="floor of the LLM's own self-attention at the same speed",
    )
    baseline = r.median("compress", "java", "compress_self_attention", n=512)
    if baseline:
        axes.plot([512], [baseline], "s", label="the LLM's own self-attention, measured")
    axes.set(xscale="log", yscale="log", xlabel="context, tokens", ylabel="ms", title="Compression by context length")
    ticks(axes, ns)
    axes.legend(fontsize=8)
    return figure


def plot_speed(pyplot: Any, r: Results) -> Any:
    pairs = points(r)
    speeds = [2e-6 * context_work(n) / ms for n, ms in pairs]
    figure, axes = pyplot.subplots()
    axes.plot([n for n, _ in pairs], speeds, "o-")
    axes.set(
        xscale="log",
        ylim=(0, max(speeds) * 1.15),
        xlabel="context, tokens",
        ylabel="GFLOP/s of counted work",
        title="Speed of compression",
    )
    ticks(axes, [n for n, _ in pairs])
    return figure


def first_token_lengths(r: Results) -> list[int]:
    """Those that were measured both ways."""
    names = ("first_token", "first_token_full")
    return [n for n in LENGTHS if all(r.median("first-token", "java", name, n=n) for name in names)]


def plot_first_token(pyplot: Any, r: Results) -> Any:
    ns = first_token_lengths(r)
    figure, axes = pyplot.subplots()
    for shift, name, label in ((-0.2, "first_token", "compressed"), (0.2, "first_token_full", "in full")):
        seconds = [r.median("first-token", "java", name, n=n) / 1e3 for n in ns]
        axes.bar_label(axes.bar([i + shift for i in range(len(ns))], seconds, 0.4, label=label), fmt="%.2f", fontsize=8)
    axes.set_xticks(range(len(ns)), [str(n) for n in ns])
    axes.set(xlabel="context, tokens", ylabel="s", title="Time to the first token of an answer")
    axes.legend()
    return figure


def stages_with(r: Results, name: str) -> list[str]:
    return [stage for stage in DECODING if stage != "demo" and r.median(stage, "c", name)]


def plot_tokens(pyplot: Any, r: Results, name: str) -> Any:
    """Tokens per second of "decode" or "prefill": a group of bars for each stage, a bar for each engine."""
    stages = stages_with(r, name)
    engines = [engine for engine in ENGINES if any(r.median(stage, engine, name) for stage in stages)]
    width = 0.8 / len(engines)
    figure, axes = pyplot.subplots()
    for i, engine in enumerate(engines):
        at = [j + (i - (len(engines) - 1) / 2) * width for j in range(len(stages))]
        label = {"c": "icformer, C", "java": "icformer, Java"}.get(engine, engine)
        bars = axes.bar(at, [r.speed(stage, engine, name) or 0 for stage in stages], width, label=label)
        axes.bar_label(bars, fmt="%.0f", fontsize=7)
    axes.set_xticks(range(len(stages)), stages)
    axes.set(ylabel="tokens/s", title="Decoding" if name == "decode" else "Prefill")
    axes.legend(fontsize=8)
    return figure


def plot_all(r: Results, folder: pathlib.Path, gpu: dict[str, Any] | None) -> list[str]:
    """Draws what there are results for; the names, without those of the GPU."""
    drawings = {"time-by-length": plot_lengths, "flops": plot_speed} if points(r) else {}
    if first_token_lengths(r):
        drawings["first-token"] = plot_first_token
    for name in ("decode", "prefill"):
        if stages_with(r, name):
            drawings[f"tokens-{name}"] = lambda pyplot, r, name=name: plot_tokens(pyplot, r, name)
    made = []

    def draw(pyplot: Any) -> None:
        for name, drawing in drawings.items():
            figure = drawing(pyplot, r)
            figure.tight_layout()
            plots.save(pyplot, figure, folder / name, dpi=150)
            made.append(name)
        for name, drawing in gpu_page.PLOTS.items() if gpu else ():
            figure = drawing(pyplot, gpu_page.Gpu(gpu))
            figure.tight_layout()
            plots.save(pyplot, figure, folder / name, dpi=150)

    plots.draw("report", draw, PLOT_STYLE)
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description="Makes bench/RESULTS.md and the plots.")
    parser.add_argument("--results", type=pathlib.Path, default=BENCH / "results/compare.json")
    parser.add_argument("--gpu", type=pathlib.Path, help="default: gpu.json beside the results, where it is there")
    parser.add_argument("--page", type=pathlib.Path, default=BENCH / "RESULTS.md")
    args = parser.parse_args()
    r = Results(json.loads(args.results.read_text()))
    gpu_file = args.gpu or args.results.parent / "gpu.json"
    gpu = json.loads(gpu_file.read_text()) if gpu_file.exists() else None
    made = plot_all(r, args.results.parent, gpu)
    plots = [f"![{name}](results/{name}.svg)" for name in made]
    lines = [
        "# Results",
        "",
        "Made by `bench/report.py` from [`results/compare.json`](results/compare.json), which `bench/peers/compare` writes.",
        "",
        *decoding(r),
        *compression(r),
        *lengths(r),
        *first_token(r),
        *memory(r),
        *([*plots, ""] if plots else []),
        *conditions(r),
        *(gpu_page.section(gpu, table) if gpu else []),
    ]
    write_whole(args.page, "\n".join(lines).rstrip() + "\n")
    print(f"report: {args.page}, {len(made)} plots")


if __name__ == "__main__":
    main()
