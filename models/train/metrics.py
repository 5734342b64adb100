"""Scores of an answer or a reconstruction: exact match, token F1 (which is ROUGE-1), ROUGE-2, ROUGE-L, BLEU-4."""

import math
import re
from collections import Counter


def words(text: str) -> list[str]:
    """Lower-case words and numbers, without punctuation."""
    return re.findall(r"\w+", text.lower())


def exact_match(found: str, wanted: str) -> float:
    return float(words(found) == words(wanted))


def overlap(found: list[str], wanted: list[str], n: int) -> float:
    """F1 of the n-grams that both have; 1 where neither has any."""
    a, b = (Counter(tuple(part[i : i + n]) for i in range(len(part) - n + 1)) for part in (found, wanted))
    common = sum((a & b).values())
    return 2 * common / (a.total() + b.total()) if a or b else 1.0


def f1(found: str, wanted: str) -> float:
    """F1 of the words that both have: the same as ROUGE-1."""
    return overlap(words(found), words(wanted), 1)


def rouge_2(found: str, wanted: str) -> float | None:
    """F1 of the pairs of words that both have; None for an answer of one word, which has no pair."""
    return overlap(words(found), words(wanted), 2) if len(words(wanted)) > 1 else None


def rouge_l(found: str, wanted: str) -> float:
    """F1 of the longest common subsequence of words."""
    a, b = words(found), words(wanted)
    row = [0] * (len(b) + 1)
    for x in a:
        last = 0
        for j, y in enumerate(b):
            last, row[j + 1] = row[j + 1], last + 1 if x == y else max(row[j + 1], row[j])
    return 2 * row[-1] / (len(a) + len(b)) if a or b else 1.0


def bleu4(found: list, wanted: list) -> float:
    """BLEU of one sequence of tokens against one reference, n-grams up to 4, no smoothing, with brevity penalty."""
    logarithms = 0.0
    for n in range(1, 5):
        a = Counter(tuple(found[i : i + n]) for i in range(len(found) - n + 1))
        b = Counter(tuple(wanted[i : i + n]) for i in range(len(wanted) - n + 1))
        common = sum((a & b).values())
        if common == 0:
            return 0.0
        logarithms += math.log(common / sum(a.values())) / 4
    return math.exp(logarithms + min(0.0, 1 - len(wanted) / len(found)))
