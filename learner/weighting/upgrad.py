"""Unconflicting projection of gradients, solved here: TorchJD's own solver is under the GPL."""

from collections.abc import Callable
from itertools import product

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from learner.weighting.base import ByAggregator

Floats = NDArray[np.float64]
RIDGE = 1e-6  # keeps gradients that depend on each other solvable


class Unconflicting(ByAggregator):
    """Each gradient moved to where it harms no target, then all added up.

    UPGrad of Quinton and Rey 2024, eq. 4 and proposition 1: for each target the least v' G v with
    v not below its own unit vector.
    """

    def made(self) -> Callable[[Tensor], Tensor]:
        """The projection by trying which targets stand at their bound: exact for few targets."""
        return unconflicting


def unconflicting(gramian: Tensor) -> Tensor:
    """The sum of the projections of all gradients."""
    g = (gramian / gramian.diagonal().mean()).numpy()
    g = g + RIDGE * np.eye(len(g))
    return torch.from_numpy(projected(np.eye(len(g)), g).sum(0))


def projected(bounds: Floats, g: Floats) -> Floats:
    """For each row u of the bounds the v >= u with the least v' g v.

    The v of each set of entries that stand at their bound solves a linear equation; the best of
    those that keep the bounds is the answer.
    """
    held = np.array(list(product((False, True), repeat=len(g))))
    eye = np.eye(len(g))
    systems = np.where(held[:, :, None], eye, g * ~held[:, None, :])
    known = held[:, :, None] * bounds.T
    goal = np.where(held[:, :, None], bounds.T, -np.einsum("ij,sjk->sik", g, known))
    found = np.linalg.solve(systems, goal).transpose(0, 2, 1)
    kept = (found >= bounds - 1e-9).all(-1)
    cost = np.where(kept, np.einsum("sri,ij,srj->sr", found, g, found), np.inf)
    best: Floats = found[cost.argmin(0), np.arange(len(bounds))]
    return best
