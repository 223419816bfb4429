"""In which row of its lane each bar stands: pure."""

import heapq
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def rows(lane: Ints, start: Floats, end: Floats, *, lanes: int) -> tuple[Ints, Ints]:
    """The lowest row that is free, bar by bar in order of start; and the rows of each lane.

    No two bars of a row are at one time; a lane without bars has one row.
    """
    row = np.zeros(len(lane), np.int64)
    count = np.ones(lanes, np.int64)
    order = np.lexsort((end, start, lane))
    bounds = np.searchsorted(lane[order], np.arange(lanes + 1))
    for each in range(lanes):
        here = order[bounds[each] : bounds[each + 1]]
        found, most = _lane(start[here].tolist(), end[here].tolist())
        row[here] = found
        count[each] = max(most, 1)
    return row, count


def _lane(start: Sequence[float], end: Sequence[float]) -> tuple[list[int], int]:
    busy: list[tuple[float, int]] = []
    idle: list[int] = []
    found, most = [], 0
    for begins, ends in zip(start, end, strict=True):
        while busy and busy[0][0] <= begins + 1e-9:
            heapq.heappush(idle, heapq.heappop(busy)[1])
        row = heapq.heappop(idle) if idle else len(busy)
        heapq.heappush(busy, (ends, row))
        most = max(most, row + 1)
        found.append(row)
    return found, most
