"""Whom to choose, learned from a table of costs: every piece of work on every worker."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from learner.policy_features import Encoding
from learner.policy_forest import Forest, ForestSettings
from scheduler.errors import InvalidInput

Floats = NDArray[np.float64]
PASSES = 50  # over rows and workers in turn, until what is usual is found


@dataclass(frozen=True, eq=False)
class Policy:
    """Says what each worker would cost, relative to the others, from what is known beforehand.

    Costs are expected ones: the probability of success times the time, plus the penalty of
    failure. What is said are differences between workers; how dear work is anywhere only helps to
    tell which pieces of work are alike.
    """

    encoding: Encoding
    forest: Forest
    scale: float

    @classmethod
    def fit(
        cls,
        features: Floats,
        cost: Floats,
        *,
        seed: int = 0,
        settings: ForestSettings | None = None,
    ) -> Self:
        """Learns from pieces of work whose costs are known, measured or imputed.

        Shape: features: n x columns, of any sign, NaN where missing; cost: n x workers, NaN where
        unknown. Raises InvalidInput for tables that do not fit together or say nothing.
        """
        _refuse(features, cost)
        apart, level = relative(cost)
        scale = max(float(apart.std()), 1e-12)
        encoding = Encoding.fit(features)
        goals = np.column_stack([apart / scale, _standard(level) * cost.shape[1] ** 0.5])
        forest = Forest.fit(
            encoding.apply(features),
            apart / scale,
            settings or ForestSettings(),
            seed=seed,
            goals=goals,
        )
        return cls(encoding, forest, scale)

    def costs(self, features: Floats) -> Floats:
        """What each worker costs beside the mean of all, in the units of the table.

        Shape: n x columns in; n x workers out.
        """
        return self.forest.costs(self.encoding.apply(features)) * self.scale

    def choose(self, features: Floats) -> NDArray[np.int64]:
        """The place of the worker believed cheapest. Shape: n."""
        return np.asarray(self.costs(features).argmin(1))


def relative(cost: Floats) -> tuple[Floats, Floats]:
    """Each row's costs beside their mean, and that mean.

    A cost that is unknown is taken as what is usual of its worker beside the others, by least
    squares on both effects. Shape: n x workers; n.
    """
    known = ~np.isnan(cost)
    usual = np.zeros(cost.shape[1])
    for _ in range(PASSES if not known.all() else 1):
        level = _mean(cost - usual, known, axis=1)
        usual = _mean(cost - level[:, None], known, axis=0)
        usual -= usual.mean()
    filled = np.where(known, cost, level[:, None] + usual)
    mean = filled.mean(1)
    return filled - mean[:, None], mean


def _mean(values: Floats, known: NDArray[np.bool_], *, axis: int) -> Floats:
    total = np.where(known, values, 0.0).sum(axis)
    return np.asarray(total / np.maximum(known.sum(axis), 1))


def _standard(values: Floats) -> Floats:
    spread = float(values.std())
    return (values - values.mean()) / spread if spread > 0 else np.zeros_like(values)


def _refuse(features: Floats, cost: Floats) -> None:
    if features.ndim != 2 or cost.ndim != 2 or len(features) != len(cost):
        raise InvalidInput(
            "A policy needs a row of features and a row of costs for each piece of work, found "
            f"{features.shape} and {cost.shape}."
        )
    if not len(cost) or np.isnan(cost).all(axis=1).any() or np.isinf(cost).any():
        raise InvalidInput(
            "A policy needs pieces of work with one finite cost each, at least; leave out those "
            "of which nothing is known."
        )
