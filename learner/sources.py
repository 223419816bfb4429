"""Sources of logs that contradict all others: what they say is kept, and not learned from.

A world that changes is seen by every source that looks at it; a source that was tampered with, or
whose units are wrong, stands alone. So a source is compared with what others tell of the same kinds
and workers, ever and at the same time. Where nobody else looked then, only what is past belief
speaks against it.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from learner.drift import Seen
from learner.drift_bets import centres, odds_as_known, score, spreads, streams_of, together
from scheduler.records import TaskRecord

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Rows = NDArray[np.bool_]
FEWEST = 5  # attempts of which something is said
COMPANY = 30  # attempts of others at the same time that make a comparison
SURE = 5.0  # deviations
UNLIKE, ALONE = 1.5, 6.0  # how many times others' values, with company and without
ODDS = 3.0  # of failing
WIDER = 2.5  # how much more errors scatter
COPIED = 0.5  # the share of attempts that repeat others to the letter


@dataclass(frozen=True)
class Suspicion:
    """A source, how many of its attempts there are, and what speaks against it in words."""

    source: str
    records: int
    reasons: tuple[str, ...]

    def __str__(self) -> str:
        return "; ".join(self.reasons)


def suspicions(
    seen: Seen,
    records: Sequence[TaskRecord],
    source: NDArray[np.str_],
    *,
    ask: Collection[str],
    without: Collection[str] = (),
) -> tuple[Suspicion, ...]:
    """Which of the sources asked about contradict the others, the worst first.

    `source` is that of each attempt; those `without` are nobody's witnesses. One by one the source
    with the most against it is taken out before the others are compared again, so that it does
    not speak against those that are sound.
    """
    left, out, found = set(ask), set(without), []
    while left:
        against = {name: _against(seen, records, source, name, out) for name in sorted(left)}
        worst = max(against, key=lambda name: against[name][0])
        reasons = against[worst][1]
        if not reasons:
            break
        found.append(Suspicion(worst, int((source == worst).sum()), reasons))
        left.discard(worst)
        out.add(worst)
    return tuple(found)


def _against(
    seen: Seen,
    records: Sequence[TaskRecord],
    source: NDArray[np.str_],
    name: str,
    out: Collection[str],
) -> tuple[float, tuple[str, ...]]:
    """How much speaks against a source, and the reasons in words."""
    own = source == name
    others = ~own & ~np.isin(source, sorted(out))
    if own.sum() < FEWEST or not others.any():
        return 0.0, ()
    witnesses = others & _at_the_time(seen.time, own)
    lone = int(witnesses.sum()) < COMPANY
    told = []
    for target in (*seen.miss, "failure"):
        against = list(_of_target(target, seen, own, others, lone=lone))
        if against and not lone:  # who tells what was always so is not wrong because one lies
            against = list(_of_target(target, seen, own, witnesses, lone=lone))
        told += against
    if (copies := _copies([records[i] for i in np.flatnonzero(own).tolist()])) > COPIED:
        told.append((SURE, f"{copies:.0%} of its attempts repeat others of it"))
    told.sort(key=lambda each: -each[0])
    return sum(weight for weight, _ in told), tuple(words for _, words in told[:3])


def _at_the_time(time: NDArray[np.object_], own: Rows) -> Rows:
    """Attempts between the first and the last of the source's own; none without times."""
    known = [each for each in time[own] if isinstance(each, datetime)]
    if not known:
        return np.zeros(len(time), dtype=bool)
    first, last = min(known), max(known)
    return np.array([isinstance(each, datetime) and first <= each <= last for each in time])


def _of_target(
    target: str, seen: Seen, own: Rows, others: Rows, *, lone: bool
) -> Iterator[tuple[float, str]]:
    values = seen.failed if target == "failure" else seen.miss[target]
    known = ~np.isnan(values)
    if (own & known).sum() < FEWEST or (others & known).sum() < FEWEST:
        return
    reference, new = seen.take(others & known), seen.take(own & known)
    told = _failures if target == "failure" else _quantity
    yield from told(target, reference, new, lone=lone)


def _quantity(
    target: str, reference: Seen, new: Seen, *, lone: bool
) -> Iterator[tuple[float, str]]:
    both, size = reference.then(new), len(reference)
    places = streams_of(both.take(slice(0, 0)), both).T
    first = np.arange(len(both)) < size
    miss = both.miss[target] - centres(both.miss[target], places, first)
    off = miss / spreads(miss, places[2], first)
    scores = score(np.sort(off[first]), off)
    hang = together(scores, np.unique(both.run, return_inverse=True)[1], places, first)
    known = np.bincount(places[-1][first], minlength=int(places.max()) + 1)[places[-1][size:]]
    doubt = 1.57 / np.maximum(known, 0.1)
    usual = float(np.median(np.abs(miss[first]))) * 1.4826
    least = max(float(np.log(ALONE if lone else UNLIKE)), usual)
    for level, words, rows in _scopes(new):
        count, hung = len(rows), float(hang[level])
        sure = scores[size:][rows].sum() / np.sqrt(
            hung * count + hung * count * float(doubt[rows].sum()) / max(len(set(known[rows])), 1)
        )
        effect = float(np.median(miss[size:][rows]))
        if abs(effect) > least and abs(sure) > SURE and effect * sure > 0:
            yield (
                abs(sure),
                f"{target} of {words}: {np.exp(effect):.3g} times what others tell, "
                f"in {count} attempts",
            )
            return
    if not lone:
        yield from _scattered(target, np.abs(off[first]), np.abs(off[size:]), float(hang[0]))


def _scattered(target: str, usual: Floats, own: Floats, hung: float) -> Iterator[tuple[float, str]]:
    """Errors that are no larger on the mean, but all over the place: values that were mixed up."""
    wider = float(np.median(own) / max(np.median(usual), 1e-9))
    limit = float(np.quantile(usual, 0.9))
    beyond, count = float((own > limit).sum()), len(own)
    sure = (beyond - 0.1 * count) / np.sqrt(0.09 * count * hung)
    if wider > WIDER and sure > SURE:
        yield float(sure), f"{target}: errors {wider:.1f} times those of others"


def _failures(
    target: str,  # noqa: ARG001  there is one sort of failing
    reference: Seen,
    new: Seen,
    *,
    lone: bool,
) -> Iterator[tuple[float, str]]:
    both, size = reference.then(new), len(reference)
    places = streams_of(both.take(slice(0, 0)), both).T
    first = np.arange(len(both)) < size
    odds = odds_as_known(both, places, first)
    usual = 1 / (1 + np.exp(-odds))
    off = (both.failed - usual) / np.sqrt(usual * (1 - usual))
    run = np.unique(both.run, return_inverse=True)[1]
    hang = together(np.clip(off, -3, 3), run, places, first)
    failed, usual = new.failed, usual[size:]
    for level, words, rows in _scopes(new):
        seen, told = float(failed[rows].sum()), float(usual[rows].sum())
        spread = np.sqrt(float(hang[level]) * float((usual * (1 - usual))[rows].sum()) + 0.5)
        sure = (seen - told) / spread
        ratio = ((seen + 0.5) / (len(rows) - seen + 0.5)) / (told / max(len(rows) - told, 0.5))
        if abs(sure) > SURE and abs(np.log(ratio)) > np.log(ODDS) * (2 if lone else 1):
            yield (
                abs(float(sure)),
                f"{words}: {seen:.0f} of {len(rows)} attempts failed, where others tell of "
                f"{told:.1f}",
            )
            return


def _scopes(new: Seen) -> Iterator[tuple[int, str, Ints]]:
    """All attempts, those of a worker, of a kind, of a kind on a worker: level, words, rows."""
    yield 0, "every kind", np.arange(len(new))
    for level, names in ((1, new.worker), (2, new.kind)):
        for name in np.unique(names).tolist():
            rows = np.flatnonzero(names == name)
            if len(rows) >= FEWEST:
                yield level, name, rows
    pairs = sorted(set(zip(new.kind.tolist(), new.worker.tolist(), strict=True)))
    for kind, worker in pairs:
        rows = np.flatnonzero((new.kind == kind) & (new.worker == worker))
        if len(rows) >= FEWEST:
            yield 3, f"{kind} on {worker}", rows


def _copies(records: Sequence[TaskRecord]) -> float:
    """The share of attempts that are, but for names and times, those of another."""
    if len(records) < 2 * FEWEST:
        return 0.0
    seen = Counter(
        (r.kind, r.worker, r.duration, r.peak_memory, r.cpu, tuple(sorted(r.sizes.items())))
        for r in records
        if r.duration
    )
    return sum(count for count in seen.values() if count > 1) / len(records)
