"""Progressive layered extraction: private and shared experts, on two levels."""

import math
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from learner.networks.base import Shape, Sharing
from learner.networks.blocks import Experts, Gates


class PLE(Sharing):
    """Two levels of customised gate control (Tang et al. 2020, eq. 5 and section 4.2).

    On both levels each target has one private expert, and a gate over it and the shared experts; on
    the first, a gate of the shared experts weighs all experts, private ones too. Experts and gates
    of the second read what their gate of the first made. The levels divide the depth between them,
    so that a row passes as many layers as in the other sharings. `gates` are those of the second,
    `lower_gates` those of the first.
    """

    def __init__(self, inputs: int, targets: Sequence[str], shape: Shape) -> None:
        super().__init__(inputs, targets, shape)
        self.experts = (*(f"shared {j + 1}" for j in range(shape.experts)), "own")
        count, half = len(self.targets), replace(shape, depth=-(-shape.depth // 2))
        self.first = Level(inputs, count, half)
        self.joint = Gates(inputs, 1, shape.experts + count)
        self.second = Level(shape.width, count, half)

    def forward(self, rows: Tensor) -> dict[str, Tensor]:
        mixed, _ = self.second(*self._between(rows))
        return dict(zip(self.targets, mixed, strict=True))

    def gates(self, rows: Tensor) -> dict[str, Tensor]:
        own, _ = self._between(rows)
        return dict(zip(self.targets, self.second.gate(own), strict=True))

    def lower_gates(self, rows: Tensor) -> dict[str, Tensor]:
        """Those of the first level; there `own` is another expert than on the second."""
        weights = self.first.gate(rows.expand(len(self.targets), *rows.shape))
        return dict(zip(self.targets, weights, strict=True))

    def _between(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """What the second level reads: the state of each target, and that of the shared experts."""
        own, pool = self.first(rows.expand(len(self.targets), *rows.shape), rows)
        return own, torch.bmm(self.joint(rows), pool)[:, 0]


class Level(nn.Module):
    """One level: from the states of targets and shared experts to the targets' next states.

    Shape: own: targets x n x inputs, shared: n x inputs; the answer: targets x n x width, and what
    all experts said, shared ones first: n x (experts + targets) x width.
    """

    def __init__(self, inputs: int, targets: int, shape: Shape) -> None:
        super().__init__()
        self.experts = shape.experts
        self.pool = Experts(shape.experts + targets, inputs, shape)
        self.gate = StateGates(inputs, targets, shape.experts + 1)

    def forward(self, own: Tensor, shared: Tensor) -> tuple[Tensor, Tensor]:
        pool = self.pool(torch.cat([shared.expand(self.experts, *shared.shape), own]))
        common, private = pool[:, : self.experts], pool[:, self.experts :]
        weights = self.gate(own)
        mixed = torch.bmm(weights[..., :-1].transpose(0, 1), common).transpose(0, 1)
        return mixed + weights[..., -1:] * private.transpose(0, 1), pool


class StateGates(nn.Module):
    """One softmax gate for each target, linear on that target's own state.

    Shape: targets x n x inputs in; targets x n x experts out, the last adding up to one.
    """

    def __init__(self, inputs: int, targets: int, experts: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(targets, inputs, experts))
        self.bias = nn.Parameter(torch.zeros(targets, 1, experts))
        nn.init.normal_(self.weight, std=0.1 / math.sqrt(inputs))

    def forward(self, own: Tensor) -> Tensor:
        return torch.baddbmm(self.bias, own, self.weight).softmax(-1)
