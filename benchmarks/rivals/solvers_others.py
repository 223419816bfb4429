"""What others do to choose a solver: forests, boosting and neighbours, and no choice at all.

Each takes what is known of instances learned from, what each solver took there over the cut-off (a
run without an answer counts ten) and what is known of new instances, and gives each solver a score
on those: the least is chosen. Features are made fit as in the protocol: medians for what is
missing, constants dropped, sign(x) log(1 + |x|), standardised, clipped to +-5.
"""

from importlib import import_module
from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def single_best(features: Floats, cost: Floats, new: Floats, seed: int) -> Floats:  # noqa: ARG001
    """The solver with the least mean, always."""
    return np.tile(cost.mean(0), (len(new), 1))


def neighbours(features: Floats, cost: Floats, new: Floats, seed: int) -> Floats:  # noqa: ARG001
    """The mean of the ten nearest instances: SUNNY's neighbourhood without its time slices."""
    known, asked = fit_features(features, new)
    apart = (asked**2).sum(1)[:, None] - 2 * asked @ known.T + (known**2).sum(1)
    nearest = np.argsort(apart, axis=1, kind="stable")[:, :10]
    near: Floats = cost[nearest].mean(1)
    return near


def extra_trees(features: Floats, cost: Floats, new: Floats, seed: int) -> Floats:
    """Extremely randomised trees, all solvers at once, on the raw costs: the rival to beat."""
    known, asked = fit_features(features, new)
    forest = import_module("sklearn.ensemble").ExtraTreesRegressor(
        200, min_samples_leaf=3, max_features=1 / 3, random_state=seed, n_jobs=1
    )
    return np.asarray(forest.fit(known, cost).predict(asked)).reshape(len(new), -1)


def boosted(features: Floats, cost: Floats, new: Floats, seed: int) -> Floats:
    """LightGBM on the logarithm of each solver's cost, a thousandth of the cut-off at least."""
    from lightgbm import LGBMRegressor

    known, asked = fit_features(features, new)
    logs = np.log(np.maximum(cost, 1e-3))
    made = [
        LGBMRegressor(n_estimators=60, num_leaves=15, random_state=seed, n_jobs=1, verbose=-1)
        .fit(known, logs[:, j])
        .booster_.predict(asked, num_threads=1)
        for j in range(cost.shape[1])
    ]
    return np.column_stack(made)


def pairwise(features: Floats, cost: Floats, new: Floats, seed: int) -> Floats:
    """SATzilla 2012: a forest for each pair, weighted by what the choice matters; most votes win.

    Solvers are first chosen greedily, ten at most, by what they add to a perfect choice.
    """
    ensemble = import_module("sklearn.ensemble")
    known, asked = fit_features(features, new)
    chosen = _worthy(cost, 10)
    votes = np.zeros((len(new), cost.shape[1]))
    for i, a in enumerate(chosen):
        for b in chosen[i + 1 :]:
            apart = cost[:, a] - cost[:, b]
            if not (apart > 0).any() or not (apart < 0).any():
                votes[:, a if apart.sum() <= 0 else b] += 1
                continue
            forest = ensemble.RandomForestClassifier(50, random_state=seed, n_jobs=1)
            second = forest.fit(known, apart > 0, sample_weight=np.abs(apart)).predict(asked)
            votes[:, a] += ~second
            votes[:, b] += second
    return np.asarray(cost.mean(0) / cost.mean(0).max() / 2 - votes)


def _worthy(cost: Floats, most: int) -> list[int]:
    chosen = [int(cost.mean(0).argmin())]
    while len(chosen) < min(most, cost.shape[1]):
        best = cost[:, chosen].min(1)
        means = np.minimum(cost, best[:, None]).mean(0)
        means[chosen] = np.inf
        chosen.append(int(means.argmin()))
    return chosen


def fit_features(features: Floats, new: Floats) -> tuple[Floats, Floats]:
    """Both, by what the first say of medians, means and spreads."""
    usual = np.nan_to_num(np.nanmedian(features, axis=0))
    known, asked = (_logs(np.where(np.isnan(x), usual, x)) for x in (features, new))
    spread = known.std(0)
    lively = spread > 1e-9
    centre = known[:, lively].mean(0)
    known, asked = (
        np.clip((x[:, lively] - centre) / spread[lively], -5, 5) for x in (known, asked)
    )
    return known, asked


def _logs(values: Floats) -> Floats:
    return np.asarray(np.sign(values) * np.log1p(np.abs(values)))


def able(module: str) -> bool:
    """Whether a package that only the benchmarks use is here."""
    return find_spec(module) is not None
