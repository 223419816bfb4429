"""List scheduling by a learned taste: what a policy sees of tasks and workers, and what it chooses.

All terms are seconds, so that a policy means the same whatever the unit of durations.
"""

from typing import NamedTuple

import numpy as np

from scheduler.planning.flat import Flat, Floats, Ints
from scheduler.planning.kernels.arrivals import arrivals
from scheduler.planning.kernels.compiling import compiled
from scheduler.planning.kernels.lists import earliest_fit, idle_profiles, reserve
from scheduler.planning.kernels.pools import idle_pools, pool_fit, pool_reserve

TERMS = 10
AHEAD, SLOW, PAID, QUEUED, IDLE, CHILD, SECOND, FAMILY, PARCEL, DOUBT = range(TERMS)
HEIRS = 2  # successors that are looked at when a task is placed: CHILD and SECOND


class Guide(NamedTuple):
    """What the choice of a worker reads besides the problem itself.

    `weight` n x TERMS: how many seconds of its end a task gives for a second of each term. `after`
    n x m: what at least follows a task there (the optimistic cost table). `family` n x m: by how
    much the successors last longer there than on the average worker. `doubt` n x m, or empty:
    seconds by which the forecast's affinity speaks against a worker. `heir` n x HEIRS: the most
    urgent successors, -1 where there are fewer, and `parcel` their bytes. `sent` n: seconds of the
    longest transfer to a successor; `remote` m: how slow the links of a worker are, one on average.
    """

    weight: Floats
    after: Floats
    family: Floats
    doubt: Floats
    heir: Ints
    parcel: Floats
    sent: Floats
    remote: Floats


@compiled
def guided(flat: Flat, order: Ints, guide: Guide, led: Ints, seen: Floats) -> tuple[
    Ints, Floats, Floats
]:  # fmt: skip
    """Places the tasks in turn, each where its end plus the weighted terms is least.

    With weights of zero that is list scheduling for the earliest finish, to the last digit.
    `order` holds every free task after its predecessors. `led` (n, or empty) prescribes workers:
    then terms are seen along another's plan. Into `seen` (n x m x (1 + TERMS), or empty) go the end
    and the terms that each choice was made from, infinite where a worker was none.
    """
    n, m = flat.row.size, flat.worker_cores.size
    chosen, start, end = flat.fixed_worker.copy(), flat.fixed_start.copy(), flat.fixed_end.copy()
    profile, rows = idle_profiles(flat)
    pool, pool_rows = idle_pools(flat)
    last = np.full(m, flat.now)  # when each worker has ended all that it has
    for t in range(n):
        if chosen[t] >= 0:
            w = chosen[t]
            last[w] = max(last[w], end[t])
            profile = _with_room(profile, rows, w)
            rows[w] = reserve(
                profile[w], rows[w], start[t], end[t], flat.fixed_cores[t], flat.fixed_memory[t]
            )
            pool, pool_rows = pool_reserve(pool, pool_rows, start[t], end[t], flat.need[t])
    ready, begin, term = np.zeros(m), np.zeros(m), np.zeros((m, TERMS))
    could, room = np.zeros(m), np.zeros(m)
    for t in order:
        if flat.fixed_worker[t] >= 0:
            continue
        arrivals(flat, t, chosen, end, ready)
        row, shared = flat.row[t], flat.need[t].any()
        for w in range(m):
            d = flat.duration[row, w]
            begin[w] = np.inf
            if d == np.inf:
                continue
            cores, memory = flat.cores[t], flat.memory[row, w]
            s = earliest_fit(profile[w], rows[w], ready[w], d, cores, memory, np.inf)
            while shared and s < np.inf:
                both = pool_fit(pool, pool_rows, s, d, flat.need[t], flat.limit)
                if both == s:
                    break
                s = earliest_fit(profile[w], rows[w], both, d, cores, memory, np.inf)
            begin[w] = s
        _terms(flat, guide, t, chosen, end, ready, begin, last, could, room, term)
        best, w = np.inf, -1
        for v in range(m):
            if begin[v] == np.inf:
                continue
            value = begin[v] + flat.duration[row, v]
            for k in range(TERMS):
                value += guide.weight[t, k] * term[v, k]
            if value < best:
                best, w = value, v
        if seen.size:
            for v in range(m):
                seen[t, v, 0] = begin[v] + flat.duration[row, v]
                seen[t, v, 1:] = term[v]
        if led.size:
            w = led[t]
        if w < 0 or begin[w] == np.inf:
            return chosen, start, end
        chosen[t], start[t], end[t] = w, begin[w], begin[w] + flat.duration[row, w]
        last[w] = max(last[w], end[t])
        profile = _with_room(profile, rows, w)
        rows[w] = reserve(profile[w], rows[w], start[t], end[t], flat.cores[t], flat.memory[row, w])
        if shared:
            pool, pool_rows = pool_reserve(pool, pool_rows, start[t], end[t], flat.need[t])
    return chosen, start, end


@compiled
def _terms(
    flat: Flat, guide: Guide, t: int, chosen: Ints, end: Floats, ready: Floats, begin: Floats,
    last: Floats, could: Floats, room: Floats, term: Floats,
) -> None:  # fmt: skip
    """Fills `term` (m x TERMS) for one task.

    What the workers differ in: what must follow (AHEAD, over the least), its own duration (SLOW,
    over the shortest), the wait for bytes (PAID), for the worker (QUEUED), idle time left behind
    (IDLE), the end of all that follows the most urgent successors (CHILD and SECOND, over the
    earliest), the durations of all successors (FAMILY), slow links (PARCEL), affinity (DOUBT).
    """
    row, m = flat.row[t], begin.size
    ended, quickest, least = flat.now, np.inf, np.inf
    for e in range(flat.before_start[t], flat.before_start[t + 1]):
        ended = max(ended, end[flat.before_task[e]])
    for w in range(m):
        if begin[w] < np.inf:
            quickest = min(quickest, flat.duration[row, w])
            least = min(least, guide.after[t, w])
    for w in range(m):
        term[w, :] = 0.0
        if begin[w] == np.inf:
            continue
        term[w, AHEAD] = guide.after[t, w] - least
        term[w, SLOW] = flat.duration[row, w] - quickest
        term[w, PAID] = max(0.0, ready[w] - max(ended, flat.release[t]))
        term[w, QUEUED] = begin[w] - ready[w]
        term[w, IDLE] = max(0.0, begin[w] - last[w])
        term[w, FAMILY] = guide.family[t, w]
        term[w, PARCEL] = guide.sent[t] * guide.remote[w]
        term[w, DOUBT] = guide.doubt[t, w] if guide.doubt.size else 0.0
    for i in range(HEIRS):
        if guide.heir[t, i] < 0 or guide.weight[t, CHILD + i] == 0:
            continue
        _next(flat, guide, t, i, chosen, end, begin, last, could, room)
        soonest = np.inf
        for w in range(m):
            soonest = min(soonest, could[w])
        for w in range(m):
            if begin[w] < np.inf:
                term[w, CHILD + i] = could[w] - soonest


@compiled
def _next(
    flat: Flat, guide: Guide, t: int, i: int, chosen: Ints, end: Floats, begin: Floats,
    last: Floats, could: Floats, room: Floats,
) -> None:  # fmt: skip
    """Fills `could` (m): the end of all that follows the heir, for the task on each worker.

    The heir takes the worker where that is least, after what is placed there now; its predecessors
    that have no worker yet are left out. Bittencourt, Sakellariou and Madeira, "DAG scheduling
    using a lookahead variant of HEFT" (2010), with the optimistic cost table in place of deeper
    looks.
    """
    m, heir = begin.size, guide.heir[t, i]
    for v in range(m):
        room[v] = max(last[v], flat.release[heir])
    for e in range(flat.before_start[heir], flat.before_start[heir + 1]):
        p = flat.before_task[e]
        u = chosen[p]
        if p == t or u < 0:
            continue
        for v in range(m):
            way = flat.latency + flat.before_bytes[e] * flat.per_byte[u, v] if v != u else 0.0
            room[v] = max(room[v], end[p] + way)
    own, row = flat.row[heir], flat.row[t]
    for w in range(m):
        could[w] = np.inf
        if begin[w] == np.inf:
            continue
        done = begin[w] + flat.duration[row, w]
        for v in range(m):
            d = flat.duration[own, v]
            if d == np.inf:
                continue
            way = flat.latency + guide.parcel[t, i] * flat.per_byte[w, v] if v != w else 0.0
            could[w] = min(could[w], max(room[v], done + way) + d + guide.after[heir, v])


@compiled
def _with_room(profile: Floats, rows: Ints, worker: int) -> Floats:
    """The profiles, with room for two more rows of this worker."""
    if rows[worker] + 2 <= profile.shape[1]:
        return profile
    wide = np.empty((profile.shape[0], 2 * profile.shape[1], 3))
    for w in range(rows.size):
        wide[w, : rows[w]] = profile[w, : rows[w]]
    return wide
