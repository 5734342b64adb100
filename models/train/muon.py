"""Muon: momentum, made orthogonal, scaled to AdamW's root mean square; matrices of one shape are turned at once, in bf16."""

from typing import Any

import torch

COEFFICIENTS = (3.4445, -4.775, 2.0315)  # of the quintic Newton-Schulz iteration


def orthogonal(x: torch.Tensor, steps: int = 5) -> torch.Tensor:
    """x [n, a, b], a <= b, towards the nearest matrices with orthonormal rows; bf16."""
    a, b, c = COEFFICIENTS
    x = x.bfloat16()
    x = x / x.norm(dim=(1, 2), keepdim=True).clamp(min=1e-7)
    for _ in range(steps):
        y = x @ x.mT
        x = a * x + (b * y + c * y @ y) @ x
    return x


class Muon(torch.optim.Optimizer):
    """The same as torch.optim.Muon(nesterov, adjust_lr_fn="match_rms_adamw"), with a launch for all matrices of a shape."""

    def __init__(self, matrices: list[torch.nn.Parameter], lr: float, decay: float = 0.01, momentum: float = 0.95) -> None:
        super().__init__(matrices, dict(lr=lr, decay=decay, momentum=momentum))
        self.shapes: dict[tuple[int, ...], list[torch.nn.Parameter]] = {}
        for matrix in matrices:
            self.shapes.setdefault(tuple(sorted(matrix.shape)), []).append(matrix)

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        group = self.param_groups[0]
        for shape, matrices in self.shapes.items():
            state = self.state[matrices[0]]
            if not state:
                state["momentum"] = torch.zeros(len(matrices), *shape, device=matrices[0].device)
            gradient = torch.stack([wide(m, m.grad) for m in matrices])
            state["momentum"].lerp_(gradient, 1 - group["momentum"])
            turned = orthogonal(gradient.lerp(state["momentum"], group["momentum"])).float()
            torch._foreach_mul_(matrices, 1 - group["lr"] * group["decay"])
            rate = group["lr"] * 0.2 * max(shape) ** 0.5
            torch._foreach_add_(matrices, [wide(m, v) for m, v in zip(matrices, turned, strict=True)], alpha=-rate)


def wide(matrix: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    """The value, turned over where the matrix has more rows than columns."""
    return value.T if matrix.shape[0] > matrix.shape[1] else value
