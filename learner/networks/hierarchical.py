"""Hierarchical sharing: targets on top of one another."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from learner.networks.base import Shape, Sharing
from learner.networks.blocks import Experts

STOREYS = (("duration",), ("memory", "cpu"), ("failure",), ("assignment",))


class Hierarchical(Sharing):
    """Each target reads the rows and the representations of the storey below.

    How long work takes says something about what it needs, both say how likely it fails, and all of
    that says who should do it. Targets supervised at different depths: Søgaard and Goldberg 2016;
    with the rows led past to every storey: Hashimoto et al. 2017, section 2. Targets that
    have no place in STOREYS stand beside memory and cpu.
    """

    experts = ("own",)

    def __init__(self, inputs: int, targets: Sequence[str], shape: Shape) -> None:
        super().__init__(inputs, targets, shape)
        self.storeys = storeys(self.targets)
        below = [0, *(len(storey) for storey in self.storeys)]
        self.towers = nn.ModuleList(
            Experts(len(storey), inputs + shape.width * under, shape)
            for storey, under in zip(self.storeys, below, strict=False)
        )

    def forward(self, rows: Tensor) -> dict[str, Tensor]:
        found: dict[str, Tensor] = {}
        read = rows
        for storey, tower in zip(self.storeys, self.towers, strict=True):
            said = tower(read)
            found |= {target: said[:, i] for i, target in enumerate(storey)}
            read = torch.cat([rows, said.flatten(1)], dim=-1)
        return {target: found[target] for target in self.targets}

    def gates(self, rows: Tensor) -> dict[str, Tensor]:
        return dict.fromkeys(self.targets, rows.new_ones(len(rows), 1))


def storeys(targets: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """The targets by storey, lowest first, without empty storeys."""
    placed = {target: i for i, storey in enumerate(STOREYS) for target in storey}
    levels = [placed.get(target, 1) for target in targets]
    return tuple(
        tuple(target for target, each in zip(targets, levels, strict=True) if each == level)
        for level in sorted(set(levels))
    )
