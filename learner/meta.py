"""A worker met again and again: known workers, each hidden in turn, teach how to meet a new one.

Only a last layer is adapted to a new worker, from where a worker that nobody knows begins (ANIL:
Raghu, Raghu, Bengio and Vinyals 2020), and in closed form (Bertinetto and others 2019, section
3.2): how far known workers are off the nameless one are the features, and their weights a Bayesian
regression's (Bishop 2006, eq. 3.53). The outer loop hides each known worker, meets it again after a
few of its rows, and keeps the widths, and the share of the move, with the least error on the rest:
where no move helps there, none is made.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from learner.adaptation import ALIKE, NEWEST, Adaptation, adapted
from learner.examples import Examples, Split
from learner.features import UNKNOWN, Inputs
from learner.habits import Recall
from learner.learned import Learned
from learner.targets.quantities import MIDDLE
from scheduler.records import TaskRecord

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
WEIGHTS, LEVELS, NOISES = (0.0, 0.5, 2.0), (0.1, 0.5, 2.0), (0.3, 1.0, 3.0)  # widths tried
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
DRAWS, MOST_ROWS, MOST_KNOWN, MOST_BESIDE = 6, 1500, 6000, 16
FREEDOM, UNLIKE = 4, 1  # degrees of freedom of the noise, and of the level of a worker
ROUNDS = 12  # in which the weights of rows and the level settle
NEAR = 1.01  # an error as good as the least
LEAST = 1e-6
SEED = 0  # of the draws of episodes


class Widths(NamedTuple):
    """Variances of all weights together, of the level (over the mean square of features) and of
    one row's noise (over what known rows leave over), and the share of the move that is made."""

    weight: float
    level: float
    noise: float
    share: float


class Met(NamedTuple):
    """A new worker as a mixture of known ones: what each of them counts, and a level beside."""

    weights: Floats
    level: float

    def at(self, beside: Floats) -> Floats:
        """How far it is off the nameless forecast. Shape: beside: n x workers; the answer: n."""
        moved: Floats = beside @ self.weights + self.level
        return moved


@dataclass(frozen=True, eq=False)
class Episodes:
    """Rows of known workers, and how far each known worker's forecast is from the nameless one.

    Shape: left: n, the truth less the nameless forecast; worker: n places, each one of `names`;
    beside: n x workers, logarithms, in the rising order of `names`.
    """

    left: Floats
    worker: Ints
    beside: Floats
    names: Ints

    @property
    def noise(self) -> float:
        """The squared scale of what forecasts that know the worker leave over."""
        place = np.searchsorted(self.names, self.worker)
        own = self.beside[np.arange(len(place)), place]
        return _scale(self.left - own)

    def widths(self, rows: int, rng: Generator) -> Widths:
        """The widths that suit a worker after so many rows best, and the least share that is within
        one percent of the best; a share of zero where nothing can tell."""
        grid = [Widths(*each, 1.0) for each in product(WEIGHTS, LEVELS, NOISES)]
        off, noise = np.zeros((len(grid), len(SHARES))), self.noise
        for place, name in enumerate(self.names.tolist()):
            mine, others = np.flatnonzero(self.worker == name), np.delete(self.beside, place, 1)
            for _ in range(DRAWS if len(mine) > rows and len(self.names) > 1 else 0):
                order = rng.permutation(mine)
                seen, rest = order[:rows], order[rows:][:MOST_ROWS]
                for i, each in enumerate(grid):
                    moved = met(self.left[seen], others[seen], each, noise=noise).at(others[rest])
                    missed = self.left[rest, None] - np.multiply.outer(moved, SHARES)
                    off[i] += np.abs(missed).mean(0)
        if not off.any():
            return grid[0]._replace(share=0.0)
        best = int(off[:, -1].argmin())
        good = np.flatnonzero(off[best] <= off[best].min() * NEAR)
        return grid[best]._replace(share=SHARES[good[0]])


def met(left: Floats, beside: Floats, widths: Widths, *, noise: float) -> Met:
    """A new worker after some of its rows.

    Few rows are far off, and few workers are, but then far: noise and level are Student's, by
    reweighting (Lange, Little and Taylor 1989, section 3). Shape: left: k, the truth less the
    nameless forecast; beside: k x known workers.
    """
    weight = widths.weight / max(beside.shape[1], 1)
    usual = widths.level * (max(float((beside**2).mean()), LEAST) if beside.size else LEAST)
    mixed, spread = weight * beside @ beside.T, widths.noise * noise
    trust, level, off = np.ones(len(left)), 0.0, usual
    for _ in range(ROUNDS):
        there = mixed + off
        solved = np.linalg.solve(there + np.diag(spread / trust), left)
        trust = (FREEDOM + 1) / (FREEDOM + (left - there @ solved) ** 2 / spread)
        level = float(off * solved.sum())
        off = (UNLIKE * usual + level**2) / (UNLIKE + 1)
    return Met(widths.share * weight * (beside.T @ solved), widths.share * level)


@dataclass(frozen=True, eq=False)
class Taught(Adaptation):
    """An adaptation whose moves for new workers are those of mixtures of known ones.

    `mixtures` are by target and worker, `beside` the places of the known workers in them. New kinds
    move as they do without.
    """

    mixtures: Mapping[str, Mapping[str, Met]] = field(default_factory=dict)
    beside: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.int64))

    def move(
        self, target: str, inputs: Inputs, *, kinds: Sequence[str], workers: Sequence[str | None]
    ) -> Floats:
        """What to add to each row's logarithm of one target."""
        move = super().move(target, inputs, kinds=kinds, workers=workers)
        found = self.mixtures.get(target, {})
        for name in {workers[i] for i in np.flatnonzero(inputs.worker == UNKNOWN).tolist()}:
            if name is not None and name in found:
                rows = np.array([i for i, each in enumerate(workers) if each == name])
                rows = rows[inputs.worker[rows] == UNKNOWN]
                _, beside = _beside(self.learned, inputs.take(rows), self.beside, target)
                move[rows] += found[name].at(beside)
        return move


def taught(learned: Learned, records: Sequence[TaskRecord]) -> Adaptation:
    """What these records say of workers that the network does not know, as episodes of known ones
    teach it to be read; what `adapted` says where there is none.

    `records` are those that it learned from and newer ones.
    """
    plain = adapted(learned, records)
    if not any(plain.shift.values()):
        return plain
    every = np.arange(len(records))
    split = Split(every, every[:0], every[:0])
    examples = Examples.of(records, split=split, columns=learned.columns)
    rows = examples.inputs
    able = (rows.worker != UNKNOWN) & (rows.kind != UNKNOWN)
    count = np.bincount(rows.worker[able], minlength=len(learned.columns.workers))
    beside = np.sort(np.argsort(-count, kind="stable")[:MOST_BESIDE])
    beside = beside[count[beside] > 0]
    known = np.flatnonzero(able & np.isin(rows.worker, beside))[-MOST_KNOWN:]
    fresh = {
        name: np.array([i for i, each in enumerate(records) if each.worker == name])
        for name in plain.shift["duration"]
    }
    mixtures = {
        target: _mixtures(learned, examples, target, known=known, fresh=fresh, beside=beside)
        for target in plain.shift
    }
    nothing = {t: {w: np.zeros_like(s) for w, s in each.items()} for t, each in plain.shift.items()}
    forgotten = {target: Recall({}, np.zeros(0), np.zeros(0)) for target in plain.recall}
    return Taught(learned, nothing, plain.decided, forgotten, plain.kinds, mixtures, beside)


def _mixtures(
    learned: Learned,
    examples: Examples,
    target: str,
    *,
    known: Ints,
    fresh: Mapping[str, Ints],
    beside: Ints,
) -> dict[str, Met]:
    truth, inputs = examples.truth[target], examples.inputs
    known = known[~np.isnan(truth[known])]
    if not len(known):
        return {}
    base, told = _beside(learned, inputs.take(known), beside, target)
    episodes = Episodes(truth[known] - base, inputs.worker[known], told, beside)
    rng, widths, found = np.random.default_rng(SEED), dict[int, Widths](), {}
    for name, places in fresh.items():
        seen = places[~np.isnan(truth[places])][-NEWEST:]
        if len(seen):
            rows = min(len(seen), ALIKE)
            if rows not in widths:
                widths[rows] = episodes.widths(rows, rng)
            base, told = _beside(learned, inputs.take(seen), beside, target)
            found[name] = met(truth[seen] - base, told, widths[rows], noise=episodes.noise)
    return found


def _beside(learned: Learned, rows: Inputs, beside: Ints, target: str) -> tuple[Floats, Floats]:
    """The nameless median of each row, and how far those of known workers are off it.

    Shape: n; n x workers.
    """
    base = learned.predict(rows.on(np.full(len(rows), UNKNOWN)))[target][:, MIDDLE]
    spread = rows.take(np.repeat(np.arange(len(rows)), len(beside)))
    told = learned.predict(spread.on(np.tile(beside, len(rows))))[target][:, MIDDLE]
    return base, told.reshape(len(rows), len(beside)) - base[:, None]


def _scale(off: Floats) -> float:
    """The square of 1.4826 times the median distance from zero."""
    return max((1.4826 * float(np.median(np.abs(off)))) ** 2, LEAST)
