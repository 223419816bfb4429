"""Quantiles of one kind worker by worker, shrunk towards what all workers have in common.

Few attempts on a worker have other quantiles than many, by chance alone, and whoever looks for the
best worker finds the luckiest one. How much of a difference is chance is told by how many attempts
it rests on, and by how much attempts differ on one and the same worker.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from scheduler.forecast import QUANTILES

Floats = NDArray[np.float64]
GRID = (np.arange(400) + 0.5) / 400  # levels at which a distribution is looked at
SMALLEST = 1e-4  # variance of a logarithm below which no attempt is told from another


def shrunk(samples: Sequence[Floats]) -> Floats:
    """The quantiles of each group of positive samples, groups x levels; they never cross.

    In logarithms a group is all groups, each moved to the common level, plus a shift of its own.
    The shift is that of its median, kept as far as the variance between groups outweighs that of a
    median of so few: a random-effects model, the variance between by the moments of DerSimonian and
    Laird, "Meta-analysis in clinical trials", 1986, section 2. How far the outer quantiles lie from
    the median is the same for all groups: it rests on few samples in each, and on when they ran
    rather than where. One group is told by its own quantiles.
    """
    if len(samples) == 1:
        return np.quantile(samples[0], QUANTILES)[None]
    logs = [np.log(each) for each in samples]
    count = np.array([each.size for each in samples], dtype=np.float64)
    pool = np.concatenate(logs)
    apart = np.array([np.median(each) for each in logs]) - np.median(pool)
    shift = _kept(apart, _chance(pool, count))
    level = np.concatenate([each - by for each, by in zip(logs, shift, strict=True)])
    found: Floats = np.exp(np.quantile(level, QUANTILES) + shift[:, None])
    return found


def _chance(pool: Floats, count: Floats) -> Floats:
    """The variance of the median of so many samples of the pool, for each count.

    It is rather too large than too small: the pool holds what groups differ by too. The level at
    which such a median lies has a beta law (Harrell and Davis, "A new distribution-free quantile
    estimator", 1982), which holds where a law has two modes too.
    """
    values = np.quantile(pool, GRID)
    likely = np.exp(np.outer((count - 1) / 2, np.log(4 * GRID * (1 - GRID))))
    likely /= likely.sum(axis=1, keepdims=True)
    mean = likely @ values
    found: Floats = (likely * (values - mean[:, None]) ** 2).sum(axis=1)
    return np.maximum(found, SMALLEST / count)


def _kept(apart: Floats, chance: Floats) -> Floats:
    """How far each group is taken to lie from all, of what it was seen to."""
    weight = 1 / chance
    mean = float((weight * apart).sum() / weight.sum())
    beyond = float((weight * (apart - mean) ** 2).sum()) - (apart.size - 1)
    between = max(0.0, beyond) / float(weight.sum() - (weight**2).sum() / weight.sum())
    return apart * between / (between + chance)
