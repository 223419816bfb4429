"""How a quantity grows with size, read for each kind as a bounded power law and as a line."""

from collections.abc import Callable
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
    """`log(max(fixed + exp(level + power * (x - top)), least))` by kind, x a logarithm of one size.

    Shape: all kinds long. `column` is the place of that size among the numbers; -1 where no size
    of the kind varies, and the law says zero.
    """

    column: Ints
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
        """The law of each kind with three distinct sizes, as `powers` or `line` reads it.

        Of the sizes that vary the one with the least error is taken. Shape: sizes: n x columns,
        logarithms; values: n logarithms.
        """
        law = cls(np.full(kinds, -1), *(np.zeros(kinds) for _ in range(5)))
        for each in np.unique(kind):
            mine = kind == each
            tops = sizes[mine].max(0)
            tried = [
                (read(sizes[mine, j] - tops[j], values[mine]), j) for j in _telling(sizes[mine])
            ]
            if tried:
                best, j = min(tried)
                law.column[each], law.top[each] = j, tops[j]
                _, law.fixed[each], law.level[each], law.power[each], law.least[each] = best
        return law

    def at(self, sizes: Floats, kind: Ints) -> Floats:
        """The logarithm that the law says for each row."""
        if not sizes.shape[1]:
            return np.zeros(len(sizes))
        column = self.column[kind]
        x = sizes[np.arange(len(sizes)), np.maximum(column, 0)] - self.top[kind]
        power = np.where(column < 0, 0.0, self.power[kind])
        value = self.fixed[kind] + np.exp(self.level[kind] + power * x)
        said: Floats = np.log(np.maximum(value, self.least[kind]))
        return said


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
    design = np.column_stack([root, root * size])
    (fixed, slope), *_ = np.linalg.lstsq(design, root * natural, rcond=None)
    if slope <= 0:
        fixed, slope = len(x) / (1 / natural).sum(), 0.0
    least = natural.min() / 2
    said = np.log(np.maximum(fixed + slope * size, least))
    error = float((_weight(x) * np.abs(said - values)).sum())
    level = float(np.log(max(slope, TINY)))
    return Read(error, float(fixed), level, 1.0, float(least))


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
