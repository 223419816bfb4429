"""What workers and pools have free over time, as rows that grow in place while tasks are placed.

A lane is what tasks hold amounts of over time: first the m workers (cores and memory), then the p
pools. A lane has rows of (time, cores or amount, bytes), rising in time, each valid until the next,
the last for ever. All rows lie in one array, `slot`; `place` says where: rows of (first, count,
width) by lane, and how much is in use at last. A lane that grows out of its width gets a wider
place at the end, so that nothing is allocated while tasks are placed.
"""

import numpy as np

from scheduler.planning.flat import Flat, Floats, Ints
from scheduler.planning.kernels.compiling import compiled

TIME, FREE, ROOM = 0, 1, 2
FIRST, COUNT, WIDTH = 0, 1, 2
NARROW = 16  # rows for which a lane has a place at first
LEEWAY = 1e-10  # of a lane: amounts are added and subtracted as floats
FOREVER = 1e17  # seconds: what starts after that never starts


@compiled
def empty_lanes(flat: Flat) -> tuple[Floats, Ints]:
    """The workers and pools as they are without any task; closed windows are taken out."""
    m, p = flat.worker_cores.size, flat.limit.size
    users: int = flat.row.size
    for column in range(p):
        users += int(np.count_nonzero(flat.need[:, column]))
    slot = np.empty((8 * users + 8 * flat.closed.shape[0] + (12 + NARROW) * (m + p), 3))
    place = np.zeros((m + p + 1, 3), np.int64)
    place[-1, FIRST] = (m + p) * NARROW
    for lane in range(m + p):
        at = lane * NARROW
        place[lane, FIRST], place[lane, COUNT], place[lane, WIDTH] = at, 1, NARROW
        slot[at] = 0.0
        if lane < m:
            slot[at, FREE], slot[at, ROOM] = flat.worker_cores[lane], flat.worker_memory[lane]
        else:
            slot[at, FREE] = flat.limit[lane - m]
    for w in range(m):
        for c in range(flat.closed_start[w], flat.closed_start[w + 1]):
            cores, memory = flat.worker_cores[w], flat.worker_memory[w]
            take_lane(slot, place, w, flat.closed[c, 0], flat.closed[c, 1], cores, memory)
    return slot, place


@compiled
def take(
    slot: Floats, place: Ints, w: int, need: Floats, t: int, start: float, end: float,
    cores: float, memory: float,
) -> None:  # fmt: skip
    """Takes cores and bytes of worker w, and what task t needs of the pools, from start to end."""
    take_lane(slot, place, w, start, end, cores, memory)
    m = place.shape[0] - 1 - need.shape[1]
    for p in range(need.shape[1]):
        if need[t, p] > 0:
            take_lane(slot, place, m + p, start, end, need[t, p], 0.0)


@compiled
def first_start(
    slot: Floats, place: Ints, w: int, need: Floats, t: int, ready: float, duration: float,
    cores: float, memory: float, useless: float,
) -> float:  # fmt: skip
    """The first moment from `ready` on at which worker w and the pools have what task t needs.

    Infinite when that is not before `useless`.
    """
    start = first_fit(slot, place, w, ready, duration, cores, memory, useless)
    m, settled = place.shape[0] - 1 - need.shape[1], need.shape[1] == 0
    while start < useless and not settled:
        settled = True
        for p in range(need.shape[1]):
            if need[t, p] > 0 and start < useless:
                later = first_fit(slot, place, m + p, start, duration, need[t, p], 0.0, useless)
                settled = settled and later <= start
                start = later
        if not settled and start < useless:
            start = first_fit(slot, place, w, start, duration, cores, memory, useless)
    return start if start < useless else np.inf


@compiled
def row_at(slot: Floats, place: Ints, lane: int, moment: float) -> int:
    """The last row of the lane that begins at or before the moment, looked for from the end on."""
    first: int = place[lane, FIRST]
    high: int = (
        first + place[lane, COUNT]
    )  # row low begins at or before the moment, row high after it
    step, low = 4, max(first, high - 4)
    while low > first and slot[low, TIME] > moment:
        step *= 2
        low, high = max(first, low - step), low
    while high - low > 1:
        middle = (low + high) // 2
        if slot[middle, TIME] <= moment:
            low = middle
        else:
            high = middle
    return low


@compiled
def first_fit(
    slot: Floats, place: Ints, lane: int, ready: float, duration: float, amount: float,
    memory: float, useless: float,
) -> float:  # fmt: skip
    """The first moment from `ready` on at which one lane has so much for so long, or infinity."""
    row, start = row_at(slot, place, lane, ready), ready
    last = place[lane, FIRST] + place[lane, COUNT] - 1
    least = amount - LEEWAY * slot[last, FREE]  # in the end the lane is idle
    while start < useless and start < FOREVER:
        if slot[row, FREE] < least or slot[row, ROOM] < memory:
            if row == last:
                return np.inf
            row += 1
            start = slot[row, TIME]
        elif row == last or slot[row + 1, TIME] >= start + duration:
            return start
        else:
            row += 1
    return np.inf


@compiled
def take_lane(
    slot: Floats, place: Ints, lane: int, start: float, end: float, amount: float, memory: float
) -> None:
    """Takes an amount and bytes out of one lane, from start to end."""
    if end <= start:  # shorter than the clock can tell at that time
        return
    if place[lane, COUNT] + 2 > place[lane, WIDTH]:
        _widen(slot, place, lane)
    first, stop = row_at(slot, place, lane, start), place[lane, FIRST] + place[lane, COUNT]
    last = first
    while last + 1 < stop and slot[last + 1, TIME] <= end:
        last += 1
    begins, ends = int(slot[first, TIME] != start), int(slot[last, TIME] != end)
    if begins + ends > 0:
        for i in range(stop - 1, last, -1):
            _copy(slot, i, i + begins + ends)
        if ends > 0:
            _copy(slot, last, last + begins + 1)
            slot[last + begins + 1, TIME] = end
        if begins > 0:
            for i in range(last, first - 1, -1):
                _copy(slot, i, i + 1)
            slot[first + 1, TIME] = start
        place[lane, COUNT] += begins + ends
    first, last = first + begins, last + begins + ends
    for row in range(first, last):
        slot[row, FREE] -= amount
        slot[row, ROOM] -= memory
    _merge(slot, place, lane, last)
    _merge(slot, place, lane, first)


@compiled
def _copy(slot: Floats, source: int, target: int) -> None:
    slot[target, TIME], slot[target, FREE] = slot[source, TIME], slot[source, FREE]
    slot[target, ROOM] = slot[source, ROOM]


@compiled
def _widen(slot: Floats, place: Ints, lane: int) -> None:
    old, new, count = place[lane, FIRST], place[-1, FIRST], place[lane, COUNT]
    for row in range(count):
        _copy(slot, old + row, new + row)
    place[lane, FIRST] = new
    place[lane, WIDTH] *= 2
    place[-1, FIRST] += place[lane, WIDTH]


@compiled
def _merge(slot: Floats, place: Ints, lane: int, row: int) -> None:
    end = place[lane, FIRST] + place[lane, COUNT]
    if row == place[lane, FIRST] or row >= end:
        return
    if slot[row, FREE] != slot[row - 1, FREE] or slot[row, ROOM] != slot[row - 1, ROOM]:
        return
    for i in range(row, end - 1):
        _copy(slot, i + 1, i)
    place[lane, COUNT] -= 1


@compiled
def give_back(
    slot: Floats, place: Ints, w: int, need: Floats, t: int, start: float, end: float,
    cores: float, memory: float,
) -> None:  # fmt: skip
    """Undoes `take`."""
    take_lane(slot, place, w, start, end, -cores, -memory)
    m = place.shape[0] - 1 - need.shape[1]
    for p in range(need.shape[1]):
        if need[t, p] > 0:
            take_lane(slot, place, m + p, start, end, -need[t, p], 0.0)
