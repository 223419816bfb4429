"""The pilot's rows of Lotaru, its ridge per kind and its boosting: what its networks stand beside.

Rebuilt from the protocol, and independent of the product's own features and offsets.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from time import process_time

import lightgbm
import numpy as np
from numpy.typing import NDArray

from benchmarks.public.lotaru import SIZES, Row
from learner.examples import Split

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
TARGETS = ("duration", "memory", "cpu", "read", "written")
KIND, MACHINE, WORKFLOW = range(3)
FEWEST = 3  # rows of a kind that get a ridge of their own
BOOSTING = {
    "objective": "l1",
    "learning_rate": 0.05,
    "num_leaves": 31,
    "min_data_in_leaf": 10,
    "num_threads": 1,
    "deterministic": True,
    "verbose": -1,
}
ROUNDS, PATIENCE = 1000, 50


@dataclass(frozen=True, eq=False)
class Work:
    """Rows to predict.

    Shape
    - numbers: n x 7, log1p of what is known before the start
    - names: n x 3, places of kind, machine and workflow; counts: how many there are of each
    - truth: n x targets, natural logarithms, NaN where not observed
    """

    numbers: Floats
    names: Ints
    counts: tuple[int, ...]
    truth: Floats
    targets: tuple[str, ...] = TARGETS

    def __len__(self) -> int:
        return len(self.numbers)

    def only(self, targets: Sequence[str]) -> "Work":
        """The same rows with some of the targets."""
        places = [self.targets.index(name) for name in targets]
        return replace(self, truth=self.truth[:, places], targets=tuple(targets))


def work_of(rows: Sequence[Row]) -> Work:
    """Lotaru's rows as the pilot saw them."""
    records = [row.record for row in rows]
    named = [[record.kind, record.worker, record.workflow] for record in records]
    places = [np.unique(column, return_inverse=True) for column in np.array(named).T]
    numbers = [
        [*(record.sizes[name] for name in SIZES), record.requested_cores, record.requested_memory]
        for record in records
    ]
    truth = [
        [
            np.log(record.duration or np.nan),
            np.log(max(record.peak_memory, 1e5)) if record.peak_memory else np.nan,
            np.log(record.cpu or np.nan),
            np.log1p(record.measured["rchar"]),
            np.log1p(record.measured["wchar"]),
        ]
        for record in records
    ]
    return Work(
        numbers=np.log1p(np.array(numbers, dtype=float)),
        names=np.stack([place for _, place in places], axis=1),
        counts=tuple(len(names) for names, _ in places),
        truth=np.array(truth, dtype=float),
    )


def ridge_under(work: Work, train: Ints) -> Floats:
    """One ridge per kind and target, penalty 1 on slopes and machines: n x targets.

    A kind with fewer than three training rows gets the mean of the training rows.
    """
    scaled = standardised(work.numbers, train)
    machines = np.eye(work.counts[MACHINE])[work.names[:, MACHINE]]
    design = np.hstack([np.ones((len(work), 1)), scaled, machines])
    penalty = np.diag([0.0, *[1.0] * (design.shape[1] - 1)])
    under = np.tile(np.nanmean(work.truth[train], axis=0), (len(work), 1))
    for target, truth in enumerate(work.truth.T):
        seen = train[~np.isnan(truth[train])]
        for kind in range(work.counts[KIND]):
            mine = seen[work.names[seen, KIND] == kind]
            if len(mine) >= FEWEST:
                x, everywhere = design[mine], work.names[:, KIND] == kind
                fitted = np.linalg.solve(x.T @ x + penalty, x.T @ truth[mine])
                under[everywhere, target] = design[everywhere] @ fitted
    return under


def standardised(numbers: Floats, train: Ints) -> Floats:
    """By mean and standard deviation of the training rows."""
    spread = numbers[train].std(axis=0)
    scaled: Floats = (numbers - numbers[train].mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    return scaled


def boosted(work: Work, split: Split, *, seed: int, ridge: bool) -> tuple[Floats, float]:
    """LightGBM, one booster a target: n x targets, and the CPU seconds."""
    began = process_time()
    under = ridge_under(work, split.train) if ridge else np.zeros_like(work.truth)
    columns = np.hstack([work.numbers, work.names])
    told = [
        _boosted(columns, (work.truth - under)[:, target], split, seed=seed)
        for target in range(len(work.targets))
    ]
    return under + np.stack(told, axis=1), process_time() - began


def _boosted(columns: Floats, truth: Floats, split: Split, *, seed: int) -> Floats:
    categories = list(range(columns.shape[1] - 3, columns.shape[1]))
    parts = []
    for rows in (split.train, split.validation):
        seen = rows[~np.isnan(truth[rows])]
        parts.append(lightgbm.Dataset(columns[seen], truth[seen], categorical_feature=categories))
    booster = lightgbm.train(
        BOOSTING | {"seed": seed},
        parts[0],
        ROUNDS,
        valid_sets=[parts[1]],
        callbacks=[lightgbm.early_stopping(PATIENCE, verbose=False)],
    )
    return np.asarray(booster.predict(columns), dtype=float)


def errors(work: Work, told: Floats, rows: Ints) -> dict[str, float]:
    """The mean absolute logarithmic error of each target."""
    off = np.nanmean(np.abs(told - work.truth)[rows], axis=0)
    return dict(zip(work.targets, off.tolist(), strict=True))
