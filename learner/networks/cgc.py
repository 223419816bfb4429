"""Customised gate control: shared experts, and one private expert for each target."""

from collections.abc import Sequence

import torch
from torch import Tensor

from learner.networks.base import Shape, Sharing
from learner.networks.blocks import Experts, Gates


class CGC(Sharing):
    """Each target's gate weighs the shared experts and its own (Tang et al. 2020, eq. 1-3).

    While it learns, every other row does without the own expert, so that a target of which little
    is known learns to live on what the others share.
    """

    def __init__(self, inputs: int, targets: Sequence[str], shape: Shape) -> None:
        super().__init__(inputs, targets, shape)
        self.experts = (*(f"shared {j + 1}" for j in range(shape.experts)), "own")
        self.pool = Experts(shape.experts + len(self.targets), inputs, shape)
        self.gate = Gates(inputs, len(self.targets), shape.experts + 1)

    def forward(self, rows: Tensor) -> dict[str, Tensor]:
        weights, pool = self._thinned(self.gate(rows)), self.pool(rows)
        shared, own = pool[:, : self.shape.experts], pool[:, self.shape.experts :]
        mixed = torch.bmm(weights[..., :-1], shared) + weights[..., -1:] * own
        return {target: mixed[:, i] for i, target in enumerate(self.targets)}

    def gates(self, rows: Tensor) -> dict[str, Tensor]:
        weights = self.gate(rows)
        return {target: weights[:, i] for i, target in enumerate(self.targets)}

    def _thinned(self, weights: Tensor) -> Tensor:
        """The gates of rows that learn, some without the own expert: they still sum to one."""
        if not self.training or not self.shape.spare:
            return weights
        lost = torch.rand(weights.shape[:-1], device=weights.device) < self.shape.spare
        own = weights[..., -1].masked_fill(lost, 0.0)
        kept = torch.cat([weights[..., :-1], own[..., None]], dim=-1)
        return kept / kept.sum(-1, keepdim=True)
