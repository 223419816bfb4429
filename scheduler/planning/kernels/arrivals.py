"""When what a task waits for has reached each worker."""

from scheduler.planning.flat import Flat, Floats, Ints
from scheduler.planning.kernels.compiling import compiled


@compiled
def arrive(
    flat: Flat, task: int, chosen: Ints, end: Floats, ready: Floats
) -> tuple[float, float, int]:
    """Fills `ready` (m, zeros before) and gives the latest arrivals from two different workers.

    Where all links are alike, ready[w] is when the predecessors on w itself have ended, and what
    comes from elsewhere is there at the first of the two arrivals, or on the third value (a
    worker, -1 for none) at the second: O(predecessors + workers). With links of their own, ready
    is all of it and both arrivals are zero. Call `forget` when done.
    """
    first, second, first_worker = 0.0, 0.0, -1
    for e in range(flat.before_start[task], flat.before_start[task + 1]):
        p = flat.before_task[e]
        w = chosen[p]
        if flat.uniform:
            ready[w] = max(ready[w], end[p])
            other = 1 if w == 0 else 0
            rate = flat.per_byte[w, other] if ready.size > 1 else 0.0
            arrival = end[p] + flat.latency + flat.before_bytes[e] * rate
            if w == first_worker:
                first = max(first, arrival)
            elif arrival > first:
                second, first, first_worker = first, arrival, w
            else:
                second = max(second, arrival)
        else:
            for v in range(ready.size):
                travel = flat.latency + flat.before_bytes[e] * flat.per_byte[w, v]
                ready[v] = max(ready[v], end[p] + (0.0 if v == w else travel))
    return first, second, first_worker


@compiled
def forget(flat: Flat, task: int, chosen: Ints, ready: Floats) -> None:
    """Makes `ready` zero again, after `arrive`."""
    if not flat.uniform:
        ready[:] = 0.0
        return
    for e in range(flat.before_start[task], flat.before_start[task + 1]):
        ready[chosen[flat.before_task[e]]] = 0.0
