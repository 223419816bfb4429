"""What the whole cluster shares, over time.

Rows of (time, one free amount per pool), like the profile of a worker: the first at 0, each valid
until the next, the last for ever.
"""

import numpy as np

from scheduler.planning.flat import Flat, Floats
from scheduler.planning.kernels.compiling import compiled

LEEWAY = 1e-10  # of a pool: amounts are added and subtracted as floats


@compiled
def idle_pools(flat: Flat) -> tuple[Floats, int]:
    """The pools before any task is placed, and how many rows say so: room x (1 + p)."""
    pool = np.zeros((16 if flat.limit.size else 1, 1 + flat.limit.size))
    pool[0, 1:] = flat.limit
    return pool, 1


@compiled
def pool_fit(
    pool: Floats, rows: int, ready: float, duration: float, need: Floats, limit: Floats
) -> float:
    """The first moment from `ready` on at which the need stays free for the duration, or inf."""
    row, start = _row_at(pool, rows, ready), ready
    while True:
        short = False
        for p in range(need.size):
            if need[p] > 0 and pool[row, 1 + p] + LEEWAY * limit[p] < need[p]:
                short = True
        if short:
            row += 1
            if row == rows:
                return np.inf
            start = pool[row, 0]
        elif row + 1 == rows or pool[row + 1, 0] >= start + duration:
            return start
        else:
            row += 1


@compiled
def pool_reserve(
    pool: Floats, rows: int, start: float, end: float, need: Floats
) -> tuple[Floats, int]:
    """The pools, maybe in a larger array, less the need from start to end, and their rows."""
    if end <= start or not need.any():
        return pool, rows
    if rows + 2 > pool.shape[0]:
        wide = np.empty((2 * pool.shape[0], pool.shape[1]))
        wide[:rows] = pool[:rows]
        pool = wide
    first, rows = _split(pool, rows, start)
    last, rows = _split(pool, rows, end)
    for row in range(first, last):
        for p in range(need.size):
            pool[row, 1 + p] -= need[p]
    rows = _merge(pool, rows, last)
    return pool, _merge(pool, rows, first)


@compiled
def _row_at(pool: Floats, rows: int, time: float) -> int:
    low, high = 0, rows
    while high - low > 1:
        middle = (low + high) // 2
        if pool[middle, 0] <= time:
            low = middle
        else:
            high = middle
    return low


@compiled
def _split(pool: Floats, rows: int, time: float) -> tuple[int, int]:
    row = _row_at(pool, rows, time)
    if pool[row, 0] == time:
        return row, rows
    for i in range(rows, row, -1):
        pool[i] = pool[i - 1]
    pool[row + 1, 0] = time
    return row + 1, rows + 1


@compiled
def _merge(pool: Floats, rows: int, row: int) -> int:
    if row == 0 or row == rows:
        return rows
    for p in range(1, pool.shape[1]):
        if pool[row, p] != pool[row - 1, p]:
            return rows
    for i in range(row, rows - 1):
        pool[i] = pool[i + 1]
    return rows - 1
