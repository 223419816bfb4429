"""A genetic search over (list of tasks, worker of each), every child justified forth and back."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from scheduler.planning.flat import Flat, Floats, Ints
from scheduler.planning.kernels.compiling import compiled
from scheduler.planning.kernels.scoring import score
from scheduler.planning.kernels.serial import Room, Serial, decoded

Bits = NDArray[np.uint64]
TIE = 1e-3  # weight of the mean end, which tells plans of equal value apart
FILLED, SINCE, COUNT, RESTARTS, SIZE = 0, 1, 2, 3, 4  # places in Crowd.state
PATIENCE = 60  # children without a gain, by place in the crowd, before it starts afresh


class Crowd(NamedTuple):
    """The plans that one thread breeds from, and the best it has seen.

    `lists` and `workers` k x n, `starts` k x n, `value` k (see `valued`). `best_*` n; `best_value`
    is the value and the makespan. `urgency` n: the more, the earlier in a fresh list; `load` n:
    the share of all that there is that a task takes, times its seconds. `bits` is
    the state of the random numbers; `state` counts members, children since a gain, evaluations and
    new beginnings, and holds how many members there may be: more after every second beginning.
    """

    lists: Ints
    workers: Ints
    starts: Floats
    value: Floats
    best_worker: Ints
    best_start: Floats
    best_end: Floats
    best_value: Floats
    urgency: Floats
    load: Floats
    bits: Bits
    state: Ints


@compiled
def evolved(
    flat: Flat,
    fore: Serial,
    back: Serial,
    room: Room,
    crowd: Crowd,
    evaluations: int,
    enough: float,
) -> bool:
    """Breeds until so many schedules are evaluated or the best one's makespan is `enough` or less.

    Two-point crossover of the lists, the father's part being the densest of a few (after the peak
    crossover of Valls, Ballestin and Quintanilla, "A hybrid genetic algorithm for the
    resource-constrained project scheduling problem", 2008), double justification of each child
    (Valls and others, "Justification and RCPSP: a technique that pays", 2005), and the worst of the
    crowd making room for each better child that is not there already. Says whether it was enough.
    """
    n = crowd.urgency.size
    child, worker = np.empty(n, np.int64), np.empty(n, np.int64)
    start, end, seen = np.zeros(n), np.zeros(n), np.zeros(n, np.int64)
    state, until = crowd.state, crowd.state[COUNT] + evaluations
    while state[COUNT] < until and crowd.best_value[1] > enough:
        if state[FILLED] < state[SIZE]:
            _fresh(fore, back, crowd, child, worker, seen)
        else:
            _bred(fore, crowd, child, worker, seen)
        value = justified(flat, fore, back, room, child, worker, start, end)
        state[COUNT] += 3
        state[SINCE] += 1
        _take_in(crowd, child, worker, start, end, value)
        if state[SINCE] > PATIENCE * state[SIZE]:
            _start_afresh(crowd)
    return bool(crowd.best_value[1] <= enough)


@compiled
def justified(
    flat: Flat,
    fore: Serial,
    back: Serial,
    room: Room,
    order: Ints,
    worker: Ints,
    start: Floats,
    end: Floats,
) -> float:
    """Decodes the list, moves all tasks as late and then as early as they go; gives the value.

    Neither move makes a schedule longer. The list is left in the order of the starts, and every
    worker is chosen.
    """
    last = decoded(fore, room, order, worker, -1.0, start, end)
    first_value = valued(flat, worker, start, end)
    kept, kept_start, kept_end = order.copy(), start.copy(), end.copy()
    flipped(start, end, last)
    sorted_by_start(order[::-1].copy(), start, order, last)
    late = decoded(back, room, order, worker, last, start, end)
    flipped(start, end, last)
    sorted_by_start(order[::-1].copy(), start, order, last)
    decoded(fore, room, order, worker, -1.0, start, end)
    value = valued(flat, worker, start, end)
    if value > first_value or late > last * (1 + 1e-9):
        order[:], start[:], end[:] = kept, kept_start, kept_end
        value = first_value
    sorted_by_start(order.copy(), start, order, last)
    return value


@compiled
def valued(flat: Flat, worker: Ints, start: Floats, end: Floats) -> float:
    """The score under the problem's aims, and a little of the mean end."""
    mean = end.sum() / end.size
    return float(score(flat, worker, start, end) + TIE * flat.aims.makespan * mean)


@compiled
def flipped(start: Floats, end: Floats, last: float) -> None:
    for t in range(start.size):
        begin = last - end[t]
        end[t] = last - start[t]
        start[t] = begin


@compiled
def sorted_by_start(base: Ints, start: Floats, order: Ints, last: float) -> None:
    """Fills `order` with the tasks of `base` by their start; equals stay as they are in base."""
    n = base.size
    steps = max(1, 2 * n)
    scale = steps / max(last, 1e-12)
    head = np.zeros(steps + 2, np.int64)
    for i in range(n):
        head[min(steps, max(0, int(start[base[i]] * scale))) + 1] += 1
    for b in range(steps + 1):
        head[b + 1] += head[b]
    for i in range(n):
        t = base[i]
        b = min(steps, max(0, int(start[t] * scale)))
        order[head[b]] = t
        head[b] += 1
    for i in range(1, n):  # within a bucket by insertion
        t = order[i]
        k = i - 1
        while k >= 0 and start[order[k]] > start[t]:
            order[k + 1] = order[k]
            k -= 1
        order[k + 1] = t


@compiled
def _take_in(
    crowd: Crowd, order: Ints, worker: Ints, start: Floats, end: Floats, value: float
) -> None:
    state = crowd.state
    if value < crowd.best_value[0] - 1e-9:
        if value < crowd.best_value[0] * (1 - 1e-7):
            state[SINCE] = 0
        crowd.best_value[0], crowd.best_value[1] = value, end.max()
        crowd.best_worker[:], crowd.best_start[:], crowd.best_end[:] = worker, start, end
    place, size = state[FILLED], state[SIZE]
    if place < size:
        state[FILLED] += 1
    else:
        place = 0
        for k in range(size):
            if crowd.value[k] > crowd.value[place]:
                place = k
            if abs(crowd.value[k] - value) < 1e-9:
                return  # as good as there already: the mean end tells different plans apart
        if value > crowd.value[place]:
            return
    crowd.value[place] = value
    crowd.lists[place], crowd.workers[place], crowd.starts[place] = order, worker, start


@compiled
def _start_afresh(crowd: Crowd) -> None:
    """Only the best member stays; every second time not even that, and the crowd doubles."""
    state = crowd.state
    best = 0
    for k in range(state[FILLED]):
        if crowd.value[k] < crowd.value[best]:
            best = k
    state[SINCE] = 0
    state[RESTARTS] += 1
    if state[RESTARTS] % 2 == 0:
        state[FILLED], state[SIZE] = 0, min(2 * state[SIZE], crowd.value.size)
        return
    crowd.lists[0], crowd.workers[0] = crowd.lists[best], crowd.workers[best]
    crowd.starts[0], crowd.value[0] = crowd.starts[best], crowd.value[best]
    state[FILLED] = 1


@compiled
def _fresh(
    serial: Serial, back: Serial, crowd: Crowd, child: Ints, worker: Ints, left: Ints
) -> None:
    """A list by urgency with noise, or, in a crowd that goes on, a shaken one of its best."""
    n, bits = child.size, crowd.bits
    noise = 0.0 if crowd.state[COUNT] == 0 else 0.6 * unit(bits)
    key, ready, count = np.empty(n), np.empty(n, np.int64), 0
    for t in range(n):
        key[t] = crowd.urgency[t] * (1.0 + noise * (2 * unit(bits) - 1))
        worker[t] = -1
        left[t] = serial.before_start[t + 1] - serial.before_start[t]
    for t in range(n):
        if left[t] == 0:
            ready[count] = t
            count += 1
    for i in range(n):
        best = 0
        for k in range(1, count):
            if key[ready[k]] > key[ready[best]]:
                best = k
        t = ready[best]
        count -= 1
        ready[best] = ready[count]
        child[i] = t
        for e in range(back.before_start[t], back.before_start[t + 1]):
            s = back.before_task[e]
            left[s] -= 1
            if left[s] == 0:
                ready[count] = s
                count += 1


@compiled
def _bred(serial: Serial, crowd: Crowd, child: Ints, worker: Ints, seen: Ints) -> None:
    n, bits = child.size, crowd.bits
    father, mother = _picked(crowd), _picked(crowd)
    length = 1 + int((0.15 + 0.6 * unit(bits)) * (n - 1))
    first = _densest(crowd, father, length)
    _crossed(crowd, father, mother, first, first + length, child, worker, seen)
    changes = 1 + below(bits, 3) if father != mother else 3 + below(bits, max(2, n // 12))
    for _ in range(changes):
        moved_anywhere(serial, child, bits)
    if serial.able_worker.size > n:
        for _ in range(changes):
            t = below(bits, n)
            choice = serial.able_start[t + 1] - serial.able_start[t]
            worker[t] = -1
            if unit(bits) < 0.4:
                worker[t] = serial.able_worker[serial.able_start[t] + below(bits, choice)]


@compiled
def _picked(crowd: Crowd) -> int:
    size = crowd.state[SIZE]
    one, other = below(crowd.bits, size), below(crowd.bits, size)
    return one if crowd.value[one] <= crowd.value[other] else other


@compiled
def _densest(crowd: Crowd, father: int, length: int) -> int:
    """Where the father's list has most work in so many tasks, of a few places drawn."""
    n, bits = crowd.urgency.size, crowd.bits
    order, start = crowd.lists[father], crowd.starts[father]
    best, where = -1.0, 0
    for _ in range(1 + below(bits, 4)):
        first = below(bits, n - length + 1)
        span = start[order[first + length - 1]] - start[order[first]]
        work = 0.0
        for i in range(first, first + length):
            work += crowd.load[order[i]]
        density = work / (span + 1e-9)
        if density > best:
            best, where = density, first
    return where


@compiled
def _crossed(
    crowd: Crowd,
    father: int,
    mother: int,
    first: int,
    stop: int,
    child: Ints,
    worker: Ints,
    seen: Ints,
) -> None:
    """Mother's list but for the places from first to stop, which take what the father has next."""
    n = child.size
    hers, his = crowd.lists[mother], crowd.lists[father]
    seen[:] = 0
    at_her, at_him = 0, 0
    for i in range(n):
        if i < first or i >= stop:
            while seen[hers[at_her]]:
                at_her += 1
            t = hers[at_her]
            worker[t] = crowd.workers[mother, t]
        else:
            while seen[his[at_him]]:
                at_him += 1
            t = his[at_him]
            worker[t] = crowd.workers[father, t]
        child[i] = t
        seen[t] = 1


@compiled
def moved_anywhere(serial: Serial, child: Ints, bits: Bits) -> None:
    """Puts one task anywhere between its last predecessor and its first successor in the list."""
    n = child.size
    at = below(bits, n)
    t = child[at]
    low = at
    while low > 0 and not precedes(serial, child[low - 1], t):
        low -= 1
    high = at
    while high < n - 1 and not precedes(serial, t, child[high + 1]):
        high += 1
    to = low + below(bits, high - low + 1)
    step = 1 if to > at else -1
    while at != to:
        child[at] = child[at + step]
        at += step
    child[at] = t


@compiled
def precedes(serial: Serial, before: int, t: int) -> bool:
    for e in range(serial.before_start[t], serial.before_start[t + 1]):
        if serial.before_task[e] == before:
            return True
    return False


@compiled
def unit(bits: Bits) -> float:
    """The next random number from 0 to below 1 (Marsaglia, "Xorshift RNGs", 2003)."""
    x = bits[0]
    x ^= x << np.uint64(13)
    x ^= x >> np.uint64(7)
    x ^= x << np.uint64(17)
    bits[0] = x
    return float(x >> np.uint64(11)) * 1.1102230246251565e-16


@compiled
def below(bits: Bits, count: int) -> int:
    return min(int(unit(bits) * count), count - 1)
