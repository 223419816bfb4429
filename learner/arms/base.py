"""The seam for arms: who may say, for a target, what the offset leaves unexplained."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from learner.features import UNKNOWN, Inputs
from scheduler.forecast import QUANTILES

Floats = NDArray[np.float64]
Arrays = Mapping[str, NDArray[Any]]


class Arm(ABC):
    """Something fitted that speaks for targets like the head of a network does.

    `name` is told in manifests and on the dashboard.
    """

    name: ClassVar[str]

    @abstractmethod
    def raw(self, inputs: Inputs, targets: Collection[str]) -> dict[str, Floats]:
        """What a head would say of each row, in the units of the target's head.

        Shape: by target, n x outputs. `Target.read` turns it, with the offset under it, into a
        prediction.
        """

    def pairs(
        self, tasks: Inputs, workers: NDArray[np.int64], targets: Collection[str]
    ) -> dict[str, Floats]:
        """The same of every task on each of the workers, places in the vocabulary.

        Shape: by target, n x m x outputs, or n x 1 x outputs where all workers are alike.
        """
        rows = tasks.take(np.repeat(np.arange(len(tasks)), len(workers)))
        said = self.raw(rows.on(np.tile(workers, len(tasks))), targets)
        shape = len(tasks), len(workers)
        return {name: each.reshape(*shape, each.shape[-1]) for name, each in said.items()}

    @abstractmethod
    def as_arrays(self) -> dict[str, NDArray[Any]]:
        """Plain arrays, by name, from which `from_arrays` makes it again."""

    @classmethod
    @abstractmethod
    def from_arrays(cls, arrays: Arrays) -> Self:
        """The arm that `as_arrays` wrote; nothing in the arrays is executed."""


def head_of(quantiles: Floats, middle: int) -> Floats:
    """What a head says so that reading it gives these quantiles: softplus undone.

    Quantiles that cross are pulled to their neighbour nearer to the middle. Shape: n x quantiles.
    """
    said = quantiles.copy()
    for i in range(middle - 1, -1, -1):
        said[:, i] = _undone(quantiles[:, i + 1] - quantiles[:, i])
    for i in range(middle + 1, quantiles.shape[1]):
        said[:, i] = _undone(quantiles[:, i] - quantiles[:, i - 1])
    return said


def _undone(step: Floats) -> Floats:
    step = np.maximum(step, LEAST)
    undone: Floats = np.where(step > 30, step, np.log(np.expm1(np.minimum(step, 30.0))))
    return undone


LEAST = 1e-3  # the smallest step between two quantiles, in units of the head


def errors_by_kind(miss: Floats, kind: NDArray[np.int64], kinds: int) -> Floats:
    """The quantiles of errors of each kind, shrunk to those of all by its number of rows.

    Shape: miss: n, NaN where unknown; the answer: kinds x quantiles.
    """
    seen = ~np.isnan(miss)
    miss, kind = miss[seen], kind[seen]
    usual = np.quantile(miss, QUANTILES) if len(miss) else np.array([-OTHERS, 0.0, OTHERS])
    table = np.tile(usual, (kinds, 1))
    for each, count in zip(*np.unique(kind, return_counts=True), strict=True):
        if each != UNKNOWN:
            own = np.quantile(miss[kind == each], QUANTILES)
            table[each] = (count * own + USUAL * usual) / (count + USUAL)
    return table


USUAL = 20.0  # rows that the error of all kinds counts for, beside a kind's own
OTHERS = 1.2816  # standard deviations between the median and the outer quantiles of a normal
