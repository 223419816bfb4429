"""A forest that learns whom to choose from what each worker would have cost.

Extremely randomised trees (Geurts, Ernst and Wehenkel 2006) with a share of three ideas: all
workers in one tree; cuts across two columns at once (sparse oblique projections, Tomita et al.
2020), which on logarithms are cuts on ratios; and splits that are judged by prediction and by
prescription together (Bertsimas, Dunn and Mundru 2019, eq. 4), so that a tree divides where another
worker becomes the best one, not where costs merely differ.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from scheduler.planning.kernels import compiled

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
FLAT = 1e-7  # a range of values, or a scatter, in which there is nothing to divide


@dataclass(frozen=True, kw_only=True)
class ForestSettings:
    """How to grow: `share` of the columns tried at each split, of `leaf` rows at least.

    `prescription` weighs how much of the regret a split removes against how much of the scatter of
    costs it explains.
    """

    trees: int = 200
    leaf: int = 3
    share: float = 1 / 3
    prescription: float = 0.5


class Tree(NamedTuple):
    """A tree, node by node; the root is the first.

    A row goes to `child` where `x[column] + slope * x[other] <= cut`, else to the node after that
    one. Leaves have the column -1. Shape: value: nodes x workers, the rest: nodes.
    """

    column: Ints
    other: Ints
    slope: Floats
    cut: Floats
    child: Ints
    value: Floats


@dataclass(frozen=True, eq=False)
class Forest:
    """Trees that together say what each worker costs more or less than the mean of all."""

    trees: tuple[Tree, ...]

    @classmethod
    def fit(cls, x: Floats, cost: Floats, settings: ForestSettings, *, seed: int) -> Self:
        """Grows on all rows.

        Shape: x: n x columns, without NaN; cost: n x workers, without NaN.
        """
        rng = np.random.default_rng(seed)
        tries = max(1, int(x.shape[1] * settings.share))
        x, cost = np.ascontiguousarray(x), np.ascontiguousarray(cost)
        grown = [
            grow(x, cost, int(drawn), tries, settings.leaf, settings.prescription)
            for drawn in rng.integers(2**31, size=settings.trees)
        ]
        return cls(tuple(Tree(*each) for each in grown))

    def costs(self, x: Floats) -> Floats:
        """The mean over trees of the costs of their leaves. Shape: n x workers."""
        x = np.ascontiguousarray(x)
        total = np.zeros((len(x), self.trees[0].value.shape[1]))
        for tree in self.trees:
            total += tree.value[leaf_of(x, *tree[:-1])]
        return total / len(self.trees)

    def as_arrays(self) -> dict[str, NDArray[Any]]:
        """Plain arrays from which `from_arrays` makes the same forest."""
        joined = {
            name: np.concatenate([getattr(tree, name) for tree in self.trees])
            for name in Tree._fields
        }
        return {**joined, "nodes": np.array([len(tree.cut) for tree in self.trees])}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """The forest that `as_arrays` wrote."""
        ends = np.cumsum(arrays["nodes"])[:-1]
        parts = (np.split(arrays[name], ends) for name in Tree._fields)
        return cls(tuple(Tree(*each) for each in zip(*parts, strict=True)))


@compiled
def grow(
    x: Floats, cost: Floats, seed: int, tries: int, leaf: int, prescription: float
) -> tuple[Ints, Ints, Floats, Floats, Ints, Floats]:
    """One tree, as the fields of `Tree`."""
    np.random.seed(seed)  # the compiled code's own stream, apart from the interpreter's
    n, columns = x.shape
    most = 2 * n
    column, other, child = np.full(most, -1), np.zeros(most, np.int64), np.zeros(most, np.int64)
    slope, cut, value = np.zeros(most), np.zeros(most), np.zeros((most, cost.shape[1]))
    first, last = np.zeros(most, np.int64), np.zeros(most, np.int64)
    rows, shown, order = np.arange(n), np.zeros(n), np.arange(columns)
    last[0], count = n, 1
    for node in range(most):
        if node == count:
            break
        mine = rows[first[node] : last[node]]
        total, scatter, regret = _summed(cost, mine)
        value[node] = total / len(mine)
        if len(mine) < 2 * leaf or scatter <= FLAT:
            continue
        best, tried = 0.0, 0
        for j in range(columns):
            if tried == tries:
                break
            k = j + np.random.randint(columns - j)
            order[j], order[k] = order[k], order[j]
            a, b = order[j], np.random.randint(columns)
            by = 2 * np.random.random() - 1
            low, high = _projected(x, mine, a, b, by, shown)
            if high - low <= FLAT:
                continue
            tried += 1
            at = low + np.random.random() * (high - low)
            gain = _gain(cost, mine, shown, at, total, scatter, regret, leaf, prescription)
            if gain > best:
                best, column[node], other[node], slope[node], cut[node] = gain, a, b, by, at
        if best > 0:
            middle = _divided(x, mine, column[node], other[node], slope[node], cut[node])
            child[node] = count
            first[count], last[count] = first[node], first[node] + middle
            first[count + 1], last[count + 1] = first[node] + middle, last[node]
            count += 2
    return column[:count], other[:count], slope[:count], cut[:count], child[:count], value[:count]


@compiled
def _summed(cost: Floats, rows: Ints) -> tuple[Floats, float, float]:
    """Costs by worker, their scatter within workers, and the regret of the best one choice."""
    total, squares, least = np.zeros(cost.shape[1]), 0.0, 0.0
    for row in rows:
        low = np.inf
        for w in range(cost.shape[1]):
            total[w] += cost[row, w]
            squares += cost[row, w] ** 2
            low = min(low, cost[row, w])
        least += low
    return total, squares - (total**2).sum() / len(rows), total.min() - least


@compiled
def _projected(
    x: Floats, rows: Ints, a: int, b: int, by: float, shown: Floats
) -> tuple[float, float]:
    """Writes each row's value on an oblique axis; the least and the greatest."""
    low, high = np.inf, -np.inf
    for i in range(len(rows)):
        shown[i] = x[rows[i], a] + by * x[rows[i], b]
        low, high = min(low, shown[i]), max(high, shown[i])
    return low, high


@compiled
def _gain(
    cost: Floats,
    rows: Ints,
    shown: Floats,
    at: float,
    total: Floats,
    scatter: float,
    regret: float,
    leaf: int,
    prescription: float,
) -> float:
    """What a cut is worth: shares of the scatter explained and of the regret removed."""
    left, count, workers = np.zeros(len(total)), 0, len(total)
    for i in range(len(rows)):
        if shown[i] <= at:
            count += 1
            for w in range(workers):
                left[w] += cost[rows[i], w]
    n = len(rows)
    if count < leaf or n - count < leaf:
        return 0.0
    explained, low, high = 0.0, np.inf, np.inf
    for w in range(workers):
        right = total[w] - left[w]
        explained += left[w] ** 2 / count + right**2 / (n - count) - total[w] ** 2 / n
        low, high = min(low, left[w]), min(high, right)
    removed = (total.min() - low - high) / regret if regret > FLAT else 0.0
    return (1 - prescription) * explained / scatter + prescription * removed


@compiled
def _divided(x: Floats, rows: Ints, a: int, b: int, by: float, at: float) -> int:
    """Puts the rows of the left child first, in place, and counts them."""
    i, k = 0, len(rows) - 1
    while i <= k:
        if x[rows[i], a] + by * x[rows[i], b] <= at:
            i += 1
        else:
            rows[i], rows[k] = rows[k], rows[i]
            k -= 1
    return i


@compiled
def leaf_of(x: Floats, column: Ints, other: Ints, slope: Floats, cut: Floats, child: Ints) -> Ints:
    """The leaf in which each row ends. Shape: n."""
    found = np.zeros(len(x), np.int64)
    for i in range(len(x)):
        node = 0
        while column[node] >= 0:
            at = x[i, column[node]] + slope[node] * x[i, other[node]]
            node = child[node] + (at > cut[node])
        found[i] = node
    return found
