"""What cannot be measured on a machine is skipped, with a reason, and is no failure."""

import sys

SKIPPED = 77  # exit code, as in Automake and CTest


class Skipped(Exception):
    """Something cannot be measured here: the reason in a sentence."""


def skip(reason: object) -> int:
    """Tells the reason on standard error; the exit code."""
    print(f"skipped: {reason}", file=sys.stderr)
    return SKIPPED
