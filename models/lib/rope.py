"""Numbers of rotary position embeddings."""

import numpy as np


def llama3_factors(
    head_dim: int, theta: float, factor: float, original: int, low: float = 1.0, high: float = 4.0
) -> np.ndarray:
    """Divisors of the frequencies as Llama 3.1 has them, [head_dim / 2]: 1 for short wavelengths, `factor` for those above the
    `original` context, smooth between."""
    frequency = theta ** (-np.arange(0, head_dim, 2) / head_dim)
    wavelength = 2 * np.pi / frequency
    smooth = np.clip((original / wavelength - low) / (high - low), 0, 1)
    return 1 / ((1 - smooth) / factor + smooth)
