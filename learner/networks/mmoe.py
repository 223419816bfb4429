"""Multi-gate mixture of experts: all experts shared, one gate for each target."""

from collections.abc import Sequence

import torch
from torch import Tensor

from learner.networks.base import Shape, Sharing
from learner.networks.blocks import Experts, Gates


class MMoE(Sharing):
    """f_i(x) = sum_j g_ij(x) e_j(x), with g_i a softmax (Ma et al. 2018, eq. 6-8).

    With linear experts e_j(x) = W_j x: `Shape(depth=0)`.
    """

    def __init__(self, inputs: int, targets: Sequence[str], shape: Shape) -> None:
        super().__init__(inputs, targets, shape)
        self.experts = tuple(f"shared {j + 1}" for j in range(shape.experts))
        self.pool = Experts(shape.experts, inputs, shape)
        self.gate = Gates(inputs, len(self.targets), shape.experts)

    def forward(self, rows: Tensor) -> dict[str, Tensor]:
        mixed = torch.bmm(self.gate(rows), self.pool(rows))
        return {target: mixed[:, i] for i, target in enumerate(self.targets)}

    def gates(self, rows: Tensor) -> dict[str, Tensor]:
        weights = self.gate(rows)
        return {target: weights[:, i] for i, target in enumerate(self.targets)}
