"""Carrying out a schedule on paper, many times, as the dispatch would.

The rules are those of `scheduler.execution.dispatch`: a worker serves its ready tasks in planned
order, nothing overtakes a ready task that does not fit yet, and what is planned earlier keeps its
place until its planned start. Times are seconds from the start of the run.
"""

from typing import NamedTuple

import numpy as np
from numpy.random import Generator

from scheduler.planning.flat import Flat, Floats, Ints
from scheduler.planning.kernels.compiling import compiled

WAITING, READY, RUNNING, OVER = 0, 1, 2, 3
CLOCK = 1e-9  # share of a time below which two moments are the same one
LEEWAY = 1e-9  # share of a limit: amounts are added and subtracted as floats
DEATH = 0.5  # share of the duration after which an attempt over its memory dies


class Plan(NamedTuple):
    """A schedule and what is believed of it, n tasks with q known levels of duration, a attempts.

    `worker` and `begin` (planned start) are the schedule; `order` has the tasks by begin, `served`
    the same worker by worker, those of worker w in served[first[w]:first[w + 1]]. A task usually
    takes `usual` seconds there; at normal score `score` (q) it takes exp(`spread`) (n x q) times as
    long, straight lines between and beyond. An attempt fails with probability `failure`, lacks
    memory with `short` (n x a) at `room` bytes (n x a), is stopped after `limit` seconds, and there
    are `attempts` of it. `kind` numbers the kinds. `gone` is for how long a task that runs now has
    run already, below 0 where it does not run, and infinite where it is done.
    """

    worker: Ints
    begin: Floats
    order: Ints
    served: Ints
    first: Ints
    usual: Floats
    score: Floats
    spread: Floats
    failure: Floats
    short: Floats
    room: Floats
    limit: Floats
    attempts: Ints
    kind: Ints
    gone: Floats


@compiled
def replay(
    plan: Plan,
    flat: Flat,
    by_kind: float,
    by_worker: float,
    rng: Generator,
    later: Generator,
    samples: int,
) -> tuple[Floats, Floats]:
    """Start of the last attempt and end of each task, infinite where it was given up.

    `by_kind` and `by_worker` are the shares of the variance that tasks of a kind, and tasks on a
    worker, have in common. What befalls the first attempts is drawn from `rng` task by task, not in
    the order of the plan, and what befalls later ones from `later`: so plans of one problem meet
    the same fate in each sample, and differ by what they are. Shape: samples x n each.

    One long function: handing the tuples on to smaller ones would cost more than the work.
    """
    worker, begin, order = plan.worker, plan.begin, plan.order
    served, first = plan.served, plan.first
    usual, spread, levels, room = plan.usual, plan.spread, plan.score, plan.room
    before, after = flat.before_start, flat.after_start
    successor, size_of = flat.after_task, flat.after_bytes
    cores, need, closed, opening = flat.cores, flat.need, flat.closed, flat.closed_start
    n, m, pools, rooms = worker.size, flat.worker_cores.size, flat.limit.size, room.shape[1]
    start, end = np.full((samples, n), np.inf), np.full((samples, n), np.inf)
    own = np.sqrt(max(0.0, 1.0 - by_kind - by_worker))
    of_kind, of_worker = np.zeros(plan.kind.max() + 1), np.zeros(m)
    phase, tried, waits = np.zeros(n, np.int64), np.zeros(n, np.int64), np.zeros(n, np.int64)
    arrival, well = np.zeros(n), np.zeros(n, np.bool_)
    free_cores, free_memory, left = np.zeros(m), np.zeros(m), np.zeros(pools)
    claimed, stopped = np.zeros(pools, np.bool_), np.zeros(m, np.bool_)  # until the next start
    ready, held, head = np.zeros(m, np.int64), np.zeros(m), np.zeros(m + 1, np.int64)
    news = np.zeros(m, np.bool_)
    times, events = np.zeros(2 * n + 2), np.zeros(2 * n + 2, np.int64)  # a heap of what comes
    score, luck, thirst = np.zeros(n), np.zeros(n), np.zeros(n)  # of the attempt that comes
    for s in range(samples):
        if by_kind > 0:
            for k in range(of_kind.size):
                of_kind[k] = np.sqrt(by_kind) * rng.standard_normal()
        if by_worker > 0:
            for w in range(m):
                of_worker[w] = np.sqrt(by_worker) * rng.standard_normal()
        free_cores[:], left[:] = flat.worker_cores * (1 + LEEWAY), flat.limit * (1 + LEEWAY)
        free_memory[:] = flat.worker_memory
        phase[:], tried[:], ready[:], held[:] = WAITING, 0, 0, np.inf
        head[:m], head[m] = first[:m], 0
        size, open_tasks = 0, 0
        for t in range(n):
            arrival[t] = max(flat.release[t], flat.now)
            waits[t] = before[t + 1] - before[t]
        for t in range(n):
            if plan.gone[t] < 0:
                continue
            start[s, t], w = flat.fixed_start[t], worker[t]
            if plan.gone[t] == np.inf:
                end[s, t], phase[t] = flat.fixed_end[t], OVER
                for e in range(after[t], after[t + 1]):
                    o = successor[e]
                    waits[o] -= 1
                    travel = _travel(flat.latency, flat.per_byte, size_of[e], w, worker[o])
                    arrival[o] = max(arrival[o], end[s, t] + travel)
            else:
                phase[t], tried[t], well[t] = RUNNING, 1, rng.random() >= plan.failure[t]
                free_cores[w] -= cores[t]
                free_memory[w] -= min(room[t, 0], flat.worker_memory[w])
                for p in range(pools):
                    left[p] -= need[t, p]
                lasts = _longer_than(plan.gone[t], usual[t], spread[t], levels, rng)
                size = _push(times, events, size, max(flat.now, start[s, t] + lasts), t)
        for t in range(n):
            if phase[t] == WAITING:
                score[t], luck[t], thirst[t] = rng.standard_normal(), rng.random(), rng.random()
            if phase[t] == WAITING and waits[t] == 0:
                size = _push(times, events, size, arrival[t], n + t)
        while True:
            now = times[0] if size > 0 else np.inf
            for w in range(m):
                now = min(now, held[w])
            if now == np.inf:
                break
            for w in range(m):
                news[w] = held[w] <= now
            while size > 0 and times[0] == now:  # all of one moment, then what follows from it
                what = events[0]
                size = _pop(times, events, size)
                t = what if what < n else what - n
                w = worker[t]
                news[w] = True
                if what >= n:
                    if phase[t] == WAITING:  # not given up in the meantime
                        phase[t] = READY
                        ready[w] += 1
                        open_tasks += 1
                    continue
                free_cores[w] += cores[t]
                k = min(tried[t] - 1, rooms - 1)
                free_memory[w] += min(room[t, k], flat.worker_memory[w])
                for p in range(pools):
                    left[p] += need[t, p]
                if well[t]:
                    end[s, t], phase[t] = now, OVER
                    for e in range(after[t], after[t + 1]):
                        o = successor[e]
                        waits[o] -= 1
                        travel = _travel(flat.latency, flat.per_byte, size_of[e], w, worker[o])
                        arrival[o] = max(arrival[o], now + travel)
                        if waits[o] == 0 and phase[o] == WAITING:
                            size = _push(times, events, size, arrival[o], n + o)
                elif tried[t] < plan.attempts[t]:
                    phase[t] = READY
                    score[t] = later.standard_normal()
                    luck[t], thirst[t] = later.random(), later.random()
                    ready[w] += 1
                    open_tasks += 1
                    head[w], head[m] = first[w], 0
                else:
                    start[s, t] = np.inf
                    _give_up(phase, after, successor, t)
            if pools:
                claimed[:], held[:], stopped[:] = False, np.inf, False
            for where in range(1 if pools else m):  # all at once where they share pools
                if pools:
                    sequence, place, high, due = order, m, n, open_tasks
                elif news[where]:
                    sequence, place, high, due = served, where, first[where + 1], ready[where]
                    stopped[where], held[where] = False, np.inf
                else:
                    continue
                at = head[place]
                while at < high and phase[sequence[at]] >= RUNNING:
                    at += 1
                head[place] = at
                while due > 0 and at < high:
                    t = sequence[at]
                    at += 1
                    if phase[t] != READY:
                        continue
                    due -= 1
                    w = worker[t]
                    if stopped[w]:
                        if pools:
                            continue
                        break
                    if opening[w + 1] > opening[w]:
                        opens = _opening(closed, opening[w], opening[w + 1], now, usual[t])
                        if opens > now:
                            held[w] = min(held[w], opens)
                            continue
                    k = min(tried[t], rooms - 1)
                    bytes_held = min(room[t, k], flat.worker_memory[w])
                    if cores[t] > free_cores[w] or bytes_held > free_memory[w]:
                        stopped[w] = True
                        continue
                    lacks = False
                    for p in range(pools):
                        if need[t, p] > 0 and (claimed[p] or need[t, p] > left[p]):
                            lacks = True
                    if lacks:
                        for p in range(pools):
                            if need[t, p] > 0:
                                claimed[p] = True
                        continue
                    until = min(begin[t], now + usual[t]) * (1 + CLOCK)
                    if until > now:
                        again, together, beside = np.inf, cores[t], bytes_held
                        crowded = False
                        for q in range(head[w] if not pools else first[w], first[w + 1]):
                            o = served[q]
                            lapse = begin[o] * (1 + CLOCK)
                            if lapse >= until:
                                break
                            if phase[o] >= RUNNING or tried[o] > 0 or lapse <= now:
                                continue
                            again = min(again, lapse)
                            together += cores[o]
                            beside += room[o, 0]
                            if together > free_cores[w] or beside > free_memory[w]:
                                crowded = True
                                break
                        for p in range(pools):
                            if crowded or need[t, p] <= 0:
                                continue
                            amount, again = need[t, p], np.inf
                            for q in range(head[m], n):
                                o = order[q]
                                lapse = begin[o] * (1 + CLOCK)
                                if lapse >= until:
                                    break
                                if need[o, p] <= 0 or phase[o] >= RUNNING or tried[o] > 0:
                                    continue
                                if lapse > now:
                                    again = min(again, lapse)
                                    amount += need[o, p]
                            crowded = amount > left[p]
                        if crowded:
                            held[w] = min(held[w], again)
                            continue
                    ready[w] -= 1
                    open_tasks -= 1
                    phase[t] = RUNNING
                    tried[t] += 1
                    start[s, t] = now
                    free_cores[w] -= cores[t]
                    free_memory[w] -= bytes_held
                    for p in range(pools):
                        left[p] -= need[t, p]
                    shift = of_kind[plan.kind[t]] + of_worker[w] + own * score[t]
                    lasts = usual[t] * np.exp(_bend(spread[t], levels, shift))
                    well[t] = luck[t] >= plan.failure[t]
                    if thirst[t] < plan.short[t, k]:
                        lasts, well[t] = lasts * DEATH, False
                    elif lasts > plan.limit[t]:
                        lasts, well[t] = plan.limit[t], False
                    size = _push(times, events, size, now + lasts, t)
    return start, end


@compiled
def _travel(latency: float, per_byte: Floats, size: float, source: int, target: int) -> float:
    return 0.0 if source == target else latency + size * per_byte[source, target]


@compiled
def _opening(closed: Floats, low: int, high: int, now: float, lasts: float) -> float:
    """The first moment from now on at which a worker stays open for so long."""
    moment = now
    for c in range(low, high):
        opens = closed[c, 1] <= moment * (1 + CLOCK)
        if not opens and closed[c, 0] < (moment + lasts) * (1 - CLOCK):
            moment = closed[c, 1]
    return moment


@compiled
def _bend(spread: Floats, levels: Floats, score: float) -> float:
    """The logarithm at a normal score: straight lines between the levels and beyond."""
    if levels.size == 1:
        return float(spread[0])
    u = 1
    while u < levels.size - 1 and score > levels[u]:
        u += 1
    share = (score - levels[u - 1]) / (levels[u] - levels[u - 1])
    return float(spread[u - 1] + (spread[u] - spread[u - 1]) * share)


@compiled
def _longer_than(
    gone: float, usual: float, spread: Floats, levels: Floats, rng: Generator
) -> float:
    """Seconds of an attempt that has run for so long already: drawn until one is longer.

    Where that is rare, by the exponential rejection of Robert (1995).
    """
    low, high = -40.0, 40.0  # the score at which the task would take just that long
    for _ in range(60):
        middle = 0.5 * (low + high)
        if usual * np.exp(_bend(spread, levels, middle)) <= gone:
            low = middle
        else:
            high = middle
    if low > 39.0:
        return gone  # it was certain to be over by now
    rate = 0.5 * (low + np.sqrt(low * low + 4.0))
    while True:
        if low < 0.5:
            score = rng.standard_normal()
            likely = score > low
        else:
            score = low + rng.standard_exponential() / rate
            likely = rng.random() <= np.exp(-0.5 * (score - rate) ** 2)
        if likely:
            return float(usual * np.exp(_bend(spread, levels, score)))


@compiled
def _give_up(phase: Ints, after: Ints, successor: Ints, t: int) -> None:
    """Ends a task without success, and all that wait for it."""
    phase[t] = OVER
    stack = [t]
    while len(stack) > 0:
        o = stack.pop()
        for e in range(after[o], after[o + 1]):
            if phase[successor[e]] == WAITING:
                phase[successor[e]] = OVER
                stack.append(successor[e])


@compiled
def _push(times: Floats, events: Ints, size: int, time: float, event: int) -> int:
    i = size
    while i > 0 and times[(i - 1) // 2] > time:
        times[i], events[i] = times[(i - 1) // 2], events[(i - 1) // 2]
        i = (i - 1) // 2
    times[i], events[i] = time, event
    return size + 1


@compiled
def _pop(times: Floats, events: Ints, size: int) -> int:
    size -= 1
    time, event = times[size], events[size]
    i = 0
    while True:
        c = 2 * i + 1
        if c >= size:
            break
        if c + 1 < size and times[c + 1] < times[c]:
            c += 1
        if times[c] >= time:
            break
        times[i], events[i] = times[c], events[c]
        i = c
    times[i], events[i] = time, event
    return size
