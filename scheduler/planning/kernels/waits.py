"""What the times of a plan tell: how much later each task may start, and what each waits for."""

import numpy as np

from scheduler.planning.flat import Flat, Floats, Ints
from scheduler.planning.kernels.compiling import compiled

SAME = 1e-9  # share of a time, and seconds, by which two moments may differ and still be one
FIXED, NOTHING, NOW, RELEASE, PREDECESSOR, WORKER, POOL, CLOSED, CHOICE = range(9)


@compiled
def travel(flat: Flat, e: int, source: int, target: int) -> float:
    """Seconds that the bytes of dependency e (of `after_*`) take between two workers."""
    if source == target:
        return 0.0
    rate: float = flat.per_byte[source, target]
    return flat.latency + float(flat.after_bytes[e]) * rate


@compiled
def begins(flat: Flat, start: Floats) -> Floats:
    """The starts, rising along every dependency even where the clock cannot tell two apart."""
    begin = start.copy()
    for t in flat.order:
        for e in range(flat.before_start[t], flat.before_start[t + 1]):
            begin[t] = max(begin[t], begin[flat.before_task[e]])
    return begin


@compiled
def latest_starts(flat: Flat, worker: Ints, start: Floats, end: Floats, horizon: float) -> Floats:
    """When each task could start at the latest for all to end by the horizon (seconds), n.

    Workers stay, and of two tasks on one worker or in one pool the one that ends before the other
    starts keeps doing so, and what ends before a closed window too. What has happened, or starts
    later than that already, stays. The plan must be feasible.
    """
    n, m, p = flat.row.size, flat.worker_cores.size, flat.limit.size
    by_place = np.argsort(begins(flat, start)[flat.order], kind="mergesort")
    count = np.zeros(m + p + 1, np.int64)
    for t in range(n):
        count[worker[t] + 1] += 1
        for q in range(p):
            if flat.need[t, q] > 0:
                count[m + q + 1] += 1
    first = np.cumsum(count)
    filled = first[:-1].copy()
    starts, bound = np.empty(first[-1]), np.empty(first[-1])  # of a lane, by falling start
    latest = np.empty(n)
    for i in range(n - 1, -1, -1):
        t = flat.order[by_place[i]]
        w, done_by = worker[t], horizon
        for e in range(flat.after_start[t], flat.after_start[t + 1]):
            u = flat.after_task[e]
            done_by = min(done_by, latest[u] - travel(flat, e, w, worker[u]))
        edge = end[t] - SAME * max(1.0, end[t])
        done_by = min(done_by, _least_from(starts, bound, first[w], filled[w], edge))
        for q in range(p):
            if flat.need[t, q] > 0:
                lane = m + q
                least = _least_from(starts, bound, first[lane], filled[lane], edge)
                done_by = min(done_by, least)
        for c in range(flat.closed_start[w], flat.closed_start[w + 1]):
            if flat.closed[c, 0] >= edge:
                done_by = min(done_by, flat.closed[c, 0])
        if flat.aims.hard_deadlines:
            done_by = min(done_by, flat.deadline[t])
        latest[t] = max(start[t], done_by - (end[t] - start[t]))
        if flat.fixed_worker[t] >= 0:
            latest[t] = start[t]
        _add(starts, bound, first[w], filled, w, start[t], latest[t])
        for q in range(p):
            if flat.need[t, q] > 0:
                _add(starts, bound, first[m + q], filled, m + q, start[t], latest[t])
    return latest


@compiled
def _least_from(starts: Floats, bound: Floats, first: int, past: int, edge: float) -> float:
    low, high = first, past  # starts before low are at or after the edge, those from high are not
    while low < high:
        middle = (low + high) // 2
        if starts[middle] >= edge:
            low = middle + 1
        else:
            high = middle
    return bound[low - 1] if low > first else np.inf


@compiled
def _add(
    starts: Floats, bound: Floats, first: int, filled: Ints, lane: int, start: float, latest: float
) -> None:
    at = filled[lane]
    starts[at], bound[at] = start, latest
    if at > first:
        bound[at] = min(latest, bound[at - 1])
        starts[at] = min(start, starts[at - 1])
    filled[lane] += 1


@compiled
def what_holds(flat: Flat, worker: Ints, start: Floats, end: Floats) -> tuple[Ints, Ints]:
    """What lets go of each task just as it starts: the cause, and the task or window, n each.

    Of several the first of: the moment now, the release, the predecessor whose bytes come last, a
    task that ends then on the worker, one in a pool of the task, a closed window of the worker.
    The other task is -1 where the cause is none.
    """
    n = flat.row.size
    cause, other = np.full(n, CHOICE), np.full(n, -1)
    by_end = np.argsort(end, kind="mergesort")
    ends = end[by_end]
    for t in range(n):
        s, w = start[t], worker[t]
        tolerance = SAME * max(1.0, s)
        if flat.fixed_worker[t] >= 0:
            cause[t] = FIXED
            continue
        if s <= flat.now + tolerance:
            cause[t] = NOTHING if flat.now <= 0 else NOW
            continue
        if s <= flat.release[t] + tolerance:
            cause[t] = RELEASE
            continue
        last = -np.inf
        for e in range(flat.before_start[t], flat.before_start[t + 1]):
            p = flat.before_task[e]
            at = end[p]
            if worker[p] != w:
                at += flat.latency + flat.before_bytes[e] * flat.per_byte[worker[p], w]
            if at >= s - tolerance and at > last:
                cause[t], other[t], last = PREDECESSOR, p, at
        if other[t] >= 0:
            continue
        low = np.searchsorted(ends, s - tolerance)
        high = np.searchsorted(ends, s + tolerance, side="right")
        for i in range(low, high):
            u = by_end[i]
            if u != t and worker[u] == w:
                cause[t], other[t] = WORKER, u
                break
            if u != t and other[t] < 0 and _share_a_pool(flat, t, u):
                cause[t], other[t] = POOL, u
        if other[t] >= 0:
            continue
        for c in range(flat.closed_start[w], flat.closed_start[w + 1]):
            if abs(flat.closed[c, 1] - s) <= tolerance:
                cause[t] = CLOSED
    return cause, other


@compiled
def _share_a_pool(flat: Flat, t: int, u: int) -> bool:
    shared = 0
    for q in range(flat.limit.size):
        shared += int(flat.need[t, q] > 0 and flat.need[u, q] > 0)
    return shared > 0
