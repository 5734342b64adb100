"""The part of the page that tells what bench/gpu/run measured on a GPU, and its plots: bench/report.py puts them in."""

from typing import Any

Figure = dict[str, Any]

CONTEXTS = ((1, 512), (8, 512), (8, 2048), (32, 512))
FORMERS = ("bf16", "f16", "q8_0")
# Matrices of the LLM of the 7b shape that every token goes through, of 4096 × 32 layers and a vocabulary of 32,000.
WEIGHTS = 32 * (4 * 4096**2 + 3 * 4096 * 11008)
OUTPUT = 32000 * 4096


class Gpu:
    """One JSON of bench/gpu/run."""

    def __init__(self, data: dict[str, Any]) -> None:
        self.data = data
        self.stages: dict[str, dict[str, Any]] = data["stages"]

    def all(self, stage: str, name: str, **of: Any) -> list[Figure]:
        figures = self.stages.get(stage, {}).get("figures", [])
        return [f for f in figures if f["name"] == name and all(f["of"].get(key) == value for key, value in of.items())]

    def value(self, stage: str, name: str, **of: Any) -> float | None:
        return next((f["value"] for f in self.all(stage, name, **of)), None)

    def copy(self) -> float:
        return self.value("peaks", "copy_bandwidth") or float("nan")

    def flops(self) -> float:
        return self.value("peaks", "bf16_product") or float("nan")

    def self_attention(self, contexts: int, n: int) -> float | None:
        return min(
            (f["value"] for f in self.all("self-attention", "compress_self_attention", contexts=contexts, n=n)), default=None
        )

    def prefill_floor(self, n: int) -> float:
        """Milliseconds of n tokens through the LLM, at the card's speed of bf16 products; attention is left out."""
        return 2e3 * n * WEIGHTS / self.flops()


def number(value: float | None, digits: int = 3) -> str:
    return "–" if value is None else f"{value:.{digits}g}" if value < 1000 else f"{value:.0f}"


def ratio(a: float | None, b: float | None) -> str:
    return number(a / b) if a and b else "–"


def compression(g: Gpu) -> tuple[list[str], list[list[str]]]:
    rows = []
    for contexts, n in CONTEXTS:
        for former in FORMERS:
            for f in g.all("compress", "compress", contexts=contexts, n=n, former=former):
                llm = g.self_attention(contexts, n)
                official = g.value("official", "official", contexts=contexts, n=n, rows="in the host's memory")
                rows.append(
                    [
                        f"{contexts} × {n}, {former.upper()}",
                        number(f["value"], 4),
                        number(f["floor_ms"]),
                        number(f["times_floor"]),
                        number(f["tflops"]),
                        number(llm, 4),
                        ratio(llm, f["value"]),
                        number(official, 4),
                        ratio(official, f["value"]),
                    ]
                )
    header = [
        "contexts, former",
        "ms",
        "floor, ms",
        "× floor",
        "TFLOP/s",
        "LLM, ms",
        "LLM : digest",
        "PyTorch, ms",
        "PyTorch : digest",
    ]
    return header, rows


def decoding(g: Gpu) -> tuple[list[str], list[list[str]]]:
    rows = []
    for kind in ("q4_0", "q8_0"):
        for name, peer in (("prefill", "llama_prefill"), ("decode", "llama_decode")):
            first, again = (g.value(stage, name, type=kind) for stage in ("decode", "decode again"))
            theirs, theirs_again = (g.value(stage, peer, type=kind) for stage in ("decode", "decode again"))
            if first is None:
                continue
            f = g.all("decode", name, type=kind)[0]
            floor = 512e3 / g.prefill_floor(512) if name == "prefill" else first / f["of_copy_bandwidth"]
            rows.append(
                [
                    f"{kind.upper()}, {name} {f['of']['n']}",
                    number(first, 4),
                    number(again, 4),
                    number(theirs, 4),
                    number(theirs_again, 4),
                    ratio(first, theirs),
                    ratio(again, theirs_again),
                    number(floor, 4),
                    number(first / floor),
                ]
            )
    return ["LLM, what", "first turn", "second", "llama-bench", "second", "ratio", "second", "floor", "of the floor"], rows


def first_token(g: Gpu) -> tuple[list[str], list[list[str]]]:
    rows = []
    for n in (2048, 8192):
        for f in g.all("first-token", "first_token", n=n, compressed=True):
            full = g.value("first-token", "first_token", n=n, compressed=False)
            rows.append(
                [
                    str(n),
                    number(f["value"], 4),
                    number(f["digest_ms"]),
                    number(g.prefill_floor(f["rows"] + 32)),
                    number(full, 4),
                    number(g.prefill_floor(n + 32)),
                    ratio(full, f["value"]),
                ]
            )
    return [
        "context tokens",
        "compressed, ms",
        "of it the digest",
        "floor of the LLM's part",
        "in full, ms",
        "floor",
        "ratio",
    ], rows


def agreement(g: Gpu) -> tuple[list[str], list[list[str]]]:
    rows = []
    for stage in ("agreement", "no-tf32"):
        for f in g.all(stage, "digest_distance"):
            of = f["of"]
            tokens = g.all(stage, "same_greedy_token", **of)
            rows.append(
                [
                    f"{of['shape']} {of['type'].upper()}{', TF32 off' if of.get('tf32') == 'off' else ''}",
                    of["against"].replace("CPU ", "CPU, ").upper().replace("CPU", "CPU"),
                    f"{f['value']:.1e}",
                    "–" if not tokens else f"{g.value(stage, 'logits_distance', **of):.1e}",
                    "–" if not tokens else f"{tokens[0]['value']:.4f} of {tokens[0]['steps']}",
                ]
            )
    return ["GPU", "against", "digest, relative L2", "logits, relative L2", "the same greedy token"], rows


def outcome(f: Figure) -> str:
    """Of a test that failed, what it said, without the place."""
    return str(f["value"]).split("failed: ")[-1][:120]


def checks(g: Gpu) -> list[str]:
    tests = [f for f in g.all("tests", "test") if f["of"]["graphs"] == "on"]
    failed = [f for f in tests if f["value"] not in ("passed", "skipped")]
    lines = []
    if tests:
        passed = sum(f["value"] == "passed" for f in tests)
        lines.append(
            f"- native tests: {passed} programs pass, {len(failed)} fail, of the CPU alone: {len(tests) - passed - len(failed)}"
            + "".join(f"; {f['of']['test']}: {outcome(f)}" for f in failed)
        )
    found = g.all("memcheck", "memcheck_errors")
    if found:
        lines.append("- compute-sanitizer memcheck, errors: " + ", ".join(f"{f['of']['test']} {f['value']}" for f in found))
    pair = g.all("pair", "pair_same_tokens")
    if pair:
        speed = {d: g.value("pair", "pair_tokens_per_second", device=d) for d in ("device", "CPU")}
        lines.append(
            f"- the pair {pair[0]['of']['pair']}: {pair[0]['value']:.3f} of {pair[0]['steps']} tokens as on the CPU, "
            f"{number(speed['device'])} tokens/s on the card, {number(speed['CPU'])} on the machine's CPU (the pair is tiny: a "
            "card waits for each step)"
        )
    return lines


def busy(g: Gpu) -> list[str]:
    lines = []
    for f in g.all("profile", "profile"):
        if f["of"]["what"].startswith("compress"):
            most = ", ".join(f"{short(k['name'])} {k['ms']:.2f}" for k in f["kernels"][:6])
            lines.append(
                f"- {f['of']['what']}: {f['value']:.2f} ms, busy for {f['busy_ms']:.2f} ms in {f['launches']} launches: {most}"
            )
    return lines


def short(kernel: str) -> str:
    """A kernel's own name, without its parameters."""
    name = kernel.removeprefix("void ").split("(")[0]
    return name.split("<")[0] if not name.startswith("sm") else "cuBLAS " + name.split("_")[4]


def bars(g: Gpu) -> list[str]:
    known = [b for b in g.data.get("bars", []) if b["met"] is not None]
    missed = [b for b in known if not b["met"]]
    lines = [f"Of {len(known)} bars {len(known) - len(missed)} are met. Not met:", ""]
    return [
        *lines,
        *(
            f"- {b['what']}: {number(b['value'], 4)}, wanted {b['bar'].replace('>=', '≥').replace('<=', '≤')}"
            for b in missed
        ),
        "",
    ]


def section(data: dict[str, Any], table: Any) -> list[str]:
    """The lines of the part; table(header, rows) makes lines of a table."""
    g = Gpu(data)
    machine = data["machine"]
    card, driver = machine["gpus"][0].split(", ")[:2]
    lines = [
        "## On a GPU",
        "",
        f"Made from [`results/gpu.json`](results/gpu.json), which `bench/gpu/run` writes. {card}, driver {driver}, "
        f"{data.get('versions', '')}; {data.get('date', '')}. Measured in the same call: a copy of memory moves "
        f"{g.copy() * 1e-12:.2f} TB/s, read and written, a bf16 product does {g.flops() * 1e-12:.0f} TFLOP/s.",
        "",
        "Random weights of the shape of Llama 2 7B, the LLM in Q4_0. A digest's time is from tokens to rows in the host's "
        "memory, its token table warm. Its floor is the longer of reading the former once and of its multiply-adds at 790 "
        "TFLOP/s. PyTorch computes the official implementation in bf16, with rows copied to the host; the LLM's own "
        "self-attention over the same contexts is this engine's, one context after the other.",
        "",
        *table(*compression(g)),
        "Tokens per second of the LLM. The floor of decoding is reading its weights at the speed of that copy, that of prefill "
        "its multiply-adds at the speed of that product.",
        "",
        *table(*decoding(g)),
        "From a context that was not seen before and a question of 32 tokens to the first token of an answer, Q8_0:",
        "",
        *table(*first_token(g)),
        "Results beside the CPU's, random weights:",
        "",
        *table(*agreement(g)),
        *checks(g),
        "",
        "Where the time goes, in ms:",
        "",
        *busy(g),
        "",
        *bars(g),
        *data.get("notes", []),
        "",
        "![gpu-compress](results/gpu-compress.svg)",
        "![gpu-decode](results/gpu-decode.svg)",
        "",
        "```",
        *data.get("commands", []),
        "```",
        "",
    ]
    return lines


# ---- Plots ----


def plot_compress(pyplot: Any, g: Gpu) -> Any:
    """Times of the same contexts, each beside its floor."""
    figure, axes = pyplot.subplots()
    series: list[tuple[str, list[float | None]]] = [
        (
            "floor",
            [
                next((f["floor_ms"] for f in g.all("compress", "compress", contexts=c, n=n, former="f16")), None)
                for c, n in CONTEXTS
            ],
        )
    ]
    series += [
        (f"digest, {k.upper()}", [g.value("compress", "compress", contexts=c, n=n, former=k) for c, n in CONTEXTS])
        for k in FORMERS
    ]
    official = [g.value("official", "official", contexts=c, n=n, rows="in the host's memory") for c, n in CONTEXTS]
    series += [
        ("official, PyTorch bf16", official),
        ("the LLM's self-attention", [g.self_attention(c, n) for c, n in CONTEXTS]),
    ]
    series = [(label, values) for label, values in series if any(values)]
    width = 0.85 / len(series)
    for i, (label, values) in enumerate(series):
        at = [j + (i - (len(series) - 1) / 2) * width for j in range(len(CONTEXTS))]
        bars_ = axes.bar(
            at, [v or float("nan") for v in values], width, label=label, color="0.75" if label == "floor" else None
        )
        axes.bar_label(
            bars_, labels=[f"{v:.0f}" if v and v >= 100 else number(v, 2) if v else "" for v in values], fontsize=6
        )
    axes.set_xticks(range(len(CONTEXTS)), [f"{c} × {n}" for c, n in CONTEXTS])
    axes.set(
        yscale="log",
        xlabel="contexts × tokens",
        ylabel="ms",
        title=f"Compression on {g.data['machine']['gpus'][0].split(',')[0]}",
    )
    axes.legend(fontsize=7)
    return figure


def plot_decode(pyplot: Any, g: Gpu) -> Any:
    figure, axes = pyplot.subplots()
    kinds = [k for k in ("q4_0", "q8_0") if g.value("decode", "decode", type=k)]
    series = [
        (
            "floor: weights at the speed of a copy",
            [next(f["value"] / f["of_copy_bandwidth"] for f in g.all("decode", "decode", type=k)) for k in kinds],
        ),
        ("icformer", [g.value("decode", "decode", type=k) for k in kinds]),
        ("llama-bench", [g.value("decode", "llama_decode", type=k) for k in kinds]),
    ]
    for i, (label, values) in enumerate(series):
        color = "0.75" if label.startswith("floor") else None
        axes.bar_label(
            axes.bar(
                [j + (i - 1) * 0.27 for j in range(len(kinds))], [v or 0 for v in values], 0.27, label=label, color=color
            ),
            fmt="%.0f",
            fontsize=8,
        )
    axes.set_xticks(range(len(kinds)), [k.upper() for k in kinds])
    axes.set(ylabel="tokens/s", title=f"Decoding, 7B, on {g.data['machine']['gpus'][0].split(',')[0]}")
    axes.legend(fontsize=8)
    return figure


PLOTS = {"gpu-compress": plot_compress, "gpu-decode": plot_decode}
