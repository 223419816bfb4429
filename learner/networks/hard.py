"""Hard sharing: one trunk for all targets (Caruana 1997)."""

from collections.abc import Sequence

from torch import Tensor

from learner.networks.base import Shape, Sharing
from learner.networks.blocks import Experts


class Hard(Sharing):
    """Every target reads the same representation."""

    experts = ("shared",)

    def __init__(self, inputs: int, targets: Sequence[str], shape: Shape) -> None:
        super().__init__(inputs, targets, shape)
        self.trunk = Experts(1, inputs, shape)

    def forward(self, rows: Tensor) -> dict[str, Tensor]:
        return dict.fromkeys(self.targets, self.trunk(rows)[:, 0])

    def gates(self, rows: Tensor) -> dict[str, Tensor]:
        return dict.fromkeys(self.targets, rows.new_ones(len(rows), 1))
