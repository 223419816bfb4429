"""List scheduling on flat arrays.

A profile says what a worker has free from each moment on: rows of (time, cores, memory) in order of
time, the first at 0, each valid until the next, the last for ever. Equal neighbours are merged, so
that a worker packed without gaps keeps few rows. A closed window is a row without anything.
"""

import numpy as np

from scheduler.planning.flat import Flat, Floats, Ints
from scheduler.planning.kernels.arrivals import arrivals
from scheduler.planning.kernels.compiling import compiled, compiled_without_nan
from scheduler.planning.kernels.gaps import list_on_gaps
from scheduler.planning.kernels.pools import idle_pools, pool_fit, pool_reserve

TIME, CORES, MEMORY = 0, 1, 2
CLOCK = 1e-14  # share of a time that adding may lose
LEEWAY = 1e-10  # of a worker: cores are added and subtracted as floats


@compiled
def list_schedule(
    flat: Flat, order: Ints, bias: Floats, duration_weight: float, insertion: bool
) -> tuple[Ints, Floats, Floats]:
    """Places the tasks in turn, each where start + duration_weight x duration + bias is least.

    `order` holds every task that is still free, each after its predecessors; what is fixed stays as
    it is. Weight 1 takes the earliest finish, weight 0 the earliest start; ties go to the first
    worker. With `insertion` a task may use a gap before tasks placed earlier; without it no task of
    a worker starts before one that was placed there before it.

    Shape: bias n x m, or empty for none. Gives worker (-1 where none can ever take the task), start
    and end, n each.
    """
    if one_at_a_time(flat):
        return list_on_gaps(flat, order, bias, duration_weight, insertion)
    return list_on_profiles(flat, order, bias, duration_weight, insertion)


@compiled
def one_at_a_time(flat: Flat) -> bool:
    """Whether no worker can run two tasks side by side and nothing is shared between workers."""
    least = np.inf
    for t in range(flat.row.size):
        least = min(least, flat.cores[t] if flat.fixed_worker[t] < 0 else flat.fixed_cores[t])
        for p in range(flat.limit.size):
            if flat.need[t, p] > 0:
                return False
    return bool(2 * least > flat.worker_cores.max() * (1 + LEEWAY))


@compiled_without_nan
def list_on_profiles(
    flat: Flat, order: Ints, bias: Floats, duration_weight: float, insertion: bool
) -> tuple[Ints, Floats, Floats]:
    """What `list_schedule` gives, where tasks share a worker's cores and memory, and pools.

    The worker that looks best goes first, by when the last task there began: what it offers spares
    most of the others a search.
    """
    n, m = flat.row.size, flat.worker_cores.size
    chosen, start, end = flat.fixed_worker.copy(), flat.fixed_start.copy(), flat.fixed_end.copy()
    profile, rows, pool, pool_rows = begun_profiles(flat)
    floor = np.zeros(m)  # the last start on each worker
    for t in range(n):
        if chosen[t] >= 0:
            floor[chosen[t]] = max(floor[chosen[t]], start[t])
    ready, ahead, recent = np.zeros(m), np.zeros(m), np.zeros(m)
    for t in order:
        if flat.fixed_worker[t] >= 0:
            continue
        arrivals(flat, t, chosen, end, ready)
        row, shared = flat.row[t], False
        for p in range(flat.limit.size):
            shared = shared or flat.need[t, p] > 0
        guess, first = np.inf, 0
        for w in range(m):
            d = flat.duration[row, w]
            ahead[w] = duration_weight * d if d < np.inf else np.inf
            if bias.size:
                ahead[w] += bias[t, w]
            if not insertion:
                ready[w] = max(ready[w], floor[w])
            promised = max(ready[w], recent[w]) + ahead[w]
            if promised < guess:
                guess, first = promised, w
        best, best_start, best_worker = np.inf, 0.0, m
        for turn in range(-1, m):
            w = first if turn < 0 else turn
            if ready[w] + ahead[w] > best or turn == first or ahead[w] == np.inf:
                continue
            d, cores, memory = flat.duration[row, w], flat.cores[t], flat.memory[row, w]
            useless = (best - ahead[w]) * (1 + CLOCK) + CLOCK
            s = earliest_fit(profile[w], rows[w], ready[w], d, cores, memory, useless)
            while shared and s < np.inf:
                both = pool_fit(pool, pool_rows, s, d, flat.need[t], flat.limit)
                if both == s:
                    break
                s = earliest_fit(profile[w], rows[w], both, d, cores, memory, useless)
            if s + ahead[w] < best or (s + ahead[w] == best < np.inf and w < best_worker):
                best, best_start, best_worker = s + ahead[w], s, w
        w = best_worker
        if w == m:
            return chosen, start, end
        chosen[t], start[t], end[t] = w, best_start, best_start + flat.duration[row, w]
        floor[w], recent[w] = max(floor[w], best_start), best_start
        profile = with_room(profile, rows, w)
        rows[w] = reserve(profile[w], rows[w], start[t], end[t], flat.cores[t], flat.memory[row, w])
        if shared:
            pool, pool_rows = pool_reserve(pool, pool_rows, start[t], end[t], flat.need[t])
    return chosen, start, end


@compiled
def begun_profiles(flat: Flat) -> tuple[Floats, Ints, Floats, int]:
    """What workers and pools have left by closed windows and by what is fixed, with their rows."""
    profile, rows = idle_profiles(flat)
    pool, pool_rows = idle_pools(flat)
    for t in range(flat.row.size):
        w = flat.fixed_worker[t]
        if w >= 0:
            start, end, cores = flat.fixed_start[t], flat.fixed_end[t], flat.fixed_cores[t]
            profile = with_room(profile, rows, w)
            rows[w] = reserve(profile[w], rows[w], start, end, cores, flat.fixed_memory[t])
            pool, pool_rows = pool_reserve(pool, pool_rows, start, end, flat.need[t])
    return profile, rows, pool, pool_rows


@compiled
def earliest_start(
    flat: Flat,
    profile: Floats,
    rows: Ints,
    pool: Floats,
    pool_rows: int,
    task: int,
    worker: int,
    ready: float,
    useless: float = np.inf,
) -> float:
    """When the worker could start the task, pools included; infinite where not before useless."""
    w, row = worker, flat.row[task]
    d, cores, memory = flat.duration[row, w], flat.cores[task], flat.memory[row, w]
    s = earliest_fit(profile[w], rows[w], ready, d, cores, memory, useless)
    while flat.limit.size and s < np.inf:
        both = pool_fit(pool, pool_rows, s, d, flat.need[task], flat.limit)
        if both == s:
            break
        s = earliest_fit(profile[w], rows[w], both, d, cores, memory, useless)
    return s


@compiled
def idle_profiles(flat: Flat) -> tuple[Floats, Ints]:
    """What each worker has before any task is placed, and how many rows say so: m x room x 3, m."""
    m = flat.worker_cores.size
    most = 0
    for w in range(m):
        most = max(most, flat.closed_start[w + 1] - flat.closed_start[w])
    profile, rows = np.empty((m, 64 + 2 * most, 3)), np.ones(m, np.int64)
    for w in range(m):
        cores, memory = flat.worker_cores[w], flat.worker_memory[w]
        profile[w, 0, TIME], profile[w, 0, CORES], profile[w, 0, MEMORY] = 0.0, cores, memory
        for i in range(flat.closed_start[w], flat.closed_start[w + 1]):
            begin = max(flat.closed[i, 0], profile[w, rows[w] - 1, TIME])  # windows may overlap
            if flat.closed[i, 1] > begin:
                rows[w] = reserve(profile[w], rows[w], begin, flat.closed[i, 1], np.inf, 0.0)
    return profile, rows


@compiled
def with_room(profile: Floats, rows: Ints, worker: int) -> Floats:
    """The profiles, with room for two more rows of this worker."""
    if rows[worker] + 2 <= profile.shape[1]:
        return profile
    wide = np.empty((profile.shape[0], 2 * profile.shape[1], 3))
    for w in range(rows.size):
        wide[w, : rows[w]] = profile[w, : rows[w]]
    return wide


@compiled
def _row_at(profile: Floats, rows: int, time: float) -> int:
    low, high, step = rows - 1, rows, 1  # looked for from the end: few ask for the past
    while low > 0 and profile[low, TIME] > time:
        high, low, step = low, max(low - step, 0), 2 * step
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

    Infinite when that is not before `useless`, or never.
    """
    row, start = _row_at(profile, rows, ready), ready
    least = cores - LEEWAY * profile[rows - 1, CORES]  # in the end the worker is idle
    while start < useless:
        if profile[row, CORES] < least or profile[row, MEMORY] < memory:
            row += 1
            if row == rows:
                return np.inf
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
    i, j = _row_at(profile, rows, start), _row_at(profile, rows, end)
    begun, done = int(profile[i, TIME] != start), int(profile[j, TIME] != end)  # rows to be made
    if begun + done:  # what lies behind moves once
        for row in range(rows - 1, j, -1):
            _copy(profile, row, row + begun + done)
    last = j + begun + done
    _copy(profile, j, last)
    if begun:
        for row in range(j if done else j - 1, i, -1):
            _copy(profile, row, row + 1)
        _copy(profile, i, i + 1)
    first = i + begun
    profile[first, TIME], profile[last, TIME] = start, end
    for row in range(first, last):
        profile[row, CORES] -= cores
        profile[row, MEMORY] -= memory
    rows = _merge(profile, rows + begun + done, last)
    return _merge(profile, rows, first)


@compiled
def _copy(profile: Floats, source: int, target: int) -> None:
    profile[target, TIME] = profile[source, TIME]
    profile[target, CORES] = profile[source, CORES]
    profile[target, MEMORY] = profile[source, MEMORY]


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
