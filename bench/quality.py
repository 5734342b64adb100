#!/usr/bin/env python3
"""Draws what `icf eval answers --json` measured: answers by source and type, and by the length of the context.

    ./icf eval answers --model-types f16,q8_0,q4_0 --former-types q8_0,q4_0 --json > quality.json
    python3 bench/quality.py quality.json [MORE.json ...]

Prints a table in Markdown, and writes a plot beside the first file as SVG and PNG where matplotlib is installed
(pip install -r bench/requirements.txt).
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from models.lib import plots

SOURCES = {"full": "full context", "digest": "digest", "truncated": "context cut to the digest's rows", "none": "no context"}
FIGURES = {"exact_match": "exact match", "f1": "F1", "rouge_2": "ROUGE-2", "rouge_l": "ROUGE-L", "perplexity": "perplexity"}


def number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def name(pair: dict) -> str:
    return f"{pair['model_type']} / {pair['former_type']}, {pair['ratio']:g}×"


def table(pairs: list[dict]) -> list[str]:
    lines = [
        "| LLM / former, ratio | from | " + " | ".join(FIGURES.values()) + " | BLEU-4 |",
        "| --- | --- |" + " ---: |" * (len(FIGURES) + 1),
    ]
    for pair in pairs:
        for source, title in SOURCES.items():
            if source in pair:
                bleu = number(pair.get("reconstruction", {}).get("bleu4")) if source == "digest" else ""
                cells = [name(pair), title, *(number(pair[source].get(figure)) for figure in FIGURES), bleu]
                lines.append("| " + " | ".join(cells) + " |")
    return lines


def by_pair(axes: Any, pairs: list[dict], sources: list[str]) -> None:
    """Exact match as bars: a group for each pair, a bar for each source."""
    width = 0.8 / len(sources)
    for i, source in enumerate(sources):
        at = [j + (i - (len(sources) - 1) / 2) * width for j in range(len(pairs))]
        bars = axes.bar(at, [pair.get(source, {}).get("exact_match") or 0 for pair in pairs], width, label=SOURCES[source])
        axes.bar_label(bars, fmt="%.2f", fontsize=7)
    axes.set_xticks(range(len(pairs)), [name(pair) for pair in pairs], rotation=20 if len(pairs) > 3 else 0, fontsize=8)
    axes.set(ylim=(0, 1.12), ylabel="exact match", title="Answers, by type of LLM / former")
    axes.legend(fontsize=7, loc="upper right", ncols=2)


def by_length(axes: Any, pair: dict, sources: list[str]) -> None:
    """Exact match of the first pair, and BLEU-4 of its reconstructions, over the length of the context."""
    classes = sorted(pair["by_length"], key=int)
    for source in sources:
        axes.plot(
            [int(c) for c in classes], [pair["by_length"][c].get(source) for c in classes], "o-", label=SOURCES[source]
        )
    bleu = pair.get("reconstruction", {}).get("by_length", {})
    if bleu:
        lengths = sorted(bleu, key=int)
        axes.plot(
            [int(c) for c in lengths], [bleu[c] for c in lengths], "s--", color="black", label="reconstruction, BLEU-4"
        )
    axes.set_xticks([int(c) for c in classes], [f"≤ {c}" for c in classes])
    axes.set(ylim=(0, 1.05), xlabel="context, tokens", ylabel="exact match", title=f"By length, {name(pair)}")
    axes.legend(fontsize=7)


def plot(pyplot: Any, pairs: list[dict], output: Path) -> None:
    sources = [source for source in SOURCES if any(source in pair for pair in pairs)]
    size, widths = (6 + 1.4 * len(pairs) + 5, 4.2), [3 + 1.4 * len(pairs), 5]
    figure, (left, right) = pyplot.subplots(1, 2, figsize=size, layout="constrained", width_ratios=widths)
    by_pair(left, pairs, sources)
    by_length(right, pairs[0], sources)
    plots.save(pyplot, figure, output)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path, nargs="+", help="what icf eval answers --json printed")
    parser.add_argument("-o", "--output", type=Path, help="the plot's name (default: that of the first file)")
    arguments = parser.parse_args()
    read = [json.loads(path.read_text()) for path in arguments.results]
    pairs = [pair for result in read for pair in result.get("pairs", [result])]
    print("\n".join(table(pairs)))
    output = arguments.output or arguments.results[0]
    plots.draw("quality", lambda pyplot: plot(pyplot, pairs, output))


if __name__ == "__main__":
    main()
