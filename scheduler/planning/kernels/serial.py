"""Serial schedule generation: from an order of tasks and their workers to the earliest starts.

Each task in turn starts as early as its predecessors, its worker's cores and memory and the pools
allow (Kolisch, "Serial and parallel resource-constrained project scheduling methods revisited",
1996, section 2.1). Two decoders give the same schedules: one on profiles for any times, one on a
grid of whole seconds where all that tasks share can be packed into one number.
"""

from typing import NamedTuple

import numpy as np

from scheduler.planning.flat import Floats, Ints
from scheduler.planning.kernels.compiling import compiled

LEEWAY = 1e-10  # of all that there is: amounts are added and subtracted as floats


class Serial(NamedTuple):
    """What the decoders read: n tasks, m workers, p pools; times forwards or mirrored.

    `before_*` are the dependencies in compressed rows by target, `able_*` the workers that can
    take a task, its fastest first. `duration` and `memory` n x m; `cores`, `release` n; `need`
    n x p of the pools' `limit`. `bounded` says which workers can be full at all; `travels` whether
    any transfer takes time. `closed` holds rows of (from, to) by worker, `fixed_*` what has
    happened. On the grid (`gridded`) the pools' free amounts of a second are packed into one
    number, `ample` when idle, of which a task takes `packed` (n); `guard` shows who takes too much.
    """

    duration: Floats
    memory: Floats
    cores: Floats
    need: Floats
    release: Floats
    before_start: Ints
    before_task: Ints
    before_bytes: Floats
    able_start: Ints
    able_worker: Ints
    worker_cores: Floats
    worker_memory: Floats
    limit: Floats
    per_byte: Floats
    latency: float
    travels: bool
    bounded: Ints
    closed_start: Ints
    closed: Floats
    fixed_worker: Ints
    fixed_start: Floats
    fixed_end: Floats
    fixed_cores: Floats
    fixed_memory: Floats
    gridded: bool
    packed: Ints
    ample: int
    guard: int


class Room(NamedTuple):
    """Working space of the decoders, one per thread.

    Profiles of workers (m x rows, the amounts m x rows x 2) and of the pools (rows, rows x p) with
    the number of rows in use; the grid of the pools (seconds) and of the workers (m x seconds),
    with the last second that is not idle.
    """

    worker_time: Floats
    worker_free: Floats
    worker_rows: Ints
    pool_time: Floats
    pool_free: Floats
    pool_rows: Ints
    pool_grid: Ints
    worker_grid: Ints
    used: Ints
    take: Floats


@compiled
def decoded(
    serial: Serial,
    room: Room,
    order: Ints,
    worker: Ints,
    mirror: float,
    start: Floats,
    end: Floats,
) -> float:
    """Fills start and end (n each) for tasks in this order; gives the last end.

    `order` must respect the precedence. Where `worker` is negative, the one on which the task ends
    first is chosen and written there. `mirror` is negative forwards; backwards it is the end of
    time: fixed tasks and closed windows are met at mirror minus their times.
    """
    if serial.gridded:
        return _on_grid(serial, room, order, worker, start, end)
    return _on_profiles(serial, room, order, worker, mirror, start, end)


@compiled
def _arrival(serial: Serial, t: int, w: int, worker: Ints, end: Floats, floor: float) -> float:
    ready = floor
    for e in range(serial.before_start[t], serial.before_start[t + 1]):
        p = serial.before_task[e]
        at = end[p]
        if serial.travels and worker[p] != w:
            at += serial.latency + serial.before_bytes[e] * serial.per_byte[worker[p], w]
        ready = max(ready, at)
    return ready


@compiled
def _on_grid(
    serial: Serial, room: Room, order: Ints, worker: Ints, start: Floats, end: Floats
) -> float:
    pools, grid = room.pool_grid, room.worker_grid
    for s in range(room.used[0]):
        pools[s] = serial.ample
    for w in range(grid.shape[0]):
        if serial.bounded[w]:
            for s in range(room.used[0]):
                grid[w, s] = 0
    last = 0
    guard = serial.guard
    for t in order:
        floor = serial.release[t]
        for e in range(serial.before_start[t], serial.before_start[t + 1]):
            floor = max(floor, end[serial.before_task[e]])
        ready, takes = int(floor), serial.packed[t]
        first, stop = serial.able_start[t], serial.able_start[t + 1]
        best, best_start, chosen = 1 << 60, 0, worker[t]
        for k in range(first, stop):
            w = serial.able_worker[k]
            if chosen >= 0:
                w = chosen
            d = int(serial.duration[t, w])
            s, bounded = ready, serial.bounded[w] != 0
            clear = s  # from here to the end of the interval nothing is in the way
            while s + d < best:
                i = s + d - 1
                while i >= clear:
                    if bounded and grid[w, i] != 0:
                        break
                    if takes != 0 and ((pools[i] - takes) & guard) != guard:
                        break
                    i -= 1
                if i < clear:
                    break
                clear = s + d  # what lies between the obstacle and the old end was found free
                s = i + 1
            if s + d < best:
                best, best_start, worker[t] = s + d, s, w
            if chosen >= 0:
                break
        w = worker[t]
        for i in range(best_start, best):
            pools[i] -= takes
        if serial.bounded[w]:
            for i in range(best_start, best):
                grid[w, i] = 1
        start[t], end[t] = float(best_start), float(best)
        last = max(last, best)
    room.used[0] = last
    return float(last)


@compiled
def _on_profiles(
    serial: Serial,
    room: Room,
    order: Ints,
    worker: Ints,
    mirror: float,
    start: Floats,
    end: Floats,
) -> float:
    times, free, rows = room.worker_time, room.worker_free, room.worker_rows
    pool_time, pool_free, pool_rows, take = (
        room.pool_time,
        room.pool_free,
        room.pool_rows,
        room.take,
    )
    pooled = serial.limit.size > 0
    last = _idle(serial, room, worker, mirror, start, end)
    for t in order:
        if serial.fixed_worker[t] >= 0:
            continue
        best, best_start, chosen = np.inf, 0.0, worker[t]
        for k in range(serial.able_start[t], serial.able_start[t + 1]):
            w = serial.able_worker[k]
            if chosen >= 0:
                w = chosen
            d = serial.duration[t, w]
            s = _arrival(serial, t, w, worker, end, serial.release[t])
            bounded = serial.bounded[w] != 0
            take[0], take[1] = serial.cores[t], serial.memory[t, w]
            while s + d < best:
                at = s
                if bounded:
                    s = _fit(times[w], free[w], rows[w], s, d, take)
                if pooled:
                    s = _fit(pool_time, pool_free, pool_rows[0], s, d, serial.need[t])
                if s == at:
                    break
                if not (bounded and pooled):
                    break
            if s + d < best:
                best, best_start, worker[t] = s + d, s, w
            if chosen >= 0:
                break
        w = worker[t]
        start[t], end[t] = best_start, best
        last = max(last, best)
        if serial.bounded[w]:
            if rows[w] + 2 > times.shape[1]:
                times, free = _wider(times, free)
            take[0], take[1] = serial.cores[t], serial.memory[t, w]
            rows[w] = _hold(times[w], free[w], rows[w], best_start, best, take)
        if pooled:
            pool_rows[0] = _hold(
                pool_time, pool_free, pool_rows[0], best_start, best, serial.need[t]
            )
    return last


@compiled
def _idle(
    serial: Serial, room: Room, worker: Ints, mirror: float, start: Floats, end: Floats
) -> float:
    """Profiles that hold the closed windows and what has happened; gives the last end of those."""
    take, last = room.take, 0.0
    for w in range(serial.worker_cores.size):
        room.worker_time[w, 0], room.worker_rows[w] = 0.0, 1
        room.worker_free[w, 0, 0] = serial.worker_cores[w]
        room.worker_free[w, 0, 1] = serial.worker_memory[w]
        for c in range(serial.closed_start[w], serial.closed_start[w + 1]):
            first, stop = serial.closed[c, 0], serial.closed[c, 1]
            if mirror >= 0:
                first, stop = max(0.0, mirror - stop), mirror - first
            take[0], take[1] = serial.worker_cores[w], serial.worker_memory[w]
            room.worker_rows[w] = _hold(
                room.worker_time[w],
                room.worker_free[w],
                room.worker_rows[w],
                first,
                stop,
                take,
            )
    room.pool_time[0], room.pool_rows[0] = 0.0, 1
    room.pool_free[0] = serial.limit
    for t in range(serial.fixed_worker.size):
        w = serial.fixed_worker[t]
        if w < 0:
            continue
        first, stop = serial.fixed_start[t], serial.fixed_end[t]
        if mirror >= 0:
            first, stop = mirror - stop, mirror - first
        start[t], end[t], worker[t], last = first, stop, w, max(last, stop)
        take[0], take[1] = serial.fixed_cores[t], serial.fixed_memory[t]
        room.worker_rows[w] = _hold(
            room.worker_time[w], room.worker_free[w], room.worker_rows[w], first, stop, take
        )
        if serial.limit.size:
            room.pool_rows[0] = _hold(
                room.pool_time, room.pool_free, room.pool_rows[0], first, stop, serial.need[t]
            )
    return last


@compiled
def _wider(times: Floats, free: Floats) -> tuple[Floats, Floats]:
    m, size = times.shape
    wide = np.empty((m, 2 * size))
    wide[:, :size] = times
    more = np.empty((m, 2 * size, 2))
    more[:, :size] = free
    return wide, more


@compiled
def _row_at(times: Floats, rows: int, moment: float) -> int:
    low, high = 0, rows  # times[low] is at or before the moment, times[high] after it
    while high - low > 1:
        middle = (low + high) // 2
        if times[middle] <= moment:
            low = middle
        else:
            high = middle
    return low


@compiled
def _fit(
    times: Floats, free: Floats, rows: int, ready: float, duration: float, take: Floats
) -> float:
    """The first moment from `ready` on from which that much stays free for the duration."""
    row, begin = _row_at(times, rows, ready), ready
    while row < rows:
        short = False
        for r in range(free.shape[1]):
            # in the end all is free
            if free[row, r] + LEEWAY * free[rows - 1, r] < take[r]:
                short = True
        row += 1
        if short:
            begin = times[row] if row < rows else np.inf
        elif row == rows or times[row] >= begin + duration:
            return begin
    return np.inf


@compiled
def _hold(times: Floats, free: Floats, rows: int, begin: float, stop: float, take: Floats) -> int:
    """Takes amounts out of a profile that has room for two more rows; gives its new rows."""
    if stop <= begin:
        return rows
    first, rows = _split(times, free, rows, begin)
    last, rows = _split(times, free, rows, stop)
    for row in range(first, last):
        for r in range(free.shape[1]):
            free[row, r] -= take[r]
    return rows


@compiled
def _split(times: Floats, free: Floats, rows: int, moment: float) -> tuple[int, int]:
    row = _row_at(times, rows, moment)
    if times[row] == moment:
        return row, rows
    for i in range(rows, row + 1, -1):
        times[i] = times[i - 1]
        for r in range(free.shape[1]):
            free[i, r] = free[i - 1, r]
    times[row + 1] = moment
    for r in range(free.shape[1]):
        free[row + 1, r] = free[row, r]
    return row + 1, rows + 1
