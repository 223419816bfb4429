"""When what a task waits for has reached each worker."""

# ruff: noqa: FURB136 - chosen by `if`, several are compared at once; by `max`, one after the other

from scheduler.planning.flat import Flat, Floats, Ints
from scheduler.planning.kernels.compiling import compiled, compiled_without_nan


@compiled
def arrivals(flat: Flat, task: int, chosen: Ints, end: Floats, ready: Floats) -> None:
    """Fills `ready` (m): from when on each worker could start the task if it were idle.

    That is when all predecessors have ended and their bytes have come, and no earlier than the
    release of the task and now. The predecessors must have been placed: `chosen` and `end`, n.
    """
    first, last = flat.before_start[task], flat.before_start[task + 1]
    soonest, at_other, size = max(flat.now, flat.release[task]), flat.before_task, flat.before_bytes
    if flat.uniform:
        over_like_links(
            first, last, at_other, size, flat.latency, flat.per_byte, chosen, end, soonest, ready
        )
    else:
        over_links(
            first, last, at_other, size, flat.latency, flat.per_byte, chosen, end, soonest, ready
        )


@compiled_without_nan
def over_like_links(
    first_edge: int,
    last_edge: int,
    before_task: Ints,
    before_bytes: Floats,
    latency: float,
    per_byte: Floats,
    chosen: Ints,
    end: Floats,
    soonest: float,
    ready: Floats,
) -> None:
    """`arrivals` where all links are alike: predecessors + workers, not predecessors x workers.

    The latest arrivals from two different workers say it all.
    """
    first, second, first_worker = 0.0, 0.0, -1
    rate = per_byte[0, 1] if ready.size > 1 else 0.0
    for e in range(first_edge, last_edge):
        p = before_task[e]
        w = chosen[p]
        arrival = end[p] + (latency + before_bytes[e] * rate)
        if w == first_worker:
            first = max(first, arrival)
        elif arrival > first:
            second, first, first_worker = first, arrival, w
        else:
            second = max(second, arrival)
    ready[:] = max(soonest, first)
    if first_worker >= 0:
        ready[first_worker] = max(soonest, second)
    for e in range(first_edge, last_edge):
        p = before_task[e]
        ready[chosen[p]] = max(ready[chosen[p]], end[p])


@compiled_without_nan
def over_links(
    first_edge: int,
    last_edge: int,
    before_task: Ints,
    before_bytes: Floats,
    latency: float,
    per_byte: Floats,
    chosen: Ints,
    end: Floats,
    soonest: float,
    ready: Floats,
) -> None:
    """`arrivals` where every link has a rate of its own."""
    ready[:] = soonest
    for e in range(first_edge, last_edge):
        p = before_task[e]
        w, ended, size = chosen[p], end[p], before_bytes[e]
        here = max(ready[w], ended)
        for v in range(ready.size):
            there = ended + (latency + size * per_byte[w, v])
            ready[v] = there if there > ready[v] else ready[v]
        ready[w] = here
