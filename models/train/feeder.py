"""Batches made by other processes, in the order of their numbers."""

import multiprocessing

from models.train.tasks import Batch, Tasks


class Feeder:
    """Batch s is made by process s mod workers. `t` is the curriculum's progress: of every number where `steps` are known, else
    what the loop last said."""

    def __init__(self, tasks: Tasks, workers: int, phase: tuple[float, float], steps: int, first: int, rank: int) -> None:
        context = multiprocessing.get_context("fork") if workers else None  # the data is shared, not copied
        self.tasks, self.workers, self.phase, self.steps, self.rank = tasks, workers, phase, steps, rank
        self.progress = context.Value("d", 0.0) if context else None
        self.queues = [context.Queue(3) for _ in range(workers)] if context else []
        self.processes = [context.Process(target=self.make, args=(i, first), daemon=True) for i in range(workers) if context]
        for process in self.processes:
            process.start()

    def batch(self, number: int, progress: float) -> Batch:
        share = number / self.steps if self.steps else progress
        return self.tasks.draw(number, self.phase[0] + (self.phase[1] - self.phase[0]) * share, self.rank)

    def make(self, worker: int, first: int) -> None:
        number = first + (worker - first) % self.workers
        while True:
            self.queues[worker].put(self.batch(number, self.progress.value))
            number += self.workers

    def get(self, number: int, progress: float) -> Batch:
        if not self.workers:
            return self.batch(number, progress)
        self.progress.value = progress
        return self.queues[number % self.workers].get()

    def close(self) -> None:
        for process in self.processes:
            process.terminate()
            process.join()
