"""The explainable part of a forecast: what networks stand on, and learn the rest of.

`docs/decisions/offset.md` says why. Everything here is closed form, and numpy.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from learner.examples import Examples
from learner.features import UNKNOWN, Columns, Inputs
from learner.targets import targets
from learner.targets.quantities import MIDDLE, Quantity
from scheduler.predictors.affinity import TEMPERATURE
from scheduler.predictors.history import DEFAULT, HistoryPredictor

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
PENALTY = 10.0  # a failure costs as much as ten good attempts (PAR10)
FEWEST = 3  # rows of a kind that carry slopes of their own
FARTHEST = float(np.log(1000.0))  # how far beyond the sizes seen the growth goes on


@dataclass(frozen=True, eq=False)
class Ridge:
    """One log-log ridge per kind: intercept + slopes x sizes + worker.

    Shape: intercept: kinds; slopes, low, high, centre, onward: kinds x columns; worker: kinds x
    workers. The first kind is UNKNOWN. Inside the sizes seen of the kind, between `low` and
    `high`, `slopes` hold; outside, `onward`, which is bounded.
    """

    intercept: Floats
    slopes: Floats
    worker: Floats
    low: Floats
    high: Floats
    centre: Floats
    onward: Floats
    scale: float

    def at(self, inputs: Inputs) -> Floats:
        """The logarithm believed for each row."""
        kind = inputs.kind
        sizes = np.where(inputs.missing > 0, self.centre[kind], inputs.numbers)
        inside = np.clip(sizes, self.low[kind], self.high[kind])
        believed = self.intercept[kind] + (inside * self.slopes[kind]).sum(1)
        onward = ((sizes - inside) * self.onward[kind]).sum(1)
        farther: Floats = np.clip(onward, -FARTHEST, FARTHEST)
        known: Floats = believed + farther + self.worker[kind, inputs.worker]
        return known


@dataclass(frozen=True, eq=False)
class Offsets:
    """A ridge for each quantity, and the risk of each kind on each worker (kinds x workers)."""

    ridges: Mapping[str, Ridge]
    risk: Floats

    @classmethod
    def fit(cls, examples: Examples) -> "Offsets":
        """Fits on the training rows only."""
        rows = examples.split.train
        inputs, columns = examples.inputs.take(rows), examples.columns
        ridges = {
            name: fit_ridge(inputs, examples.truth[name][rows], target, columns)
            for name, target in targets().items()
            if isinstance(target, Quantity)
        }
        history = HistoryPredictor.learn(examples.part(rows))
        risk = [[history.risk(k, w or None) for w in columns.workers] for k in columns.kinds]
        return cls(ridges, np.array(risk))

    def under(self, target: str, inputs: Inputs) -> Floats:
        """The offset under one target, in the units in which its head speaks; zero without one."""
        if target in self.ridges:
            return self.ridges[target].at(inputs) / self.ridges[target].scale
        match target:
            case "failure":
                risk = self.risk[inputs.kind, UNKNOWN]
                odds: Floats = np.log(risk / (1 - risk))
                return odds
            case "assignment":
                return -np.log(self.cost(inputs)) / TEMPERATURE
            case _:
                return np.zeros(len(inputs))

    def cost(self, inputs: Inputs) -> Floats:
        """Expected seconds: the duration believed, times what the risk adds."""
        seconds: Floats = np.exp(self.ridges["duration"].at(inputs))
        return seconds * burden(self.risk[inputs.kind, inputs.worker])

    def scale(self, target: str) -> float:
        """Natural units in one unit of the target's head."""
        return self.ridges[target].scale if target in self.ridges else 1.0

    def as_arrays(self) -> dict[str, Floats]:
        """Plain arrays from which `from_arrays` makes the same offsets."""
        arrays = {"risk": self.risk}
        for name, ridge in self.ridges.items():
            arrays |= {f"{name}.{each}": np.asarray(value) for each, value in vars(ridge).items()}
        return arrays

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Floats]) -> "Offsets":
        """The offsets that `as_arrays` wrote."""
        fields: dict[str, dict[str, Floats]] = {}
        for name, array in arrays.items():
            target, _, each = name.partition(".")
            fields.setdefault(target, {})[each] = array
        risk = fields.pop("risk")[""]
        ridges = {name: _ridge(each) for name, each in fields.items()}
        return cls(ridges, risk)


def burden(risk: Floats) -> Floats:
    """How many good attempts one attempt costs: `1 - risk + PENALTY * risk`."""
    return 1 - risk + PENALTY * risk


def fit_ridge(inputs: Inputs, truth: Floats, target: Quantity, columns: Columns) -> Ridge:
    """Fits one quantity (logarithms, NaN where not observed).

    First effects that all kinds share, within kinds: slopes and workers. Then, for each kind with
    at least three rows, an intercept (free), slopes (shrunk to zero) and workers (shrunk to the
    shared effect), by the normal equations with a penalty of one: `(X'X + I) w = X'y`. A kind with
    fewer rows takes the shared effects and an intercept shrunk to the mean.
    """
    seen = ~np.isnan(truth)
    rows, y = inputs.take(seen), truth[seen]
    kinds, width, workers = len(columns.kinds), len(columns.numbers), len(columns.workers)
    ranges = _ranges(rows, kinds)
    low, high, centre = ranges
    x = np.where(rows.missing > 0, centre[rows.kind], rows.numbers)
    worn = np.eye(workers)[rows.worker]
    worn[:, UNKNOWN] = 0
    shared = _within(np.hstack([x, worn]), y, rows.kind, kinds)
    base, habit = shared[:width], shared[width:]
    rest = y - x @ base - worn @ habit
    mean = float(rest.mean()) if len(rest) else _usual(target)
    intercept = np.full(kinds, mean)
    slopes, worker = np.tile(base, (kinds, 1)), np.tile(habit, (kinds, 1))
    for kind in np.unique(rows.kind):
        mine = rows.kind == kind
        if mine.sum() < FEWEST:
            intercept[kind] += (rest[mine] - mean).sum() / (mine.sum() + 1)
            continue
        there = np.unique(rows.worker[mine][rows.worker[mine] != UNKNOWN])
        fitted = ridge(np.hstack([x[mine], worn[mine][:, there]]), y[mine] - worn[mine] @ habit)
        intercept[kind], slopes[kind] = fitted[0], fitted[1 : width + 1]
        worker[kind, there] += fitted[width + 1 :]
    onward = _bounded(slopes, target.growth, columns)
    made = Ridge(intercept, slopes, worker, low, high, centre, onward, 1.0)
    spread = max(float((y - made.at(rows)).std()), 0.01) if len(y) else 1.0
    return replace(made, scale=spread)


def ridge(x: Floats, y: Floats, penalty: float = 1.0) -> Floats:
    """Intercept (free) and coefficients (penalised) of a ridge regression, in closed form."""
    design = np.hstack([np.ones((len(x), 1)), x])
    weight = np.diag([0.0, *[penalty] * x.shape[1]])
    return np.asarray(np.linalg.solve(design.T @ design + weight, design.T @ y))


def _within(x: Floats, y: Floats, kind: Ints, kinds: int) -> Floats:
    """The ridge of deviations from each kind's mean: what kinds share."""
    moved = x - _means(x, kind, kinds)[kind]
    goal = y - _means(y, kind, kinds)[kind]
    return np.asarray(np.linalg.solve(moved.T @ moved + np.eye(x.shape[1]), moved.T @ goal))


def _means(values: Floats, kind: Ints, kinds: int) -> Floats:
    total = np.zeros((kinds, *values.shape[1:]))
    np.add.at(total, kind, values)
    count = np.maximum(np.bincount(kind, minlength=kinds), 1)
    means: Floats = total / count.reshape(-1, *[1] * (values.ndim - 1))
    return means


def _ranges(rows: Inputs, kinds: int) -> tuple[Floats, Floats, Floats]:
    """The least, greatest and mean standardised size of each kind; of all kinds for UNKNOWN."""
    present = rows.missing == 0
    shape = (kinds, rows.numbers.shape[1])
    low, high, total, count = (np.full(shape, v) for v in (np.inf, -np.inf, 0.0, 0.0))
    for kind in (rows.kind, np.full(len(rows), UNKNOWN)):
        np.minimum.at(low, kind, np.where(present, rows.numbers, np.inf))
        np.maximum.at(high, kind, np.where(present, rows.numbers, -np.inf))
        np.add.at(total, kind, rows.numbers * present)
        np.add.at(count, kind, present)
    never = count == 0
    low[never], high[never] = 0.0, 0.0
    return low, high, total / np.maximum(count, 1)


def _bounded(slopes: Floats, growth: float, columns: Columns) -> Floats:
    """Slopes for sizes never seen: none falls, and all together grow at most like size**growth."""
    scales = np.array([each.scale for each in columns.numbers])
    rising = np.maximum(slopes, 0.0)
    together = (rising / scales).sum(1, keepdims=True)
    bounded: Floats = rising * np.minimum(1.0, growth / np.maximum(together, 1e-9))
    return bounded


def _usual(target: Quantity) -> float:
    known = DEFAULT.quantities.get(target.name)
    return 0.0 if known is None else float(np.log(known[MIDDLE]))


def _ridge(fields: Mapping[str, Floats]) -> Ridge:
    scale = float(fields["scale"].item())
    return Ridge(**{n: each for n, each in fields.items() if n != "scale"}, scale=scale)
