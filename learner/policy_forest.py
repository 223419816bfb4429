"""A forest that learns whom to choose from what each worker would have cost.

Extremely randomised trees (Geurts, Ernst and Wehenkel 2006) with a share of three ideas: all
workers in one tree; cuts across two columns at once (sparse oblique projections, Tomita et al.
2020), which on logarithms are cuts on ratios; and splits that are judged by prediction and by
prescription together (Bertsimas, Dunn and Mundru 2019, eq. 4), so that a tree also divides where
another worker becomes the best one, not only where costs differ. What is predicted is told apart
from what is chosen by: `goals` are costs and whatever helps to tell rows apart.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from scheduler.planning.kernels.compiling import compiled

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
FEWEST = 8  # cuts tried at each split, however few the columns
FLAT = 1e-7  # a range of values, or a scatter, in which there is nothing to divide


@dataclass(frozen=True, kw_only=True)
class ForestSettings:
    """How to grow: `share` of the columns tried at each split, parts of `leaf` rows at least.

    `oblique` is the share of cuts across two columns. `prescription` weighs how much of the regret
    a split removes against how much of the scatter of goals it explains.
    """

    trees: int = 140
    leaf: int = 2
    share: float = 0.5
    oblique: float = 0.5
    prescription: float = 0.25


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
    def fit(
        cls,
        x: Floats,
        cost: Floats,
        settings: ForestSettings,
        *,
        seed: int,
        goals: Floats | None = None,
    ) -> Self:
        """Grows on all rows; goals are the costs unless they are given.

        Shape: x: n x columns, cost: n x workers, goals: n x any number; all without NaN.
        """
        rng = np.random.default_rng(seed)
        tries = max(FEWEST, int(x.shape[1] * settings.share))
        x, cost, goals = (
            np.ascontiguousarray(each) for each in (x, cost, cost if goals is None else goals)
        )
        how = (tries, settings.leaf, settings.oblique, settings.prescription)
        grown = [
            grow(x, cost, goals, int(drawn), *how)
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
    x: Floats,
    cost: Floats,
    goals: Floats,
    seed: int,
    tries: int,
    leaf: int,
    oblique: float,
    prescription: float,
) -> tuple[Ints, Ints, Floats, Floats, Ints, Floats]:
    """One tree, as the fields of `Tree`."""
    np.random.seed(seed)  # the compiled code's own stream, apart from the interpreter's
    n, columns = x.shape
    most = 2 * n
    column, other, child = np.full(most, -1), np.zeros(most, np.int64), np.zeros(most, np.int64)
    slope, cut, value = np.zeros(most), np.zeros(most), np.zeros((most, cost.shape[1]))
    first, last = np.zeros(most, np.int64), np.zeros(most, np.int64)
    rows, shown, order = np.arange(n), np.zeros(n), np.arange(columns)
    left, saved = np.zeros(goals.shape[1]), np.zeros(cost.shape[1])
    last[0], count = n, 1
    for node in range(most):
        if node == count:
            break
        mine = rows[first[node] : last[node]]
        paid, regret = _paid(cost, mine)
        total, scatter = _summed(goals, mine)
        value[node] = paid / len(mine)
        if len(mine) < 2 * leaf or scatter <= FLAT:
            continue
        best, tried = 0.0, 0
        priced, wanted = cost[mine], goals[mine]  # side by side, since every try reads them again
        for turn in range(max(columns, tries)):
            if tried == tries:
                break
            j = turn % columns  # each column once before one comes again
            k = j + np.random.randint(columns - j)
            order[j], order[k] = order[k], order[j]
            a, b = order[j], np.random.randint(columns)
            by = 2 * np.random.random() - 1 if np.random.random() < oblique else 0.0
            low, high = _projected(x, mine, a, b, by, shown)
            if high - low <= FLAT:
                continue
            tried += 1
            at = low + np.random.random() * (high - low)
            here = _left(wanted, shown, at, left)
            if not leaf <= here <= len(mine) - leaf:
                continue
            gain = (1 - prescription) * _explained(left, total, here, len(mine)) / scatter
            if regret > FLAT and prescription > 0:
                _left(priced, shown, at, saved)
                gain += prescription * _removed(saved, paid) / regret
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
def _paid(cost: Floats, rows: Ints) -> tuple[Floats, float]:
    """Costs by worker, and the regret of choosing the best one of them for all rows."""
    total, least = np.zeros(cost.shape[1]), 0.0
    for row in rows:
        low = np.inf
        for w in range(len(total)):
            total[w] += cost[row, w]
            low = min(low, cost[row, w])
        least += low
    return total, total.min() - least


@compiled
def _summed(goals: Floats, rows: Ints) -> tuple[Floats, float]:
    """Each goal's sum, and the scatter of all about their means."""
    total, squares = np.zeros(goals.shape[1]), 0.0
    for row in rows:
        for w in range(len(total)):
            total[w] += goals[row, w]
            squares += goals[row, w] ** 2
    return total, squares - (total**2).sum() / len(rows)


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
def _explained(left: Floats, total: Floats, count: int, n: int) -> float:
    """The scatter that a cut explains: that of the two means about the common one."""
    found = 0.0
    for w in range(len(total)):
        right = total[w] - left[w]
        found += left[w] ** 2 / count + right**2 / (n - count) - total[w] ** 2 / n
    return found


@compiled
def _removed(left: Floats, total: Floats) -> float:
    """The cost that is saved where each side of a cut gets its own best worker."""
    together, here, there = np.inf, np.inf, np.inf
    for w in range(len(total)):
        together, here = min(together, total[w]), min(here, left[w])
        there = min(there, total[w] - left[w])
    return together - here - there


@compiled
def _left(values: Floats, shown: Floats, at: float, total: Floats) -> int:
    """Writes the sums over the rows on the left of a cut, and counts these rows."""
    total[:] = 0.0
    count = 0
    for i in range(len(values)):
        if shown[i] <= at:
            count += 1
            for w in range(len(total)):
                total[w] += values[i, w]
    return count


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
