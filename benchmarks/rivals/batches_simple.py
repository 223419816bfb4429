"""Lotaru batches, what others predict: means, a ridge, and a power law with a start-up cost.

Rebuilt from the protocol, and independent of the product's offsets. Each takes all rows, most the
places of the training rows, and gives the logarithm of seconds of every row.
"""

import lightgbm
import numpy as np
from numpy.typing import NDArray

from benchmarks.rivals.pilot_work import KIND, MACHINE, Work

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
SIZE = 3  # the column of the task's input, uncompressed
PENALTY = 0.01
POWERS = np.linspace(0, 1.15, 24)
COSTS, LOW = (0.0, 0.5, 0.9), (0.0, 0.1, 0.25)
USUAL, PULL = 0.8, 0.01
BOOSTING = {"learning_rate": 0.05, "num_threads": 1, "deterministic": True, "verbose": -1}
ROUNDS = 400


def nothing(work: Work) -> Floats:
    """All tasks are equal."""
    return np.zeros(len(work))


def scored(work: Work, train: Ints, score: Floats) -> Floats:
    """The mean work of the kind over the score of the machine. Shape: score: n."""
    seconds, found = np.exp(work.truth[:, 0]) * score, np.zeros(len(work))
    for kind, rows, everywhere in _kinds(work, train):
        del kind
        found[everywhere] = np.log(seconds[rows].mean() / score[everywhere])
    return found


def mean_of_pair(work: Work, train: Ints) -> Floats:
    """The mean of the kind on the machine."""
    seconds, found = np.exp(work.truth[:, 0]), np.zeros(len(work))
    for _, rows, everywhere in _kinds(work, train):
        for machine in range(work.counts[MACHINE]):
            there = everywhere & (work.names[:, MACHINE] == machine)
            mine = rows[work.names[rows, MACHINE] == machine]
            if len(mine):
                found[there] = np.log(seconds[mine].mean())
    return found


def ridge(work: Work, train: Ints) -> Floats:
    """A log-log line of the input for each kind, and its machines."""
    x = work.numbers[:, SIZE]
    x = (x - x[train].mean()) / x[train].std()
    machines = np.eye(work.counts[MACHINE])[work.names[:, MACHINE]]
    design = np.column_stack([np.ones(len(x)), x, machines])
    penalty = np.diag([0.0, *[PENALTY] * (design.shape[1] - 1)])
    found = np.zeros(len(work))
    for _, rows, everywhere in _kinds(work, train):
        mine = design[rows]
        weights = np.linalg.solve(mine.T @ mine + penalty, mine.T @ work.truth[rows, 0])
        found[everywhere] = design[everywhere] @ weights
    return found


def trees(work: Work, train: Ints) -> Floats:
    """LightGBM by least squares on all training rows; of five plain settings the best one."""
    columns = np.hstack([work.numbers, work.names])
    rows = lightgbm.Dataset(columns[train], work.truth[train, 0], categorical_feature=[7, 8, 9])
    booster = lightgbm.train(BOOSTING, rows, ROUNDS)
    return np.asarray(booster.predict(columns), dtype=float)


def power_law(work: Work, train: Ints) -> Floats:
    """`t = c + e^a * size^s` of each kind, times the effect of the machine there.

    The effect of a machine is that over all kinds, and the kind's own on the larger half of its
    inputs, shrunk by n / (n + 1).
    """
    general, found = _two_way(work, train), np.zeros(len(work))
    for _, rows, everywhere in _kinds(work, train):
        machine = work.names[:, MACHINE]
        law = _law(work.numbers[rows, SIZE], work.truth[rows, 0] - general[machine[rows]])
        base = law(work.numbers[:, SIZE]) + general[machine]
        found[everywhere] = base[everywhere]
        large = rows[work.numbers[rows, SIZE] >= np.median(work.numbers[rows, SIZE])]
        for each in np.unique(machine[large]):
            there = large[machine[large] == each]
            own = np.median((work.truth[:, 0] - base)[there]) * len(there) / (len(there) + 1)
            found[everywhere & (machine == each)] += own
    return found


def _law(x: Floats, y: Floats) -> "_Law":
    """The least |log error|, weighing as the size, with a faint pull to the usual power."""
    seconds, top = np.exp(y), x.max()
    weight = np.exp((x - top) / 2)
    best = _Law(np.inf, top, 0.0, float(np.median(y)), 0.0)
    for cost in {share * np.quantile(seconds, low) for share in COSTS for low in LOW}:
        left = np.log(np.maximum(seconds - cost, 0.05 * seconds))
        for power in POWERS:
            level = _median(left - power * (x - top), weight)
            law = _Law(0.0, top, float(cost), level, float(power))
            error = (weight * np.abs(law(x) - y)).sum() / weight.sum()
            error += PULL * abs(power - USUAL)
            if error < best.error:
                best = _Law(float(error), top, float(cost), level, float(power))
    return best


class _Law:
    def __init__(self, error: float, top: float, cost: float, level: float, power: float) -> None:
        self.error, self.top, self.cost, self.level, self.power = error, top, cost, level, power

    def __call__(self, x: Floats) -> Floats:
        grown: Floats = np.log(self.cost + np.exp(self.level + self.power * (x - self.top)))
        return grown


def _median(values: Floats, weight: Floats) -> float:
    order = np.argsort(values)
    reached = np.cumsum(weight[order])
    return float(values[order[np.searchsorted(reached, reached[-1] / 2)]])


def _two_way(work: Work, train: Ints) -> Floats:
    """Machine effects beside the effects of kind and input."""
    piece = np.column_stack([work.names[:, KIND], np.round(work.numbers, 2)])
    place = np.unique(piece, axis=0, return_inverse=True)[1].ravel()[train]
    machine, y = work.names[train, MACHINE], work.truth[train, 0]
    effect = np.zeros(work.counts[MACHINE])
    for _ in range(30):
        level = _mean(y - effect[machine], place)
        effect = _mean(y - level[place], machine, len(effect))
    return effect


def _mean(values: Floats, group: Ints, groups: int = 0) -> Floats:
    count = np.bincount(group, minlength=groups)
    mean: Floats = np.bincount(group, values, minlength=groups) / np.maximum(count, 1)
    return mean


def _kinds(work: Work, train: Ints) -> list[tuple[int, Ints, NDArray[np.bool_]]]:
    """Each kind, its training rows, and where it is at all."""
    kind = work.names[:, KIND]
    return [(int(each), train[kind[train] == each], kind == each) for each in np.unique(kind)]
