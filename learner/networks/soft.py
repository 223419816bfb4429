"""Soft sharing: a tower for each target, held together by the distance of their weights."""

from collections.abc import Sequence

import torch
from torch import Tensor

from learner.networks.base import Shape, Sharing
from learner.networks.blocks import Experts

STRENGTH = 0.001


class Soft(Sharing):
    """Towers whose weights may leave their mean, at a price: sum_i |w_i - mean(w)|^2.

    The L2 tie of Duong et al. 2015 between each tower and the mean of all in place of
    two networks. The towers begin as one: only then is the mean of their weights a network that
    means something.
    """

    experts = ("own",)

    def __init__(self, inputs: int, targets: Sequence[str], shape: Shape) -> None:
        super().__init__(inputs, targets, shape)
        self.towers = Experts(len(self.targets), inputs, shape)
        with torch.no_grad():
            for weight in self.towers.parameters():
                weight.copy_(weight[:1].clone().expand_as(weight))

    def forward(self, rows: Tensor) -> dict[str, Tensor]:
        towers = self.towers(rows)
        return {target: towers[:, i] for i, target in enumerate(self.targets)}

    def gates(self, rows: Tensor) -> dict[str, Tensor]:
        return dict.fromkeys(self.targets, rows.new_ones(len(rows), 1))

    def penalty(self, rows: Tensor) -> Tensor:
        """How far the towers are apart, whatever the rows."""
        tied = [(each - each.mean(0)).square().sum() for each in self.towers.parameters()]
        return rows.new_tensor(STRENGTH) * torch.stack(tied).sum()
