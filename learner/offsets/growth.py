"""How a quantity grows with size: a fixed cost and a bounded power law for each kind."""

from dataclasses import dataclass

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
DISTINCT = 3  # sizes of a kind that a law needs
SAME = 0.9999  # columns more alike than this say the same


@dataclass(frozen=True, eq=False)
class Growth:
    """`log(fixed + exp(level + power * (x - top)))`, x the logarithm of one size, by kind.

    Shape: all kinds long. `column` is the place of that size among the numbers; -1 where no size
    of the kind varies, and the law says `level`.
    """

    column: Ints
    top: Floats
    fixed: Floats
    level: Floats
    power: Floats

    @classmethod
    def fit(cls, sizes: Floats, values: Floats, kind: Ints, kinds: int) -> "Growth":
        """The law of each kind with three distinct sizes; of the others, level zero.

        Of the sizes that vary the one with the least error is taken. Shape: sizes: n x columns,
        logarithms; values: n logarithms.
        """
        none = np.zeros(kinds)
        law = cls(np.full(kinds, -1), none, none.copy(), none.copy(), none.copy())
        for each in np.unique(kind):
            mine = kind == each
            tried = [
                (*_line(sizes[mine, j] - sizes[mine, j].max(), values[mine]), j)
                for j in _telling(sizes[mine])
            ]
            if tried:
                _, law.fixed[each], law.level[each], law.power[each], j = min(tried)
                law.column[each], law.top[each] = j, sizes[mine, j].max()
        return law

    def at(self, sizes: Floats, kind: Ints) -> Floats:
        """The logarithm that the law says for each row."""
        if not sizes.shape[1]:
            return np.zeros(len(sizes))
        column = self.column[kind]
        x = sizes[np.arange(len(sizes)), np.maximum(column, 0)] - self.top[kind]
        power = np.where(column < 0, 0.0, self.power[kind])
        said: Floats = np.log(self.fixed[kind] + np.exp(self.level[kind] + power * x))
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


def _line(x: Floats, values: Floats) -> tuple[float, float, float, float]:
    """The least error with its fixed cost, level and power.

    Every power with every fixed cost is tried; the level is the weighted median of what is left.
    The error is the mean |log error|, each row weighing as its rank by size: plans are decided by
    the large.
    """
    seconds = np.exp(values)
    fixed = np.array(FIXED) * np.quantile(seconds, SMALLEST)
    powers = np.linspace(0, STEEPEST, POWERS)
    weight = (np.argsort(np.argsort(x, kind="stable"), kind="stable") + 1.0) / len(x)
    left = np.log(np.maximum(seconds - fixed[:, None], 0.02 * seconds))
    level = _median(left[:, None] - powers[:, None] * x, weight)
    said = np.log(fixed[:, None, None] + np.exp(level[..., None] + powers[:, None] * x))
    error = (weight * np.abs(said - values)).sum(-1) / weight.sum()
    error += PULL * np.abs(powers - USUAL)
    i, j = np.unravel_index(np.argmin(error), error.shape)
    return float(error[i, j]), float(fixed[i]), float(level[i, j]), float(powers[j])


def _median(values: Floats, weight: Floats) -> Floats:
    """The weighted median along the last axis."""
    order = np.argsort(values, -1)
    reached = np.cumsum(weight[order], -1)
    middle = (reached < 0.5 * reached[..., -1:]).sum(-1, keepdims=True)
    median: Floats = np.take_along_axis(np.take_along_axis(values, order, -1), middle, -1)[..., 0]
    return median
