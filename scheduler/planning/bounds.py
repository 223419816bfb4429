"""How short any plan can be at best: certified lower bounds on the makespan.

Three things hold every plan back: the longest way through the workflow, transfers included where
tasks gain by parting or cannot all be on one worker; the work that workers and pools have to share,
between any two times; and tasks of which no two can run at one time. The bound is the largest. In
large problems fewer sets of tasks and fewer times are looked at.
"""

from collections import Counter
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from scheduler.planning.flat import Flat, Floats
from scheduler.planning.grain import grain
from scheduler.planning.kernels.bounding import (
    ancestors,
    apart,
    forced,
    most_forced,
    priced_work,
    reached,
)
from scheduler.planning.problem import Problem

Bools = NDArray[np.bool_]

ROUNDING = 1e-9  # share taken off, so that sums in another order never lift the bound over a plan
CLEARLY = 1e-6  # share by which what two tasks hold must exceed a worker, lest they just fit
STEPS = 12  # price adjustments; each is a pass over tasks x workers
SUBSETS = 16  # sets of workers looked at one by one, the busiest first
LEVELS = 16  # times after a task by which tasks are set apart
EFFORT = 2e7  # steps of energetic reasoning, which decide how many times are looked at
CLOSED = 1500  # tasks up to which it is looked at who waits for whom over any number of steps
SEEDS = 64  # tasks around which sets that cannot run together are grown
KEPT = 4  # resources of the workers whose energy is looked at closely
LARGE, HUGE = 2_000_000, 30_000_000  # pairs of task and worker from which on less is looked at
SAMPLE = 10_000  # rows of beliefs that tell how fast workers usually are
PASSES = 3  # of energetic reasoning, each from the bound of the one before


class Ways(NamedTuple):
    """The least time before each task starts and after it ends (n each), and the longest way."""

    head: Floats
    tail: Floats
    longest: float


def lower_bound(problem: Problem) -> float:
    """Seconds that no feasible schedule of the problem can undercut."""
    flat = problem.flat
    length = _lengths(flat)
    ways = _ways(flat, length)
    if length.shape[1] < len(flat.worker_cores):  # too large for a closer look
        bound = max(ways.longest, float(_whole_work(flat).sum()))
    else:
        pools, workers = _shares(flat, length)
        bound = max(ways.longest, *(_spread(share, ways) for share in (*pools, *workers)))
        bound = max(bound, _closely(flat, length, pools, workers, ways, bound))
    if unit := grain(flat):
        bound = np.ceil(bound / unit - 1e-6) * unit
    return float(bound) * (1 - ROUNDING)


def path_bound(problem: Problem) -> float:
    """The longest way through the workflow when every task gets the best of all workers."""
    return _ways(problem.flat, _lengths(problem.flat)).longest * (1 - ROUNDING)


def _lengths(flat: Flat) -> Floats:
    """Seconds of each task on each worker, n x m; of what has happened on its worker alone.

    Where there are too many pairs, the seconds on the fastest worker, n x 1.
    """
    n, m = len(flat.row), len(flat.worker_cores)
    happened = np.flatnonzero(flat.fixed_worker >= 0)
    took = flat.fixed_end[happened] - flat.fixed_start[happened]
    if n * m > HUGE:
        fastest: Floats = flat.duration.min(axis=1)[flat.row][:, None]
        fastest[happened, 0] = took
        return fastest
    length = flat.duration[flat.row]
    length[happened] = np.inf
    length[happened, flat.fixed_worker[happened]] = took
    return length


def _whole_work(flat: Flat) -> Floats:
    """Seconds of the cores of all workers that each free task takes at least (n)."""
    price = _usual_price(flat.duration[:SAMPLE])
    cheapest = (flat.duration * price).min(axis=1)[flat.row] / float(price @ flat.worker_cores)
    return np.where(flat.fixed_worker < 0, cheapest * flat.cores, 0.0)


def _ways(flat: Flat, length: Floats) -> Ways:
    """With transfers; on a problem without a column for each worker without them."""
    happened = (flat.fixed_worker >= 0)[:, None]
    free = np.isfinite(length) & ~happened
    m = length.shape[1]
    share = np.where(free, flat.cores[:, None] / flat.worker_cores[:m], 0.0)
    release, never = np.maximum(flat.release, flat.now), np.full(len(length), -1.0)
    ended = np.where(happened[:, 0], flat.fixed_end, -1.0)
    there, back = (_way(flat, each) for each in (flat.per_byte, flat.per_byte.T))
    forwards = reached(
        flat.order, flat.before_start, flat.before_task,
        *_delays(flat.before_bytes, *there, alone=m == 1),
        length, release, share, flat.fixed_worker, ended,
    )  # fmt: skip
    backwards = reached(
        flat.order[::-1].copy(), flat.after_start, flat.after_task,
        *_delays(flat.after_bytes, *back, alone=m == 1),
        length, np.zeros(len(length)), share, flat.fixed_worker, never,
    )  # fmt: skip
    own = np.where(np.isfinite(length), length, 0.0)
    head, tail = (forwards - own).min(axis=1), (backwards - own).min(axis=1)
    return Ways(head, tail, float((forwards + backwards - own).min(axis=1).max()))


def _way(flat: Flat, per_byte: Floats) -> tuple[float, float, Floats]:
    """Latency, seconds per byte between the nearest two, and how much farther each is off (m)."""
    m = len(per_byte)
    if m == 1:
        return 0.0, 0.0, np.ones(1)
    into = np.where(np.eye(m, dtype=np.bool_), np.inf, per_byte).min(axis=0)
    least = float(into.min())
    # with a latency the whole delay does not grow by the same factor as the part by bytes
    farther = into / least if flat.latency == 0 and least > 0 else np.ones(m)
    return flat.latency, least, farther


def _delays(
    size: Floats, latency: float, per_byte: float, farther: Floats, *, alone: bool
) -> tuple[Floats, Floats]:
    if alone:
        return np.zeros(len(size)), np.ones(1)
    return latency + size * per_byte, farther


def _shares(flat: Flat, length: Floats) -> tuple[list[Floats], list[Floats]]:
    """Seconds of a whole resource that each task takes at least (n), for each resource looked at.

    First of the pools; then of the cores and the memory of all workers, and of those that some
    tasks are confined to, at prices y >= 0 per worker: makespan x sum(y x capacity) >= sum over
    tasks of the least y x work among the workers that can take it (weak duality of the fractional
    assignment). A task beside which nothing fits holds all that its worker has.
    """
    happened = flat.fixed_worker >= 0  # what has happened may have held more than there was
    shortest = np.where(happened, 0.0, length.min(axis=1))
    limited = np.flatnonzero(flat.limit > 0)
    pools = [flat.need[:, k] * shortest / flat.limit[k] for k in limited]
    work = np.where(happened[:, None], 0.0, length)
    many = work.size > LARGE
    workers: list[Floats] = []
    whole: Bools | bool = False if many else _wholes(flat, length)
    for held, capacity in (
        (flat.cores[:, None], flat.worker_cores),
        (flat.memory[flat.row], flat.worker_memory),
    ):
        every = work * np.where(whole, capacity, held)
        usual = _usual_price(every)
        workers += [
            _best_share(every, capacity, np.where(inside, usual, 0.0), steps=3 if many else STEPS)
            for inside in _subsets(np.isfinite(every))[: 3 if many else None]
        ]
    return pools, workers


def _wholes(flat: Flat, length: Floats) -> Bools:
    """Where a task leaves no room for any other beside it, and so holds the whole worker: n x m."""
    able = np.isfinite(length)
    happened = (flat.fixed_worker >= 0)[:, None]
    whole = np.zeros(length.shape, dtype=np.bool_)
    for held, fixed, capacity in (
        (flat.cores[:, None], flat.fixed_cores, flat.worker_cores),
        (flat.memory[flat.row], flat.fixed_memory, flat.worker_memory),
    ):
        taken = np.where(able, np.where(happened, fixed[:, None], held), np.inf)
        whole |= held + taken.min(axis=0, initial=np.inf) > capacity * (1 + CLEARLY)
    return whole


def _spread(share: Floats, ways: Ways) -> float:
    """Tasks that all start h or later and leave q or more have their share between the two."""
    latest_first = np.argsort(-ways.head, kind="stable")
    levels = np.unique(np.quantile(ways.tail, np.linspace(0, 1, LEVELS), method="lower"))
    return float(most_forced(share, latest_first, ways.head, ways.tail, levels))


def _closely(
    flat: Flat,
    length: Floats,
    pools: list[Floats],
    workers: list[Floats],
    ways: Ways,
    bound: float,
) -> float:
    """Energetic reasoning, sharper heads and tails, and sets of tasks that exclude one another."""
    busiest = sorted(workers, key=lambda each: -float(each.sum()))[:KEPT]
    energy = np.stack([*pools, *busiest])
    shortest = length.min(axis=1)
    slowest = np.where(np.isfinite(length), length, 0.0).max(axis=1)
    longest = np.stack([shortest] * len(pools) + [slowest] * len(busiest))
    head, tail = ways.head, ways.tail
    if len(shortest) <= CLOSED:
        before = ancestors(flat.order, flat.before_start, flat.before_task)
        head = _after_all(before, energy, head)
        tail = _after_all(before.T.copy(), energy, tail)
        bound = max(bound, float((head + shortest + tail).max()))
        bound = max(bound, _excluding(flat, before, shortest, head, tail))
    count = int(np.clip((EFFORT / (len(shortest) * (len(energy) + 1))) ** 0.5, 2, 400))
    heads, tails = _levels(head, count), _levels(tail, count)
    for _ in range(PASSES):
        sharper = forced(energy, shortest, longest, head, tail, heads, tails, bound)
        if sharper <= bound * (1 + 1e-6):
            break
        bound = float(sharper)
    return bound


def _after_all(before: Bools, energy: Floats, head: Floats) -> Floats:
    """The least time before each task with the energy of all that it waits for, n."""
    first = np.where(before, head, np.inf).min(axis=1, initial=np.inf)
    waits = before.any(axis=1)
    spent = (before @ energy.T).max(axis=1)
    return np.where(waits, np.maximum(head, np.where(waits, first, 0.0) + spent), head)


def _excluding(flat: Flat, before: Bools, shortest: Floats, head: Floats, tail: Floats) -> float:
    """The most that tasks of which no two can run at one time take, one after the other."""
    need, limit = flat.need, flat.limit
    if len(flat.worker_cores) == 1:  # then the worker is a pool as well
        need = np.column_stack([need, flat.cores, flat.memory[flat.row][:, 0]])
        limit = np.array([*limit, flat.worker_cores[0], flat.worker_memory[0]])
    if not len(limit):
        return 0.0
    crowding = (need / np.maximum(limit, 1e-300)).max(axis=1)
    seeds = np.argsort(-crowding, kind="stable")[:SEEDS]
    found = 0.0
    for inside in apart(before, np.ascontiguousarray(need), limit, seeds, crowding):
        share = np.where(inside, shortest, 0.0)
        latest_first = np.argsort(-head, kind="stable")
        found = max(found, most_forced(share, latest_first, head, tail, np.unique(tail[inside])))
    return found


def _levels(times: Floats, count: int) -> Floats:
    found = np.unique(times)
    if len(found) > count:
        found = np.unique(np.quantile(found, np.linspace(0, 1, count), method="lower"))
    return found


def _best_share(work: Floats, capacity: Floats, price: Floats, *, steps: int) -> Floats:
    """What each task adds to the bound (n) at the best prices found from these on."""
    best, inside = np.zeros(len(work)), price > 0
    for _ in range(steps):
        cheapest, load = priced_work(work, price)
        share = cheapest / float(price @ capacity)
        best = max(best, share, key=np.sum)
        price = price * _dearer(load / capacity, inside)
    return best


def _usual_price(work: Floats) -> Floats:
    """A price per worker at which its usual task costs the same as on another worker: its speed."""
    able = np.isfinite(work)
    least = work.min(axis=1, keepdims=True)
    slower = np.where(able, work / np.maximum(least, 1e-300), 0.0).sum(axis=0)
    slower = slower / np.maximum(able.sum(axis=0), 1)
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
