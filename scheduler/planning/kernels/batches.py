"""List scheduling that chooses the next task by where the tasks that are ready could end now."""

import numpy as np

from scheduler.planning.flat import Flat, Floats, Ints
from scheduler.planning.kernels.arrivals import arrivals
from scheduler.planning.kernels.compiling import compiled
from scheduler.planning.kernels.lists import begun_profiles, earliest_start, reserve, with_room
from scheduler.planning.kernels.pools import pool_reserve

SHORTEST, LONGEST, SUFFERING = 0, 1, 2


@compiled
def list_ready(flat: Flat, rule: int) -> tuple[Ints, Floats, Floats]:
    """Places one ready task after the other where it ends first; `rule` says which is next.

    A task is ready when all before it are placed. SHORTEST takes the one with the least earliest
    end, LONGEST the one with the greatest, SUFFERING the one whose second best worker ends it most
    after the best one; ties go to the first task. Gives worker (-1 where none can ever take a
    task), start and end, n each.
    """
    n, m = flat.row.size, flat.worker_cores.size
    chosen, start, end = flat.fixed_worker.copy(), flat.fixed_start.copy(), flat.fixed_end.copy()
    profile, rows, pool, pool_rows = begun_profiles(flat)
    waits, ready = np.zeros(n, np.int64), np.zeros(m)
    first, second = np.full((n, 2), np.inf), np.full((n, 2), np.inf)  # end, start
    where = np.full((n, 2), -1)  # the two best workers
    opened, fresh = np.zeros(n, np.int64), np.zeros(n, np.bool_)
    count, left = 0, 0
    for t in range(n):
        for e in range(flat.before_start[t], flat.before_start[t + 1]):
            waits[t] += flat.fixed_worker[flat.before_task[e]] < 0
        if chosen[t] < 0:
            left += 1
            if waits[t] == 0:
                opened[count] = t
                count += 1
    for _ in range(left):
        best, place = -np.inf, -1
        for i in range(count):
            t = opened[i]
            if not fresh[t]:
                arrivals(flat, t, chosen, end, ready)
                first[t], second[t] = np.inf, np.inf
                where[t] = -1
                for w in range(m):
                    d = flat.duration[flat.row[t], w]
                    if d == np.inf or ready[w] + d >= second[t, 0]:
                        continue
                    s = earliest_start(flat, profile, rows, pool, pool_rows, t, w, ready[w])
                    if s + d < first[t, 0]:
                        second[t], where[t, 1] = first[t], where[t, 0]
                        first[t, 0], first[t, 1], where[t, 0] = s + d, s, w
                    elif s + d < second[t, 0]:
                        second[t, 0], second[t, 1], where[t, 1] = s + d, s, w
                fresh[t] = True
            if where[t, 0] < 0:
                return chosen, start, end
            value = first[t, 0] if rule == LONGEST else -first[t, 0]
            if rule == SUFFERING:
                value = second[t, 0] - first[t, 0]
            if value > best or (value == best and t < opened[place]):
                best, place = value, i
        t = opened[place]
        w, row = where[t, 0], flat.row[t]
        chosen[t], start[t], end[t] = w, first[t, 1], first[t, 0]
        profile = with_room(profile, rows, w)
        rows[w] = reserve(profile[w], rows[w], start[t], end[t], flat.cores[t], flat.memory[row, w])
        pool, pool_rows = pool_reserve(pool, pool_rows, start[t], end[t], flat.need[t])
        count -= 1
        opened[place] = opened[count]
        shared = flat.need[t].any()
        for i in range(count):
            other = opened[i]
            if shared or where[other, 0] == w or where[other, 1] == w:
                fresh[other] = False
        for e in range(flat.after_start[t], flat.after_start[t + 1]):
            follower = flat.after_task[e]
            waits[follower] -= 1
            if waits[follower] == 0 and chosen[follower] < 0:
                opened[count] = follower
                count += 1
    return chosen, start, end
