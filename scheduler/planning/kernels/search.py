"""Plans of workers that run one task at a time, on flat arrays, and their times.

A plan is a worker for each task and an order on each worker. Its times are longest ways through the
graph that the dependencies and these orders make: `end` is the longest way up to the end of a task,
`rest` the longest from its start to the end of all. After a change only what it reaches is computed
anew, and it is written down what that is.
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
