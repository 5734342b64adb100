"""Plots that never cost a result: what cannot be drawn is told on standard error."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

STYLE = {
    "axes.grid": True,
    "grid.alpha": 0.3,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "font.size": 9,
    "svg.hashsalt": "icformer",
}


def draw(what: str, drawing: Callable[[Any], None], style: dict[str, Any] | None = None) -> bool:
    """Calls drawing(pyplot), pyplot being matplotlib's, set up for files; whether that came to its end."""
    try:
        import matplotlib

        matplotlib.use("Agg")
        from matplotlib import pyplot

        with pyplot.rc_context(STYLE | (style or {})):
            drawing(pyplot)
    except Exception as error:  # whatever it is: the figures that were measured are worth more than a picture of them
        print(f"{what}: no plot: {type(error).__name__}: {error}", file=sys.stderr)
        return False
    return True


def save(pyplot: Any, figure: Any, stem: Path, dpi: int = 130, endings: tuple[str, ...] = (".svg", ".png")) -> None:
    """Writes a figure under a path's name with each of the endings, the same bytes for the same figure, and closes it."""
    for ending in endings:
        metadata = {"Date": None} if ending == ".svg" else None
        figure.savefig(stem.with_suffix(ending), dpi=dpi, metadata=metadata)
    pyplot.close(figure)
