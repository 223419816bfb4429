"""Tabu search over plans of workers that run one task at a time, where no transfer takes time.

A move takes one task of a longest way off its worker and puts it on another, or elsewhere on the
same. Times without the task are computed once; then each of its places costs one addition, and the
makespan that follows is exact. Which places close no circle is told by times alone.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from scheduler.planning.flat import Floats, Ints
from scheduler.planning.kernels.compiling import compiled
from scheduler.planning.kernels.search import (
    NOWHERE,
    Board,
    Plan,
    Small,
    copy,
    critical_path,
    draw,
    makespan,
)

MOVES, SINCE, COUNT = 0, 1, 2  # places in Aside.state
LENGTH = 30  # moves for which a task may not go back, on the average, beside its workers


class Aside(NamedTuple):
    """Room to work in, and what is remembered from move to move.

    `end` and `rest` of all tasks while one is out, `stale` marks, `wait`, `path`: n each. `until`
    n x m: the move up to which a task may not go to a worker. `state` counts moves, moves since the
    last gain, and evaluations (a task taken out is one); `bits` is the state of the random numbers.
    """

    end: Floats
    rest: Floats
    stale: NDArray[np.int8]
    wait: Small
    path: Small
    until: Ints
    state: Ints
    bits: NDArray[np.uint64]


class Move(NamedTuple):
    """Task, worker, and the task on it after which it goes (NOWHERE: in front)."""

    task: int
    worker: int
    before: int


@compiled
def timed(board: Board, plan: Plan, wait: Small) -> bool:
    """Computes order, place, end and rest anew; False where the orders close a circle."""
    n, count, done = plan.worker.size, 0, 0
    order, place, end, rest, took = plan.order, plan.place, plan.end, plan.rest, plan.took
    for t in range(n):
        wait[t] = board.into_start[t + 1] - board.into_start[t]
        if plan.before[t] >= 0:
            wait[t] += 1
        if wait[t] == 0:
            order[count] = t
            count += 1
    while done < count:
        t = order[done]
        place[t] = done
        done += 1
        begin = board.ready[t, plan.worker[t]]
        for e in range(board.into_start[t], board.into_start[t + 1]):
            begin = max(begin, end[board.into_task[e]])
        p = plan.before[t]
        if p >= 0:
            begin = max(begin, end[p])
        end[t] = begin + took[t]
        for e in range(board.onto_start[t], board.onto_start[t + 1]):
            s = board.onto_task[e]
            wait[s] -= 1
            if wait[s] == 0:
                order[count] = s
                count += 1
        s = plan.after[t]
        if s >= 0:
            wait[s] -= 1
            if wait[s] == 0:
                order[count] = s
                count += 1
    for i in range(count - 1, -1, -1):
        t = order[i]
        behind = 0.0
        for e in range(board.onto_start[t], board.onto_start[t + 1]):
            behind = max(behind, rest[board.onto_task[e]])
        s = plan.after[t]
        if s >= 0:
            behind = max(behind, rest[s])
        rest[t] = behind + took[t]
    return count == n


@compiled
def without(board: Board, plan: Plan, aside: Aside, v: int) -> float:
    """Fills end and rest as if v were on no worker and took no time; gives the makespan."""
    end, rest, stale, order = aside.end, aside.rest, aside.stale, plan.order
    end[:], rest[:] = plan.end, plan.rest
    a, b = plan.before[v], plan.after[v]
    stale[v], left, i = 1, 1, plan.place[v]
    if b >= 0:
        stale[b] = 1
        left += 1
    while left > 0:
        t = order[i]
        i += 1
        if stale[t] == 0:
            continue
        stale[t] = 0
        left -= 1
        begin = 0.0
        for e in range(board.into_start[t], board.into_start[t + 1]):
            begin = max(begin, end[board.into_task[e]])
        if t != v:
            p = a if t == b else plan.before[t]
            if p >= 0:
                begin = max(begin, end[p])
            begin = max(begin, board.ready[t, plan.worker[t]]) + plan.took[t]
        if begin != end[t]:
            end[t] = begin
            for e in range(board.onto_start[t], board.onto_start[t + 1]):
                s = board.onto_task[e]
                left += 1 - stale[s]
                stale[s] = 1
            s = plan.after[t]
            if s >= 0 and t != v:
                left += 1 - stale[s]
                stale[s] = 1
    stale[v], left, i = 1, 1, plan.place[v]
    if a >= 0:
        stale[a] = 1
        left += 1
    while left > 0:
        t = order[i]
        i -= 1
        if stale[t] == 0:
            continue
        stale[t] = 0
        left -= 1
        behind = 0.0
        for e in range(board.onto_start[t], board.onto_start[t + 1]):
            behind = max(behind, rest[board.onto_task[e]])
        if t != v:
            s = b if t == a else plan.after[t]
            if s >= 0:
                behind = max(behind, rest[s])
            behind += plan.took[t]
        if behind != rest[t]:
            rest[t] = behind
            for e in range(board.into_start[t], board.into_start[t + 1]):
                p = board.into_task[e]
                left += 1 - stale[p]
                stale[p] = 1
            p = plan.before[t]
            if p >= 0 and t != v:
                left += 1 - stale[p]
                stale[p] = 1
    most = 0.0
    for t in board.ends:
        most = max(most, end[t])
    return most


@compiled
def moved(board: Board, plan: Plan, move: Move) -> None:
    """Puts the task where the move says; times are still to be settled."""
    v, w, a = move
    p, s = plan.before[v], plan.after[v]
    if p >= 0:
        plan.after[p] = s
    else:
        plan.first[plan.worker[v]] = s
    if s >= 0:
        plan.before[s] = p
    b = plan.after[a] if a >= 0 else plan.first[w]
    if a >= 0:
        plan.after[a] = v
    else:
        plan.first[w] = v
    if b >= 0:
        plan.before[b] = v
    plan.before[v], plan.after[v], plan.worker[v] = a, b, w
    plan.took[v] = board.duration[v, w]


@compiled
def best_move(board: Board, plan: Plan, aside: Aside, shortest: float) -> Move:
    """The move after which the makespan is least, then the way through the task moved.

    Of equals one is drawn. A move that is forbidden counts where it leads below `shortest`, or
    where nothing else is left.
    """
    bits, state = aside.bits, aside.state
    length = critical_path(board, plan, aside.path, bits)
    # moves of one type of number, so that they compile
    path, first = aside.path.astype(np.int64), plan.first.astype(np.int64)
    after = plan.after.astype(np.int64)
    best, best_way, ties, found = np.inf, np.inf, 0, Move(NOWHERE, NOWHERE, NOWHERE)
    barred, spare = 0, Move(NOWHERE, NOWHERE, NOWHERE)
    for i in range(length):
        v = int(path[i])
        floor_value = without(board, plan, aside, v)
        state[COUNT] += 1
        if floor_value > best:
            continue
        end, rest = aside.end, aside.rest
        head, tail = end[v], rest[v]
        for w in range(plan.first.size):
            d = board.duration[v, w]
            if d == np.inf:
                continue
            early = max(head, board.ready[v, w])
            if early + d + tail > best:
                continue
            forbidden = aside.until[v, w] > state[MOVES]
            a, b = NOWHERE, int(first[w])
            while True:
                if b == v:
                    b = int(after[v])
                between = (a < 0 or rest[a] > tail) and (b < 0 or end[b] > head)
                apart = (a < 0 or end[a] <= head) and (b < 0 or rest[b] <= tail)
                here = w == plan.worker[v] and a == plan.before[v]
                if (between or apart) and not here:
                    way = max(early, end[a]) if a >= 0 else early
                    way += d + (max(tail, rest[b]) if b >= 0 else tail)
                    value = max(floor_value, way)
                    if forbidden and value >= shortest:
                        barred += 1
                        if draw(bits) * barred < 1.0:
                            spare = Move(v, w, a)
                    elif value < best or (value == best and way < best_way):
                        best, best_way, ties, found = value, way, 1, Move(v, w, a)
                    elif value == best and way == best_way:
                        ties += 1
                        if draw(bits) * ties < 1.0:
                            found = Move(v, w, a)
                if b < 0 or (a >= 0 and rest[a] <= tail and end[a] > head):
                    break
                a, b = b, int(after[b])
    return found if found.task >= 0 else spare


@compiled
def seek(
    board: Board,
    plan: Plan,
    best: Plan,
    aside: Aside,
    evaluations: int,
    patience: int,
    enough: float,
) -> float:
    """Moves on from `plan` until so many evaluations are made, or so many moves bring no gain.

    `best` holds the shortest plan since it was last set, and its makespan is given. A task may not
    go back to the worker that it left for about as many moves as there are tasks on the way and
    workers for it (Mastrolilli and Gambardella, "Effective neighbourhood functions for the flexible
    job shop problem", 2000, sections 4 and 5).
    """
    state, until = aside.state, aside.state[COUNT] + evaluations
    shortest = makespan(board, best)
    while state[COUNT] < until and state[SINCE] < patience and shortest > enough:
        move = best_move(board, plan, aside, shortest)
        v = move.task
        if v < 0:
            state[SINCE] = patience
            break
        able = 0
        for w in range(plan.first.size):
            if board.duration[v, w] < np.inf:
                able += 1
        tenure = able + int((0.5 + draw(aside.bits)) * min(LENGTH, plan.worker.size))
        aside.until[v, plan.worker[v]] = state[MOVES] + tenure
        moved(board, plan, move)
        timed(board, plan, aside.wait)
        state[MOVES] += 1
        state[SINCE] += 1
        now = makespan(board, plan)
        if now < shortest:
            shortest = now
            state[SINCE] = 0
            copy(plan, best)
    return shortest


@compiled
def blended(
    board: Board,
    one: Plan,
    other: Plan,
    child: Plan,
    aside: Aside,
    share: float,
    strange: float,
) -> None:
    """A plan between two: each task's worker from one of them, its rank a mean of both.

    `share` says how near it lies to the other. With the chance `strange` a task gets any worker
    that can take it. A mean of two orders that keep the precedence keeps it too.
    """
    n, m, bits = child.worker.size, child.first.size, aside.bits
    key = np.empty(n)
    for t in range(n):
        key[t] = (1 - share) * one.place[t] + share * other.place[t]
        w = other.worker[t] if draw(bits) < share else one.worker[t]
        if draw(bits) < strange:
            ties = 0
            for k in range(m):
                if board.duration[t, k] < np.inf:
                    ties += 1
                    if draw(bits) * ties < 1.0:
                        w = k
        child.worker[t], child.took[t] = w, board.duration[t, w]
    last = np.full(m, NOWHERE)
    child.first[:] = NOWHERE
    for t in np.argsort(key, kind="mergesort"):
        w = child.worker[t]
        a = last[w]
        child.before[t], child.after[t] = a, NOWHERE
        if a >= 0:
            child.after[a] = t
        else:
            child.first[w] = t
        last[w] = t
    timed(board, child, aside.wait)


@compiled
def unlike(one: Plan, other: Plan) -> int:
    """How many tasks are on another worker, or come after another task there."""
    count = 0
    for t in range(one.worker.size):
        if one.worker[t] != other.worker[t] or one.before[t] != other.before[t]:
            count += 1
    return count
