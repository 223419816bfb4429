"""Whom to choose, learned two workers at a time, from the pieces of work where it matters.

For each pair a forest says which of the two is cheaper, as in SATzilla 2012 (Xu, Hutter, Hoos and
Leyton-Brown 2012). Its trees see pieces of work drawn as often as the choice between the two
matters there (Zadrozny, Langford and Abe 2003, section 2.3), so plain trees weigh costs and near
ties hardly count.
"""

from dataclasses import dataclass
from itertools import combinations
from typing import Self

import numpy as np
from numpy.typing import NDArray

from learner.policy_features import Encoding
from learner.policy_forest import Forest, ForestSettings
from learner.policy_table import filled, refuse

Floats = NDArray[np.float64]
MOST = 10  # workers that are compared in pairs, for the pairs grow with their square
DRAWN = ForestSettings(trees=1, prescription=0.0)  # each tree has rows of its own


@dataclass(frozen=True, eq=False)
class PairPolicy:
    """Says what each worker would cost beside the mean of all, from comparisons in pairs.

    Of workers that add little to a perfect choice it says what is usual, and compares the rest.
    """

    encoding: Encoding
    usual: Floats
    forests: dict[tuple[int, int], Forest]
    stakes: dict[tuple[int, int], float]

    @classmethod
    def fit(cls, features: Floats, cost: Floats, *, seed: int = 0, trees: int = 12) -> Self:
        """Learns from pieces of work whose costs are known, with so many trees for each pair.

        Shape: features: n x columns, of any sign, NaN where missing; cost: n x workers, NaN where
        unknown. Raises InvalidInput for tables that do not fit together or say nothing.
        """
        refuse(features, cost)
        rng = np.random.default_rng(seed)
        encoding, cost = Encoding.fit(features), filled(cost)
        x = encoding.apply(features)
        forests, stakes = {}, {}
        for a, b in combinations(sorted(worthy(cost, MOST)), 2):
            apart = cost[:, a] - cost[:, b]
            if apart.any():
                forests[a, b] = _compared(x, apart, trees, rng)
                stakes[a, b] = float(np.abs(apart).mean())
        return cls(encoding, (cost - cost.mean(1, keepdims=True)).mean(0), forests, stakes)

    def costs(self, features: Floats) -> Floats:
        """What each worker costs beside the mean of all, in the units of the table.

        A forest says how much of what is at stake between two workers the first one loses; the
        costs that fit all those differences best, by least squares, are their means by worker.
        Shape: n x columns in; n x workers out.
        """
        x = self.encoding.apply(features)
        told = np.tile(self.usual, (len(x), 1))
        compared = sorted({worker for pair in self.forests for worker in pair})
        if compared:
            told[:, compared] = self.usual[compared].mean()
        for (a, b), forest in self.forests.items():
            lost = forest.costs(x)[:, 0] * self.stakes[a, b] / len(compared)
            told[:, a] += lost
            told[:, b] -= lost
        return told

    def choose(self, features: Floats) -> NDArray[np.int64]:
        """The place of the worker believed cheapest. Shape: n."""
        return np.asarray(self.costs(features).argmin(1))


def worthy(cost: Floats, most: int) -> list[int]:
    """Workers in the order in which they lower the cost of a perfect choice among them most."""
    chosen = [int(cost.mean(0).argmin())]
    while len(chosen) < min(most, cost.shape[1]):
        best = cost[:, chosen].min(1)
        means = np.minimum(cost, best[:, None]).mean(0)
        means[chosen] = np.inf
        chosen.append(int(means.argmin()))
    return chosen


def _compared(x: Floats, apart: Floats, trees: int, rng: np.random.Generator) -> Forest:
    """Trees on the signs of differences, each on rows drawn in proportion to their sizes."""
    odds = np.abs(apart) / np.abs(apart).sum()
    grown: list[Forest] = []
    for _ in range(trees):
        rows = rng.choice(len(apart), len(apart), p=odds)
        signs = np.sign(apart[rows])[:, None]
        grown.append(Forest.fit(x[rows], signs, DRAWN, seed=int(rng.integers(2**31))))
    return Forest(tuple(tree for each in grown for tree in each.trees))
