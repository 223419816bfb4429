"""Tasks leave their worker and go to their best place.

A task that is taken out leaves `end` and `rest` known without it; then every place on every worker
where it could go is measured exactly at the price of one addition: the longest way through it.
"""

import numpy as np
from numpy.typing import NDArray

from scheduler.planning.kernels.compiling import compiled
from scheduler.planning.kernels.search import (
    FORCED,
    HIGH,
    LOW,
    MARK,
    NOWHERE,
    Board,
    Desk,
    Plan,
    draw,
    settle_ends,
    settle_rests,
    write_down,
)


@compiled
def take_out(board: Board, plan: Plan, desk: Desk, count: int, unsettled: int = NOWHERE) -> None:
    """Takes the first `count` tasks of desk.out off their workers and settles the times.

    `unsettled` is a task that was put in without settling the rests around it.
    """
    stale, out, place = desk.stale, desk.out, plan.place
    low, high = plan.worker.size, -1
    for i in range(count):
        t = out[i]
        a, b, w = plan.before[t], plan.after[t], plan.worker[t]
        write_down(desk, t)
        if a >= 0:
            plan.after[a] = b
            write_down(desk, a)
        else:
            plan.first[w] = b
        if b >= 0:
            plan.before[b] = a
            write_down(desk, b)
            stale[place[b]] |= 1
            high = max(high, place[b])
        plan.before[t] = plan.after[t] = plan.worker[t] = NOWHERE
        plan.took[t] = board.guess[t]
        stale[place[t]] = FORCED
        low = min(low, place[t])
        high = max(high, place[t])
        desk.list[i] = a
    settle_ends(board, plan, desk, low, high)
    low, high = plan.worker.size, -1
    for i in range(count):
        t, a = out[i], desk.list[i]
        stale[place[t]] = FORCED
        low = min(low, place[t])
        high = max(high, place[t])
        if a >= 0:
            stale[place[a]] |= 1
            low = min(low, place[a])
    if unsettled >= 0:
        stale[place[unsettled]] = FORCED
        low = min(low, place[unsettled])
        high = max(high, place[unsettled])
    settle_rests(board, plan, desk, high, low)


@compiled
def mark_ways(board: Board, plan: Plan, desk: Desk, v: int, mark: int) -> None:
    """Marks what comes after v with `mark` and what comes before it with `mark` + 1."""
    seen, place = desk.mark, plan.place
    high = place[v]
    i = high
    seen[v] = mark
    while i <= high:
        t = plan.order[i]
        i += 1
        if seen[t] != mark:
            continue
        for e in range(board.onto_start[t], board.onto_start[t + 1]):
            s = board.onto_task[e]
            seen[s] = mark
            high = max(high, place[s])
        s = plan.after[t]
        if s >= 0:
            seen[s] = mark
            high = max(high, place[s])
    low = place[v]
    i = low
    seen[v] = mark + 1
    while i >= low:
        t = plan.order[i]
        i -= 1
        if seen[t] != mark + 1:
            continue
        for e in range(board.into_start[t], board.into_start[t + 1]):
            p = board.into_task[e]
            seen[p] = mark + 1
            low = min(low, place[p])
        p = plan.before[t]
        if p >= 0:
            seen[p] = mark + 1
            low = min(low, place[p])


@compiled
def best_place(
    board: Board,
    plan: Plan,
    desk: Desk,
    v: int,
    limit: float,
    blink: float,
    state: NDArray[np.uint64],
) -> tuple[float, int, int]:
    """The shortest way through v, the worker and the task after which it is; NOWHERE is the front.

    The way is infinite where none is as short as `limit`. Every worker is overlooked with the
    chance `blink`. What must come before v ends no later than its latest forerunner and has v
    behind it, what must come after it the other way round: times alone tell (Mastrolilli and
    Gambardella 2000, theorem 1, here where v has no worker yet). Tasks beside it that look the same
    are no better places. Only where v takes no time must the ways be marked.
    """
    begins, leaves = board.early[v], 0.0
    for e in range(board.into_start[v], board.into_start[v + 1]):
        begins = max(begins, plan.end[board.into_task[e]])
    for e in range(board.onto_start[v], board.onto_start[v + 1]):
        leaves = max(leaves, plan.rest[board.onto_task[e]])
    ends, rests = plan.end[v], plan.rest[v]
    marked = not (ends > begins and rests > leaves)
    mark = 0
    if marked:
        desk.state[MARK] += 2
        mark = desk.state[MARK]
        mark_ways(board, plan, desk, v, mark)
    best, best_worker, best_before = np.inf, NOWHERE, NOWHERE
    most = limit
    m = plan.first.size
    shift = int(draw(state) * m)
    for k in range(m):
        w = k + shift
        if w >= m:
            w -= m
        d = board.duration[v, w]
        if begins + d + leaves > most:
            continue
        head, tail = max(begins, board.ready[v, w]), leaves
        for e in range(board.into_start[v], board.into_start[v + 1]):
            p = board.into_task[e]
            u = plan.worker[p]
            if u >= 0 and u != w:
                arrival = plan.end[p] + board.into_bytes[e] * board.per_byte[u, w] + board.lag[u, w]
                head = max(head, arrival)
        if head + d + leaves > most:
            continue
        for e in range(board.onto_start[v], board.onto_start[v + 1]):
            s = board.onto_task[e]
            u = plan.worker[s]
            if u >= 0 and u != w:
                way = plan.rest[s] + board.onto_bytes[e] * board.per_byte[w, u] + board.lag[w, u]
                tail = max(tail, way)
        if head + d + tail > most or draw(state) < blink:
            continue
        a, b = NOWHERE, plan.first[w]
        if marked:
            here, here_before = np.inf, NOWHERE
            while True:
                before = max(head, plan.end[a]) if a >= 0 else head
                after = tail
                if b >= 0:
                    if desk.mark[b] == mark + 1:
                        here = np.inf
                        a, b = b, plan.after[b]
                        continue
                    after = max(after, plan.rest[b])
                if before + d + after < here:
                    here, here_before = before + d + after, a
                if b < 0 or desk.mark[b] == mark:
                    break
                a, b = b, plan.after[b]
            if here <= most and here < best:
                best, best_worker, best_before = here, w, here_before
                most = min(most, best)
            continue
        while b >= 0 and plan.end[b] <= begins and plan.rest[b] >= rests:
            a, b = b, plan.after[b]
        before = max(head, plan.end[a]) if a >= 0 else head
        while True:
            if before + d + tail > most:
                break
            after = tail
            if b >= 0 and plan.rest[b] > after:
                after = plan.rest[b]
            way = before + d + after
            if way < best and way <= most:
                best, best_worker, best_before = way, w, a
                most = way
            if after == tail:
                break
            a, b = b, plan.after[b]
            if plan.end[a] > before:
                before = plan.end[a]
    return best, best_worker, best_before


@compiled
def put_in(board: Board, plan: Plan, desk: Desk, v: int, w: int, a: int) -> None:
    """Puts v on the worker after a (or in front) and settles the ends; the rests are still stale.

    See `settle_around`.
    """
    b = plan.after[a] if a >= 0 else plan.first[w]
    place = plan.place
    low = high = place[v]
    if a >= 0:
        high = max(high, place[a])
    if b >= 0:
        low = min(low, place[b])
    if low < high:
        reorder(board, plan, desk, v, b, low, high)
    write_down(desk, v)
    if a >= 0:
        plan.after[a] = v
        write_down(desk, a)
    else:
        plan.first[w] = v
    if b >= 0:
        plan.before[b] = v
        write_down(desk, b)
    plan.before[v], plan.after[v], plan.worker[v] = a, b, w
    plan.took[v] = board.duration[v, w]
    desk.stale[place[v]] = FORCED
    settle_ends(board, plan, desk, place[v], place[v])


@compiled
def settle_around(board: Board, plan: Plan, desk: Desk, v: int) -> None:
    """Settles the rests after v was put in."""
    desk.stale[plan.place[v]] = FORCED
    settle_rests(board, plan, desk, plan.place[v], plan.place[v])


@compiled
def reorder(board: Board, plan: Plan, desk: Desk, v: int, b: int, low: int, high: int) -> None:
    """Moves v and what comes after v and b behind the rest of order[low:high + 1]."""
    desk.state[MARK] += 2
    desk.state[LOW] = min(desk.state[LOW], low)
    desk.state[HIGH] = max(desk.state[HIGH], high)
    seen, order, place, mark = desk.mark, plan.order, plan.place, desk.state[MARK]
    seen[v] = mark
    if b >= 0:
        seen[b] = mark
    kept, moved = low, 0
    for i in range(low, high + 1):
        t = order[i]
        if seen[t] != mark:
            order[kept] = t
            place[t] = kept
            kept += 1
            continue
        for e in range(board.onto_start[t], board.onto_start[t + 1]):
            seen[board.onto_task[e]] = mark
        if plan.after[t] >= 0:
            seen[plan.after[t]] = mark
        if t != v:
            desk.list[moved] = t
            moved += 1
    order[kept] = v
    place[v] = kept
    for i in range(moved):
        t = desk.list[i]
        order[kept + 1 + i] = t
        place[t] = kept + 1 + i
