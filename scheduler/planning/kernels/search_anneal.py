"""Local search over plans of workers that run one task at a time: ruin, recreate, anneal."""

import numpy as np
from numpy.typing import NDArray

from scheduler.planning.kernels.compiling import compiled
from scheduler.planning.kernels.search import (
    MARK,
    NOWHERE,
    Board,
    Desk,
    Plan,
    Small,
    carry_over,
    copy,
    critical_path,
    draw,
    makespan,
    settle,
    start_round,
)
from scheduler.planning.kernels.search_places import best_place, put_in, settle_around, take_out


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
    plan seen. Gives its makespan. The ends of a plan that comes out are settled, its rests may not
    be.
    """
    settle(board, plan, desk)
    copy(plan, kept)
    unsettled = NOWHERE  # the rests of a plan that is kept are settled when the next is tried
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
        take_out(board, plan, desk, count, unsettled)
        placed = True
        for i in range(count):
            v = desk.out[i]
            _, w, a = best_place(board, plan, desk, v, limit, blink, state)
            if w < 0:
                placed = False
                break
            put_in(board, plan, desk, v, w, a)
            if i < count - 1:
                settle_around(board, plan, desk, v)
        if placed:
            unsettled = desk.out[count - 1]
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
