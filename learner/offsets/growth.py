"""How a quantity grows with size, read for each kind as a bounded power law and as a line."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
STEEPEST = 1.15  # the steepest power: a little more than in proportion
POWERS = 24  # powers tried, from zero to the steepest
FIXED = (0.0, 0.5, 0.8, 0.95)  # fixed costs tried, as shares of the smallest values seen
USUAL = 0.8  # the power to which few observations are pulled
PULL = 0.01  # what one unit of distance from it costs, in mean |log error|
SMALLEST = 0.05  # the quantile that stands for the smallest values seen
CORRELATED = 0.75  # below which a line says no more than the median
TOLERANCE = 0.2  # a size with so much more error, relatively, weighs 1/e of the best
FAINT = 0.05  # of the best weight: sizes below it do not count
TINY = 1e-300
DISTINCT = 3  # sizes of a kind that a law needs
SAME = 0.9999  # columns more alike than this say the same


class Read(NamedTuple):
    """One law of one size: its error, and what `Growth` keeps of it."""

    error: float
    fixed: float
    level: float
    power: float
    least: float


@dataclass(frozen=True, eq=False)
class Growth:
    """The mean over sizes of `log(max(fixed + exp(level + power * (x - top)), least))`, by kind.

    x is the logarithm of one size. Shape: kinds x columns each. A weight of zero is of a size that
    does not tell; where a kind has no other, the law says zero.
    """

    weight: Floats
    top: Floats
    fixed: Floats
    level: Floats
    power: Floats
    least: Floats

    @classmethod
    def fit(
        cls,
        sizes: Floats,
        values: Floats,
        kind: Ints,
        *,
        kinds: int,
        read: Callable[[Floats, Floats], Read],
    ) -> "Growth":
        """The law of each kind with three distinct sizes, as `powers`, `line` or `plain` reads it.

        Sizes weigh by their errors: one that is a fifth worse than the best weighs 1/e of it.
        Shape: sizes: n x columns, logarithms; values: n logarithms.
        """
        law = cls(*(np.zeros((kinds, sizes.shape[1])) for _ in range(6)))
        for each in np.unique(kind):
            mine = kind == each
            tops, columns = sizes[mine].max(0), _telling(sizes[mine])
            tried = [read(sizes[mine, j] - tops[j], values[mine]) for j in columns]
            for j, one, share in zip(columns, tried, _shares(tried), strict=True):
                law.weight[each, j], law.top[each, j] = share, tops[j]
                _, law.fixed[each, j], law.level[each, j], *rest = one
                law.power[each, j], law.least[each, j] = rest
        return law

    def lawful(self) -> NDArray[np.bool_]:
        """Which kinds have a law."""
        return np.asarray(self.weight.any(1))

    def at(self, sizes: Floats, kind: Ints) -> Floats:
        """The logarithm that the law says for each row."""
        said = np.zeros(len(sizes))
        for j in np.flatnonzero(self.weight.any(0)):
            mine = np.flatnonzero(self.weight[kind, j] > 0)
            place = kind[mine], j
            grown = np.exp(
                self.level[place] + self.power[place] * (sizes[mine, j] - self.top[place])
            )
            value = np.maximum(self.fixed[place] + grown, self.least[place])
            said[mine] += self.weight[place] * np.log(value)
        return said


def _shares(tried: Sequence[Read]) -> Floats:
    error = np.array([each.error for each in tried])
    if not len(error):
        return error
    share = np.exp((1 - error / max(error.min(), TINY)) / TOLERANCE)
    share[share < FAINT * share.max()] = 0.0
    weighed: Floats = share / share.sum()
    return weighed


def _telling(sizes: Floats) -> list[int]:
    """The columns that vary, without those that repeat an earlier one."""
    found: list[int] = []
    kept: list[Floats] = []
    for j, x in enumerate(sizes.T):
        if len(np.unique(np.round(x, 2))) < DISTINCT:
            continue
        standard = (x - x.mean()) / x.std()
        if all(abs(standard @ each) / len(x) <= SAME for each in kept):
            found.append(j)
            kept.append(standard)
    return found


def powers(x: Floats, values: Floats) -> Read:
    """The fixed cost and the bounded power law with the least error.

    Every power with every fixed cost is tried; the level is the weighted median of what is left.
    The error is the mean |log error|, each row weighing as its rank by size: plans are decided by
    the large.
    """
    natural = np.exp(values)
    fixed = np.array(FIXED) * np.quantile(natural, SMALLEST)
    tried = np.linspace(0, STEEPEST, POWERS)
    weight = _weight(x)
    left = np.log(np.maximum(natural - fixed[:, None], 0.02 * natural))
    level = _median(left[:, None] - tried[:, None] * x, weight)
    said = np.log(fixed[:, None, None] + np.exp(level[..., None] + tried[:, None] * x))
    error = (weight * np.abs(said - values)).sum(-1) + PULL * np.abs(tried - USUAL)
    i, j = np.unravel_index(np.argmin(error), error.shape)
    return Read(float(error[i, j]), float(fixed[i]), float(level[i, j]), float(tried[j]), 0.0)


def line(x: Floats, values: Floats) -> Read:
    """The straight line of the value over the size, by least squares that weigh as one over the
    value; never falling, and never below half of the least value seen."""
    natural, size = np.exp(values), np.exp(x)
    root = 1 / np.sqrt(natural)
    fixed, slope = _least_squares(np.column_stack([root, root * size]), root * natural)
    if slope <= 0:
        fixed, slope = len(x) / (1 / natural).sum(), 0.0
    return _straight(fixed, slope, x, values)


def plain(x: Floats, values: Floats) -> Read:
    """The straight line by plain least squares, or the median where value and size correlate
    below .75: the rule of Lotaru (Bader et al. 2022, section III-B), for few observations."""
    natural, size = np.exp(values), np.exp(x)
    fixed, slope = _least_squares(np.column_stack([np.ones_like(size), size]), natural)
    varied = slope > 0 and np.ptp(natural) > 0
    if not (varied and np.corrcoef(size, natural)[0, 1] >= CORRELATED):
        fixed, slope = float(np.median(natural)), 0.0
    return _straight(fixed, slope, x, values)


def _straight(fixed: float, slope: float, x: Floats, values: Floats) -> Read:
    least = float(np.exp(values.min()) / 2)
    said = np.log(np.maximum(fixed + slope * np.exp(x), least))
    error = float((_weight(x) * np.abs(said - values)).sum())
    return Read(error, fixed, float(np.log(max(slope, TINY))), 1.0, least)


def _least_squares(design: Floats, values: Floats) -> tuple[float, float]:
    (fixed, slope), *_ = np.linalg.lstsq(design, values, rcond=None)
    return float(fixed), float(slope)


def _weight(x: Floats) -> Floats:
    """Each row's rank by size, in shares of one."""
    rank = np.argsort(np.argsort(x, kind="stable"), kind="stable") + 1.0
    weight: Floats = rank / rank.sum()
    return weight


def _median(values: Floats, weight: Floats) -> Floats:
    """The weighted median along the last axis."""
    order = np.argsort(values, -1)
    reached = np.cumsum(weight[order], -1)
    middle = (reached < 0.5 * reached[..., -1:]).sum(-1, keepdims=True)
    median: Floats = np.take_along_axis(np.take_along_axis(values, order, -1), middle, -1)[..., 0]
    return median
