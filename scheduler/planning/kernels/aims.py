"""Orders of tasks that serve deadlines, urgencies and owners, on flat arrays."""

from heapq import heapify, heappop, heappush

import numpy as np

from scheduler.planning.flat import Flat, Floats, Ints
from scheduler.planning.kernels.compiling import compiled


@compiled
def quickest(flat: Flat) -> Floats:
    """Seconds of each task on the worker where it is shortest, n."""
    seconds = np.empty(flat.row.size)
    for t in range(seconds.size):
        seconds[t] = flat.duration[flat.row[t]].min()
    return seconds


@compiled
def latest_ends(flat: Flat, due: Floats, seconds: Floats) -> Floats:
    """By when each task must end so that it and all that wait for it can be in time, n.

    `due` (n, infinite without) is when each task itself should end; what follows takes `seconds`
    (n) each and no transfers.
    """
    latest = due.copy()
    for t in flat.order[::-1]:
        for e in range(flat.after_start[t], flat.after_start[t + 1]):
            s = flat.after_task[e]
            latest[t] = min(latest[t], latest[s] - seconds[s])
    return latest


@compiled
def inherited(flat: Flat, weight: Floats) -> Floats:
    """The largest weight of each task and all that wait for it, n."""
    largest = weight.copy()
    for t in flat.order[::-1]:
        for e in range(flat.after_start[t], flat.after_start[t + 1]):
            largest[t] = max(largest[t], largest[flat.after_task[e]])
    return largest


@compiled
def by_key(flat: Flat, key: Floats) -> Ints:
    """Each task after its predecessors; of those that could be next, the least key, then the first.

    Shape: key n.
    """
    waits, order, count = np.diff(flat.before_start), np.empty(key.size, np.int64), 0
    ready = [(key[t], t) for t in range(key.size) if waits[t] == 0]
    heapify(ready)
    while len(ready) > 0:
        _, t = heappop(ready)
        order[count] = t
        count += 1
        for e in range(flat.after_start[t], flat.after_start[t + 1]):
            s = flat.after_task[e]
            waits[s] -= 1
            if waits[s] == 0:
                heappush(ready, (key[s], s))
    return order


@compiled
def by_apparent_tardiness(
    flat: Flat, latest: Floats, weight: Floats, seconds: Floats, *, patience: float
) -> Ints:
    """The order that the apparent tardiness cost gives when all cores work as one.

    The next is the ready task with the most w / p x exp(-max(0, d - p - t) / (k x mean p)), t
    growing with the work taken: Vepsalainen and Morton, "Priority rules for job shops with weighted
    tardiness costs" (1987). Quadratic in the tasks that are ready at one time. Shape: n each;
    `patience` is k.
    """
    waits, order = np.diff(flat.before_start), np.empty(seconds.size, np.int64)
    ready, many, now = np.empty(seconds.size, np.int64), 0, flat.now
    for t in range(seconds.size):
        if waits[t] == 0:
            ready[many] = t
            many += 1
    scale, cores = patience * seconds.mean(), flat.worker_cores.sum()
    for count in range(seconds.size):
        best, which = -1.0, 0
        for i in range(many):
            t = ready[i]
            spare = max(0.0, latest[t] - seconds[t] - max(now, flat.release[t]))
            index = weight[t] / seconds[t] * np.exp(-spare / scale)
            if index > best or (index == best and t < ready[which]):
                best, which = index, i
        t = ready[which]
        order[count], ready[which] = t, ready[many - 1]
        many -= 1
        now += seconds[t] * flat.cores[t] / cores
        for e in range(flat.after_start[t], flat.after_start[t + 1]):
            s = flat.after_task[e]
            waits[s] -= 1
            if waits[s] == 0:
                ready[many] = s
                many += 1
    return order
