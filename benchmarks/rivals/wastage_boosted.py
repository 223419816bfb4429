"""Sizing by LightGBM over all kinds of a workflow, alone and as one predictor among several.

Settings and rules as in the measured rivals: a quantile, an offset chosen by simulated waste, and
the best of several predictors and offsets for each instance. Needs the extra `bench`.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.rivals.wastage_work import Arm, Instance, Task

Array = NDArray[np.float64]
Fit = Callable[[Array, Array, Array], Callable[[Array], Array]]
QUANTILE, MARGIN = 0.9, 1.05
FOLDS = 4
LEAST_REFIT, REFITS = 50, 10
NEAR_THE_TOP = 1.05
SETTINGS = {
    "num_leaves": 15,
    "learning_rate": 0.1,
    "min_data_in_leaf": 4,
    "cat_smooth": 2,
    "cat_l2": 2,
    "min_data_per_group": 5,
    "max_cat_threshold": 64,
    "num_threads": 1,
    "deterministic": True,
    "seed": 0,
    "verbose": -1,
}
ROUNDS = 120


def boosted(**objective: object) -> Fit:
    """LightGBM on the logarithm of the peak, the kind as a category."""

    def fit(rows: Array, logs: Array, hours: Array) -> Callable[[Array], Array]:
        import lightgbm

        del hours
        data = lightgbm.Dataset(rows, logs, categorical_feature=[0], free_raw_data=False)
        settings: dict[str, Any] = {**SETTINGS, **objective}
        booster = lightgbm.train(settings, data, num_boost_round=ROUNDS)
        return lambda asked: np.asarray(booster.predict(asked), dtype=float)

    return fit


def median(rows: Array, logs: Array, hours: Array) -> Callable[[Array], Array]:
    """The median of the kind."""
    del hours
    levels = {kind: float(np.median(logs[rows[:, 0] == kind])) for kind in np.unique(rows[:, 0])}
    return lambda asked: np.array([levels[kind] for kind in asked[:, 0]])


def line(rows: Array, logs: Array, hours: Array) -> Callable[[Array], Array]:
    """A line of the kind in logarithms of the bytes read (the last column)."""
    del hours
    lines = {
        kind: _line(rows[rows[:, 0] == kind, -1], logs[rows[:, 0] == kind])
        for kind in np.unique(rows[:, 0])
    }
    return lambda asked: np.array([lines[each[0]](each[-1]) for each in asked])


def _line(size: Array, logs: Array) -> Callable[[float], float]:
    apart = size - size.mean()
    slope = float((apart * logs).sum() / ((apart**2).sum() + 1))
    level, middle, low, high = logs.mean(), size.mean(), size.min() - 0.7, size.max() + 0.7
    return lambda asked: float(level + slope * (min(max(asked, low), high) - middle))


class _Pooled(Arm):
    """Predictors fitted to all kinds together, and again every so often; residuals by kind."""

    def __init__(self, predictors: Sequence[Fit], *, held_out: bool = True) -> None:
        self._fits, self._held_out = predictors, held_out
        self._rows: list[list[float]] = []
        self._logs: list[float] = []
        self._hours: list[float] = []
        self._codes: dict[str, int] = {}
        self._since = 0
        self._predict: list[Callable[[Array], Array]] = []
        self._now = np.zeros(len(predictors))
        self.said: dict[str, list[Array]] = defaultdict(list)
        self.logs: dict[str, list[float]] = defaultdict(list)
        self.hours: dict[str, list[float]] = defaultdict(list)

    def begin(self, history: Sequence[tuple[Task, Instance]], streamed: int) -> None:
        self._refit_every = max(LEAST_REFIT, streamed // REFITS)
        for task, instance in history:
            self._keep(task, instance)
        if self._held_out:
            for (task, _), said in zip(history, self._out_of_fold(), strict=True):
                self.said[task.kind].append(said)
        self._refit()

    def observe(self, task: Task, instance: Instance) -> None:
        self._keep(task, instance)
        self.said[task.kind].append(self._now)
        self._since += 1
        if self._since >= self._refit_every:
            self._refit()

    def escalate(self, task: Task, failed: float) -> float:
        largest = self.largest(task.kind)
        return largest if failed < largest / NEAR_THE_TOP else failed * 2

    def largest(self, kind: str) -> float:
        return float(np.exp(max(self.logs[kind])))

    def predicted(self, task: Task) -> Array:
        """What each predictor says of the logarithm of the peak."""
        row = np.array([self._row(task)])
        self._now = np.array([float(predict(row)[0]) for predict in self._predict])
        return self._now

    def _keep(self, task: Task, instance: Instance) -> None:
        self._rows.append(self._row(task))
        self._logs.append(float(np.log(instance.peak)))
        self._hours.append(instance.hours)
        self.logs[task.kind].append(self._logs[-1])
        self.hours[task.kind].append(instance.hours)

    def _row(self, task: Task) -> list[float]:
        code = self._codes.setdefault(task.kind, len(self._codes))
        size = [] if task.size is None else [float(np.log1p(task.size))]
        return [code, task.cpus, float(np.log1p(task.request)), *size]

    def _refit(self) -> None:
        seen = np.array(self._rows), np.array(self._logs), np.array(self._hours)
        self._predict = [fit(*seen) for fit in self._fits]
        self._since = 0

    def _out_of_fold(self) -> Array:
        rows, logs, hours = np.array(self._rows), np.array(self._logs), np.array(self._hours)
        said = np.zeros((len(rows), len(self._fits)))
        folds = np.random.RandomState(0).permutation(len(rows)) % FOLDS
        for fold in range(FOLDS):
            here = folds == fold
            for column, fit in enumerate(self._fits):
                predict = fit(rows[~here], logs[~here], hours[~here])
                said[here, column] = predict(rows[here])
        return said


class BoostedQuantile(_Pooled):
    """lgbm-q90: the .9 quantile and five percent more."""

    def __init__(self) -> None:
        fit = boosted(objective="quantile", alpha=QUANTILE)
        super().__init__([fit], held_out=False)

    def allocate(self, task: Task) -> float:
        return float(np.exp(self.predicted(task)[0])) * MARGIN


class BoostedOffset(_Pooled):
    """lgbm-off: the mean of the logarithm, and the offset that would have wasted least."""

    levels = (0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.98, 1.0)
    beyond = (0.02, 0.05, 0.1)

    def __init__(self) -> None:
        super().__init__([boosted(objective="regression")])

    def allocate(self, task: Task) -> float:
        now = self.predicted(task)[0]
        said = np.array(self.said[task.kind])[:, 0]
        logs, hours = np.array(self.logs[task.kind]), np.array(self.hours[task.kind])
        residuals = logs - said
        offsets = np.append(np.quantile(residuals, self.levels), residuals.max() + self.beyond)
        waste = simulated(said + offsets[:, None], logs, hours)
        return float(np.exp(now + offsets[waste.argmin()]))


class BestOfAll(_Pooled):
    """sel-off: the best of several predictors and offsets by simulated waste and one more miss."""

    levels = (0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 1.0)
    spreads = (0.1, 0.25, 0.5, 1.0, 2.0)

    def __init__(self, *, size: bool) -> None:
        quantile = boosted(objective="quantile", alpha=QUANTILE)
        lines = [line] if size else []
        super().__init__([median, *lines, boosted(objective="regression"), quantile])

    def allocate(self, task: Task) -> float:
        now = self.predicted(task)
        logs, hours = np.array(self.logs[task.kind]), np.array(self.hours[task.kind])
        said = np.array(self.said[task.kind])
        costs = [self._offset(said[:, each], logs, hours) for each in range(len(now))]
        best = min(range(len(now)), key=lambda each: costs[each][0])
        return float(np.exp(now[best] + costs[best][1]))

    def _offset(self, said: Array, logs: Array, hours: Array) -> tuple[float, float]:
        residuals = logs - said
        top = residuals.max()
        spread = max(top - float(np.median(residuals)), 1e-4)
        offsets = np.append(
            np.quantile(residuals, self.levels), top + spread * np.array(self.spreads)
        )
        miss = float((2 * np.exp(said + top) * hours).mean())
        likely = np.exp(-np.maximum(offsets - top, 0) / (0.25 * spread))
        cost = simulated(said + offsets[:, None], logs, hours) + likely * miss
        best = int(cost.argmin())
        return float(cost[best]), float(offsets[best])


def simulated(given: Array, logs: Array, hours: Array) -> Array:
    """The waste on the past of a kind with the logarithms of allocations `given`, retries counted.

    Shape: offsets x instances; the result has one figure for each offset.
    """
    allocated, peaks = np.exp(given), np.exp(logs)
    largest = peaks.max()
    waste = np.zeros_like(allocated)
    while (missed := allocated < peaks).any():
        waste += np.where(missed, allocated, 0.0)
        larger = np.where(allocated < largest / NEAR_THE_TOP, largest, allocated * 2)
        allocated = np.where(missed, larger, allocated)
    total: Array = ((waste + allocated - peaks) * hours).sum(1)
    return total
