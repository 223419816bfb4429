"""List scheduling that tries every worker of a task with what follows the task."""

import numpy as np

from scheduler.planning.flat import Flat, Floats, Ints
from scheduler.planning.kernels.arrivals import arrivals
from scheduler.planning.kernels.compiling import compiled
from scheduler.planning.kernels.lists import begun_profiles, earliest_start, reserve, with_room
from scheduler.planning.kernels.pools import pool_reserve


@compiled
def list_ahead(flat: Flat, order: Ints) -> tuple[Ints, Floats, Floats]:
    """Places the tasks in turn, each where the last of its successors could end first.

    For each worker the task is put there, then its successors in turn where they end first, as far
    as what they wait for is placed; all is taken back. Of equal workers the one on which the task
    itself ends first. Gives worker (-1 where none can ever take a task), start and end, n each.
    """
    n, m = flat.row.size, flat.worker_cores.size
    chosen, start, end = flat.fixed_worker.copy(), flat.fixed_start.copy(), flat.fixed_end.copy()
    place = np.zeros(n, np.int64)
    for i in range(order.size):
        place[order[i]] = i
    profile, rows, pool, pool_rows = begun_profiles(flat)
    ready, later = np.zeros(m), np.zeros(m)
    most = 0
    for t in range(n):
        most = max(most, flat.after_start[t + 1] - flat.after_start[t])
    tried = np.zeros(most, np.int64)
    for t in order:
        if flat.fixed_worker[t] >= 0:
            continue
        followers = flat.after_task[flat.after_start[t] : flat.after_start[t + 1]]
        followers = followers[np.argsort(place[followers])]
        arrivals(flat, t, chosen, end, ready)
        best, best_end, best_start, best_worker = np.inf, np.inf, 0.0, -1
        row = flat.row[t]
        for w in range(m):
            d = flat.duration[row, w]
            if d == np.inf or ready[w] + d >= best:
                continue
            s = earliest_start(flat, profile, rows, pool, pool_rows, t, w, ready[w])
            if s == np.inf:
                continue
            chosen[t], start[t], end[t] = w, s, s + d
            profile = with_room(profile, rows, w)
            _hold(flat, profile, rows, t, w, s, s + d, 1.0)
            pool, pool_rows = pool_reserve(pool, pool_rows, s, s + d, flat.need[t])
            last, count = s + d, 0
            for u in followers:
                if flat.fixed_worker[u] >= 0:
                    continue
                profile, pool, pool_rows = _try(
                    flat, profile, rows, pool, pool_rows, u, chosen, start, end, later
                )
                if chosen[u] < 0:
                    continue
                tried[count] = u
                count += 1
                last = max(last, end[u])
            for i in range(count - 1, -1, -1):
                u = tried[i]
                profile = with_room(profile, rows, chosen[u])
                _hold(flat, profile, rows, u, chosen[u], start[u], end[u], -1.0)
                pool, pool_rows = pool_reserve(pool, pool_rows, start[u], end[u], -flat.need[u])
                chosen[u] = -1
            profile = with_room(profile, rows, w)
            _hold(flat, profile, rows, t, w, s, s + d, -1.0)
            pool, pool_rows = pool_reserve(pool, pool_rows, s, s + d, -flat.need[t])
            if last < best or (last == best and s + d < best_end):
                best, best_end, best_start, best_worker = last, s + d, s, w
        w = best_worker
        chosen[t], start[t], end[t] = w, best_start, best_end
        if w < 0:
            return chosen, start, end
        profile = with_room(profile, rows, w)
        _hold(flat, profile, rows, t, w, start[t], end[t], 1.0)
        pool, pool_rows = pool_reserve(pool, pool_rows, start[t], end[t], flat.need[t])
    return chosen, start, end


@compiled
def _try(
    flat: Flat,
    profile: Floats,
    rows: Ints,
    pool: Floats,
    pool_rows: int,
    task: int,
    chosen: Ints,
    start: Floats,
    end: Floats,
    ready: Floats,
) -> tuple[Floats, Floats, int]:
    """Puts a task where it ends first, as far as one can tell from what is placed before it."""
    _arrivals_so_far(flat, task, chosen, end, ready)
    best, best_start, best_worker = np.inf, 0.0, -1
    for w in range(ready.size):
        d = flat.duration[flat.row[task], w]
        if d == np.inf or ready[w] + d >= best:
            continue
        s = earliest_start(flat, profile, rows, pool, pool_rows, task, w, ready[w])
        if s + d < best:
            best, best_start, best_worker = s + d, s, w
    chosen[task], start[task], end[task] = best_worker, best_start, best
    if best_worker >= 0:
        profile = with_room(profile, rows, best_worker)
        _hold(flat, profile, rows, task, best_worker, best_start, best, 1.0)
        pool, pool_rows = pool_reserve(pool, pool_rows, best_start, best, flat.need[task])
    return profile, pool, pool_rows


@compiled
def _hold(
    flat: Flat,
    profile: Floats,
    rows: Ints,
    task: int,
    worker: int,
    start: float,
    end: float,
    share: float,
) -> None:
    cores, memory = share * flat.cores[task], share * flat.memory[flat.row[task], worker]
    rows[worker] = reserve(profile[worker], rows[worker], start, end, cores, memory)


@compiled
def _arrivals_so_far(flat: Flat, task: int, chosen: Ints, end: Floats, ready: Floats) -> None:
    ready[:] = max(flat.now, flat.release[task])
    for e in range(flat.before_start[task], flat.before_start[task + 1]):
        p = flat.before_task[e]
        if chosen[p] < 0:
            continue
        for w in range(ready.size):
            travel = flat.latency + flat.before_bytes[e] * flat.per_byte[chosen[p], w]
            ready[w] = max(ready[w], end[p] + (0.0 if w == chosen[p] else travel))
