"""Objectives -> batches of numpy arrays: copy, continue, locate, ask, read (answers from the full text, the reader on).

A batch depends on the seed, its number and the progress t of the curriculum: before 0.12 copies of one row on, growing to 128
rows by 0.35, from 0.65 on mostly questions.
"""

import math
from dataclasses import dataclass

import numpy as np

from models.train.corpus import Asked, Data

TASKS = ("copy", "continue", "locate", "ask", "read")
MIXES = {0.0: (1, 0, 0, 0, 0), 0.12: (0.50, 0.18, 0.18, 0.14, 0), 0.65: (0.14, 0.03, 0.21, 0.44, 0.18)}  # from t on
GROWN, MOST_ROWS = 0.35, 128
WORDS, FOLLOWING, GAP = 6, 12, 3  # most tokens that are quoted, that follow, that are left out
MOST_CHUNKS = 24


@dataclass
class Batch:
    """B sequences [rows, marker, tail], or [tail] alone for `read`; keep: where of [B * T] hidden rows a token is scored."""

    task: str
    ids: np.ndarray  # [B * chunks, size], padded at the front
    lengths: np.ndarray  # [B * chunks]
    rows: tuple[int, int]  # of the digest, those that are shown
    mark: str  # "AE", "FT"
    tail: np.ndarray  # [B, T' - 1]
    keep: np.ndarray  # [n]
    row: np.ndarray  # [n], the sequence that it is of
    target: np.ndarray  # [n]
    weight: np.ndarray  # [n]
    tokens: int

    @property
    def scored(self) -> float:
        return float(self.weight.sum())


def sequence(context: list[int], asked: list[tuple[list[int], list[int]]]) -> tuple[list[int], list[float]]:
    """Tokens and their weights: the answers count."""
    ids, weights = list(context), [0.0] * len(context)
    for question, answer in asked:
        ids += question + answer
        weights += [0.0] * len(question) + [1.0] * len(answer)
    return ids, weights


class Tasks:
    def __init__(self, data: Data, chunk: int, digests: int, tokens: int, seed: int) -> None:
        self.data, self.chunk, self.digests, self.tokens, self.seed = data, chunk, digests, tokens, seed
        self.ratio, self.before = chunk // digests, data.constants["before"]
        sizes = np.diff(data.offsets)
        self.long = np.flatnonzero(sizes >= min(40, sizes.max()))
        self.sizes = sizes
        shares = np.minimum(sizes[self.long], 200000) * np.where(sizes[self.long] < 2000, 2.5, 1.0)
        self.cumulated = np.cumsum(shares / shares.sum())
        frequency = np.bincount(data.ids, minlength=int(data.ids.max()) + 1) / len(data.ids)
        self.rarity = np.clip(1 + 0.5 * (-np.log10(frequency + 1e-8) - 3.5), 1, 2).astype(np.float32)
        self.buckets = {split: self.by_chunks(data.questions[split]) for split in ("train", "made") if data.questions[split]}

    def by_chunks(self, asked: list[Asked]) -> dict[int, list[Asked]]:
        found: dict[int, list[Asked]] = {}
        for one in asked:
            n = math.ceil(len(one[0]) / self.chunk)
            if n <= MOST_CHUNKS:
                found.setdefault(n, []).append(one)
        return found

    def draw(self, number: int, t: float, rank: int = 0) -> Batch:
        """Batch `number` at progress t."""
        rng = np.random.default_rng([self.seed, number, rank])
        mix = MIXES[max(start for start in MIXES if start <= t)]
        task = TASKS[int(rng.choice(len(TASKS), p=mix))]
        if task in ("ask", "read"):
            return self.ask(rng, task) if self.buckets else self.locate(rng)
        return self.copy(rng, t) if task == "copy" else getattr(self, "go_on" if task == "continue" else task)(rng)

    def pieces(self, rng: np.random.Generator, count: int, n: int) -> np.ndarray:
        """[count, n] of the texts; a short one goes on with another."""
        out, ids, offsets = np.empty((count, n), np.int64), self.data.ids, self.data.offsets
        for row in out:
            at = 0
            while at < n:
                i = self.long[min(int(np.searchsorted(self.cumulated, rng.random())), len(self.long) - 1)]
                m = min(n - at, int(self.sizes[i]))
                start = offsets[i] + (int(rng.integers(0, self.sizes[i] - m + 1)) if at == 0 else 0)
                row[at : at + m] = ids[start : start + m]
                at += m
        return out

    def count(self, cost: int, most: int = 1024) -> int:
        return max(1, min(most, self.tokens // cost))

    def size(self, rng: np.random.Generator, full: float) -> int:
        """Of a chunk: whole in a share `full` of the cases."""
        return self.chunk if rng.random() < full else int(rng.integers(self.chunk * 5 // 8, self.chunk + 1))

    # ---- Objectives ----

    def copy(self, rng: np.random.Generator, t: float) -> Batch:
        k = self.digests
        m = int(rng.choice([k // 2, k, 2 * k, 4 * k, 8 * k, 16 * k], p=[0.15, 0.25, 0.2, 0.2, 0.15, 0.05]))
        if t < GROWN:
            m = max(1, min(MOST_ROWS, round(2 ** (8.5 * t / GROWN))))
        n, part = math.ceil(m / k), m % k
        size = self.chunk if part else self.size(rng, 0.7)
        x = self.pieces(rng, self.count(m + 2 + m * self.ratio), n * size)
        start = int(rng.integers(0, n * k - m + 1)) if part else 0
        tail = x[:, start * self.ratio : (start + m) * self.ratio] if part else x
        return self.copies(x.reshape(-1, size), (start, start + m), tail, 4.0)

    def copies(self, ids: np.ndarray, rows: tuple[int, int], tail: np.ndarray, first: float = 1.0) -> Batch:
        """`first`: the weight of the first token; at 1 all are weighed evenly."""
        tail = np.concatenate([tail, np.full((len(tail), 1), self.data.eos)], 1)
        weight = np.ones(tail.shape, np.float32)
        if first != 1.0:
            weight = self.rarity[np.minimum(tail, len(self.rarity) - 1)]
            weight[:, 0] = first
        return self.pack("copy", ids, np.full(len(ids), ids.shape[1]), rows, tail, weight, "AE")

    def go_on(self, rng: np.random.Generator) -> Batch:
        n, more = int(rng.choice([1, 2, 4, 8])), 128
        x = self.pieces(rng, self.count(n * self.digests + more + 1), n * self.chunk + more)
        ids = x[:, : n * self.chunk].reshape(-1, self.chunk)
        weight = np.ones((len(x), more), np.float32)
        rows = (0, n * self.digests)
        return self.pack("continue", ids, np.full(len(ids), self.chunk), rows, x[:, n * self.chunk :], weight, "FT")

    def locate(self, rng: np.random.Generator) -> Batch:
        n, size = int(rng.choice([1, 2, 3, 4, 6, 8, 12, 16, 24])), self.size(rng, 0.5)
        asks = 3 if n < 12 else 6
        count = self.count(n * self.digests + 1 + asks * 34, max(1, 3 * self.tokens // (n * self.chunk)))
        x = self.pieces(rng, count, n * size)
        asked = [sequence([], [self.place(rng, row) for _ in range(asks)]) for row in x]
        ids = x.reshape(-1, size)
        rows = (0, n * self.digests)
        return self.pack("locate", ids, np.full(len(ids), size), rows, *self.level(asked), "FT")

    def place(self, rng: np.random.Generator, row: np.ndarray) -> tuple[list[int], list[int]]:
        """What follows a few words, or a gap of one to three words around a rare one."""
        parts, end = self.data.constants, [self.data.eos]
        if rng.random() < 0.5:
            at = int(rng.integers(WORDS, len(row) - FOLLOWING))
            quoted = row[at - int(rng.integers(3, WORDS + 1)) : at].tolist()
            return (
                parts["locate_before"] + quoted + parts["locate_after"],
                row[at : at + int(rng.integers(3, FOLLOWING + 1))].tolist() + end,
            )
        spots = rng.integers(8, len(row) - 10, 6)
        at, gap = int(spots[np.argmax(self.rarity[row[spots]])]), int(rng.integers(1, GAP + 1))
        around = row[at - 8 : at].tolist() + parts["gap"] + row[at + gap : at + gap + 6].tolist()
        return parts["gap_before"] + around + parts["locate_after"], row[at : at + gap].tolist() + end

    def ask(self, rng: np.random.Generator, task: str) -> Batch:
        """Half the contexts stand among other text, so that they fall into other chunks every time."""
        human = "train" in self.buckets and ("made" not in self.buckets or rng.random() < 0.4)
        buckets = self.buckets["train" if human else "made"]
        shares = np.array([len(found) * n for n, found in buckets.items()], float)
        n = int(rng.choice(list(buckets), p=shares / shares.sum()))
        more = int(rng.choice([0, 0, 1, 2, 4, 8, 16] if task == "ask" else [0, 0, 1, 2, 4]))
        chunks = n + more
        cost = chunks * (self.chunk if task == "read" else self.digests) + 130
        count = self.count(2 * cost, max(1, 3 * self.tokens // (chunks * self.chunk)))
        asked = []
        for _ in range(count):
            context, questions = buckets[n][int(rng.integers(len(buckets[n])))]
            chosen = [questions[i] for i in rng.permutation(len(questions))[:4]]
            asked.append((self.among(rng, context, chunks * self.chunk - len(context), more > 0), chosen))
        return self.questions(task, chunks, asked)

    def among(self, rng: np.random.Generator, context: list[int], slack: int, always: bool) -> list[int]:
        if slack < 1 or not (always or rng.random() < 0.5):
            return context
        around = self.pieces(rng, 1, slack)[0].tolist()
        cut = int(rng.integers(0, slack + 1))
        end = slack if always else cut + int(rng.integers(0, slack - cut + 1))
        return around[:cut] + context + around[cut:end]

    def questions(self, task: str, chunks: int, asked: list[Asked]) -> Batch:
        """Contexts of at most `chunks` chunks each, divided evenly."""
        if task == "read":
            empty = np.zeros((len(asked), 1), np.int64)
            found = [sequence(self.before + context, questions) for context, questions in asked]
            return self.pack(task, empty, np.ones(len(asked), np.int64), (0, 0), *self.level(found), "FT")
        widest = max(1, *(math.ceil(len(context) / chunks) for context, _ in asked))
        ids = np.zeros((len(asked), chunks, widest), np.int64)
        lengths = np.ones((len(asked), chunks), np.int64)
        for b, (context, _) in enumerate(asked):
            size = math.ceil(len(context) / chunks)
            for i in range(chunks):
                part = context[i * size : (i + 1) * size]
                lengths[b, i] = max(1, len(part))
                if part:
                    ids[b, i, widest - len(part) :] = part
        tail, weight = self.level([sequence([], questions) for _, questions in asked])
        rows = (0, chunks * self.digests)
        return self.pack(task, ids.reshape(-1, widest), lengths.reshape(-1), rows, tail, weight, "FT")

    # ---- Arrays ----

    def level(self, found: list[tuple[list[int], list[float]]]) -> tuple[np.ndarray, np.ndarray]:
        """Padded at the end, to a multiple of 16: attention plans anew for every length."""
        width = -(-max(len(ids) for ids, _ in found) // 16) * 16
        ids = np.array([ids + [self.data.eos] * (width - len(ids)) for ids, _ in found])
        return ids, np.array([weights + [0.0] * (width - len(weights)) for _, weights in found], np.float32)

    def pack(
        self,
        task: str,
        ids: np.ndarray,
        lengths: np.ndarray,
        rows: tuple[int, int],
        tail: np.ndarray,
        weight: np.ndarray,
        mark: str,
    ) -> Batch:
        lead = 0 if task == "read" else rows[1] - rows[0] + 1 + (len(self.before) if mark == "FT" else 0)
        width = lead + tail.shape[1] - 1
        b, t = np.nonzero(weight)
        if lead == 0:
            b, t = b[t > 0], t[t > 0]
        keep = b * width + lead + t - 1
        return Batch(
            task, ids, lengths, rows, mark, tail[:, :-1].copy(), keep, b, tail[b, t], weight[b, t], len(tail) * width
        )
