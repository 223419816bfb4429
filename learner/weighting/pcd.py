"""Priority-constrained descent: one target first, progress guaranteed for the others."""

from collections.abc import Sequence

import torch
from torch import Tensor

from learner.weighting.base import ByGradient, torchjd


class Priority(ByGradient):
    """The gradient of the duration, bent as little as lets all others advance (PCD, TMLR 2026).

    Each other target gets at least two hundredths of what a step along its own gradient would give
    it. Where the duration is no target, the first of the targets takes its place.
    """

    first = "duration"

    def __init__(self, targets: Sequence[str], *, seed: int = 0) -> None:
        super().__init__(targets, seed=seed)
        self.solve = torchjd("aggregation", "PCDWeighting")()
        first = self.targets.index(self.first) if self.first in self.targets else 0
        self.order = [first, *(i for i in range(len(self.targets)) if i != first)]

    def balance(self, gramian: Tensor, losses: Tensor) -> Tensor:
        """The weights, in the order of the targets; ones where the first has no gradient."""
        if not gramian[self.order[0], self.order[0]] > 0:
            return torch.ones_like(losses)
        found = torch.empty_like(losses)
        found[self.order] = self.solve(gramian[self.order][:, self.order])
        return found

    def wake(self) -> None:
        """One look at gradients at right angles, from which on it has averages."""
        self.solve(torch.eye(len(self.targets), dtype=torch.float64))
