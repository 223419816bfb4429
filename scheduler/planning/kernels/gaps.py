"""List scheduling on workers that run one task at a time.

What is free of worker w are the gaps from begin[w, i] to until[w, i], i < count[w], in order of
time; the last one has no end. Gaps too short for any task are left out. Most of the work is one
pass over the workers that several of them share an instruction of: each is given the time that it
promises, exact where no gap comes into question, else too early; gaps are searched only for the
worker that promises most, until that promise is exact. A search in vain tells how long the gaps
are from `since` on: nothing that starts no earlier and takes `longest` or more fits there.
"""

# ruff: noqa: FURB136 - chosen by `if`, several are compared at once; by `max`, one after the other

import numpy as np

from scheduler.planning.flat import Flat, Floats, Ints
from scheduler.planning.kernels.arrivals import over_like_links
from scheduler.planning.kernels.compiling import compiled, compiled_without_nan

CLOCK = 1e-14  # share of a time that adding may lose
WIDE = 256  # workers from which two latest arrivals are found faster than one for each worker


@compiled_without_nan
def list_on_gaps(
    flat: Flat, order: Ints, bias: Floats, duration_weight: float, insertion: bool
) -> tuple[Ints, Floats, Floats]:
    """What `list_schedule` gives, where no worker can run two tasks and nothing is shared."""
    m = flat.worker_cores.size
    chosen, start, end = flat.fixed_worker.copy(), flat.fixed_start.copy(), flat.fixed_end.copy()
    shortest = shortest_durations(flat)
    begin, until, count = free_gaps(flat, shortest)
    idle, reach, floor = np.zeros(m), np.zeros(m), np.zeros(m)
    for w in range(m):
        idle[w], reach[w] = _last(begin, until, count, w)
    if not insertion:
        for t in range(chosen.size):
            if chosen[t] >= 0:
                floor[chosen[t]] = max(floor[chosen[t]], start[t])
    ready, at, promise = np.zeros(m), np.zeros(m), np.zeros(m)
    since, longest = np.full(m, np.inf), np.zeros(m)
    near, searched = np.zeros(m, np.int64), np.full(m, -1)  # where, and for which task, last
    duration, per_byte, latency = flat.duration, flat.per_byte, flat.latency
    edges, sources, sizes = flat.before_start, flat.before_task, flat.before_bytes
    for t in order:
        if flat.fixed_worker[t] >= 0:
            continue
        first, last, soonest = edges[t], edges[t + 1], max(flat.now, flat.release[t])
        if flat.uniform and m > WIDE:
            over_like_links(
                first, last, sources, sizes, latency, per_byte, chosen, end, soonest, ready
            )
        else:
            ready[:] = soonest
            for e in range(first, last):  # as `over_links`, on arrays that were made here
                p = sources[e]
                w, ended, size = chosen[p], end[p], sizes[e]
                here = max(ready[w], ended)
                for v in range(m):
                    there = ended + (latency + size * per_byte[w, v])
                    ready[v] = there if there > ready[v] else ready[v]
                ready[w] = here
        row = flat.row[t]
        if not insertion:
            for w in range(m):
                ready[w] = max(ready[w], floor[w])
        for w in range(m):
            d, r = duration[row, w], ready[w]
            late = r if r > idle[w] else idle[w]
            by = reach[w] - d
            unless = since[w] if d >= longest[w] else np.inf
            by = by if by < unless else unless
            at[w] = r if r <= by else late
            promise[w] = at[w] + duration_weight * d
        if bias.size or duration_weight == 0:
            for w in range(m):
                d = duration[row, w]
                lean = bias[t, w] if bias.size else 0.0
                promise[w] = at[w] + (duration_weight * d + lean) if d < np.inf else np.inf
        least = np.inf
        for w in range(m):
            least = promise[w] if promise[w] < least else least
        w = _first(promise, least)
        while at[w] < idle[w] and searched[w] != t:
            d = duration[row, w]
            i = gap_after(until, count, w, near[w], ready[w])
            near[w] = i
            s, widest = max(begin[w, i], ready[w]), 0.0
            while s + d > until[w, i]:
                widest = max(widest, until[w, i] - s)
                i += 1
                s = begin[w, i]
            if i == count[w] - 1:
                since[w] = np.nextafter(ready[w], -np.inf)
                longest[w] = widest + CLOCK * s
            lean = bias[t, w] if bias.size else 0.0
            at[w], promise[w], searched[w] = s, s + (duration_weight * d + lean), t
            least = np.inf
            for v in range(m):
                least = promise[v] if promise[v] < least else least
            w = _first(promise, least)
        if promise[w] == np.inf:
            return chosen, start, end
        s, e = at[w], at[w] + duration[row, w]
        chosen[t], start[t], end[t] = w, s, e
        floor[w] = max(floor[w], s)
        if count[w] == begin.shape[1]:
            begin, until = _wider(begin), _wider(until)
        if s >= idle[w]:
            gap = count[w] - 1
            longest[w] = max(longest[w], s - idle[w] + CLOCK * s)
        else:
            gap = gap_after(until, count, w, near[w], s)
        if e > s:  # else shorter than the clock can tell at that time
            _split(begin, until, count, w, gap, s, e, shortest[w])
            idle[w], reach[w] = _last(begin, until, count, w)
    return chosen, start, end


@compiled
def _first(values: Floats, least: float) -> int:
    for w in range(values.size):
        if values[w] == least:
            return w
    return 0


@compiled
def shortest_durations(flat: Flat) -> Floats:
    """The shortest task of each worker, m."""
    k, m = flat.duration.shape
    shortest = np.full(m, np.inf)
    for row in range(k):
        for w in range(m):
            shortest[w] = min(shortest[w], flat.duration[row, w])
    return shortest


@compiled
def free_gaps(flat: Flat, shortest: Floats) -> tuple[Floats, Floats, Ints]:
    """The gaps that closed windows and what is fixed leave: begin and until m x room, count m."""
    n, m = flat.row.size, flat.worker_cores.size
    begin, until = np.zeros((m, 64)), np.full((m, 64), np.inf)
    count = np.ones(m, np.int64)
    for w in range(m):
        for i in range(flat.closed_start[w], flat.closed_start[w + 1]):
            if count[w] == begin.shape[1]:
                begin, until = _wider(begin), _wider(until)
            _clear(begin, until, count, w, flat.closed[i, 0], flat.closed[i, 1], shortest[w])
    for t in range(n):
        w = flat.fixed_worker[t]
        if w < 0 or flat.fixed_end[t] <= flat.fixed_start[t]:
            continue
        if count[w] == begin.shape[1]:
            begin, until = _wider(begin), _wider(until)
        _clear(begin, until, count, w, flat.fixed_start[t], flat.fixed_end[t], shortest[w])
    return begin, until, count


@compiled
def gap_after(until: Floats, count: Ints, worker: int, near: int, time: float) -> int:
    """The first gap of the worker that ends after the time, looked for around a gap nearby."""
    w, high, step = worker, min(near, int(count[worker]) - 1), 1
    if until[w, high] > time:
        low = high - 1
        while low >= 0 and until[w, low] > time:
            high, step = low, 2 * step
            low = max(high - step, -1)
    else:
        low, high = high, high + 1
        while until[w, high] <= time:  # the last has no end
            low, step = high, 2 * step
            high = min(low + step, int(count[w]) - 1)
    while high - low > 1:
        middle = (low + high) // 2
        if until[w, middle] > time:
            high = middle
        else:
            low = middle
    return high


@compiled
def _clear(
    begin: Floats,
    until: Floats,
    count: Ints,
    worker: int,
    start: float,
    end: float,
    shortest: float,
) -> None:
    """Takes start to end out of all gaps that it meets."""
    w = worker
    i = gap_after(until, count, w, count[w], start)
    while begin[w, i] < end:
        ahead = until[w, i]
        first, last = max(start, begin[w, i]), min(end, ahead)
        _split(begin, until, count, w, i, first, last, shortest)
        if ahead >= end:
            break
        i = gap_after(until, count, w, count[w], ahead)


@compiled
def _split(
    begin: Floats,
    until: Floats,
    count: Ints,
    worker: int,
    gap: int,
    start: float,
    end: float,
    shortest: float,
) -> None:
    """Takes start to end out of one gap; room for one more."""
    w = worker
    before = begin[w, gap] + shortest <= start
    after = end + shortest <= until[w, gap] or until[w, gap] == np.inf
    if before and after:
        for i in range(count[w], gap, -1):
            begin[w, i], until[w, i] = begin[w, i - 1], until[w, i - 1]
        until[w, gap], begin[w, gap + 1] = start, end
        count[w] += 1
    elif before:
        until[w, gap] = start
    elif after:
        begin[w, gap] = end
    else:
        count[w] -= 1
        for i in range(gap, count[w]):
            begin[w, i], until[w, i] = begin[w, i + 1], until[w, i + 1]


@compiled
def _last(begin: Floats, until: Floats, count: Ints, worker: int) -> tuple[float, float]:
    """From when on the worker is idle for ever, and the end of the last gap before."""
    last = count[worker] - 1
    if not last:
        return begin[worker, 0], -1.0
    return begin[worker, last], until[worker, last - 1] * (1 + CLOCK)


@compiled
def _wider(values: Floats) -> Floats:
    wide = np.empty((values.shape[0], 2 * values.shape[1]))
    wide[:, : values.shape[1]] = values
    return wide
