"""List scheduling on flat arrays.

A profile says what a worker has free from each moment on: rows of (time, cores, memory) in order of
time, the first at 0, each valid until the next, the last for ever. Equal neighbours are merged, so
that a worker packed without gaps keeps few rows.
"""

import numpy as np

from scheduler.planning.flat import Floats, Ints
from scheduler.planning.kernels.compiling import compiled

TIME, CORES, MEMORY = 0, 1, 2
LEEWAY = 1e-9  # cores are added and subtracted as floats


@compiled
def list_schedule(
    order: Ints,
    start_of: Ints,
    predecessor: Ints,
    carried: Floats,
    duration: Floats,
    cores: Floats,
    memory: Floats,
    worker_cores: Floats,
    worker_memory: Floats,
    latency: float,
    per_byte: float,
    duration_weight: float,
    insertion: bool,
) -> tuple[Ints, Floats, Floats]:
    """Places the tasks one after the other, each where start + duration_weight x duration is least.

    `order` must respect the precedence. Weight 1 takes the earliest finish, weight 0 the earliest
    start; ties go to the first worker. With `insertion` a task may use a gap before tasks placed
    earlier; without it no task of a worker starts before one that was placed there before it.

    Shape: order n; start_of n + 1, predecessor and carried (bytes) one per dependency, by target;
    duration (infinite where not eligible) and memory n x m; cores n; worker_* m. Gives worker,
    start and end, n each.
    """
    n, m = duration.shape
    chosen, start, end = np.zeros(n, np.int64), np.zeros(n), np.zeros(n)
    profile, rows = _idle(worker_cores, worker_memory)
    local, floor = np.zeros(m), np.zeros(m)  # last end of a predecessor there; last start there
    for t in order:
        first, second, first_worker = 0.0, 0.0, -1  # latest arrivals, from two different workers
        for e in range(start_of[t], start_of[t + 1]):
            p = predecessor[e]
            w = chosen[p]
            local[w] = max(local[w], end[p])
            arrival = end[p] + latency + carried[e] * per_byte
            if w == first_worker:
                first = max(first, arrival)
            elif arrival > first:
                second, first, first_worker = first, arrival, w
            else:
                second = max(second, arrival)
        best, best_start, best_worker = np.inf, 0.0, -1
        for w in range(m):
            d = duration[t, w]
            if d == np.inf:
                continue
            ready = max(local[w], second if w == first_worker else first)
            if not insertion:
                ready = max(ready, floor[w])
            ahead = duration_weight * d
            if ready + ahead >= best:
                continue
            s = earliest_fit(profile[w], rows[w], ready, d, cores[t], memory[t, w], best - ahead)
            if s + ahead < best:
                best, best_start, best_worker = s + ahead, s, w
        for e in range(start_of[t], start_of[t + 1]):
            local[chosen[predecessor[e]]] = 0.0
        w = best_worker
        chosen[t], start[t], end[t] = w, best_start, best_start + duration[t, w]
        floor[w] = max(floor[w], best_start)
        if rows[w] + 2 > profile.shape[1]:
            profile = _widened(profile, rows)
        rows[w] = reserve(profile[w], rows[w], start[t], end[t], cores[t], memory[t, w])
    return chosen, start, end


@compiled
def _idle(worker_cores: Floats, worker_memory: Floats) -> tuple[Floats, Ints]:
    profile = np.empty((worker_cores.size, 64, 3))
    profile[:, 0, TIME] = 0.0
    profile[:, 0, CORES], profile[:, 0, MEMORY] = worker_cores, worker_memory
    return profile, np.ones(worker_cores.size, np.int64)


@compiled
def _widened(profile: Floats, rows: Ints) -> Floats:
    wide = np.empty((profile.shape[0], 2 * profile.shape[1], 3))
    for w in range(rows.size):
        wide[w, : rows[w]] = profile[w, : rows[w]]
    return wide


@compiled
def _row_at(profile: Floats, rows: int, time: float) -> int:
    low, high = 0, rows  # profile[low] begins at or before the time, profile[high] after it
    while high - low > 1:
        middle = (low + high) // 2
        if profile[middle, TIME] <= time:
            low = middle
        else:
            high = middle
    return low


@compiled
def earliest_fit(
    profile: Floats,
    rows: int,
    ready: float,
    duration: float,
    cores: float,
    memory: float,
    useless: float,
) -> float:
    """The first moment from `ready` on at which cores and memory stay free for the duration.

    Infinite when that is not before `useless`.
    """
    row, start = _row_at(profile, rows, ready), ready
    while start < useless:
        if profile[row, CORES] + LEEWAY < cores or profile[row, MEMORY] < memory:
            row += 1  # the last row is the idle worker: an eligible task fits there
            start = profile[row, TIME]
        elif row + 1 == rows or profile[row + 1, TIME] >= start + duration:
            return start
        else:
            row += 1
    return np.inf


@compiled
def reserve(
    profile: Floats, rows: int, start: float, end: float, cores: float, memory: float
) -> int:
    """Takes cores and memory out of a profile with room for two more rows; gives the new rows."""
    if end <= start:  # shorter than the clock can tell at that time
        return rows
    first, rows = _split(profile, rows, start)
    last, rows = _split(profile, rows, end)
    for row in range(first, last):
        profile[row, CORES] -= cores
        profile[row, MEMORY] -= memory
    rows = _merge(profile, rows, last)
    return _merge(profile, rows, first)


@compiled
def _split(profile: Floats, rows: int, time: float) -> tuple[int, int]:
    row = _row_at(profile, rows, time)
    if profile[row, TIME] == time:
        return row, rows
    for i in range(rows, row, -1):
        profile[i, TIME] = profile[i - 1, TIME]
        profile[i, CORES] = profile[i - 1, CORES]
        profile[i, MEMORY] = profile[i - 1, MEMORY]
    profile[row + 1, TIME] = time
    return row + 1, rows + 1


@compiled
def _merge(profile: Floats, rows: int, row: int) -> int:
    if row == 0 or row == rows:
        return rows
    same_cores = profile[row, CORES] == profile[row - 1, CORES]
    if not (same_cores and profile[row, MEMORY] == profile[row - 1, MEMORY]):
        return rows
    for i in range(row, rows - 1):
        profile[i, TIME] = profile[i + 1, TIME]
        profile[i, CORES] = profile[i + 1, CORES]
        profile[i, MEMORY] = profile[i + 1, MEMORY]
    return rows - 1
