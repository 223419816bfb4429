"""Neighbourhoods of a plan solved anew by CP-SAT, the plan kept whatever comes of it.

The tasks stand in the order of the middle between their earliest and latest times. A window frees
a run of them: what comes before stays as early, and what comes after as late, as the plan has them,
and all of the latter move earlier by what is won. So a window is a small problem of its own
whatever the size of the plan (after the time windows of Carchrae and Beck, "Principles for the
design of large neighborhood search", 2009, with both sides fixed).
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.random import Generator

from scheduler.planning.capacity_search import Arrays, Decoder, never, value_of
from scheduler.planning.exact import Effort, Ground, solved
from scheduler.planning.flat import Flat, Ints

THREADS = 2
SMALLEST, LARGEST, FIRST = 25, 80, 40  # tasks of a window, and of the first
WIDER, NARROWER = 1.15, 0.87  # of windows after those that were solved, and after others
EACH = 0.15  # deterministic seconds of a window at most
COST = 0.2  # deterministic seconds of a round, as it usually turns out


def reopened(
    flat: Flat,
    plan: Arrays,
    *,
    rounds: int,
    seed: int,
    stop: Callable[[], bool] = never,
    enough: float = 0.0,
    longest: float = np.inf,
) -> Arrays:
    """The best plan after so many rounds of two windows each; never worse than the one given.

    `stop` is asked between rounds, and `enough`, a lower bound, ends them. A window takes at most
    `longest` seconds, whatever it has found. Equal arguments, equal plans, unless time stops them.
    """

    def effort(seed: int) -> Effort:
        return Effort(deterministic=EACH, seconds=longest, seed=seed, light=True)

    rng, decoder = np.random.default_rng(seed), Decoder(flat)
    best, value = plan, value_of(flat, plan)
    now, size = plan, FIRST
    with ThreadPoolExecutor(THREADS) as threads:
        for _ in range(rounds):
            if stop() or best.end.max() <= enough * (1 + 1e-9):
                break
            windows = [_window(flat, now, decoder, rng, size) for _ in range(THREADS)]
            seeds = rng.integers(1 << 30, size=THREADS).tolist()
            answers = list(
                threads.map(
                    lambda a: solved(flat, a[0], effort(a[1]), least=enough),
                    zip(windows, seeds, strict=True),
                )
            )
            done = sum(answer.proved for answer in answers)
            step = WIDER if done == THREADS else NARROWER
            size = int(np.clip(size * step + 0.5, SMALLEST, LARGEST))
            found = [decoder.earliest(a.worker, a.start) for a in answers if a.start is not None]
            for each in found:
                if value_of(flat, each) <= value_of(flat, now) or each.end.max() <= now.end.max():
                    now = each
                if value_of(flat, now) < value:
                    best, value = now, value_of(flat, now)
    return best


def _window(flat: Flat, plan: Arrays, decoder: Decoder, rng: Generator, size: int) -> Ground:
    late = decoder.latest(plan)
    free = np.flatnonzero(flat.fixed_worker < 0)
    middle = (plan.start + late + plan.end - plan.start)[free]
    place = np.argsort(flat.order)[free]
    order = free[np.lexsort((place, middle))]
    size = min(size, len(order))
    first = int(rng.integers(-size // 2, len(order) - size // 2))
    first = min(max(first, 0), len(order) - size)
    side: Ints = np.full(len(flat.row), -1, dtype=np.int64)
    side[order[first : first + size]] = 0
    side[order[first + size :]] = 1
    return Ground(plan.worker, plan.start, plan.end, late, side, float(plan.end.max()))
