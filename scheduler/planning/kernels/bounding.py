"""What lower bounds count on flat arrays."""

import numpy as np
from numpy.typing import NDArray

from scheduler.planning.flat import Floats, Ints
from scheduler.planning.kernels.compiling import compiled

Bools = NDArray[np.bool_]
CLOSE = 16  # predecessors of a task that are looked at together, those that arrive last


@compiled
def reached(
    order: Ints,
    start_of: Ints,
    predecessor: Ints,
    delay: Floats,
    nearer: Floats,
    duration: Floats,
    release: Floats,
    share: Floats,
    fixed_worker: Ints,
    fixed_end: Floats,
) -> Floats:
    """The least end of each task on each worker, n x m, infinite where it cannot run.

    Predecessors end as early as they can. What each sends takes `delay` (seconds between the two
    workers that are nearest to one another; one per dependency) times `nearer` (m; at least one)
    to a worker, but on the same one, and those that are on the same worker share it: a task takes
    `share` (n x m, of all that the worker has) times its duration. A task that has happened is on
    its worker alone; it waits for nothing that has happened too, and ends at `fixed_end`, if that
    is not negative. Shape: duration n x m; release, fixed_* n.

    The ready time on a worker is the least, over k, of what the k predecessors that arrive last
    from elsewhere take when they are all here, and the arrival of the next one: after Papadimitriou
    and Yannakakis, "Towards an architecture-independent analysis of parallel algorithms" (1990).
    """
    n, m = duration.shape
    ends = np.full((n, m), np.inf)
    soonest, second, where = np.full(n, np.inf), np.full(n, np.inf), np.zeros(n, np.int64)
    remote, near = np.empty(CLOSE + 1), np.empty(CLOSE + 1, np.int64)
    for t in order:
        for w in range(m):
            length = duration[t, w]
            if length == np.inf:
                continue
            floor, count = release[t], 0
            for e in range(start_of[t], start_of[t + 1]):
                p = predecessor[e]
                if fixed_worker[t] >= 0 and fixed_worker[p] >= 0:
                    continue
                away = second[p] if where[p] == w else soonest[p]
                away += delay[e] * nearer[w]
                if away <= ends[p, w]:
                    floor = max(floor, away)
                    continue
                floor = max(floor, min(away, ends[p, w]))
                i = min(count, CLOSE)
                while i > 0 and remote[i - 1] < away:
                    remote[i], near[i] = remote[i - 1], near[i - 1]
                    i -= 1
                if i < CLOSE:
                    remote[i], near[i] = away, p
                    count = min(count + 1, CLOSE)
            ready = np.inf
            for k in range(count + 1):
                here = _together(near, k, w, ends, duration, share)
                next_one = remote[k] if k < count else 0.0
                ready = min(ready, max(here, next_one))
                if here >= next_one:
                    break
            end = max(floor, ready) + length
            if fixed_worker[t] >= 0 and fixed_end[t] >= 0:
                end = fixed_end[t]
            ends[t, w] = end
            if end < soonest[t]:
                second[t], soonest[t], where[t] = soonest[t], end, w
            elif end < second[t]:
                second[t] = end
    return ends


@compiled
def _together(
    near: Ints, count: int, w: int, ends: Floats, duration: Floats, share: Floats
) -> float:
    """The least time by which so many tasks can have ended on one worker that they share."""
    most = 0.0
    for i in range(count):
        first = near[i]
        begin, work = ends[first, w] - duration[first, w], 0.0
        most = max(most, ends[first, w])
        for k in range(count):
            p = near[k]
            if ends[p, w] - duration[p, w] >= begin and share[p, w] > 0:
                work += duration[p, w] * share[p, w]
        most = max(most, begin + work)
    return most


@compiled
def priced_work(work: Floats, price: Floats) -> tuple[Floats, Floats]:
    """The cheapest work of each task (n) at a price per worker, and the work each worker gets (m).

    Shape: work n x m, infinite where not eligible; price m.
    """
    n, m = work.shape
    cheapest, load = np.zeros(n), np.zeros(m)
    for t in range(n):
        best, where = np.inf, 0
        for w in range(m):
            if work[t, w] < np.inf and price[w] * work[t, w] < best:
                best, where = price[w] * work[t, w], w
        cheapest[t] = best
        load[where] += work[t, where]
    return cheapest, load


@compiled
def forced(
    energy: Floats,
    shortest: Floats,
    longest: Floats,
    head: Floats,
    tail: Floats,
    heads: Floats,
    tails: Floats,
    bound: float,
) -> float:
    """A bound from what must happen between a time a and a time q before the end; at least `bound`.

    Of the energy of a task (r x n: seconds of a whole resource) the share that lies between cannot
    be less than what is left of it when it starts as early, and when it ends as late, as it can.
    Energetic reasoning as in Baptiste, Le Pape and Nuijten, "Satisfiability tests and time-bound
    adjustments for cumulative scheduling problems" (1999), solved for the makespan: with e(C) that
    energy, C >= a + q + e(C), and e does not fall with C. Shape: shortest, head, tail n; longest
    r x n: the duration of which it is certain that the energy is spread over no more.
    """
    r, n = energy.shape
    total = np.zeros(r)
    for a in heads:
        for q in tails:
            total[:] = 0.0
            room = bound - a - q
            if room <= 0:  # nothing is between the two in a plan as short as that
                continue
            for t in range(n):
                d = shortest[t]
                early = min(d, head[t] + d - a, tail[t] + d - q)
                if early <= 0:
                    continue
                for k in range(r):
                    part = early / d
                    if room < part * longest[k, t]:
                        part = room / longest[k, t]
                    total[k] += energy[k, t] * part
            for k in range(r):
                bound = max(bound, a + q + total[k])
    return bound


@compiled
def most_forced(
    share: Floats, latest_first: Ints, before: Floats, after: Floats, levels: Floats
) -> float:
    """The most of start + shares + time after, over the sets of tasks that are late on both sides.

    A set holds the tasks with `before` at least that of one of them and `after` at least one of
    the levels. `latest_first` holds the tasks by falling `before`. Shape: n each.
    """
    most = 0.0
    for level in levels:
        work = 0.0
        for t in latest_first:
            if share[t] > 0 and after[t] >= level:
                work += share[t]
                most = max(most, before[t] + work + level)
    return most


@compiled
def ancestors(order: Ints, start_of: Ints, predecessor: Ints) -> Bools:
    """Which tasks must have ended before each (n x n)."""
    n = start_of.size - 1
    before = np.zeros((n, n), np.bool_)
    for t in order:
        for e in range(start_of[t], start_of[t + 1]):
            p = predecessor[e]
            before[t, p] = True
            for i in range(n):
                before[t, i] |= before[p, i]
    return before


@compiled
def apart(before: Bools, need: Floats, limit: Floats, seeds: Ints, weight: Floats) -> Bools:
    """For each seed a set of tasks, heaviest first, of which no two can run at one time.

    Shape: before n x n (one of the two waits for the other), need n x p of the limits p; gives
    seeds x n.
    """
    n = weight.size
    heaviest = np.argsort(-weight)
    sets = np.zeros((seeds.size, n), np.bool_)
    members = np.empty(n, np.int64)
    for s in range(seeds.size):
        members[0], count = seeds[s], 1
        sets[s, seeds[s]] = True
        for t in heaviest:
            if t == seeds[s]:
                continue
            fits = False
            for i in range(count):
                other = members[i]
                if before[t, other] or before[other, t]:
                    continue
                crowded = False
                for k in range(limit.size):
                    if need[t, k] + need[other, k] > limit[k] * (1 + 1e-9):
                        crowded = True
                if not crowded:
                    fits = True
                    break
            if not fits:
                members[count] = t
                count += 1
                sets[s, t] = True
    return sets
