"""In which row of its lane each bar stands: pure."""

import heapq
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
CLOCK = 1e-9  # seconds by which bars of one row may overlap


def rows(
    lane: Ints, start: Floats, end: Floats, *, lanes: int, rather: Ints | None = None
) -> tuple[Ints, Ints]:
    """The row of each bar within its lane, and the rows of each lane, at least one.

    Bar by bar in order of start, the lowest row that is free; where the row that a bar would
    `rather` have (-1 for none) is free, that one. No two bars of a row are at one time.
    """
    row = np.zeros(len(lane), np.int64)
    count = np.ones(lanes, np.int64)
    order = np.lexsort((end, start, lane))
    bounds = np.searchsorted(lane[order], np.arange(lanes + 1))
    wish = np.full(len(lane), -1) if rather is None else rather
    for each in range(lanes):
        here = order[bounds[each] : bounds[each + 1]]
        found = _lane(start[here].tolist(), end[here].tolist(), wish[here].tolist())
        row[here] = found
        count[each] = max(found, default=0) + 1
    return row, count


def _lane(start: Sequence[float], end: Sequence[float], wish: Sequence[int]) -> list[int]:
    held: list[float] = []  # of each row, until when
    ends: list[tuple[float, int]] = []
    idle: list[int] = []  # rows that may be free; some were taken since
    found = []
    for begins, until, wanted in zip(start, end, wish, strict=True):
        now = begins + CLOCK
        while ends and ends[0][0] <= now:
            heapq.heappush(idle, heapq.heappop(ends)[1])
        while len(held) <= wanted:
            heapq.heappush(idle, len(held))
            held.append(-np.inf)
        row = wanted if wanted >= 0 and held[wanted] <= now else _lowest(idle, held, now)
        held[row] = until
        heapq.heappush(ends, (until, row))
        found.append(row)
    return found


def _lowest(idle: list[int], held: list[float], now: float) -> int:
    while idle:
        row = heapq.heappop(idle)
        if held[row] <= now:
            return row
    held.append(-np.inf)
    return len(held) - 1
