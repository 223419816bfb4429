"""How short any plan can be at best: certified lower bounds on the makespan.

Two things hold every plan back: the longest way through the workflow, transfers included where two
tasks gain by parting, and the work that the workers have to share. The bound is the larger one,
sharpened by the time before the first and after the last of each part of the work.
"""

from collections import Counter

import numpy as np
from numpy.typing import NDArray

from scheduler.planning.kernels.bounding import most_forced, priced_work
from scheduler.planning.kernels.graph import earliest_ends
from scheduler.planning.problem import Edges, Floats, Ints, Problem
from scheduler.planning.ranking import transfers

Bools = NDArray[np.bool_]

ROUNDING = 1e-9  # share taken off, so that sums in another order never lift the bound over a plan
STEPS = 12  # price adjustments; each is a pass over tasks x workers
SUBSETS = 16  # sets of workers looked at one by one, the busiest first
LEVELS = 16  # times after a task by which tasks are set apart


def lower_bound(problem: Problem) -> float:
    """Seconds that no feasible schedule of the problem can undercut."""
    head, tail, path = _ways(problem)
    capacity = [(each.cores, each.memory) for each in problem.cluster.workers]
    cores, memory = np.array(capacity, dtype=np.float64).T
    held = (problem.duration * problem.cores[:, None], problem.duration * problem.memory)
    works = [
        _work(work, able, head, tail) for work, able in zip(held, (cores, memory), strict=True)
    ]
    return max(path, *works) * (1 - ROUNDING)


def path_bound(problem: Problem) -> float:
    """The longest way through the workflow when every task gets the best of all workers."""
    return _ways(problem)[2] * (1 - ROUNDING)


def _ways(problem: Problem) -> tuple[Floats, Floats, float]:
    """The least time before each task starts and after it ends (n each), and the longest way."""
    order, duration = problem.topological, problem.duration
    forwards = _ends(problem, problem.predecessors, order)
    backwards = _ends(problem, problem.successors, order[::-1].copy())
    own = np.where(problem.eligible, duration, 0.0)
    head = (forwards - own).min(axis=1)
    tail = (backwards - own).min(axis=1)
    return head, tail, float((forwards + backwards - own).min(axis=1).max())


def _ends(problem: Problem, edges: Edges, order: Ints) -> Floats:
    delay = transfers(problem, edges.bytes)
    return earliest_ends(order, edges.start, edges.task, delay, problem.duration)


def _work(work: Floats, capacity: Floats, head: Floats, tail: Floats) -> float:
    """The bound from work (n x m, infinite where not eligible) against capacity (m) per second.

    For any prices y >= 0 of the workers: makespan x sum(y x capacity) >= sum over tasks of the
    least y x work among the workers that can take it (weak duality of the fractional assignment).
    Price 1 everywhere bounds by the whole work; price 0 outside a set of workers bounds by the
    tasks that only this set can take. Tasks that all start h or later and leave q or more to do
    after them have their share of it between h and q before the end.
    """
    usual = _usual_price(work)
    shares = [
        _best_share(work, capacity, np.where(inside, usual, 0.0))
        for inside in _subsets(np.isfinite(work))
    ]
    latest_first = np.argsort(-head, kind="stable")
    levels = np.unique(np.quantile(tail, np.linspace(0, 1, LEVELS), method="lower"))
    return max(most_forced(share, latest_first, head, tail, levels) for share in shares)


def _best_share(work: Floats, capacity: Floats, price: Floats) -> Floats:
    """What each task adds to the bound (n) at the best prices found from these on."""
    best, inside = np.zeros(len(work)), price > 0
    for _ in range(STEPS):
        cheapest, load = priced_work(work, price)
        share = cheapest / float(price @ capacity)
        best = max(best, share, key=np.sum)
        price = price * _dearer(load / capacity, inside)
    return best


def _usual_price(work: Floats) -> Floats:
    """A price per worker at which its usual task costs the same as on another worker: its speed."""
    able = np.isfinite(work)
    least = work.min(axis=1, keepdims=True)
    slower = np.where(able, work / least, 0.0).sum(axis=0) / np.maximum(able.sum(axis=0), 1)
    return 1.0 / np.where(slower > 0, slower, 1.0)


def _subsets(able: Bools) -> list[Bools]:
    """The sets of workers that some task is confined to, most tasks first, after the set of all."""
    everyone = np.ones(able.shape[1], dtype=np.bool_)
    count = Counter(row.tobytes() for row in able)
    sets = [np.frombuffer(each, dtype=np.bool_) for each, _ in count.most_common(SUBSETS)]
    return [everyone, *(each for each in sets if not each.all())]


def _dearer(load: Floats, inside: Bools) -> Floats:
    """Raises the price of crowded workers: a step towards the prices of the best bound."""
    mean = float(load[inside].mean())
    if mean <= 0:
        return np.ones(len(load))
    factor: Floats = np.clip(load / mean, 0.5, 2.0) ** 0.3
    return factor
