"""What a kind never seen borrows from the kinds whose names read most like its own.

`docs/decisions/text.md` tells what it is worth.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import product

import numpy as np
from numpy.typing import NDArray

from learner.examples import Examples
from learner.features import UNKNOWN, Inputs
from learner.offsets import Offsets
from learner.targets import targets
from learner.targets.quantities import MIDDLE, Quantity
from learner.text import Embedding, kinds_as_vectors
from scheduler.forecast import QUANTILES

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Predict = Callable[[Inputs], Mapping[str, Floats]]
PredictPairs = Callable[[Inputs, Ints], Mapping[str, Floats]]
MOST = 8  # neighbours that speak
HEATS = (0.03, 0.06, 0.1, 0.15, 0.25)
BARS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.7)  # below, kinds with nothing in common would outweigh it
CLOSED = 9.0  # no cosine reaches it: the unknown kind speaks alone
SURE = 1.0  # standard errors by which borrowing must pay
ROWS = 24  # of each kind, to choose by
FEWEST = 5  # kinds below which nothing is borrowed
FLOOR = 0.5  # of the usual miss, in the width of kinds whose neighbours agree
FINEST = 1e-6  # the usual miss, in logarithms, of what never varies
CHUNK = 4096  # rows at a time


@dataclass(frozen=True, eq=False)
class Trust:
    """How one quantity is borrowed.

    A neighbour's weight is `exp(cosine / heat)`, that of the unknown kind `exp(bar / heat)`.
    Around the mean the quantiles lie `steps` widths away; a width is the neighbours' spread and
    half of `miss`, the usual miss, squared and added.
    """

    heat: float
    bar: float
    miss: float
    steps: Floats

    def weights(self, alike: Floats) -> Floats:
        """Rows x (1 + neighbours), that of the unknown kind first. Shape: alike: cosines."""
        bars = np.full((len(alike), 1), self.bar)
        power = np.hstack([bars, alike]) / self.heat
        share = np.exp(power - power.max(1, keepdims=True))
        weights: Floats = share / share.sum(1, keepdims=True)
        return weights

    def width(self, spread: Floats) -> Floats:
        """How far the quantiles of each row lie apart, in steps."""
        return np.hypot(spread, FLOOR * self.miss)


@dataclass(frozen=True, eq=False)
class Neighbours:
    """The kinds that a version knows, and how each quantity is borrowed from them.

    Where names do not tell, the unknown kind speaks alone, only as unsure as it was of the kinds
    left out. Without `trusts` forecasts stay as they are. `kinds` begin with the unknown one, as in
    Columns; `described` are commands or descriptions by kind.
    """

    kinds: tuple[str, ...]
    embedding: Embedding
    trusts: Mapping[str, Trust]
    described: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def fit(
        cls,
        examples: Examples,
        offsets: Offsets,
        embedding: Embedding,
        described: Mapping[str, str] | None = None,
    ) -> "Neighbours":
        """Each kind is left out in turn and told by its neighbours' offsets, as if never seen.

        Of all heats and bars those with the least mean error over kinds are taken, if they are
        better than the unknown kind by one standard error; else nothing is borrowed.
        """
        found = cls(examples.columns.kinds, embedding, {}, described or {})
        if len(found.kinds) - 1 < FEWEST:
            return found
        rows = _some_of_each(examples.inputs.kind, examples.split.train)
        inputs = examples.inputs.take(rows)
        near, alike = found._nearest(found._vectors, itself=True)
        asked = _on_kinds(inputs, near[inputs.kind - 1])
        trusts: dict[str, Trust] = {}
        for name, target in targets().items():
            if isinstance(target, Quantity):
                told = offsets.under(name, asked).reshape(len(rows), -1) * offsets.scale(name)
                truth = examples.truth[name][rows]
                trust = _chosen(told, truth, inputs.kind, alike[inputs.kind - 1])
                trusts |= {} if trust is None else {name: trust}
        return replace(found, trusts=trusts)

    def borrowed(
        self,
        names: Sequence[str],
        inputs: Inputs,
        told: Mapping[str, Floats],
        predict: Predict,
    ) -> dict[str, Floats]:
        """The same forecasts, with those of kinds never seen borrowed from their neighbours.

        `names` are the kinds of the rows, and `predict` asks for rows of other kinds. The median
        is the neighbours' weighted mean. Where a duration is borrowed, so is the assignment;
        failures are not. Shape: names, inputs: n rows; told and answer: as Learned.predict gives.
        """
        answer = {name: each.copy() for name, each in told.items()}
        unseen = np.flatnonzero(inputs.kind == UNKNOWN)
        if not self.trusts or not len(unseen):
            return answer
        kinds = sorted({names[int(i)] for i in unseen})
        near, alike = self._nearest(self._vectors_of(kinds))
        place = {kind: i for i, kind in enumerate(kinds)}
        for rows in np.split(unseen, range(CHUNK, len(unseen), CHUNK)):
            own = [place[names[int(i)]] for i in rows]
            said = predict(_on_kinds(inputs.take(rows), near[own]))
            for name, each in self._mixed(said, alike[own]).items():
                answer[name][rows] = each
        return answer

    def on_workers(
        self, names: Sequence[str], tasks: Inputs, places: Ints, predict: PredictPairs
    ) -> dict[str, Floats]:
        """What tasks of kinds never seen borrow on every worker; only targets that are borrowed.

        `names` are the kinds of the n tasks, `places` those of the m workers in the vocabulary, and
        `predict` asks for tasks of other kinds on workers. Shape: by target, n x m x quantiles,
        logarithms; the assignment n x m.
        """
        found: dict[str, Floats] = {}
        if not self.trusts or not len(tasks):
            return found
        kinds = sorted(set(names))
        near, alike = self._nearest(self._vectors_of(kinds))
        place = {kind: i for i, kind in enumerate(kinds)}
        own = np.array([place[name] for name in names])
        for rows in np.split(np.arange(len(tasks)), range(CHUNK, len(tasks), CHUNK)):
            said = predict(_on_kinds(tasks.take(rows), near[own[rows]]), places)
            for j in range(len(places)):
                there = {name: each[:, j] for name, each in said.items()}
                for name, each in self._mixed(there, alike[own[rows]]).items():
                    shape = (len(tasks), len(places), *each.shape[1:])
                    found.setdefault(name, np.empty(shape))[rows, j] = each
        return found

    @property
    def reading(self) -> dict[str, object]:
        """JSON values: what reads names, and the descriptions beside them."""
        return {"embedding": self.embedding.name, "described": dict(self.described)}

    def as_arrays(self) -> dict[str, Floats]:
        """Plain arrays, by quantity, from which `from_arrays` makes the same."""
        return {n: np.array([t.heat, t.bar, t.miss, *t.steps]) for n, t in self.trusts.items()}

    @classmethod
    def from_arrays(
        cls,
        arrays: Mapping[str, Floats],
        kinds: tuple[str, ...],
        embedding: Embedding,
        described: Mapping[str, str] | None = None,
    ) -> "Neighbours":
        """What `as_arrays` wrote, on the same kinds and with the same embedding."""
        trusts = {
            name: Trust(float(each[0]), float(each[1]), float(each[2]), each[3:])
            for name, each in arrays.items()
        }
        return cls(kinds, embedding, trusts, described or {})

    @cached_property
    def _vectors(self) -> Floats:
        return self._vectors_of(self.kinds[1:])

    def _vectors_of(self, kinds: Sequence[str]) -> Floats:
        return kinds_as_vectors(kinds, self.embedding, self.described)

    def _nearest(self, vectors: Floats, *, itself: bool = False) -> tuple[Ints, Floats]:
        """The places of UNKNOWN and of the nearest kinds, and the cosines of these.

        With `itself`, the vectors are the kinds' own, and none is its own neighbour.
        """
        alike = vectors @ self._vectors.T
        if itself:
            np.fill_diagonal(alike, -np.inf)
        count = min(MOST, alike.shape[1] - itself)
        order = np.argsort(-alike, axis=1, kind="stable")[:, :count]
        near = np.hstack([np.full((len(vectors), 1), UNKNOWN), order + 1])
        return near, np.take_along_axis(alike, order, 1)

    def _mixed(self, said: Mapping[str, Floats], alike: Floats) -> dict[str, Floats]:
        """The forecast of each row from what its neighbours said, row after row."""
        mixed: dict[str, Floats] = {}
        for name, trust in self.trusts.items():
            if name not in said:
                continue
            medians = said[name][:, MIDDLE].reshape(len(alike), -1)
            centre, spread = _mean(medians, trust.weights(alike))
            quantiles = centre[:, None] + trust.width(spread)[:, None] * trust.steps
            target = targets()[name]
            least = np.log(target.floor) if isinstance(target, Quantity) else -np.inf
            mixed[name] = np.maximum(quantiles, least)
        if "duration" in self.trusts and "assignment" in said:
            scores = said["assignment"].reshape(len(alike), -1)
            mixed["assignment"] = _mean(scores, self.trusts["duration"].weights(alike))[0]
        return mixed


def _chosen(told: Floats, truth: Floats, kind: Ints, alike: Floats) -> Trust | None:
    """The trust that pays; None where too few kinds can tell.

    Shape: told: n x (1 + neighbours), logarithms.
    """
    seen = ~np.isnan(truth)
    told, truth, kind, alike = told[seen], truth[seen], kind[seen], alike[seen]
    if len(np.unique(kind)) < FEWEST:
        return None
    unknown = _by_kind(np.abs(told[:, 0] - truth), kind)
    gains = []
    for heat, bar in product(HEATS, BARS):
        trust = Trust(heat, bar, 0.0, np.zeros(len(QUANTILES)))
        centre, _ = _mean(told, trust.weights(alike))
        gains.append((unknown - _by_kind(np.abs(centre - truth), kind), trust))
    gain, best = max(gains, key=lambda each: float(each[0].mean()))
    if gain.mean() <= SURE * gain.std() / np.sqrt(len(gain)):
        best = replace(best, bar=CLOSED)
    centre, spread = _mean(told, best.weights(alike))
    miss = truth - centre
    each = 1.0 / np.bincount(kind)[kind]  # kinds count the same, however many rows they have
    best = replace(best, miss=max(float(np.sqrt(each @ miss**2 / each.sum())), FINEST))
    steps = [_quantile(miss / best.width(spread), each, level) for level in QUANTILES]
    return replace(best, steps=_around_zero(np.array(steps)))


def _mean(told: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """The weighted mean and standard deviation of each row."""
    centre = (weights * told).sum(1)
    return centre, np.sqrt((weights * (told - centre[:, None]) ** 2).sum(1))


def _quantile(values: Floats, weight: Floats, level: float) -> float:
    order = np.argsort(values)
    reached = np.cumsum(weight[order])
    place = np.searchsorted(reached, level * reached[-1])
    return float(values[order][min(int(place), len(values) - 1)])


def _around_zero(steps: Floats) -> Floats:
    """Steps on their own side of the median, which stays where the neighbours put it."""
    steps[MIDDLE] = 0.0
    steps[:MIDDLE] = np.minimum(steps[:MIDDLE], 0.0)
    steps[MIDDLE + 1 :] = np.maximum(steps[MIDDLE + 1 :], 0.0)
    return np.sort(steps)


def _by_kind(values: Floats, kind: Ints) -> Floats:
    """The mean of each kind that has rows."""
    _, place = np.unique(kind, return_inverse=True)
    mean: Floats = np.bincount(place, values) / np.bincount(place)
    return mean


def _some_of_each(kind: Ints, rows: Ints) -> Ints:
    """At most ROWS of each known kind, evenly spaced."""
    kept = [rows[:0]]
    for each in np.unique(kind[rows]):
        own = rows[kind[rows] == each]
        if each != UNKNOWN:
            kept.append(own[np.unique(np.linspace(0, len(own) - 1, ROWS).astype(np.int64))])
    return np.concatenate(kept)


def _on_kinds(inputs: Inputs, kinds: Ints) -> Inputs:
    """Each row as one of each of its kinds: row `i * m + j` is row i as kind j of m."""
    spread = inputs.take(np.repeat(np.arange(len(inputs)), kinds.shape[1]))
    return replace(spread, kind=kinds.ravel())
