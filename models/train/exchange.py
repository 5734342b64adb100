"""Several processes of one run, as `torchrun` starts them: the gradients of former and reader are averaged."""

import os

import torch
import torch.distributed as dist

from models.train.pair import Pair


class Exchange:
    def __init__(self) -> None:
        self.rank, self.size = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
        if torch.cuda.is_available():
            torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", 0)))

    def join(self) -> None:
        """Call it when the processes that make batches are there."""
        if self.size > 1:
            dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo")

    def begin(self, pair: Pair) -> None:
        """All start with the parameters of the first."""
        if self.size > 1:
            for value in [*pair.former.parameters(), pair.llm.reader]:
                dist.broadcast(value.detach(), 0)
            pair.llm.refresh()

    def average(self, *gradients: torch.Tensor) -> None:
        if self.size > 1:
            for gradient in gradients:
                dist.all_reduce(gradient)
                gradient.div_(self.size)

    def check(self, pair: Pair) -> None:
        """Stops where the processes have come to have other parameters than the first."""
        if self.size > 1:
            for value in [*pair.former.parameters(), pair.llm.reader]:
                first = value.detach().clone()
                dist.broadcast(first, 0)
                if not torch.equal(first, value):
                    raise RuntimeError(f"process {self.rank} has other parameters than the first")

    def agree(self, value: float, device: str) -> float:
        """The first one's."""
        if self.size == 1:
            return value
        shared = torch.tensor([value], dtype=torch.float64, device=device)
        dist.broadcast(shared, 0)
        return float(shared)

    def leave(self) -> None:
        if self.size > 1:
            dist.barrier()
            dist.destroy_process_group()
