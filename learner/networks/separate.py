"""No sharing: one expert for each target, the single-target networks to compare with."""

from collections.abc import Sequence

from torch import Tensor

from learner.networks.base import Shape, Sharing
from learner.networks.blocks import Experts


class Separate(Sharing):
    """Every target has a tower of its own above the common embedding."""

    experts = ("own",)

    def __init__(self, inputs: int, targets: Sequence[str], shape: Shape) -> None:
        super().__init__(inputs, targets, shape)
        self.towers = Experts(len(self.targets), inputs, shape)

    def forward(self, rows: Tensor) -> dict[str, Tensor]:
        towers = self.towers(rows)
        return {target: towers[:, i] for i, target in enumerate(self.targets)}

    def gates(self, rows: Tensor) -> dict[str, Tensor]:
        return dict.fromkeys(self.targets, rows.new_ones(len(rows), 1))
