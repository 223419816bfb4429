"""Offsets of all tasks on all workers at once: what depends on the task is computed once."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from learner.features import Inputs
from learner.kernel import Bells, Curves
from learner.offsets.ridge import FARTHEST, Ridge, median

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def offset_pairs(ridges: Mapping[str, Ridge], tasks: Inputs, workers: Ints) -> dict[str, Floats]:
    """The logarithm believed of each task on each worker, by quantity: n x m.

    The same as `Ridge.at`, row by row, to single precision.
    """
    shared = _Shared()
    return {name: _pairs(ridge, tasks, workers, shared) for name, ridge in ridges.items()}


class _Shared:
    """The bells around the points of a kind, kept for quantities that stand on the same points."""

    def __init__(self) -> None:
        self.kept: list[tuple[Floats, Ints, Floats, Bells]] = []

    def bells(self, curves: Curves, kind: Ints, sizes: Floats) -> Bells:
        """Those of these rows, computed once for equal points and rows of equal kinds."""
        for points, kinds, rows, bells in self.kept:
            alike = _equal(points, curves.sizes) and _equal(kinds, kind)
            if alike and _equal(rows, sizes):
                return bells
        bells = curves.bells(kind, sizes)
        self.kept.append((curves.sizes, kind, sizes, bells))
        return bells


def _equal(a: Floats | Ints, b: Floats | Ints) -> bool:
    return a is b or (a.shape == b.shape and bool((a == b).all()))


def _pairs(ridge: Ridge, tasks: Inputs, workers: Ints, shared: _Shared) -> Floats:
    sizes, kind = ridge.ranges.filled(tasks), tasks.kind
    below, above = ridge.ranges.excess(sizes, kind)
    inside = np.clip(sizes, ridge.ranges.low[kind], ridge.ranges.high[kind])
    value = _smooth(ridge, tasks, inside, workers, shared)
    out = np.flatnonzero((below > 0) | (above > 0))
    if len(out) and ridge.growth > 0:
        farther = _smooth(ridge, tasks.take(out), sizes[out], workers, shared)
        low, high = -ridge.growth * below[out], ridge.growth * above[out]
        low, high = np.maximum(low, -FARTHEST), np.minimum(high, FARTHEST)
        value[out] += np.clip(farther - value[out], low[:, None], high[:, None])
    return value


def _smooth(ridge: Ridge, tasks: Inputs, sizes: Floats, workers: Ints, shared: _Shared) -> Floats:
    nobody = np.zeros(len(tasks), dtype=np.int64)
    base = ridge.base(tasks.on(nobody), sizes) - ridge.worker[0]
    bells = shared.bells(ridge.curves, tasks.kind, sizes)
    value = ridge.curves.pairs(tasks.kind, workers, sizes, bells=bells)
    value += base[:, None]
    value += ridge.worker[workers]
    mine = np.flatnonzero(ridge.few[tasks.kind] > 0)
    kind, own = tasks.kind[mine], value[mine] - ridge.worker[workers]
    low, middle, high = (each[:, None] for each in ridge.readings(sizes[mine], kind))
    value[mine] += ridge.few[kind, None] * (median(own, low, middle, high) - own)
    return value
