"""Plans in which the tasks of a gang start together, from plans that know nothing of gangs."""

import heapq
from collections.abc import Iterator

import numpy as np

from scheduler.errors import Infeasible
from scheduler.planning.fellows import Fellows
from scheduler.planning.flat import Flat, Floats, Ints
from scheduler.planning.kernels.gangs import place_blocks
from scheduler.planning.kernels.lists import list_schedule
from scheduler.planning.kernels.scoring import score
from scheduler.planning.listing import NO_BIAS, placed
from scheduler.planning.planned import Planned
from scheduler.planning.problem import Problem
from scheduler.planning.schedule import Schedule

SAME = 1e-9  # share of a start below which two are one


def together(problem: Problem, schedule: Schedule, *, further: bool = True) -> Schedule:
    """The schedule, put right where tasks of a gang start apart or share what they may not.

    It is kept where nothing is wrong with it, unless a queue is better. With `further` false only
    its own workers and order are tried, not workers chosen anew, nor the plan of a queue. Raises
    Infeasible where the workers that are left cannot hold a gang.
    """
    if not problem.workflow.gangs:
        return schedule
    free = problem.flat.fixed_worker < 0
    fellows = Fellows.of(problem.workflow.tasks, free)
    if not fellows.gangs:
        return schedule
    plan = Planned.of(schedule, problem)
    found = put_right(problem.flat, fellows, plan, further=further)
    if found is plan:
        return schedule
    rows = placed(problem, *found)
    return Schedule(rows, planner=schedule.planner, lower_bound=schedule.lower_bound)


def put_right(flat: Flat, fellows: Fellows, plan: Planned, *, further: bool = True) -> Planned:
    """The plan that scores best of those that keep the gangs; the same one where none is better."""
    places = fellows.places(flat)
    if gone := [gang for gang, workers in places.items() if workers is None]:
        raise Infeasible(
            [f"The tasks of gang {each!r} find no workers on which all fit" for each in gone]
        )
    sure = np.full(flat.row.size, -1, np.int64)
    for gang, workers in places.items():
        if workers is not None:
            sure[fellows.gangs[gang]] = workers
    found = list(_plans(flat, fellows, plan, sure, further=further))
    best = min(found, key=lambda each: float(score(flat, *each)))
    if (best.worker < 0).any():
        raise Infeasible(["A task finds no worker and no time at which it could start."])
    return best


def _plans(
    flat: Flat, fellows: Fellows, plan: Planned, sure: Ints, *, further: bool
) -> Iterator[Planned]:
    if kept(fellows, plan):
        yield plan
    order = blocks(flat, fellows, plan.start)
    nobody = np.full(flat.row.size, -1, np.int64)
    yield Planned(*place_blocks(flat, *order, fellows.apart, sure, plan.worker))
    if further:
        yield Planned(*place_blocks(flat, *order, fellows.apart, sure, nobody))
        queue = Planned(*list_schedule(flat, flat.order, NO_BIAS, 0.0, False))
        in_turn = blocks(flat, fellows, queue.start)
        yield Planned(*place_blocks(flat, *in_turn, fellows.apart, sure, queue.worker))


def kept(fellows: Fellows, plan: Planned) -> bool:
    """Whether all gangs of the plan start together, those apart on different workers."""
    for rows in fellows.gangs.values():
        starts, own = plan.start[rows], plan.worker[rows[fellows.apart[rows] != 0]]
        if np.ptp(starts) > SAME * starts.max() or len(np.unique(own)) < len(own):
            return False
    return True


def blocks(flat: Flat, fellows: Fellows, start: Floats) -> tuple[Ints, Ints]:
    """Free tasks in blocks, each after all it waits for, in order of their (last) start.

    Block b is the second array from first[b] to first[b + 1].
    """
    n = flat.row.size
    block = np.arange(n)
    for rows in fellows.gangs.values():
        block[rows] = rows[0]
    key = np.full(n, -np.inf)
    np.maximum.at(key, block, start)
    target = np.repeat(np.arange(n), np.diff(flat.before_start))
    waits = np.bincount(block[target], minlength=n)
    members: dict[int, list[int]] = {}
    for row, own in enumerate(block.tolist()):
        members.setdefault(own, []).append(row)
    ready = [(key[own], own) for own in members if not waits[own]]
    heapq.heapify(ready)
    order: list[list[int]] = []
    while ready:
        _, own = heapq.heappop(ready)
        order.append(members[own])
        for row in members[own]:
            for after in flat.after_task[flat.after_start[row] : flat.after_start[row + 1]]:
                other = int(block[after])
                waits[other] -= 1
                if not waits[other]:
                    heapq.heappush(ready, (key[other], other))
    free = [rows for rows in order if flat.fixed_worker[rows[0]] < 0]
    first = np.cumsum([0, *map(len, free)], dtype=np.int64)
    return first, np.array([row for rows in free for row in rows], dtype=np.int64)
