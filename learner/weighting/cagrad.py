"""Conflict-averse gradient descent, solved here: no solver package is needed."""

from collections.abc import Callable

import torch
from torch import Tensor

from learner.weighting.base import ByAggregator

RADIUS = 0.5  # c of the paper: how far the direction may leave the mean gradient
ROUNDS = 200


class ConflictAverse(ByAggregator):
    """Best for the worst target, near the mean gradient (Liu et al. 2021, algorithm 1).

    With g_0 the mean gradient and g_w a mixture, w minimises g_w . g_0 + c |g_0| |g_w|; the
    direction is g_0 + c |g_0| g_w / |g_w|.
    """

    def made(self) -> Callable[[Tensor], Tensor]:
        """The mixture by exponentiated gradient steps, which stay on the simplex."""
        return conflict_averse


def conflict_averse(gramian: Tensor) -> Tensor:
    """The weights of the direction."""
    g = (gramian / gramian.diagonal().mean()).numpy()
    count = len(g)
    mean = g.mean(1)
    radius = RADIUS * float(mean.mean().clip(0.0)) ** 0.5
    mixture = g[0] * 0 + 1 / count
    for step in range(1, ROUNDS + 1):
        said = g @ mixture
        slope = mean + radius * said / max(float(mixture @ said), 1e-12) ** 0.5
        slope = (slope - slope.min()) / max(abs(slope).max(), 1e-12)
        mixture = mixture * (2.0 ** (-4.0 * slope / step**0.5))
        mixture = mixture / mixture.sum()
    length = max(float(mixture @ g @ mixture), 1e-12) ** 0.5
    return torch.from_numpy(1 / count + radius / length * mixture)
