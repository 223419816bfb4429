"""Quantiles moved so that as much lies below them as they say: split-conformal correction."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scheduler.forecast import QUANTILES

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
ENOUGH = 50  # rows of a kind that carry a correction of their own
FEWEST = 10  # rows below which nothing is corrected


@dataclass(frozen=True, eq=False)
class Calibration:
    """How far to move each quantile of each quantity, on the logarithmic scale.

    Shape: shifts: by quantity, kinds x quantiles. The median stays where it is.
    """

    shifts: Mapping[str, Floats]

    @classmethod
    def none(cls) -> "Calibration":
        """Moves nothing."""
        return cls({})

    @classmethod
    def fit(
        cls, predicted: Mapping[str, Floats], truth: Mapping[str, Floats], kind: Ints, kinds: int
    ) -> "Calibration":
        """From rows that were not learned from: by kind where it has enough, else over all.

        Shape: predicted: by quantity, n x quantiles; truth: by quantity, n, NaN where unknown.
        """
        shifts = {}
        for name, quantiles in predicted.items():
            seen = ~np.isnan(truth[name])
            miss = truth[name][seen, None] - quantiles[seen]
            table = np.tile(_shift(miss), (kinds, 1))
            for each, count in zip(*np.unique(kind[seen], return_counts=True), strict=True):
                if count >= ENOUGH:
                    table[each] = _shift(miss[kind[seen] == each])
            shifts[name] = table
        return cls(shifts)

    def correct(self, name: str, quantiles: Floats, kind: Ints) -> Floats:
        """Quantiles after the correction, still in order."""
        if name not in self.shifts:
            return quantiles
        moved = quantiles + self.shifts[name][kind]
        middle = QUANTILES.index(0.5)
        moved[:, :middle] = np.minimum(moved[:, :middle], moved[:, middle, None])
        moved[:, middle + 1 :] = np.maximum(moved[:, middle + 1 :], moved[:, middle, None])
        return np.sort(moved, axis=1)


def _shift(miss: Floats) -> Floats:
    """For each level the correction of Romano, Patterson and Candes 2019, eq. 8, one-sided."""
    if len(miss) < FEWEST:
        return np.zeros(len(QUANTILES))
    return np.array([_conformal(miss[:, i], level) for i, level in enumerate(QUANTILES)])


def _conformal(miss: Floats, level: float) -> float:
    if level == 0.5:
        return 0.0
    if level < 0.5:
        return -_conformal(-miss, 1 - level)
    rank = min(math.ceil((len(miss) + 1) * level), len(miss))
    return float(np.partition(miss, rank - 1)[rank - 1])
