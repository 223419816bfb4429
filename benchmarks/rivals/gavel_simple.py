"""Gavel, what others predict of a job that ran on the first kind of GPU only.

Each takes the seconds of the other jobs (jobs x kinds), the one known time of the job, and says
its seconds on every kind.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def mean_of_gpu(others: Floats, known: float) -> Floats:
    """The mean of the other jobs there; what is known of the job is not used."""
    del known
    mean: Floats = np.exp(np.log(others).mean(0))
    return mean


def mean_speedup(others: Floats, known: float) -> Floats:
    """The known time over how many times as fast the others are there on the mean."""
    said: Floats = known / (others[:, :1] / others).mean(0)
    return said


def mean_log_ratio(others: Floats, known: float) -> Floats:
    """The known time by the geometric mean of the others' ratios."""
    said: Floats = known * np.exp(np.log(others / others[:, :1]).mean(0))
    return said
