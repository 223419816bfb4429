"""Mending a plan on flat arrays: push it right, close its gaps, move what gains by moving."""

import numpy as np

from scheduler.planning.flat import Flat, Floats, Ints
from scheduler.planning.kernels.compiling import compiled
from scheduler.planning.kernels.lanes import empty_lanes, first_start, give_back, take
from scheduler.planning.kernels.scoring import score
from scheduler.planning.kernels.waits import latest_starts

REACH = 1000  # tasks that may move after one event: those further off may at later ones
CLOCK = 1e-9  # share of a time, and seconds, by which two moments may differ and still be one


@compiled
def by_key(flat: Flat, key: Floats) -> Ints:
    """The free tasks by rising key (n), each after its predecessors, which may lift its key."""
    n, rising, count = flat.row.size, key.copy(), 0
    listed, keys = np.empty(n, np.int64), np.empty(n)
    for t in flat.order:
        if flat.fixed_worker[t] >= 0:
            continue
        for e in range(flat.before_start[t], flat.before_start[t + 1]):
            p = flat.before_task[e]
            if flat.fixed_worker[p] < 0:
                rising[t] = max(rising[t], rising[p])
        listed[count], keys[count] = t, rising[t]
        count += 1
    return listed[:count][np.argsort(keys[:count], kind="mergesort")]


@compiled
def placed_in_turn(
    flat: Flat,
    order: Ints,
    worker: Ints,
    floor: Floats,
    start_by: Floats,
    patience: float,
    reach: int,
) -> tuple[Ints, Floats, Floats]:
    """Places the free tasks in this order, each as early as it fits, on its worker or a better one.

    A task starts no earlier than its `floor` (n). It stays on its `worker` (n, -1 for none) when it
    can start there by `start_by` (n); otherwise it goes where it ends first, if that is more than
    `patience` seconds sooner; of those that could stay, `reach` are looked at. When the
    order is by the starts of a feasible plan, nobody moves and no floor is above that plan's
    starts, no task starts later than there. Gives worker (-1 where none can ever take it), start
    and end, n each.
    """
    n, m = flat.row.size, flat.worker_cores.size
    chosen, start, end = flat.fixed_worker.copy(), flat.fixed_start.copy(), flat.fixed_end.copy()
    row, duration, memory, need = flat.row, flat.duration, flat.memory, flat.need
    before_start, before_task = flat.before_start, flat.before_task
    before_bytes, per_byte, latency = flat.before_bytes, flat.per_byte, flat.latency
    cores, release, now = flat.cores, flat.release, flat.now
    slot, place = empty_lanes(flat)
    for t in range(n):
        if chosen[t] >= 0 and end[t] > now:
            amount, held = flat.fixed_cores[t], flat.fixed_memory[t]
            take(slot, place, chosen[t], need, t, start[t], end[t], amount, held)
    ready, local = np.zeros(m), np.zeros(m)
    lasts, holds = np.full(n, np.inf), np.zeros(n)  # read one after the other: far apart in memory
    for t in range(n):
        if worker[t] >= 0:
            lasts[t], holds[t] = duration[row[t], worker[t]], memory[row[t], worker[t]]
    for t in order:
        r, own = row[t], worker[t]
        soonest = max(now, max(release[t], floor[t]))
        edges = range(before_start[t], before_start[t + 1])
        best, best_start, best_worker = np.inf, np.inf, -1
        if lasts[t] < np.inf:
            at, d = soonest, lasts[t]
            for e in edges:
                p = before_task[e]
                travel = 0.0
                if chosen[p] != own:
                    travel = latency + before_bytes[e] * per_byte[chosen[p], own]
                at = max(at, end[p] + travel)
            s = first_start(slot, place, own, need, t, at, d, cores[t], holds[t], np.inf)
            if s < np.inf:
                best, best_start, best_worker = s + d, s, own
        late = reach > 0 and best_start > start_by[t] + CLOCK * max(1.0, start_by[t])
        if best_worker < 0 or late:
            reach -= int(best_worker >= 0)
            limit = best if best == np.inf else best - patience - CLOCK * max(1.0, best)
            ready[:], local[:] = soonest, soonest
            for e in edges:  # from elsewhere by way of the network, from the same worker at once
                p = before_task[e]
                local[chosen[p]] = max(local[chosen[p]], end[p])
                ends, size, from_worker = end[p] + latency, before_bytes[e], per_byte[chosen[p]]
                here = ready[chosen[p]]
                for w in range(m):
                    ready[w] = max(ready[w], ends + size * from_worker[w])
                ready[chosen[p]] = here
            for w in range(m):
                d = duration[r, w]
                at = max(ready[w], local[w])
                if w == own or at + d >= limit:
                    continue
                s = first_start(slot, place, w, need, t, at, d, cores[t], memory[r, w], limit - d)
                if s + d < limit:
                    limit, best, best_start, best_worker = s + d, s + d, s, w
        if best_worker < 0:
            start[t], end[t] = np.inf, np.inf
            continue
        chosen[t], start[t], end[t] = best_worker, best_start, best
        held = holds[t] if best_worker == own else memory[r, best_worker]
        take(slot, place, best_worker, need, t, best_start, best, cores[t], held)
    return chosen, start, end


@compiled
def urged(flat: Flat, start: Floats, end: Floats, first: int) -> tuple[int, Floats, Floats]:
    """How many tasks should come sooner, keys (n) that put them ahead, and bars: -inf for these.

    They are the tasks that end after their deadlines, where that matters, and the task `first` (-1
    for none), and what these wait for. They come by the starts that would be in time.
    """
    aims, n, count = flat.aims, flat.row.size, 0
    matters = aims.tardiness > 0 or aims.hard_deadlines
    wanted, bar = np.full(n, np.inf), np.full(n, np.inf)
    for i in range(n - 1, -1, -1):
        t = flat.order[i]
        if flat.fixed_worker[t] >= 0:
            continue
        length = end[t] - start[t]
        if matters and end[t] > flat.deadline[t] + CLOCK * max(1.0, end[t]):
            wanted[t] = flat.deadline[t] - length
        if t == first:
            wanted[t] = -np.inf
        for e in range(flat.after_start[t], flat.after_start[t + 1]):
            wanted[t] = min(wanted[t], wanted[flat.after_task[e]] - length)
        if wanted[t] < start[t]:
            count, bar[t] = count + 1, -np.inf
    key, everything = start.copy(), end.max() + 1.0
    for t in range(n):
        if wanted[t] < start[t]:
            key[t] = max(wanted[t], -everything) - 2.0 * everything  # before all that may wait
    return count, key, bar


@compiled
def by_rank(flat: Flat) -> Floats:
    """The upward rank of each task below zero (n): the key under which HEFT lists them.

    Mean durations over the workers that can take it, mean transfers between two of them.
    """
    n, m = flat.row.size, flat.worker_cores.size
    mean = np.zeros(flat.duration.shape[0])
    for r in range(mean.size):
        total, able = 0.0, 0
        for w in range(m):
            if flat.duration[r, w] < np.inf:
                total, able = total + flat.duration[r, w], able + 1
        mean[r] = total / max(able, 1)
    rate = flat.per_byte.sum() / max(m * (m - 1), 1)
    latency = flat.latency if m > 1 else 0.0
    rank = np.zeros(n)
    for i in range(n - 1, -1, -1):
        t = flat.order[i]
        for e in range(flat.after_start[t], flat.after_start[t + 1]):
            rank[t] = max(rank[t], latency + flat.after_bytes[e] * rate + rank[flat.after_task[e]])
        rank[t] += mean[flat.row[t]]
    return -rank


@compiled
def flow(flat: Flat, end: Floats) -> float:
    """The ends of the tasks, each times its urgency, summed: what decides between equals."""
    total = 0.0
    for t in range(end.size):
        total += flat.weight[t] * end[t]
    return total


@compiled
def better(value: float, its_flow: float, least: float, least_flow: float) -> bool:
    """Whether a plan of this score is worth more, the flow deciding where the clock sees none."""
    near = CLOCK * max(1.0, abs(least))
    return value < least - near or (value <= least and its_flow < least_flow)


@compiled
def repaired(
    flat: Flat, worker: Ints, start: Floats, patience: float, effort: int, first: int,
    concession: float,
) -> tuple[Ints, Floats, Floats, float, float]:  # fmt: skip
    """A plan (worker and start, n each; -1 for none) mended for what the problem is now.

    At first everything stays on its worker and starts no earlier than planned (the right shift),
    then gaps are closed. That is kept unless a plan in which tasks move is worth more. A task moves
    only where it ends more than `patience` seconds sooner. Those may move that would start later
    than planned; with effort 1 also those on which the end depends; with effort 2 a plan from
    scratch is tried too. Where tasks end after their deadlines they, and what they wait for, are
    tried ahead of the others, and so is the task `first` (-1 for none): for its sake the score may
    be worse by a share of `concession`. Gives worker, start and end, n each, the score, and that of
    the right shift, which no plan without `first` exceeds. Infinite where a task has no worker.
    """
    n = flat.row.size
    never, always = np.full(n, np.inf), np.full(n, -np.inf)
    reach = n if effort > 1 else min(n, REACH)
    order = by_key(flat, start)
    chosen, begin, end = placed_in_turn(flat, order, worker, start, never, patience, n)
    shifted = score(flat, chosen, begin, end)
    if shifted == np.inf:
        return chosen, begin, end, shifted, shifted
    least, least_flow = shifted, flow(flat, end)
    bar = start.copy()
    if effort > 0:
        latest = latest_starts(flat, chosen, begin, end, end.max())
        for t in range(n):
            if latest[t] <= begin[t] + CLOCK * max(1.0, begin[t]):
                bar[t] = -np.inf
    order = by_key(flat, begin)
    w, s, e = placed_in_turn(flat, order, chosen, always, bar, patience, reach)
    value, its_flow = score(flat, w, s, e), flow(flat, e)
    if not better(value, its_flow, least, least_flow):  # moving did not pay: close the gaps alone
        w, s, e = placed_in_turn(flat, order, chosen, always, never, patience, n)
        value, its_flow = score(flat, w, s, e), flow(flat, e)
    if better(value, its_flow, least, least_flow):
        chosen, begin, end, least, least_flow = w, s, e, value, its_flow
    for attempt in range(1, 3):
        if attempt == 2 and effort < 2:
            break
        held, key = chosen, begin
        if attempt == 1:
            count, key, free = urged(flat, begin, end, first)
            if count == 0:
                continue
            bar = np.minimum(bar, free)
        if attempt == 2:
            held, key = np.full(n, -1), by_rank(flat)
        w, s, e = placed_in_turn(flat, by_key(flat, key), held, always, bar, patience, reach)
        value, its_flow = score(flat, w, s, e), flow(flat, e)
        for_first = attempt == 1 and first >= 0 and e[first] < end[first]
        granted = for_first and value <= least + concession * abs(least)
        if granted or better(value, its_flow, least, least_flow):
            chosen, begin, end, least, least_flow = w, s, e, value, its_flow
    return chosen, begin, end, least, shifted


@compiled
def starts_there(
    flat: Flat, worker: Ints, start: Floats, end: Floats, rows: Ints, wheres: Ints
) -> Floats:
    """When each of these free tasks could start at the soonest on the worker beside it.

    All other tasks stay as planned, those that wait for it too. Infinite where the worker can
    never take it. Shape: rows and wheres of one length; the plan n each, feasible.
    """
    slot, place = empty_lanes(flat)
    for t in range(flat.row.size):
        if flat.fixed_worker[t] < 0:
            memory = flat.memory[flat.row[t], worker[t]]
            cores, need = flat.cores[t], flat.need
            take(slot, place, worker[t], need, t, start[t], end[t], cores, memory)
        elif end[t] > flat.now:
            cores, memory = flat.fixed_cores[t], flat.fixed_memory[t]
            take(slot, place, worker[t], flat.need, t, start[t], end[t], cores, memory)
    found = np.full(rows.size, np.inf)
    for i in range(rows.size):
        t, w = rows[i], wheres[i]
        d, memory = flat.duration[flat.row[t], w], flat.memory[flat.row[t], w]
        if d == np.inf:
            continue
        ready = max(flat.now, flat.release[t])
        for e in range(flat.before_start[t], flat.before_start[t + 1]):
            p = flat.before_task[e]
            way = 0.0
            if worker[p] != w:
                way = flat.latency + flat.before_bytes[e] * flat.per_byte[worker[p], w]
            ready = max(ready, end[p] + way)
        cores, own = flat.cores[t], flat.memory[flat.row[t], worker[t]]
        give_back(slot, place, worker[t], flat.need, t, start[t], end[t], cores, own)
        found[i] = first_start(slot, place, w, flat.need, t, ready, d, cores, memory, np.inf)
        take(slot, place, worker[t], flat.need, t, start[t], end[t], cores, own)
    return found
