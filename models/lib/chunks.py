"""How a context is divided."""

import math


def chunk_spans(n: int, longest: int) -> list[tuple[int, int]]:
    """ceil(n / longest) chunks of ceil(n / chunks) tokens, as [first, end) pairs; longest <= 0 is one chunk."""
    if longest <= 0 or n <= longest:
        return [(0, n)]
    size = math.ceil(n / math.ceil(n / longest))
    return [(first, min(n, first + size)) for first in range(0, n, size)]
