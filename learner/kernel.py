"""What each kind of task takes, as a smooth curve over sizes and workers: Gaussian processes.

Rasmussen and Williams 2006, eq. 2.25 for the mean, and Sundararajan and Keerthi 2001, eq. 18, by
blocks for what is said of rows left out. Everything is closed form, and numpy.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from learner.features import UNKNOWN, Inputs

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
LENGTHS = (0.5, 1.0, 2.0)  # of a bend, in standard deviations of a size column
NOISES = (0.01, 0.03, 0.1, 0.3)  # of one attempt, over the variance within kinds
LUCK = 0.25  # how much of that noise all attempts of one piece of work have in common
LEVEL, RISE, BEND, HABIT, WHIM = 10.0, 8.0, 2.0, 0.3, 0.1  # variances, see `_covariance`
CONTEXT = 0.3  # variance of a slope over what the context says
TOLERANCE = 0.02  # a setting that much worse than the best, relatively, weighs 1/e of it
FAINT = 0.02  # the weight below which a setting is not looked at again
OUTLIER = 3.0  # robust standard deviations beyond which an attempt counts less
MOST = 256  # points that carry a kind's curve; more are gathered into the nearest
NEWEST = 20_000  # rows of a kind that are looked at
ROWS = 65_536  # in one pass, to bound memory
EXACT = 2048  # tasks up to which all pairs are told in double precision


class Setting(NamedTuple):
    """One choice of the kernel's parameters: which of LENGTHS, and the noise of an attempt."""

    length: int
    noise: float


SETTINGS = tuple(Setting(*each) for each in product(range(len(LENGTHS)), NOISES))


@dataclass(frozen=True, eq=False)
class Curves:
    """The curves of all kinds for one quantity. A kind without points says zero.

    Shape
    - intercept, width: kinds; slopes: kinds x columns; habit: kinds x workers
    - first: kinds + 1, where each kind's points begin
    - sizes: points x the first columns, over which curves bend; worker: points; bend, whim: points
      x LENGTHS
    """

    intercept: Floats
    slopes: Floats
    habit: Floats
    width: Floats
    first: Ints
    sizes: Floats
    worker: Ints
    bend: Floats
    whim: Floats

    def at(self, kind: Ints, worker: Ints, sizes: Floats) -> Floats:
        """The value of each row; sizes standardised, none missing."""
        value: Floats = (
            self.intercept[kind] + (sizes * self.slopes[kind]).sum(1) + self.habit[kind, worker]
        )
        for each in np.unique(kind):
            mine, points = np.flatnonzero(kind == each), self._points(each)
            if points.start < points.stop:
                for part in np.array_split(mine, -(-len(mine) // ROWS)):
                    value[part] += self._bent(points, self.width[each], worker[part], sizes[part])
        return value

    def bells(self, kind: Ints, sizes: Floats) -> "Bells":
        """How near each row lies to each of its kind's points, worker after worker, by kind."""
        found: Bells = []
        kept = np.float64 if len(sizes) <= EXACT else np.float32
        bent: Floats = sizes[:, : self.sizes.shape[1]].astype(kept)
        for each in np.unique(kind):
            points = self._points(each)
            if points.start < points.stop:
                rows = np.flatnonzero(kind == each)
                order = points.start + np.argsort(self.worker[points], kind="stable")
                there: Floats = self.sizes[order].astype(kept)
                far = _distances(bent[rows], there)
                near = _bells(far, float(self.width[each]))
                found.append((int(each), rows.astype(np.int64), order, near))
        return found

    def pairs(
        self, kind: Ints, workers: Ints, sizes: Floats, *, bells: "Bells | None" = None
    ) -> Floats:
        """The value of n tasks on each of m workers: n x m; of many, bends in single precision.

        `bells` are those of curves through the same points, where they are known.
        """
        value = self.habit[kind[:, None], workers]
        value += (self.intercept[kind] + (sizes * self.slopes[kind]).sum(1))[:, None]
        for _, rows, order, near in self.bells(kind, sizes) if bells is None else bells:
            places, starts = np.unique(self.worker[order], return_index=True)
            own = np.zeros((len(rows), len(places) + 1))
            for j in np.flatnonzero(self.bend[order].any(0)):
                whim = np.where(self.worker[order] == UNKNOWN, 0.0, self.whim[order, j])
                whim, bend = (each.astype(near[j].dtype) for each in (whim, self.bend[order, j]))
                own[:, :-1] += np.add.reduceat(near[j] * whim, starts, axis=1)
                own += (near[j] @ bend)[:, None]
            value[rows] += own[:, _columns(places, workers)]
        return value

    def _points(self, kind: int) -> slice:
        return slice(int(self.first[kind]), int(self.first[kind + 1]))

    def _weights(self, points: slice) -> tuple[Floats, Ints]:
        """What each point weighs for each worker that has points there, and for all others last.

        Shape: s x (workers there + 1) x lengths; the places of the workers there.
        """
        places, columns = np.unique(self.worker[points], return_inverse=True)
        whim = np.zeros((len(columns), len(places) + 1, len(LENGTHS)))
        whim[np.arange(len(columns)), columns] = self.whim[points]
        whim[:, np.flatnonzero(places == UNKNOWN)] = 0
        return self.bend[points][:, None] + whim, places

    def _bent(self, points: slice, width: float, worker: Ints, sizes: Floats) -> Floats:
        """The bends of rows of one kind."""
        weight, places = self._weights(points)
        far = _distances(sizes[:, : self.sizes.shape[1]], self.sizes[points])
        total = np.zeros((len(sizes), weight.shape[1]))
        for j, near in enumerate(_bells(far, width)):
            total += near @ weight[..., j]
        return np.asarray(total[np.arange(len(sizes)), _columns(places, worker)])


Bells = list[tuple[int, Ints, Ints, list[Floats]]]


def _columns(places: Ints, worker: Ints) -> Ints:
    """Where each worker stands among the sorted places; behind the last where it does not."""
    column = np.minimum(np.searchsorted(places, worker), len(places) - 1)
    return np.asarray(np.where(places[column] == worker, column, len(places)))


@dataclass(frozen=True, eq=False)
class _Kind:
    """One kind: its rows, and the points that equal rows make.

    Shape: rows, member: n; worker, block: s; sizes: s x columns; rise: columns, the variance of
    each slope; far: s x s.
    """

    place: int
    rows: Ints
    member: Ints
    sizes: Floats
    rise: Floats
    worker: Ints
    block: Ints
    width: float
    far: Floats


class _Said(NamedTuple):
    """What a setting says of one kind: s coefficients, the level they stand on, and s values said
    of each point by those of other blocks."""

    alpha: Floats
    centre: float
    apart: Floats


Answers = list[dict[int, _Said]]


def fit_curves(
    inputs: Inputs,
    values: Mapping[str, Floats],
    block: Ints,
    *,
    kinds: int,
    workers: int,
    bent: int | None = None,
) -> dict[str, tuple[Curves, Floats]]:
    """Curves through several quantities, NaN where not observed, with what each says of its rows.

    They bend over the first `bent` columns (all by default) and are straight over the others.

    `block` numbers the pieces of work: what is said of a row comes from the rows of other blocks
    only. The settings are weighed by how well they do that, over all kinds together; heavy outliers
    count less in a second pass. Sizes must be standardised and none missing.

    Shape: values: n; block: n; the answer, by quantity: the curves, and n values.
    """
    bent = inputs.numbers.shape[1] if bent is None else bent
    found = [_kind(inputs, block, int(each), bent=bent) for each in np.unique(inputs.kind)]
    return {
        name: _curves(
            found, y, inputs.kind, shape=(kinds, workers, inputs.numbers.shape[1]), bent=bent
        )
        for name, y in values.items()
    }


def _curves(
    found: list[_Kind], y: Floats, kind: Ints, *, shape: tuple[int, int, int], bent: int
) -> tuple[Curves, Floats]:
    spread = _spread_within(y, kind)
    y = y / spread
    doubt, share = np.ones_like(y), np.full(len(SETTINGS), 1 / len(SETTINGS))
    for _ in range(2):
        tried = [int(s) for s in np.flatnonzero(share >= min(FAINT, share.max()))]
        said = [{s: _said(each, y, doubt, SETTINGS[s]) for s in tried} for each in found]
        share = _shares(found, said, y)
        apart = _apart(found, said, share, y)
        doubt = _doubt(y - apart)
    return _joined(found, said, spread * share, shape, bent), apart * spread


def _kind(inputs: Inputs, block: Ints, place: int, *, bent: int) -> _Kind:
    rows = np.flatnonzero(inputs.kind == place)[-NEWEST:]
    chosen, member = _merged(inputs.numbers[rows], inputs.worker[rows])
    sizes = inputs.numbers[rows[chosen]]
    width = max(float((np.ptp(sizes[:, :bent], axis=0) > 1e-9).sum()), 1.0)
    rise = np.where(np.arange(sizes.shape[1]) < bent, RISE / width, CONTEXT)
    far = _distances(sizes[:, :bent], sizes[:, :bent])
    worker, blocks = inputs.worker[rows[chosen]], block[rows[chosen]]
    if len(np.unique(blocks)) == 1:  # nobody else speaks of it: let its own points, one by one
        blocks = np.arange(len(blocks))
    return _Kind(place, rows, member, sizes, rise, worker, blocks, width, far)


def _said(kind: _Kind, y: Floats, doubt: Floats, setting: Setting) -> _Said:
    """Solves one kind; where nothing of it was observed it says zero, and NaN of its rows."""
    total = len(kind.worker)
    weight = np.where(np.isnan(y[kind.rows]), 0.0, 1 / doubt[kind.rows])
    count = np.bincount(kind.member, weight, total)
    mean = np.bincount(kind.member, weight * np.nan_to_num(y[kind.rows]), total)
    seen = np.flatnonzero(count > 0)
    if not len(seen):
        return _Said(np.zeros(total), 0.0, np.full(total, np.nan))
    centre = float(mean.sum() / count.sum())
    rest, block = mean[seen] / count[seen] - centre, kind.block[seen]
    covariance = _covariance(kind, setting.length)
    luck = LUCK * (block[:, None] == block) + np.diag((1 - LUCK) / count[seen])
    inverse = np.linalg.inv(covariance[np.ix_(seen, seen)] + setting.noise * luck)
    alpha = np.zeros(total)
    alpha[seen] = inverse @ rest
    apart = covariance @ alpha
    apart[seen] = rest - _left_out(inverse, alpha[seen], block)
    return _Said(alpha, centre, apart + centre)


def _left_out(inverse: Floats, alpha: Floats, block: Ints) -> Floats:
    """How far each point lies from what those of other blocks say of it; blocks of one size are
    solved side by side."""
    off = np.zeros_like(alpha)
    order = np.argsort(block, kind="stable")
    _, start, count = np.unique(block[order], return_index=True, return_counts=True)
    for size in np.unique(count):
        mine = order[start[count == size][:, None] + np.arange(size)]
        own = inverse[mine[:, :, None], mine[:, None, :]]
        off[mine] = np.linalg.solve(own, alpha[mine][..., None])[..., 0]
    return off


def _covariance(kind: _Kind, length: int) -> Floats:
    """A level, a line, a bend around it, and for each worker a level and a bend of its own."""
    near = np.exp(kind.far / (-2 * LENGTHS[length] ** 2 * kind.width))
    line = (kind.sizes * kind.rise) @ kind.sizes.T
    same = (kind.worker[:, None] == kind.worker) & (kind.worker != UNKNOWN)
    return np.asarray(LEVEL + line + BEND * near + same * (HABIT + WHIM * near))


def _shares(found: list[_Kind], said: Answers, y: Floats) -> Floats:
    """The weight of each setting, by its mean absolute error on what it was not told."""
    worse = np.full(len(SETTINGS), np.inf)
    for s in said[0]:
        pairs = zip(found, said, strict=True)
        off = np.concatenate([y[k.rows] - told[s].apart[k.member] for k, told in pairs])
        worse[s] = np.abs(off[~np.isnan(off)]).mean() if (~np.isnan(off)).any() else 1.0
    share = np.exp((1 - worse / max(worse.min(), 1e-12)) / TOLERANCE)
    return np.asarray(share / share.sum())


def _apart(found: list[_Kind], said: Answers, share: Floats, y: Floats) -> Floats:
    apart = np.full(len(y), np.nan)
    for kind, told in zip(found, said, strict=True):
        if len(kind.worker) == 1:
            apart[kind.rows] = _mean_of_others(y[kind.rows])
            continue
        mixed = np.sum([share[s] * each.apart for s, each in told.items()], axis=0)
        apart[kind.rows] = mixed[kind.member]
    return apart


def _mean_of_others(values: Floats) -> Floats:
    """The mean of all values but one's own; zero where there is no other."""
    seen = ~np.isnan(values)
    total, others = np.nansum(values) - np.nan_to_num(values), seen.sum() - seen
    return np.asarray(np.where(others > 0, total / np.maximum(others, 1), 0.0))


def _doubt(off: Floats) -> Floats:
    """How many times its variance an attempt gets: once, but for outliers (Huber's weights)."""
    known = np.abs(off[~np.isnan(off)])
    usual = 1.4826 * float(np.median(known)) if len(known) else 0.0
    return np.asarray(np.maximum(np.nan_to_num(np.abs(off)) / (OUTLIER * max(usual, 1e-9)), 1.0))


def _joined(
    found: list[_Kind], said: Answers, scale: Floats, shape: tuple[int, int, int], bent: int
) -> Curves:
    """The settings' curves as one: sums of what is linear in their coefficients."""
    kinds, workers, columns = shape
    intercept, slopes = np.zeros(kinds), np.zeros((kinds, columns))
    habit, width = np.zeros((kinds, workers)), np.ones(kinds)
    first, bends = np.zeros(kinds + 1, dtype=np.int64), [np.zeros((0, len(LENGTHS)))]
    for kind, told in zip(found, said, strict=True):
        bend = np.zeros((len(kind.worker), len(LENGTHS)))
        for s, each in told.items():
            bend[:, SETTINGS[s].length] += scale[s] * each.alpha
            intercept[kind.place] += scale[s] * each.centre
        alpha = bend.sum(1)
        intercept[kind.place] += LEVEL * alpha.sum()
        slopes[kind.place] = alpha @ kind.sizes * kind.rise
        np.add.at(habit[kind.place], kind.worker, HABIT * alpha)
        width[kind.place], first[kind.place + 1] = kind.width, len(kind.worker)
        bends.append(bend)
    habit[:, UNKNOWN] = 0
    bend = np.concatenate(bends)
    sizes = np.concatenate([np.zeros((0, bent)), *(each.sizes[:, :bent] for each in found)])
    worker = np.concatenate([np.zeros(0, dtype=np.int64), *(each.worker for each in found)])
    return Curves(
        intercept, slopes, habit, width, np.cumsum(first), sizes, worker, BEND * bend, WHIM * bend
    )


def _merged(sizes: Floats, worker: Ints) -> tuple[Ints, Ints]:
    """Which rows stand for all, and which of those each row belongs to: equal rows together, and
    where there are too many the nearest around those that lie farthest apart."""
    keys = np.column_stack([np.round(sizes, 6), worker])
    _, chosen, member = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    member = member.reshape(-1)
    if len(chosen) > MOST:
        apart = np.column_stack([sizes[chosen], 1e3 * worker[chosen]])
        kept, nearest = _farthest(apart, MOST)
        chosen, member = chosen[kept], nearest[member]
    return chosen, member


def _farthest(places: Floats, count: int) -> tuple[Ints, Ints]:
    """Places chosen one after the other, each farthest from all before, and the nearest of them
    to each place (Gonzalez 1985)."""
    kept = np.zeros(count, dtype=np.int64)
    far, nearest = np.full(len(places), np.inf), np.zeros(len(places), dtype=np.int64)
    for i in range(count):
        kept[i] = 0 if i == 0 else int(far.argmax())
        now = ((places - places[kept[i]]) ** 2).sum(1)
        nearest = np.where(now < far, i, nearest)
        far = np.minimum(now, far)
    return kept, nearest


def _bells(far: Floats, width: float) -> list[Floats]:
    """`exp(-far / (2 * length**2 * width))` for each of LENGTHS: since they double, the fourth
    power of one is the next."""
    found = [np.exp(far * (-0.5 / (LENGTHS[-1] ** 2 * width)))]
    for _ in LENGTHS[1:]:
        square = found[0] * found[0]
        found.insert(0, square * square)
    return found


def _distances(a: Floats, b: Floats) -> Floats:
    """Squared distances between rows."""
    squares = (a**2).sum(1)[:, None] + (b**2).sum(1) - 2 * a @ b.T
    return np.asarray(np.maximum(squares, 0.0))


def _spread_within(y: Floats, kind: Ints) -> float:
    """The standard deviation within kinds, over all of them."""
    seen = ~np.isnan(y)
    count = np.maximum(np.bincount(kind[seen]), 1)
    mean = np.bincount(kind[seen], y[seen]) / count
    off = y[seen] - mean[kind[seen]]
    return max(float(np.sqrt((off**2).mean())), 1e-6) if seen.any() else 1.0
