"""What kinds have in common: slopes over sizes, and how fast each worker usually is."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from learner.features import UNKNOWN, Inputs

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Pooled:
    """Effects that all kinds share: one number, slopes (columns), and workers."""

    mean: float
    slopes: Floats
    worker: Floats

    @classmethod
    def fit(
        cls, sizes: Floats, values: Floats, rows: Inputs, *, kinds: int, workers: int
    ) -> "Pooled":
        """A ridge with a penalty of one on deviations from each kind's mean.

        Shape: sizes: n x columns, standardised, none missing; values: n logarithms.
        """
        worn = np.eye(workers)[rows.worker]
        worn[:, UNKNOWN] = 0
        x = np.hstack([sizes, worn])
        moved = x - means(x, rows.kind, kinds)[rows.kind]
        goal = values - means(values, rows.kind, kinds)[rows.kind]
        normal = moved.T @ moved + np.eye(x.shape[1])
        shared: Floats = np.asarray(np.linalg.solve(normal, moved.T @ goal), dtype=np.float64)
        rest = values - x @ shared
        width = sizes.shape[1]
        return cls(float(rest.mean()), shared[:width], shared[width:])


def means(values: Floats, kind: Ints, kinds: int) -> Floats:
    """The mean of each kind; zero for kinds without rows."""
    total = np.zeros((kinds, *values.shape[1:]))
    np.add.at(total, kind, values)
    count = np.maximum(np.bincount(kind, minlength=kinds), 1)
    found: Floats = total / count.reshape(-1, *[1] * (values.ndim - 1))
    return found
