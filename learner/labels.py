"""Which measurement to take next: the one after which forecasts would be surest.

What is believed of a quantity is a Gaussian process over kinds, sizes and workers, as under the
offset (`learner/kernel.py`). How sure it is depends on where measurements are, not on what they
say, so that the worth of one is known before it is taken: the drop in the mean variance of what
will be asked (Cohn, Ghahramani and Jordan 1996, section 4; the choice one after the other is
that of Krause, Singh and Guestrin 2008).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from learner.examples import LEAST, Examples, Split
from learner.features import UNKNOWN, Columns, Inputs
from learner.kernel import BEND, HABIT, LEVEL, RISE
from learner.targets import targets
from learner.targets.quantities import Quantity
from scheduler.errors import InvalidInput
from scheduler.records import TaskRecord

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
NOISE = 0.1  # of one measurement, over the variance within kinds
PACE = 0.3  # variance of what a worker is faster on all kinds
LENGTH = 1.0  # of a bend, in standard deviations of a size
MOST_KNOWN, MOST_ASKED, MOST_CANDIDATES = 1500, 400, 1200


@dataclass(frozen=True)
class Advice:
    """One measurement worth taking: which task, on which worker, and what it is worth.

    `like` is an attempt whose work it is to be measured on, `gain` the share by which it, after
    those before it, lowers the mean variance of forecasts.
    """

    kind: str
    worker: str
    like: TaskRecord
    gain: float


def advised(
    records: Sequence[TaskRecord], quantity: str, *, count: int, rng: Generator
) -> list[Advice]:
    """The measurements of one quantity that would help most, the first one most.

    What has no such measurement yet may get one: attempts whose log left it out, and the same
    works on workers where they never ran. What will be asked is taken to be like what ran, on all
    workers. Raises InvalidInput for too few attempts, and for a quantity that no forecast holds.
    """
    if not isinstance(targets().get(quantity), Quantity):
        raise InvalidInput(f"A measurement is one of duration, memory or cpu, found {quantity!r}.")
    if len(records) < LEAST:
        raise InvalidInput(
            f"Advice needs at least {LEAST} attempts, found {len(records)}; "
            "read more logs with: allot ingest"
        )
    every = np.arange(len(records))
    examples = Examples.of(records, split=Split(every, every[:0], every[:0]))
    rows, workers = examples.inputs, np.arange(1, len(examples.columns.workers))
    seen = ~np.isnan(examples.truth[quantity])
    some = _some(every, -(-MOST_ASKED // max(len(workers), 1)), rng)
    asked = _on_all(rows.take(some), workers)
    others = _some(every, -(-MOST_CANDIDATES // max(len(workers), 1)), rng)
    every_pair = _on_all(rows.take(others), workers)
    taken = seen[others].repeat(len(workers)) & (
        every_pair.worker == rows.worker[others].repeat(len(workers))
    )
    free = np.flatnonzero(~taken)
    candidates = every_pair.take(free)
    known = rows.take(np.flatnonzero(seen)[-MOST_KNOWN:])
    places, gains = most_helpful(known, candidates, asked, examples.columns, count=count)
    names = examples.columns.workers
    return [
        Advice(
            kind=records[like].kind,
            worker=names[every_pair.worker[place]],
            like=records[like],
            gain=gain,
        )
        for place, gain in zip(free[places].tolist(), gains.tolist(), strict=True)
        for like in [int(others[place // len(workers)])]
    ]


def most_helpful(
    known: Inputs, candidates: Inputs, asked: Inputs, columns: Columns, *, count: int
) -> tuple[Ints, Floats]:
    """Places of candidates, the most helpful first, and what each takes from the mean variance.

    Each is judged after those before it; the answer is a share of the variance that was there
    before the first.
    """
    both = _joined(candidates, asked)
    width = columns.sizes
    shared = covariance(both, both, width)
    if len(known):
        there = covariance(known, known, width) + NOISE * np.eye(len(known))
        half = np.linalg.solve(np.linalg.cholesky(there), covariance(known, both, width))
        shared -= half.T @ half
    first, before = len(candidates), float(np.diag(shared)[len(candidates) :].mean())
    chosen, gains = [], []
    for _ in range(min(count, first)):
        sure = np.diag(shared)[:first] + NOISE
        worth = (shared[first:, :first] ** 2).mean(0) / sure
        best = int(worth.argmax())
        chosen.append(best)
        gains.append(float(worth[best]) / max(before, 1e-12))
        column = shared[:, best].copy()
        shared -= np.outer(column, column / sure[best])
    return np.array(chosen, dtype=np.int64), np.array(gains)


def covariance(one: Inputs, other: Inputs, sizes: int) -> Floats:
    """What two sets of rows tell of each other: n x m, in variances within kinds.

    A level, lines over the first `sizes` columns and a bend for each kind, and a pace for each
    worker, which is partly its own for each kind. Names that are UNKNOWN are like no other.
    """
    a, b = one.numbers[:, :sizes], other.numbers[:, :sizes]
    width = max(sizes, 1)
    far = np.maximum((a**2).sum(1)[:, None] + (b**2).sum(1) - 2 * a @ b.T, 0.0)
    kind = _alike(one.kind, other.kind)
    worker = _alike(one.worker, other.worker)
    law = LEVEL + RISE / width * (a @ b.T) + BEND * np.exp(far / (-2 * LENGTH**2 * width))
    found: Floats = kind * law + worker * (PACE + HABIT * kind)
    return found


def _alike(one: Ints, other: Ints) -> Floats:
    same: Floats = ((one[:, None] == other) & (one != UNKNOWN)[:, None]).astype(np.float64)
    return same


def _joined(one: Inputs, other: Inputs) -> Inputs:
    pairs = zip(vars(one).values(), vars(other).values(), strict=True)
    return Inputs(*(np.concatenate(each) for each in pairs))


def _on_all(rows: Inputs, workers: Ints) -> Inputs:
    """Row `i * m + j` is row i on worker j."""
    spread = rows.take(np.repeat(np.arange(len(rows)), len(workers)))
    return spread.on(np.tile(workers, len(rows)))


def _some(rows: Ints, most: int, rng: Generator) -> Ints:
    return rows if len(rows) <= most else np.sort(rng.choice(rows, most, replace=False))
