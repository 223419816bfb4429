"""Orders and preferences for each aim of an objective, and the best of what they lead to."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from scheduler.planning.flat import Flat, Floats, Ints
from scheduler.planning.kernels.aims import (
    by_apparent_tardiness,
    by_key,
    inherited,
    latest_ends,
    quickest,
)
from scheduler.planning.kernels.graph import longest_after
from scheduler.planning.kernels.lists import list_schedule
from scheduler.planning.kernels.scoring import score
from scheduler.planning.listing import NO_BIAS
from scheduler.planning.problem import Problem
from scheduler.planning.ranking import by_upward_rank

PATIENCE = (0.5, 2.0, 8.0)  # of the apparent tardiness cost
CROWDED = 4000  # tasks from which its quadratic order is left out


class Start(NamedTuple):
    """A schedule as arrays (n each), the order of the tasks that led to it, and its score."""

    order: Ints
    worker: Ints
    start: Floats
    end: Floats
    score: float


def orders(problem: Problem) -> Iterator[Ints]:
    """Orders of the tasks worth a try under the objective, the usual one by upward rank first."""
    flat, aims = problem.flat, problem.flat.aims
    yield by_upward_rank(problem)
    seconds = quickest(flat)
    if (aims.tardiness or aims.hard_deadlines) and np.isfinite(flat.deadline).any():
        yield from _for_deadlines(flat, seconds)
    if aims.flow:
        yield by_key(flat, -inherited(flat, flat.weight / seconds))
        yield by_key(flat, flat.release + seconds - seconds.max() * inherited(flat, flat.weight))
    if aims.fairness:
        yield by_key(flat, latest_ends(flat, flat.alone[flat.owner], seconds))


def _for_deadlines(flat: Flat, seconds: Floats) -> Iterator[Ints]:
    latest = latest_ends(flat, flat.deadline, seconds)
    yield by_key(flat, latest)
    yield by_key(flat, latest - seconds)
    weight = inherited(flat, np.where(np.isfinite(flat.deadline), flat.weight, 0.0))
    yield by_key(flat, -weight)
    if seconds.size <= CROWDED:
        for patience in PATIENCE:
            yield by_apparent_tardiness(flat, latest, weight, seconds, patience=patience)


def spending(problem: Problem) -> Floats:
    """What each task costs on each worker under the objective, n x m; empty where nothing does.

    With weights the weighted money and joules, with a budget alone the money.
    """
    flat, aims = problem.flat, problem.flat.aims
    rate = aims.cost * flat.price + aims.energy * flat.power
    if not rate.any() and aims.budget < np.inf:
        rate = flat.price
    if not rate.any():
        return NO_BIAS
    held = np.where(np.isfinite(flat.duration), flat.duration, 0.0)[flat.row]
    return held * flat.cores[:, None] * (rate / flat.worker_cores)


def float_share(problem: Problem) -> Floats:
    """How far each task is from being critical, n: 0 on the critical path, near 1 far from it."""
    flat = problem.flat
    seconds = quickest(flat)
    no_delay = np.zeros(flat.after_task.size)
    after = longest_after(
        flat.order[::-1].copy(), flat.after_start, flat.after_task, no_delay, seconds
    )
    before = longest_after(flat.order, flat.before_start, flat.before_task, no_delay, seconds)
    through = before + after - seconds
    share: Floats = 1.0 - through / through.max()
    return share


def best(starts: Iterable[Start]) -> Start:
    """The start that scores least, the first of equals."""
    return min(starts, key=lambda each: each.score)


def listed(problem: Problem, order: Ints, bias: Floats = NO_BIAS) -> Start:
    """List scheduling in this order, each task where its end plus the bias (n x m) is least."""
    timed = list_schedule(problem.flat, order, bias, 1.0, True)
    return Start(order, *timed, score=score(problem.flat, *timed))
