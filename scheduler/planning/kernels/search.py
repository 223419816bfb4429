"""Local search over plans of workers that run one task at a time, on flat arrays.

A plan is a worker for each task and an order on each worker. Its times are longest ways through the
graph that the dependencies and these orders make: `end` is the longest way up to the end of a task,
`rest` the longest from its start to the end of all. A task that is taken out leaves both known
without it, and then every place on every worker where it could go is measured exactly at the price
of one addition: the longest way through it there.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from scheduler.planning.flat import Floats
from scheduler.planning.kernels.compiling import compiled

Small = NDArray[np.int32]
NOWHERE = -1
FORCED = 2
ROUND, TOUCHED, LOW, HIGH, MARK = range(5)
MOST_MARKS = 2**31 - 2**20


class Board(NamedTuple):
    """What does not change: n tasks, m workers, dependencies in both directions.

    `duration` n x m, infinite where not eligible; `ready` n x m, the earliest start there. `guess`
    and `early` are what a task lasts and when it starts while it has no worker (n). `lag` m x m,
    seconds per transfer. `ends` are the tasks that nothing waits for.
    """

    duration: Floats
    ready: Floats
    guess: Floats
    early: Floats
    into_start: Small
    into_task: Small
    into_bytes: Floats
    onto_start: Small
    onto_task: Small
    onto_bytes: Floats
    per_byte: Floats
    lag: Floats
    ends: Small


class Plan(NamedTuple):
    """What changes: n each, but `first` m.

    `worker` (NOWHERE while out), the task `before` and `after` on the same worker, `order` with
    every task after all it waits for and `place`, where each stands in it, how long it `took`,
    `end` and `rest`.
    """

    worker: Small
    before: Small
    after: Small
    order: Small
    place: Small
    took: Floats
    end: Floats
    rest: Floats
    first: Small


class Desk(NamedTuple):
    """Room to work in: n each, but `state` (5) and what is stale (n and some more).

    `mark` by task. `stale`, by place in the order, says what must be computed anew; `eights` is the
    same, eight places at a time. `list`, `path` and `out` are lists of tasks, and so is `touched`:
    what has changed in this round, whose number is `written` beside each. `state` holds the number
    of the round, how many it touched, the first and the last place that it moved, the last mark.
    """

    mark: Small
    stale: NDArray[np.int8]
    eights: NDArray[np.int64]
    list: Small
    path: Small
    out: Small
    touched: Small
    written: Small
    state: NDArray[np.int64]


@compiled
def draw(state: NDArray[np.uint64]) -> float:
    """A number from 0 to below 1 (xorshift64*, Vigna 2016); `state` holds one nonzero word."""
    x = state[0]
    x ^= x >> np.uint64(12)
    x ^= x << np.uint64(25)
    x ^= x >> np.uint64(27)
    state[0] = x
    return float((x * np.uint64(2685821657736338717)) >> np.uint64(11)) * (1.0 / 9007199254740992.0)


@compiled
def makespan(board: Board, plan: Plan) -> float:
    """When the last task ends."""
    most = 0.0
    for t in board.ends:
        if plan.end[t] > most:
            most = plan.end[t]
    return most


@compiled
def settle_ends(board: Board, plan: Plan, desk: Desk, low: int, high: int) -> None:
    """Computes `end` anew where stale, from place `low` on; 2 is stale and passed on for sure."""
    worker, took, end, place, order = plan.worker, plan.took, plan.end, plan.place, plan.order
    stale, eights, touched, written = desk.stale, desk.eights, desk.touched, desk.written
    count, now = desk.state[TOUCHED], desk.state[ROUND]
    i = low
    while i <= high:
        if stale[i] == 0:
            i += 1
            while i & 7 == 0 and i <= high and eights[i >> 3] == 0:
                i += 8
            continue
        forced = stale[i] >= FORCED
        stale[i] = 0
        t = order[i]
        i += 1
        w = worker[t]
        if w >= 0:
            begin = board.ready[t, w]
            for e in range(board.into_start[t], board.into_start[t + 1]):
                p = board.into_task[e]
                v = worker[p]
                arrival = end[p]
                if v >= 0 and v != w:
                    arrival += board.into_bytes[e] * board.per_byte[v, w] + board.lag[v, w]
                if arrival > begin:
                    begin = arrival
            p = plan.before[t]
            if p >= 0 and end[p] > begin:
                begin = end[p]
        else:
            begin = board.early[t]
            for e in range(board.into_start[t], board.into_start[t + 1]):
                p = board.into_task[e]
                if end[p] > begin:
                    begin = end[p]
        new = begin + took[t]
        if new != end[t] or forced:
            if written[t] != now:
                written[t] = now
                touched[count] = t
                count += 1
            end[t] = new
            for e in range(board.onto_start[t], board.onto_start[t + 1]):
                at = place[board.onto_task[e]]
                stale[at] |= 1
                if at > high:
                    high = at
            s = plan.after[t]
            if s >= 0:
                at = place[s]
                stale[at] |= 1
                if at > high:
                    high = at
    desk.state[TOUCHED] = count


@compiled
def settle_rests(board: Board, plan: Plan, desk: Desk, high: int, low: int) -> None:
    """Computes `rest` anew where stale, from place `high` down."""
    worker, took, rest, place, order = plan.worker, plan.took, plan.rest, plan.place, plan.order
    stale, eights, touched, written = desk.stale, desk.eights, desk.touched, desk.written
    count, now = desk.state[TOUCHED], desk.state[ROUND]
    i = high
    while i >= low:
        if stale[i] == 0:
            i -= 1
            while i & 7 == 7 and i >= low and eights[i >> 3] == 0:
                i -= 8
            continue
        forced = stale[i] >= FORCED
        stale[i] = 0
        t = order[i]
        i -= 1
        w = worker[t]
        behind = 0.0
        for e in range(board.onto_start[t], board.onto_start[t + 1]):
            s = board.onto_task[e]
            v = worker[s]
            way = rest[s]
            if w >= 0 and v >= 0 and v != w:
                way += board.onto_bytes[e] * board.per_byte[w, v] + board.lag[w, v]
            if way > behind:
                behind = way
        s = plan.after[t]
        if s >= 0 and rest[s] > behind:
            behind = rest[s]
        new = behind + took[t]
        if new != rest[t] or forced:
            if written[t] != now:
                written[t] = now
                touched[count] = t
                count += 1
            rest[t] = new
            for e in range(board.into_start[t], board.into_start[t + 1]):
                at = place[board.into_task[e]]
                stale[at] |= 1
                if at < low:
                    low = at
            p = plan.before[t]
            if p >= 0:
                at = place[p]
                stale[at] |= 1
                if at < low:
                    low = at
    desk.state[TOUCHED] = count


@compiled
def settle(board: Board, plan: Plan, desk: Desk) -> None:
    """Computes all times anew."""
    n = plan.worker.size
    desk.stale[:n] = FORCED
    settle_ends(board, plan, desk, 0, n - 1)
    desk.stale[:n] = FORCED
    settle_rests(board, plan, desk, n - 1, 0)
    start_round(desk)


@compiled
def start_round(desk: Desk) -> None:
    """From now on it is written down which tasks change."""
    if max(desk.state[ROUND], desk.state[MARK]) > MOST_MARKS:
        desk.mark[:], desk.written[:] = NOWHERE, NOWHERE
        desk.state[ROUND] = desk.state[MARK] = 0
    desk.state[ROUND] += 1
    desk.state[TOUCHED] = 0
    desk.state[LOW], desk.state[HIGH] = desk.stale.size, -1


@compiled
def write_down(desk: Desk, t: int) -> None:
    """Notes that t changes in this round."""
    if desk.written[t] != desk.state[ROUND]:
        desk.written[t] = desk.state[ROUND]
        desk.touched[desk.state[TOUCHED]] = t
        desk.state[TOUCHED] += 1


@compiled
def carry_over(source: Plan, target: Plan, desk: Desk) -> None:
    """Makes the target equal to the source in all that has changed in this round."""
    for i in range(desk.state[TOUCHED]):
        t = desk.touched[i]
        target.worker[t], target.took[t] = source.worker[t], source.took[t]
        target.before[t], target.after[t] = source.before[t], source.after[t]
        target.end[t], target.rest[t] = source.end[t], source.rest[t]
    for i in range(desk.state[LOW], desk.state[HIGH] + 1):
        t = source.order[i]
        target.order[i] = t
        target.place[t] = i
    target.first[:] = source.first


@compiled
def take_out(board: Board, plan: Plan, desk: Desk, count: int) -> None:
    """Takes the first `count` tasks of desk.out off their workers and settles the times."""
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


@compiled
def copy(source: Plan, target: Plan) -> None:
    """Makes the target equal to the source."""
    target.worker[:] = source.worker
    target.before[:] = source.before
    target.after[:] = source.after
    target.order[:] = source.order
    target.place[:] = source.place
    target.took[:] = source.took
    target.end[:] = source.end
    target.rest[:] = source.rest
    target.first[:] = source.first


@compiled
def critical_path(board: Board, plan: Plan, path: Small, state: NDArray[np.uint64]) -> int:
    """Fills `path` with a longest way, last task first; gives how many. Ties are drawn."""
    most = makespan(board, plan)
    here, ties = NOWHERE, 0
    for t in board.ends:
        if plan.end[t] >= most:
            ties += 1
            if draw(state) * ties < 1.0:
                here = t
    count = 0
    while here >= 0:
        path[count] = here
        count += 1
        w = plan.worker[here]
        begin = plan.end[here] - plan.took[here]
        leeway = 1e-9 * plan.end[here]
        following, ties = NOWHERE, 0
        for e in range(board.into_start[here], board.into_start[here + 1]):
            p = board.into_task[e]
            u = plan.worker[p]
            arrival = plan.end[p]
            if u != w:
                arrival += board.into_bytes[e] * board.per_byte[u, w] + board.lag[u, w]
            if arrival >= begin - leeway:
                ties += 1
                if draw(state) * ties < 1.0:
                    following = p
        p = plan.before[here]
        if p >= 0 and plan.end[p] >= begin - leeway:
            ties += 1
            if draw(state) * ties < 1.0:
                following = p
        here = following
    return count


@compiled
def neighbour(board: Board, plan: Plan, t: int, state: NDArray[np.uint64]) -> int:
    """A task next to t, in the workflow or on its worker; t itself where that one is missing."""
    kind = draw(state)
    if kind < 0.35:
        low, high = board.into_start[t], board.into_start[t + 1]
        return board.into_task[low + int(draw(state) * (high - low))] if high > low else t
    if kind < 0.7:
        low, high = board.onto_start[t], board.onto_start[t + 1]
        return board.onto_task[low + int(draw(state) * (high - low))] if high > low else t
    other = plan.before[t] if kind < 0.85 else plan.after[t]
    return other if other >= 0 else t


@compiled
def choose(
    board: Board,
    plan: Plan,
    desk: Desk,
    length: int,
    most: int,
    state: NDArray[np.uint64],
) -> int:
    """Fills desk.out with related tasks around one of the critical path; gives how many."""
    n = plan.worker.size
    desk.state[MARK] += 2
    mark = desk.state[MARK]
    t = desk.path[int(draw(state) * length)] if draw(state) < 0.85 else int(draw(state) * n)
    wanted = 1 + int(draw(state) * draw(state) * most)
    desk.out[0] = t
    desk.mark[t] = mark
    count = 1
    for _ in range(3 * wanted):
        if count >= wanted:
            break
        t = neighbour(board, plan, desk.out[int(draw(state) * count)], state)
        if desk.mark[t] != mark:
            desk.mark[t] = mark
            desk.out[count] = t
            count += 1
    return count


@compiled
def sort_by_place(plan: Plan, out: Small, count: int) -> None:
    for i in range(1, count):
        t = out[i]
        j = i
        while j > 0 and plan.place[out[j - 1]] > plan.place[t]:
            out[j] = out[j - 1]
            j -= 1
        out[j] = t


@compiled
def anneal(
    board: Board,
    plan: Plan,
    kept: Plan,
    best: Plan,
    desk: Desk,
    rounds: int,
    hot: float,
    cold: float,
    most: int,
    blink: float,
    state: NDArray[np.uint64],
) -> float:
    """Takes related tasks out and puts each back at its best place, `rounds` times.

    A longer plan is kept with the chance exp(-excess / temperature), the temperature falling from
    `hot` to `cold` (seconds). `plan`, `kept` and `best` begin equal; `best` ends as the shortest
    plan seen. Gives its makespan.
    """
    copy(plan, kept)
    now = makespan(board, plan)
    shortest = makespan(board, best)
    length = critical_path(board, plan, desk.path, state)
    ratio = (cold / hot) ** (1.0 / max(rounds, 1)) if hot > 0 else 1.0
    temperature = hot
    for _ in range(rounds):
        limit = now - temperature * np.log(1.0 - draw(state))
        start_round(desk)
        count = choose(board, plan, desk, length, most, state)
        if draw(state) < 0.5:
            sort_by_place(plan, desk.out, count)
        take_out(board, plan, desk, count)
        placed = True
        for i in range(count):
            v = desk.out[i]
            _, w, a = best_place(board, plan, desk, v, limit, blink, state)
            if w < 0:
                placed = False
                break
            put_in(board, plan, desk, v, w, a)
            settle_around(board, plan, desk, v)
        if placed:
            now = makespan(board, plan)
            carry_over(plan, kept, desk)
            length = critical_path(board, plan, desk.path, state)
            if now < shortest:
                shortest = now
                copy(plan, best)
        else:
            carry_over(kept, plan, desk)
        temperature *= ratio
    return shortest
