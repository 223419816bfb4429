"""What each attempt says for and against a drift of the streams that it belongs to."""

from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from learner.drift import Seen

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
LEVELS = 4  # all, the worker, the kind, the kind on the worker
OWN = 10  # records of a cell that are its reference where there is no other
PRIOR = 2.0  # records for which what is usual counts, beside a cell's own
DOUBT = (1.5, 0.75, 2.0, 2.5)  # standard errors of the reference given to the forecast, by level
LONGEST = 3.0  # scores beyond count as this
SIZES = (0.1, 0.25, 0.6)  # logarithms that are bet on, beyond the effect that does not matter
BOLDEST = 1.5  # of a bet, in deviations
RARE = 0.01  # a risk below which nobody looks
RISKIER = (2.0, 5.0)  # odds that are bet on, beyond those that do not matter
BLOCKS, FEWEST_BLOCKS = (10, 40), 20  # consecutive records whose sum tells how they hang together
MOST_TOGETHER = 25.0
NARROWEST, WIDEST = 0.05, 4.0  # of a forecast's band, a logarithm
BAND = 2.5631  # deviations between P10 and P90
_NORMAL = NormalDist()
_GRID = np.linspace(0.0, 1.0, 2001)
_SCORES = np.array([_NORMAL.inv_cdf(min(max(u, 1e-4), 1 - 1e-4)) for u in _GRID.tolist()])


@dataclass(frozen=True, eq=False)
class Bets:
    """What bets pay, and what is left of the forecast.

    Shape: gains: n x levels x sides (more, less) x bets, above zero; off: n deviations, cut off;
    counts: n, whether the row is judged (else it is a cell's reference); hang: levels, how many
    times the variance of a sum is that of records that know nothing of one another. `effect` tells,
    of some rows, how many times what was expected was observed.
    """

    gains: Floats
    off: Floats
    counts: NDArray[np.bool_]
    hang: Floats
    effect: Callable[[Ints], float]


def streams_of(reference: "Seen", new: "Seen") -> Ints:
    """The numbers of the streams of each new attempt, n x levels, told apart by their names."""
    places = _places(reference, new)[:, len(reference) :]
    above = np.cumsum([0, *(int(each.max(initial=-1)) + 1 for each in places[:-1])])
    return np.stack([each + first for each, first in zip(places, above, strict=True)], axis=1)


def bets_on_quantity(
    name: str, reference: "Seen", new: "Seen", *, shift: Floats, effect: float
) -> Bets:
    """Bets that a quantity is more, or less, than `effect` times what is expected.

    `shift`, n logarithms, is added to what the reference expects of each new attempt.
    """
    both, size = reference.then(new), len(reference)
    places = _places(reference, new)
    own = _reference(places[-1], size)
    miss = both.miss[name]
    width = np.clip(both.width[name], NARROWEST, WIDEST) / BAND
    centre = centres(miss, places, own)
    spread = width * spreads((miss - centre) / width, places[2], own)
    ranked = np.sort((miss - centre)[own] / spread[own])
    hang = together(score(ranked, (miss - centre) / spread), _numbered(both.run), places, own)
    centre, spread = centre[size:] + shift, spread[size:]
    left = (miss[size:] - centre) / spread
    gains = np.empty((len(new), LEVELS, 2, len(SIZES)))
    for level, place in enumerate(places):
        known = np.bincount(place[own], minlength=int(place.max(initial=0)) + 1)[place[size:]]
        doubt = DOUBT[level] * 1.2533 * np.sqrt(hang[level] / np.maximum(known, 1))
        least = 0.5 * np.log(effect) / spread + doubt
        bet = np.minimum(np.array(SIZES) / spread[:, None], BOLDEST) / hang[level]
        for side, sign in enumerate((1, -1)):
            scored = sign * score(ranked, left - sign * least)
            gains[:, level, side] = np.exp(scored[:, None] * bet - 0.5 * hang[level] * bet**2)
    missed = miss[size:] - centre
    return Bets(
        gains=gains,
        off=np.clip(left, -LONGEST, LONGEST),
        counts=~own[size:],
        hang=hang,
        effect=lambda rows: float(np.exp(np.median(missed[rows]))) if len(rows) else 1.0,
    )


def bets_on_failures(
    name: str,  # noqa: ARG001  there is one sort of failing
    reference: "Seen",
    new: "Seen",
    *,
    shift: Floats,
    effect: float,
) -> Bets:
    """Bets that the odds of failing are more, or less, than `effect` times those expected."""
    both, size = reference.then(new), len(reference)
    places = _places(reference, new)
    own = _reference(places[-1], size)
    odds = _calibrated(_logit(both.risk), both.failed, places, own)
    usual = _expit(odds)
    deviation = np.sqrt(usual * (1 - usual))
    off = (both.failed - usual) / deviation
    hang = together(np.clip(off, -LONGEST, LONGEST), _numbered(both.run), places, own)
    failed, odds = both.failed[size:], odds[size:] + shift
    gains = np.empty((len(new), LEVELS, 2, len(RISKIER)))
    for level, place in enumerate(places):
        known = np.bincount(place[own], (deviation**2)[own], int(place.max(initial=0)) + 1)
        doubt = DOUBT[level] * np.sqrt(hang[level] / np.maximum(known[place[size:]], 0.5))
        for side, sign in enumerate((1, -1)):
            least = odds + sign * (np.log(effect) + doubt)
            for i, more in enumerate(RISKIER):
                paid = _likelihood(failed, least + sign * np.log(more)) - _likelihood(failed, least)
                gains[:, level, side, i] = np.exp(paid / hang[level])
    usual = _expit(odds)
    return Bets(
        gains=gains,
        off=np.clip((failed - usual) / np.sqrt(usual * (1 - usual)), -LONGEST, LONGEST),
        counts=~own[size:],
        hang=hang,
        effect=lambda rows: _odds_ratio(failed[rows], usual[rows]),
    )


def score(ranked: Floats, values: Floats) -> Floats:
    """Normal scores of values by their ranks among those of the reference."""
    below = np.searchsorted(ranked, values, "left") + np.searchsorted(ranked, values, "right")
    share = (below / 2 + 0.5) / (len(ranked) + 1)
    scores: Floats = np.clip(np.interp(share, _GRID, _SCORES), -LONGEST, LONGEST)
    return scores


def _places(reference: "Seen", new: "Seen") -> Ints:
    """The group of each attempt at each level: levels x n."""
    kind = _numbered(np.concatenate([reference.kind, new.kind]))
    worker = _numbered(np.concatenate([reference.worker, new.worker]))
    cell = _numbered(kind * (int(worker.max(initial=0)) + 1) + worker)
    return np.stack([np.zeros_like(kind), worker, kind, cell])


def _numbered(names: NDArray[np.generic]) -> Ints:
    found: Ints = np.unique(names, return_inverse=True)[1].astype(np.int64)
    return found


def _reference(cell: Ints, size: int) -> NDArray[np.bool_]:
    """The attempts of the reference, and the first new ones of cells of which it has too few."""
    own = np.arange(len(cell)) < size
    known = np.bincount(cell[:size], minlength=int(cell.max(initial=-1)) + 1)
    for i in np.flatnonzero(known[cell[size:]] < OWN).tolist():
        if known[cell[size + i]] < OWN:
            own[size + i] = True
            known[cell[size + i]] += 1
    return own


def centres(values: Floats, places: Ints, own: NDArray[np.bool_]) -> Floats:
    """The median of each cell's reference, drawn to that of its worker, and this to that of all."""
    left = values - (float(np.median(values[own])) if own.any() else 0.0)
    for place in (places[1], places[3]):
        found = np.zeros(int(place.max(initial=-1)) + 1)
        for each, rows in _groups(place, own):
            found[each] = len(rows) * float(np.median(left[rows])) / (len(rows) + PRIOR)
        left = left - found[place]
    return values - left


def spreads(values: Floats, kind: Ints, own: NDArray[np.bool_]) -> Floats:
    """The deviation of each kind, from medians, drawn to that of all."""
    usual = _deviation(values[own])
    found = np.full(int(kind.max(initial=-1)) + 1, usual)
    for each, rows in _groups(kind, own):
        weight = len(rows) / (len(rows) + OWN)
        found[each] = usual ** (1 - weight) * _deviation(values[rows]) ** weight
    spreads: Floats = found[kind]
    return spreads


def _deviation(values: Floats) -> float:
    return max(1.4826 * float(np.median(np.abs(values))), 0.05) if len(values) else 1.0


def _groups(place: Ints, own: NDArray[np.bool_]) -> list[tuple[int, Ints]]:
    rows = np.flatnonzero(own)
    rows = rows[np.argsort(place[rows], kind="stable")]
    names, first = np.unique(place[rows], return_index=True)
    return list(zip(names.tolist(), np.split(rows, first[1:]), strict=True)) if len(rows) else []


def odds_as_known(both: "Seen", places: Ints, own: NDArray[np.bool_]) -> Floats:
    """Log odds of failing of each attempt, as its forecast and the reference have them."""
    return _calibrated(_logit(both.risk), both.failed, places, own)


def together(scores: Floats, run: Ints, places: Ints, own: NDArray[np.bool_]) -> Floats:
    """How many times the variance of sums is that of records that know nothing of one another.

    By level, of the reference: from the sums of consecutive records of each stream, and from what
    records of one run share (the design effect of clusters, Kish 1965, eq. 5.4.1), given the
    benefit of what few runs leave open.
    """
    usual = max(float(np.var(scores[own])), 1e-9)
    found = np.ones(LEVELS)
    for level, place in enumerate(places):
        for size in BLOCKS:
            sums = _block_sums(scores, place, own, size)
            if len(sums) >= FEWEST_BLOCKS:
                found[level] = max(found[level], float(np.mean(sums**2)) / size / usual)
        found[level] = max(found[level], _within_runs(scores, run, place, own) / usual)
    return np.minimum(found, MOST_TOGETHER)


def _block_sums(scores: Floats, place: Ints, own: NDArray[np.bool_], size: int) -> Floats:
    sums = [
        scores[rows[: len(rows) // size * size]].reshape(-1, size).sum(1)
        for _, rows in _groups(place, own)
    ]
    return np.concatenate(sums) if sums else np.zeros(0)


def _within_runs(scores: Floats, run: Ints, place: Ints, own: NDArray[np.bool_]) -> float:
    """The variance of sums of a stream over runs, for each record."""
    both = _numbered(run * (int(place.max(initial=0)) + 1) + place)
    sizes = np.bincount(both).astype(np.float64)
    usual = float(np.var(scores[own]))
    total = np.bincount(both[own], scores[own])
    squares = np.bincount(both[own], scores[own] ** 2)
    count = np.bincount(both[own]).astype(np.float64)
    pairs = float((count * (count - 1)).sum())
    if pairs <= 0:
        return usual
    shared = max(float((total**2 - squares).sum()) / pairs, 0.0)
    runs = max(len(np.unique(run[own])), 1)
    shared *= 1 + 1 / np.sqrt(runs)
    return float(usual + shared * (float((sizes**2).sum() / sizes.sum()) - 1))


def _calibrated(odds: Floats, failed: Floats, places: Ints, own: NDArray[np.bool_]) -> Floats:
    """Log odds as the reference has them: overall, then by kind, then by cell, each shrunk."""
    found = odds.copy()
    for place in (places[0], places[2], places[3]):
        moved = found.copy()
        for each, rows in _groups(place, own):
            told = float(_expit(found[rows]).sum())
            moved[place == each] += np.log((failed[rows].sum() + 1.0) / (told + 1.0))
        found = moved
    return np.clip(found, _logit(RARE), _logit(1 - RARE))


def _odds_ratio(failed: Floats, usual: Floats) -> float:
    seen, told, count = float(failed.sum()), float(usual.sum()), len(failed)
    return ((seen + 0.5) / (count - seen + 0.5)) / ((told + 0.5) / (count - told + 0.5))


def _likelihood(failed: Floats, odds: Floats) -> Floats:
    found: Floats = failed * odds - np.logaddexp(0.0, odds)
    return found


def _logit(share: Floats | float) -> Floats:
    kept = np.clip(share, 1e-3, 1 - 1e-3)
    return np.asarray(np.log(kept / (1 - kept)), dtype=np.float64)


def _expit(odds: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-odds)), dtype=np.float64)
