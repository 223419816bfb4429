"""Blocks of tasks that start together, placed one block after the other.

A block is a gang, or a task alone. For given workers it starts at the first moment from which each
of its tasks fits beside the others for as long as it takes: what they hold together only falls from
then on, so it must fit into what is free at its start and wherever something else begins.
"""

import numpy as np

from scheduler.planning.flat import Flat, Floats, Ints
from scheduler.planning.kernels.arrivals import arrivals
from scheduler.planning.kernels.compiling import compiled
from scheduler.planning.kernels.lists import (
    CORES,
    LEEWAY,
    MEMORY,
    TIME,
    begun_profiles,
    earliest_start,
    reserve,
    with_room,
)
from scheduler.planning.kernels.pools import pool_reserve

TRIES = 40  # moments at which workers of a gang are looked for


@compiled
def place_blocks(
    flat: Flat, block_start: Ints, block_task: Ints, apart: Ints, sure: Ints, given: Ints
) -> tuple[Ints, Floats, Floats]:
    """Places all free tasks, each as early as it can be after those before it.

    Block b is block_task[block_start[b]:block_start[b + 1]], each after its predecessors. `given`
    is the worker of each task, -1 to take the one where it ends first. Where tasks of a gang cannot
    be on their workers at one time, others are taken, in the last resort those of `sure`, which
    must hold the gang when idle. `apart` tells who shares its worker with no other such task. Gives
    worker (-1 where there is none), start and end. Shape: each n.
    """
    m = flat.worker_cores.size
    chosen, start, end = flat.fixed_worker.copy(), flat.fixed_start.copy(), flat.fixed_end.copy()
    profile, rows, pool, pool_rows = begun_profiles(flat)
    for b in range(block_start.size - 1):
        tasks = block_task[block_start[b] : block_start[b + 1]]
        ready = np.zeros((tasks.size, m))
        for i in range(tasks.size):
            arrivals(flat, tasks[i], chosen, end, ready[i])
        workers = given[tasks]
        if tasks.size == 1:
            workers, at = _alone(flat, profile, rows, pool, pool_rows, tasks[0], workers, ready[0])
        else:
            workers, at = _gang(
                flat, profile, rows, pool, pool_rows, tasks, apart, workers, sure[tasks], ready
            )
        if at == np.inf:
            return chosen, start, end
        for i in range(tasks.size):
            t, w = tasks[i], workers[i]
            row = flat.row[t]
            chosen[t], start[t], end[t] = w, at, at + flat.duration[row, w]
            profile = with_room(profile, rows, w)
            rows[w] = reserve(profile[w], rows[w], at, end[t], flat.cores[t], flat.memory[row, w])
            pool, pool_rows = pool_reserve(pool, pool_rows, at, end[t], flat.need[t])
    return chosen, start, end


@compiled
def _alone(
    flat: Flat, profile: Floats, rows: Ints, pool: Floats, pool_rows: int, task: int,
    worker: Ints, ready: Floats,
) -> tuple[Ints, float]:  # fmt: skip
    """The worker and the start of one task: as given, or where it ends first."""
    best, at, found = np.inf, np.inf, worker.copy()
    for w in range(rows.size):
        d = flat.duration[flat.row[task], w]
        if (worker[0] >= 0 and w != worker[0]) or ready[w] + d >= best:
            continue
        s = earliest_start(flat, profile, rows, pool, pool_rows, task, w, ready[w], best - d)
        if s + d < best:
            best, at, found[0] = s + d, s, w
    return found, at


@compiled
def _gang(
    flat: Flat, profile: Floats, rows: Ints, pool: Floats, pool_rows: int, tasks: Ints,
    apart: Ints, given: Ints, sure: Ints, ready: Floats,
) -> tuple[Ints, float]:  # fmt: skip
    """The workers and the start with which the last of the gang ends first."""
    best, at, found = np.inf, np.inf, given.copy()
    for turn in range(3):
        if turn == 0 and (given[0] < 0 or not _legal(flat, tasks, apart, given)):
            continue
        if turn > 0 and given[0] >= 0 and best < np.inf:  # as it was planned
            continue
        if turn == 1:
            workers = _looked_for(flat, profile, rows, pool, pool_rows, tasks, apart, ready)
        else:
            workers = given if turn == 0 else sure
        if workers[0] < 0:
            continue
        s = _common_start(flat, profile, rows, pool, pool_rows, tasks, workers, ready)
        last = s
        for i in range(tasks.size):
            last = max(last, s + flat.duration[flat.row[tasks[i]], workers[i]])
        if last < best:
            best, at, found = last, s, workers.copy()
    return found, at


@compiled
def _legal(flat: Flat, tasks: Ints, apart: Ints, workers: Ints) -> bool:
    for i in range(tasks.size):
        if workers[i] < 0 or flat.duration[flat.row[tasks[i]], workers[i]] == np.inf:
            return False
        for j in range(i):
            if apart[tasks[i]] and apart[tasks[j]] and workers[i] == workers[j]:
                return False
    return True


@compiled
def _common_start(
    flat: Flat, profile: Floats, rows: Ints, pool: Floats, pool_rows: int, tasks: Ints,
    workers: Ints, ready: Floats,
) -> float:  # fmt: skip
    """The first moment at which all of them fit on these workers together; infinite if never."""
    s = 0.0
    for i in range(tasks.size):
        s = max(s, ready[i, workers[i]])
    while s < np.inf:
        later = s
        for i in range(tasks.size):
            w = workers[i]
            later = max(later, _worker_free(flat, profile[w], rows[w], tasks, workers, w, s))
        for p in range(flat.limit.size):
            later = max(later, _pool_free(flat, pool, pool_rows, tasks, workers, p, s))
        if later == s:
            break
        s = later
    return s


@compiled
def _worker_free(
    flat: Flat, profile: Floats, rows: int, tasks: Ints, workers: Ints, w: int, s: float
) -> float:
    """`s` where all of them that go to worker w fit there from s on; else when to look again."""
    low = 0
    while low + 1 < rows and profile[low + 1, TIME] <= s:
        low += 1
    for row in range(low, rows):
        moment = max(s, profile[row, TIME])
        cores, memory, any_runs = 0.0, 0.0, False
        for i in range(tasks.size):
            t = tasks[i]
            d = flat.duration[flat.row[t], w]
            if workers[i] == w and (s + d > moment or row == low):
                cores += flat.cores[t]
                memory += flat.memory[flat.row[t], w]
                any_runs = True
        if not any_runs:
            break
        short = profile[row, CORES] < cores - LEEWAY * profile[rows - 1, CORES]
        if short or profile[row, MEMORY] < memory:
            return profile[row + 1, TIME] if row + 1 < rows else np.inf
    return s


@compiled
def _pool_free(
    flat: Flat, pool: Floats, rows: int, tasks: Ints, workers: Ints, p: int, s: float
) -> float:
    """`s` where the pool has from s on what all of them need of it; else when to look again."""
    low = 0
    while low + 1 < rows and pool[low + 1, 0] <= s:
        low += 1
    for row in range(low, rows):
        moment, need = max(s, pool[row, 0]), 0.0
        for i in range(tasks.size):
            d = flat.duration[flat.row[tasks[i]], workers[i]]
            if s + d > moment or row == low:
                need += flat.need[tasks[i], p]
        if need == 0:
            break
        if pool[row, 1 + p] + LEEWAY * flat.limit[p] < need:
            return pool[row + 1, 0] if row + 1 < rows else np.inf
    return s


@compiled
def _looked_for(
    flat: Flat, profile: Floats, rows: Ints, pool: Floats, pool_rows: int, tasks: Ints,
    apart: Ints, ready: Floats,
) -> Ints:  # fmt: skip
    """Workers on which the gang can begin soon, the task with the fewest choices first; or -1."""
    m, size = rows.size, tasks.size
    fit, s = np.full((size, m), np.inf), 0.0
    for i in range(size):
        for w in range(m):
            if flat.duration[flat.row[tasks[i]], w] < np.inf:
                fit[i, w] = earliest_start(
                    flat, profile, rows, pool, pool_rows, tasks[i], w, ready[i, w]
                )
        s = max(s, fit[i].min())
    order = np.empty(size, np.int64)
    weight = np.empty(size)
    for i in range(size):
        able = 0
        for w in range(m):
            able += int(fit[i, w] < np.inf)
        weight[i] = able - flat.cores[tasks[i]] / (1 + flat.worker_cores.max())
    order[:] = np.argsort(weight, kind="mergesort")
    workers = np.full(size, -1, np.int64)
    for _ in range(TRIES):
        if s == np.inf:
            break
        if _taken_at(flat, profile, rows, tasks, apart, fit, order, workers, s):
            return workers
        later = np.inf
        for i in range(size):
            for w in range(m):
                if fit[i, w] > s:
                    later = min(later, fit[i, w])
        for w in range(m):
            for row in range(rows[w]):
                if profile[w, row, TIME] > s:
                    later = min(later, profile[w, row, TIME])
                    break
        if later == np.inf:
            break
        s = later
        for i in range(size):
            for w in range(m):
                if fit[i, w] < s:
                    fit[i, w] = earliest_start(flat, profile, rows, pool, pool_rows, tasks[i], w, s)
    workers[:] = -1
    return workers


@compiled
def _taken_at(
    flat: Flat, profile: Floats, rows: Ints, tasks: Ints, apart: Ints, fit: Floats, order: Ints,
    workers: Ints, s: float,
) -> bool:  # fmt: skip
    """Gives each task in turn the fastest worker that has room for it at s beside the others."""
    workers[:] = -1
    for i in order:
        t, best, found = tasks[i], np.inf, -1
        for w in range(rows.size):
            d = flat.duration[flat.row[t], w]
            if fit[i, w] > s or d >= best:
                continue
            shared = False
            for j in range(tasks.size):
                shared = shared or (workers[j] == w and apart[t] != 0 and apart[tasks[j]] != 0)
            workers[i] = w
            if not shared and _worker_free(flat, profile[w], rows[w], tasks, workers, w, s) == s:
                best, found = d, w
            workers[i] = -1
        if found < 0:
            return False
        workers[i] = found
    return True
