"""The distribution that a few quantiles stand for.

Between the known levels the logarithm of a quantity is a straight line over the normal score of the
level, and beyond them the outer lines go on. A log-normal law is thereby told exactly by any two of
its quantiles, tails included; no value is ever zero or below.
"""

import math
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_NORMAL = NormalDist()


def scores(levels: Sequence[float]) -> Floats:
    """The normal score of each level: where it lies on the straight lines."""
    return np.array([_NORMAL.inv_cdf(level) for level in levels])


def quantile(values: Floats, levels: Sequence[float], level: float) -> Floats:
    """The quantity at any level above 0 and below 1, beyond the known ones too.

    Shape: values ... x levels; gives ... . At a known level this is the value given.
    """
    return at_score(values, levels, _NORMAL.inv_cdf(level))


def at_score(values: Floats, levels: Sequence[float], score: float) -> Floats:
    """The quantity at a normal score: drawn from its distribution where the score is drawn.

    Shape: values ... x levels; gives ... .
    """
    if len(levels) == 1:
        return np.asarray(values[..., 0])
    known = scores(levels)
    upper = int(np.clip(np.searchsorted(known, score), 1, len(levels) - 1))
    share = (score - known[upper - 1]) / (known[upper] - known[upper - 1])
    low, high = values[..., upper - 1], values[..., upper]
    if share > 0.5:  # from the nearer end, so that a known level gives exactly its value
        return np.asarray(high * (low / high) ** (1 - share))
    return np.asarray(low * (high / low) ** share)


def score_of(values: Floats, levels: Sequence[float], amount: Floats) -> Floats:
    """The normal score of the level at which the quantity is this amount.

    Shape: values n x levels, amount n. Where the quantity is certain: infinite, and positive where
    the amount is enough.
    """
    known, logs = scores(levels), np.log(values)
    asked = np.log(amount)
    if len(levels) == 1:
        return np.where(asked >= logs[:, 0], np.inf, -np.inf)
    upper = np.clip((logs < asked[:, None]).sum(axis=1), 1, len(levels) - 1)
    row = np.arange(len(values))
    low, high = logs[row, upper - 1], logs[row, upper]
    width = known[upper] - known[upper - 1]
    rise = high - low
    flat = rise <= 0
    along = (asked - low) / np.where(flat, 1.0, rise)
    found: Floats = np.where(
        flat,
        np.where(asked >= high, np.inf, -np.inf),
        known[upper - 1] + width * along,
    )
    return found


def chance_within(values: Floats, levels: Sequence[float], amount: Floats) -> Floats:
    """The chance that the quantity is at most this amount, n; values n x levels, amount n."""
    found = score_of(values, levels, amount)
    return np.array([0.5 * math.erfc(-each / math.sqrt(2)) for each in found.tolist()])
