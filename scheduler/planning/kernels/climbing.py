"""Annealing of one plan on shared workers: the tasks that hold the end back are moved."""

from typing import NamedTuple

import numpy as np

from scheduler.planning.flat import Flat, Floats, Ints
from scheduler.planning.kernels.compiling import compiled
from scheduler.planning.kernels.serial import Room, Serial, decoded
from scheduler.planning.kernels.serial_search import (
    Bits,
    below,
    flipped,
    moved_anywhere,
    precedes,
    sorted_by_start,
    unit,
    valued,
)

FAR = 0.01  # share by which a list may be longer than the plan at hand to be looked at closely
CLOSE = 1e-9  # share of the makespan by which slacks differ that count as equal


class Climber(NamedTuple):
    """The plan at hand and the best one.

    `order` (the tasks by start), `worker`, `start`, `end`, `slack` (see `slackened`) and `best_*`:
    n each. `value` holds what the two plans are worth, `bits` the state of the random numbers.
    """

    order: Ints
    worker: Ints
    start: Floats
    end: Floats
    slack: Floats
    best_worker: Ints
    best_start: Floats
    best_end: Floats
    value: Floats
    bits: Bits


@compiled
def slackened(
    flat: Flat,
    fore: Serial,
    back: Serial,
    room: Room,
    order: Ints,
    worker: Ints,
    start: Floats,
    end: Floats,
    slack: Floats,
    most: float,
) -> float:
    """Like `justified`, and fills the slack: between the latest starts and the earliest after.

    All tasks together could start later by it and still end when the list alone did: where the
    second move shortens the plan every slack is longer by that, and the least ones tell who holds
    the end back.

    Infinite where the list alone leads to a makespan above `most`: no more is looked at then.
    """
    last = decoded(fore, room, order, worker, -1.0, start, end)
    if last > most:
        return np.inf
    first_value = valued(flat, worker, start, end)
    kept, kept_start, kept_end = order.copy(), start.copy(), end.copy()
    flipped(start, end, last)
    sorted_by_start(order[::-1].copy(), start, order, last)
    late = decoded(back, room, order, worker, last, start, end)
    flipped(start, end, last)
    slack[:] = start
    sorted_by_start(order[::-1].copy(), start, order, last)
    decoded(fore, room, order, worker, -1.0, start, end)
    value = valued(flat, worker, start, end)
    if value > first_value or late > last * (1 + 1e-9):
        order[:], start[:], end[:] = kept, kept_start, kept_end
        value = first_value
    slack -= start
    sorted_by_start(order.copy(), start, order, last)
    return value


@compiled
def climbed(
    flat: Flat,
    fore: Serial,
    back: Serial,
    room: Room,
    climber: Climber,
    rounds: int,
    heat: float,
    enough: float,
) -> None:
    """Changes the plan so many times, or until the best one's makespan is `enough` or less.

    A plan worth less is kept with the chance exp(-loss / heat): simulated annealing (Kirkpatrick,
    Gelatt and Vecchi, 1983) over lists with a worker for each task, each decoded and justified.
    """
    n, bits = climber.order.size, climber.bits
    order, worker = climber.order.copy(), climber.worker.copy()
    start, end, slack = np.zeros(n), np.zeros(n), np.zeros(n)
    for _ in range(rounds):
        order[:], worker[:] = climber.order, climber.worker
        _changed(fore, climber, order, worker)
        most = climber.end.max() * (1 + FAR)
        value = slackened(flat, fore, back, room, order, worker, start, end, slack, most)
        if value <= climber.value[0] - heat * np.log(1.0 - unit(bits)):
            climber.order[:], climber.worker[:] = order, worker
            climber.start[:], climber.end[:], climber.slack[:] = start, end, slack
            climber.value[0] = value
            if value < climber.value[1]:
                climber.value[1] = value
                climber.best_worker[:] = worker
                climber.best_start[:], climber.best_end[:] = start, end
                if end.max() <= enough:
                    break


@compiled
def _changed(fore: Serial, climber: Climber, order: Ints, worker: Ints) -> None:
    """Moves one to three tasks without slack: to a fast worker, anywhere, or to the front."""
    n, bits = order.size, climber.bits
    tight = np.inf
    for t in range(n):
        if fore.fixed_worker[t] < 0:
            tight = min(tight, climber.slack[t])
    tight += CLOSE * climber.end.max()
    critical, count = np.empty(n, np.int64), 0
    for t in range(n):
        if climber.slack[t] <= tight and fore.fixed_worker[t] < 0:
            critical[count] = t
            count += 1
    for _ in range(1 + int(3 * unit(bits) * unit(bits))):
        t = critical[below(bits, count)] if count > 0 else below(bits, n)
        first = fore.able_start[t]
        able = fore.able_start[t + 1] - first
        kind = unit(bits)
        if kind < 0.5 and able > 1:
            w = fore.able_worker[first + int(unit(bits) * unit(bits) * able)]
            worker[t] = w
            if unit(bits) < 0.7:
                _cleared(fore, climber, worker, t, w, tight)
        elif kind < 0.6:
            worker[t] = -1
        elif kind < 0.85:
            _earlier(fore, order, t, bits)
        else:
            moved_anywhere(fore, order, bits)
            worker[below(bits, n)] = -1


@compiled
def _cleared(fore: Serial, climber: Climber, worker: Ints, t: int, w: int, tight: float) -> None:
    """Those with slack that are on the worker about the time of t go where they end first."""
    reach = fore.duration[t, w]
    for u in range(worker.size):
        if u == t or climber.worker[u] != w or climber.slack[u] <= tight:
            continue
        if climber.start[u] < climber.end[t] + reach and climber.end[u] > climber.start[t] - reach:
            worker[u] = -1


@compiled
def _earlier(serial: Serial, order: Ints, t: int, bits: Bits) -> None:
    """Puts t anywhere between its last predecessor and where it is, rather near than far."""
    at = 0
    while order[at] != t:
        at += 1
    low = at
    while low > 0 and not precedes(serial, order[low - 1], t):
        low -= 1
    to = at - int(unit(bits) * unit(bits) * (at - low + 1))
    while at > to:
        order[at] = order[at - 1]
        at -= 1
    order[at] = t
