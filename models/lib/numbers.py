"""Distances between results."""

import numpy as np
from numpy.typing import ArrayLike


def relative_l2(ours: ArrayLike, theirs: ArrayLike) -> float:
    """||ours - theirs|| / ||theirs|| over the whole matrix, in float64; 0 for two empty ones."""
    a, b = np.asarray(ours, np.float64), np.asarray(theirs, np.float64)
    if a.shape != b.shape:
        raise ValueError(f"shapes differ: {a.shape} and {b.shape}")
    return float(np.linalg.norm(a - b) / np.linalg.norm(b)) if b.size else 0.0
