"""Quantiles moved so that as much lies below them as they say: split-conformal correction.

`docs/decisions/choice.md` tells what else was tried.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from learner.features import UNKNOWN, Inputs
from scheduler.forecast import QUANTILES

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
FEWEST = 10  # rows below which nothing is corrected
USUAL = 20.0  # rows that what is common counts for, beside a kind's or a worker's own
MIDDLE = QUANTILES.index(0.5)


@dataclass(frozen=True, eq=False)
class Calibration:
    """How far to move each quantile of each quantity, on the logarithmic scale.

    A row is moved by its kind's shift and its worker's. Shape: shifts: by quantity, kinds x
    quantiles; workers: by quantity, workers x quantiles. The median stays where it is.
    """

    shifts: Mapping[str, Floats]
    workers: Mapping[str, Floats] = field(default_factory=dict)

    @classmethod
    def none(cls) -> "Calibration":
        """Moves nothing."""
        return cls({})

    @classmethod
    def fit(
        cls,
        predicted: Mapping[str, Floats],
        truth: Mapping[str, Floats],
        inputs: Inputs,
        *,
        kinds: int,
        workers: int,
        late: NDArray[np.bool_] | None = None,
    ) -> "Calibration":
        """From rows that were not learned from.

        A kind's shift is shrunk to that over all, and a worker's, of what then remains, to
        nothing, by their numbers of rows. What remains on `late` rows, those that came after all
        that was learned from, moves all kinds alike: it tells how the world drifts. Shape:
        predicted: by quantity, n x quantiles; truth: by quantity, n, NaN where unknown; late: n.
        """
        by_kind, by_worker = {}, {}
        for name, quantiles in predicted.items():
            seen = ~np.isnan(truth[name]) & ~np.isnan(quantiles).any(1)
            miss = truth[name][seen, None] - quantiles[seen]
            kind, worker = inputs.kind[seen], inputs.worker[seen]
            by_kind[name] = _shrunk(miss, kind, kinds, usual=_shift(miss))
            rest = miss - by_kind[name][kind]
            by_worker[name] = _shrunk(rest, worker, workers, usual=np.zeros(len(QUANTILES)))
            if late is not None:
                rest = rest - by_worker[name][worker]
                by_kind[name] += _drift(rest[late[seen]], kind[late[seen]], kinds)
        return cls(by_kind, by_worker)

    def correct(self, name: str, quantiles: Floats, inputs: Inputs) -> Floats:
        """Quantiles after the correction, still in order."""
        if name not in self.shifts:
            return quantiles
        moved = quantiles + self.shifts[name][inputs.kind]
        if name in self.workers:
            moved += self.workers[name][inputs.worker]
        moved[:, :MIDDLE] = np.minimum(moved[:, :MIDDLE], moved[:, MIDDLE, None])
        moved[:, MIDDLE + 1 :] = np.maximum(moved[:, MIDDLE + 1 :], moved[:, MIDDLE, None])
        return np.sort(moved, axis=1)


def _shrunk(miss: Floats, group: Ints, groups: int, *, usual: Floats) -> Floats:
    """Each group's shift, drawn to the usual one by as much as its rows are few."""
    table = np.tile(usual, (groups, 1))
    if len(miss) < FEWEST:
        return table
    for each, count in zip(*np.unique(group, return_counts=True), strict=True):
        own = np.array([_conformal(miss[group == each, i], q) for i, q in enumerate(QUANTILES)])
        table[each] = (count * own + USUAL * usual) / (count + USUAL)
    return table


def _drift(miss: Floats, kind: Ints, kinds: int) -> Floats:
    """One shift for all kinds that are known, and one for those that are not: kinds x quantiles.

    Kinds that appear late are further off than those that have been seen.
    """
    table = np.zeros((kinds, len(QUANTILES)))
    known = kind != UNKNOWN
    for rows, places in ((known, slice(UNKNOWN + 1, None)), (~known, slice(0, UNKNOWN + 1))):
        weight = rows.sum() / (rows.sum() + USUAL)
        table[places] = weight * _shift(miss[rows])
    return table


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
