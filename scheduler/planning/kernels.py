"""List scheduling and passes over the graph, on flat arrays: the only hot loops.

All compiled functions live in this one file: the cache of a compiled caller is renewed when its own
file changes, not when the file of something it calls does.

A profile says what a worker has free from each moment on: rows of (time, cores, memory) in order of
time, the first at 0, each valid until the next, the last for ever. Equal neighbours are merged, so
that a worker packed without gaps keeps few rows.
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Function = TypeVar("Function", bound=Callable[..., Any])

TIME, CORES, MEMORY = 0, 1, 2
LEEWAY = 1e-9  # cores are added and subtracted as floats


def compiled(function: Function) -> Function:
    """Compiles at the first call, without the interpreter's lock, kept on disk where one can write.

    Where neither the package's folder nor the user's cache can be written, every process compiles
    anew, which takes seconds and changes nothing else.
    """
    try:
        return cast(Function, njit(cache=True, nogil=True)(function))
    except RuntimeError:  # what numba raises when it finds no folder for its cache
        return cast(Function, njit(nogil=True)(function))


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


@compiled
def longest_after(
    backwards: Ints, start_of: Ints, successor: Ints, delay: Floats, weight: Floats
) -> Floats:
    """The longest way from the start of each task to the end of the workflow, n.

    A way weighs its tasks' `weight` (n) and its dependencies' `delay`. `backwards` holds every task
    after its successors.
    """
    longest = np.zeros(weight.size)
    for t in backwards:
        after = 0.0
        for e in range(start_of[t], start_of[t + 1]):
            after = max(after, delay[e] + longest[successor[e]])
        longest[t] = weight[t] + after
    return longest


@compiled
def earliest_ends(
    order: Ints, start_of: Ints, predecessor: Ints, delay: Floats, duration: Floats
) -> Floats:
    """When each task could end on each worker if every worker could do everything at once, n x m.

    A predecessor runs wherever that is best for this one task: with EF the result and W the
    durations, EF[t, w] = W[t, w] + max over p of min(EF[p, w], delay + min over v of EF[p, v]).
    The optimistic cost table of Arabnejad and Barbosa (PEFT, 2014), read forwards.
    """
    n, m = duration.shape
    ends, soonest = np.full((n, m), np.inf), np.full(n, np.inf)
    ready = np.zeros(m)
    for t in order:
        ready[:] = 0.0
        for e in range(start_of[t], start_of[t + 1]):
            p = predecessor[e]
            for w in range(m):
                ready[w] = max(ready[w], min(ends[p, w], soonest[p] + delay[e]))
        for w in range(m):
            ends[t, w] = ready[w] + duration[t, w]
            soonest[t] = min(soonest[t], ends[t, w])
    return ends


@compiled
def priced_work(work: Floats, price: Floats) -> tuple[Floats, Floats]:
    """The cheapest work of each task (n) at a price per worker, and the work each worker gets (m).

    Shape: work n x m, infinite where not eligible; price m.
    """
    n, m = work.shape
    cheapest, load = np.zeros(n), np.zeros(m)
    for t in range(n):
        best, where = np.inf, 0
        for w in range(m):
            if work[t, w] < np.inf and price[w] * work[t, w] < best:
                best, where = price[w] * work[t, w], w
        cheapest[t] = best
        load[where] += work[t, where]
    return cheapest, load


@compiled
def most_forced(
    share: Floats, latest_first: Ints, before: Floats, after: Floats, levels: Floats
) -> float:
    """The most of start + shares + time after, over the sets of tasks that are late on both sides.

    A set holds the tasks with `before` at least that of one of them and `after` at least one of
    the levels. `latest_first` holds the tasks by falling `before`. Shape: n each.
    """
    most = 0.0
    for level in levels:
        work = 0.0
        for t in latest_first:
            if share[t] > 0 and after[t] >= level:
                work += share[t]
                most = max(most, before[t] + work + level)
    return most
