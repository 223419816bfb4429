"""LightGBM's quantiles of Lotaru's rows, as they come and with one conformal shift each."""

import lightgbm
import numpy as np
from numpy.typing import NDArray

from benchmarks.rivals.pilot_work import BOOSTING, PATIENCE, ROUNDS, Work, ridge_under
from learner.examples import Split

Floats = NDArray[np.float64]
LEVELS = (0.1, 0.5, 0.9)


def quantiles(work: Work, split: Split, *, seed: int, ridge: bool) -> Floats:
    """One booster for each target and level, stopped early on the validation rows.

    With `ridge` they learn what a ridge per kind leaves. Shape: n x targets x levels, sorted.
    """
    under = ridge_under(work, split.train) if ridge else np.zeros_like(work.truth)
    columns, rest = np.hstack([work.numbers, work.names]), work.truth - under
    told = [
        [_fitted(columns, truth, split, level=level, seed=seed) for level in LEVELS]
        for truth in rest.T
    ]
    return np.sort(under[..., None] + np.moveaxis(np.array(told), 2, 0), axis=2)


def shifted(told: Floats, work: Work, split: Split) -> Floats:
    """Each quantile moved once for all rows (Romano et al. 2019, one-sided), by validation rows."""
    miss = work.truth[split.validation][..., None] - told[split.validation]
    moved = told.copy()
    for target in range(miss.shape[1]):
        known = miss[~np.isnan(miss[:, target, 0]), target]
        count = len(known)
        up = min(int(np.ceil((count + 1) * LEVELS[-1])), count) - 1
        ordered = np.sort(known, axis=0)
        moved[:, target, 0] += ordered[count - 1 - up, 0]
        moved[:, target, -1] += ordered[up, -1]
    return moved


def _fitted(columns: Floats, truth: Floats, split: Split, *, level: float, seed: int) -> Floats:
    categories = list(range(columns.shape[1] - 3, columns.shape[1]))
    parts = []
    for rows in (split.train, split.validation):
        seen = rows[~np.isnan(truth[rows])]
        parts.append(lightgbm.Dataset(columns[seen], truth[seen], categorical_feature=categories))
    booster = lightgbm.train(
        BOOSTING | {"objective": "quantile", "alpha": level, "seed": seed},
        parts[0],
        ROUNDS,
        valid_sets=[parts[1]],
        callbacks=[lightgbm.early_stopping(PATIENCE, verbose=False)],
    )
    return np.asarray(booster.predict(columns), dtype=float)
