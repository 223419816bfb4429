"""What logs say beyond a forecast: how unlike workers are, and what the same work took before.

All of it is about residuals: the logarithm observed less the logarithm forecast.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from learner.features import Columns, Inputs

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
WORTH = 3  # known workers that the plain prior (one shift, kinds apart) counts as
FREEDOM = 4  # degrees of freedom of the noise: few of the rows are far off
ROUNDS = 12  # in which the weights of rows settle
LEAST = 1e-6  # squared logarithms below which nothing is told apart
SEVERAL = 5  # rows of all kinds that a kind's noise starts from
SHARES = np.array([0.0, 0.25, 0.5, 0.75, 1.0])
DRAWS, MOST_WORKERS, MOST_ROWS = 8, 16, 2000  # of known workers met as if they were new
NEAR = 1.01  # an error as good as the least
TELLING = 3  # rows of a worker that tell whether it is more unlike than all known


@dataclass(frozen=True, eq=False)
class Habits:
    """How far each known worker is off the forecast for a worker nobody knows, by kind.

    Shape: effects: workers x kinds; level: workers, their mean effects; noise: kinds, squared
    scales of one row; apart: the mean square of what kinds add to their worker's mean.
    """

    effects: Floats
    level: Floats
    noise: Floats
    apart: float

    @classmethod
    def learn(cls, left: Floats, worker: Ints, kind: Ints, *, own: Floats, kinds: int) -> "Habits":
        """From residuals of known workers' rows; `own` is each row's share in what it is told by.

        A kind never seen on a worker has that worker's mean.
        """
        names, place = np.unique(worker, return_inverse=True)
        cell = place * kinds + kind
        count = np.bincount(cell, minlength=len(names) * kinds).reshape(-1, kinds)
        total = np.bincount(cell, left, len(names) * kinds).reshape(-1, kinds)
        effects = total / (count + 1)
        mean = (effects * count).sum(1) / np.maximum(count.sum(1), 1)
        beyond = np.where(count > 0, effects - mean[:, None], 0.0)
        return cls(
            effects=beyond + mean[:, None],
            level=mean,
            noise=_noise((left - effects.ravel()[cell]) / (1 - own), kind, kinds),
            apart=float((beyond**2 * count).sum() / max(count.sum(), 1)),
        )

    @property
    def common(self) -> float:
        """The mean square of the workers' mean effects."""
        return float((self.level**2).sum()) / max(len(self.level), 1)

    def without(self, place: int) -> "Habits":
        """What would be known if one of the workers were not."""
        kept = np.arange(len(self.level)) != place
        return replace(self, effects=self.effects[kept], level=self.level[kept])

    def share(self, left: Floats, worker: Ints, kind: Ints, *, rows: int, rng: Generator) -> float:
        """Which share of a shift after so many rows is worth making: 0, 1/4, ... 1.

        Each known worker in turn is met as if it were new; the share is the least that is within
        one percent of the best on its other rows. Shape: n rows, those that `learn` saw.
        """
        names = np.unique(worker)
        off = np.zeros(len(SHARES))
        for place in np.sort(rng.permutation(len(names))[:MOST_WORKERS]).tolist():
            mine, others = np.flatnonzero(worker == names[place]), self.without(place)
            for _ in range(DRAWS if len(names) > 1 and len(mine) > rows else 0):
                order = rng.permutation(mine)
                seen, rest = order[:rows], order[rows:][:MOST_ROWS]
                shift, _ = others.met(left[seen], kind[seen])
                missed = left[rest, None] - np.multiply.outer(shift[kind[rest]], SHARES)
                off += np.abs(missed).mean(0)
        if not off.any():
            return 1.0
        return float(SHARES[np.flatnonzero(off <= off.min() * NEAR)[0]])

    def met(self, left: Floats, kind: Ints) -> tuple[Floats, Floats]:
        """The shift of a new worker after some of its rows, and how far these decide: both by kind.

        The posterior mean of a random effect (Henderson 1975) whose covariance between kinds is
        that of the known workers, drawn toward one common shift plus independent ones. Noise is
        Student's, by reweighting (Lange, Little and Taylor 1989, section 3). A worker more unlike
        than all known counts as one of those that tell how unlike workers are.
        """
        prior = self._prior(left, kind)
        there, cross = prior[np.ix_(kind, kind)], prior[:, kind]
        weight = np.ones(len(left))
        noise = self.noise[kind]
        for _ in range(ROUNDS):
            solved = np.linalg.solve(there + np.diag(noise / weight), cross.T).T
            shift = solved @ left
            spread = np.maximum(np.diag(there) - (solved[kind] * there).sum(1), 0.0)
            off = ((left - shift[kind]) ** 2 + spread) / noise
            weight = (FREEDOM + 1) / (FREEDOM + off)
        return shift, np.clip(solved.sum(1), 0.0, 1.0)

    def _prior(self, left: Floats, kind: Ints) -> Floats:
        """Shape: kinds x kinds."""
        known, kinds = self.effects.shape
        seen = self.effects.T @ self.effects
        plain = self.common + self.apart * np.eye(kinds)
        usual = self.common + float(np.mean(self.noise[kind] + self.apart)) / len(left)
        beyond = max(float(np.median(left)) ** 2 - 2 * usual, 0.0)
        unlike = beyond / (known + 1) if len(left) >= TELLING else 0.0
        prior = (seen + WORTH * plain) / (known + WORTH) * (known + 1) / max(known, 1)
        wide: Floats = prior + unlike + LEAST * np.eye(kinds)
        return wide


@dataclass(frozen=True, eq=False)
class Recall:
    """What is left of the forecast where the same work was done before.

    Shape: left: works, shrunk to zero as the spread within works against that between them says.
    `share` is what one row counts in its own work's mean.
    """

    works: Mapping[bytes, int]
    left: Floats
    share: Floats

    @classmethod
    def learn(cls, left: Floats, works: list[bytes]) -> "Recall":
        """From residuals of rows on workers that the forecast knows, and the work of each."""
        places: dict[bytes, int] = {}
        place = np.array([places.setdefault(work, len(places)) for work in works], dtype=np.int64)
        count = np.bincount(place, minlength=len(places))
        mean = np.bincount(place, left, len(places)) / np.maximum(count, 1)
        again = max(int((count - 1).sum()), 1)
        within = max(float(((left - mean[place]) ** 2).sum()) / again, LEAST)
        between = float(np.mean(mean**2 - within / count)) if len(count) else 0.0
        lone = within / max(between, LEAST)
        return cls(places, mean * count / (count + lone), 1 / (count + lone))

    def at(self, works: list[bytes]) -> Floats:
        """What to add to the forecast of each work; zero for works never done."""
        return np.array([self.left[i] if (i := self._place(w)) >= 0 else 0.0 for w in works])

    def own(self, works: list[bytes]) -> Floats:
        """The share of a row of each of these works in what is recalled of it."""
        return np.array([self.share[i] if (i := self._place(w)) >= 0 else 0.0 for w in works])

    def _place(self, work: bytes) -> int:
        return self.works.get(work, -1)


def works_of(inputs: Inputs, columns: Columns) -> list[bytes]:
    """Which work each row does: its kind, workflow and sizes to about one percent."""
    known = [i for i, number in enumerate(columns.numbers) if not number.context]
    scale = np.array([columns.numbers[i].scale for i in known])
    centre = np.array([columns.numbers[i].centre for i in known])
    sizes, missing = inputs.numbers[:, known], inputs.missing[:, known]
    logs = np.where(missing > 0, -1.0, sizes * scale + centre)
    names = np.stack([inputs.kind, inputs.workflow], axis=1)
    rows = np.hstack([names, np.round(logs * 100)]).astype(np.int64)
    return [row.tobytes() for row in rows]


def _noise(off: Floats, kind: Ints, kinds: int) -> Floats:
    """Squared scales by kind, from medians, as few rows are far off; drawn to that of all kinds."""
    if not len(off):
        return np.full(kinds, 1.0)
    every = _scale(off)
    found = np.full(kinds, every)
    for each in np.unique(kind):
        mine = off[kind == each]
        found[each] = (len(mine) * _scale(mine) + SEVERAL * every) / (len(mine) + SEVERAL)
    return found


def _scale(off: Floats) -> float:
    """The square of 1.4826 times the median distance from zero."""
    return max((1.4826 * float(np.median(np.abs(off)))) ** 2, LEAST)
