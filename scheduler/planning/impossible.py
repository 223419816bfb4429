"""Why a problem can have no schedule: the fewest tasks, and the limit that they cannot keep.

Each reason rests on a certificate that is cheap to check and true of every schedule: a way through
the workflow that is too long for a deadline, more work than fits between two times, a total that
even the cheapest workers exceed. Its tasks are minimal: without any one of them it would not hold.
Not every impossible problem has such a reason.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from scheduler.errors import Infeasible
from scheduler.planning.crowding import Crowd, crowds
from scheduler.planning.earliest import Earliest
from scheduler.planning.problem import Problem

Item = TypeVar("Item")
ROUNDING = 1e-9
NAMED = 6  # tasks that a message names before it counts the rest


@dataclass(frozen=True)
class Reason:
    """Which tasks cannot all keep which limit (`deadline`, `capacity`, `budget`), in words."""

    limit: str
    tasks: tuple[str, ...]
    message: str


def impossible(problem: Problem) -> tuple[Reason, ...]:
    """Why the problem has no schedule; empty where nothing speaks against one."""
    found: list[Reason] = []
    if problem.objective.hard_deadlines:
        earliest = Earliest(problem)
        found += _too_long(problem, earliest)
        found += [] if found else map(_told, crowds(problem, earliest, minimal))
    return (*found, *_too_dear(problem))


def demand_possible(problem: Problem) -> None:
    """Raises Infeasible, with the reasons, where the limits of the objective cannot all be kept."""
    if found := impossible(problem):
        raise Infeasible([each.message for each in found])


def minimal(items: Sequence[Item], holds: Callable[[Sequence[Item]], bool]) -> list[Item]:
    """Some of the items for which `holds` stays true, and for none fewer of these.

    A deletion filter: blocks are tried first, then each item until none can go. `holds` must be
    true of all items.
    """
    kept, size = list(items), len(items) // 2
    while size:
        kept = _without_blocks(kept, size, holds)
        size //= 2
    while len(fewer := _without_blocks(kept, 1, holds)) < len(kept):
        kept = fewer
    return kept


def _without_blocks(
    items: list[Item], size: int, holds: Callable[[Sequence[Item]], bool]
) -> list[Item]:
    at = 0
    while at < len(items):
        fewer = items[:at] + items[at + size :]
        if holds(fewer):
            items = fewer
        else:
            at += size
    return items


def _too_long(problem: Problem, earliest: Earliest) -> list[Reason]:
    found: list[Reason] = []
    told: set[str] = set()
    for task in problem.workflow.order:
        deadline = problem.workflow.task(task).deadline
        if deadline is None or task in problem.fixed or earliest.end[task] <= _forgiven(deadline):
            continue
        limit = _forgiven(deadline)
        chain = earliest.way_to(task)
        tasks = [*minimal(chain[:-1], _late(earliest, task, limit)), task]
        if told.isdisjoint(tasks):
            found.append(_late_reason(earliest, tasks, deadline))
            told.update(tasks)
    return found


def _late(earliest: Earliest, last: str, limit: float) -> Callable[[Sequence[str]], bool]:
    """Whether these tasks one after the other, and then the last, end after the limit."""
    return lambda some: earliest.end_of([*some, last]) > limit


def _late_reason(earliest: Earliest, tasks: Sequence[str], deadline: float) -> Reason:
    last, end = tasks[-1], earliest.end_of(tasks)
    why = (
        f"after {_names(tasks[:-1])} it ends at {end:.9g} s at the earliest"
        if len(tasks) > 1
        else f"it ends at {end:.9g} s at the earliest"
    )
    message = (
        f"Task {last!r} cannot keep its deadline at {deadline:.9g} s: {why}; it needs a later "
        f"deadline, or workers that are faster or open sooner"
    )
    return Reason("deadline", tuple(tasks), message)


def _told(crowd: Crowd) -> Reason:
    message = (
        f"The tasks {_names(crowd.tasks)} cannot all keep their deadlines: between "
        f"{crowd.first:.9g} s and {crowd.last:.9g} s, where they must run, they need "
        f"{crowd.needed:.9g} {crowd.unit}, and {crowd.source} {crowd.given:.9g}"
    )
    return Reason("capacity", tuple(crowd.tasks), message)


def _too_dear(problem: Problem) -> Iterator[Reason]:
    budget, workers = problem.objective.budget, problem.cluster.workers
    if budget is None:
        return
    rate = np.array([each.price / 3600 / each.cores for each in workers])
    money = np.where(problem.eligible, problem.believed_duration * rate, np.inf)
    cheapest = money.min(axis=1) * problem.cores
    spent = sum(
        rate[problem.cluster.index[each.worker]] * each.allocation.cores * (each.end - each.start)
        for each in problem.fixed.values()
    )
    free = [row for task, row in problem.workflow.index.items() if task not in problem.fixed]
    limit = budget * (1 + ROUNDING)
    if spent + cheapest[free].sum() <= limit:
        return
    dearest_last = sorted(free, key=cheapest.__getitem__)
    rows = minimal(dearest_last, lambda some: spent + sum(cheapest[row] for row in some) > limit)
    tasks = tuple(problem.workflow.tasks[row].id for row in sorted(rows))
    already = f" and {spent:.9g} is spent already" if spent else ""
    least = sum(float(cheapest[row]) for row in rows)
    message = (
        f"The budget of {budget:.9g} is too small: the tasks {_names(tasks)} alone cost at least "
        f"{least:.9g} on their cheapest workers{already}; a budget of "
        f"{spent + cheapest[free].sum():.9g} could be enough for all"
    )
    yield Reason("budget", tasks, message)


def _forgiven(deadline: float) -> float:
    return deadline * (1 + ROUNDING) + 1e-6


def _names(tasks: Sequence[str]) -> str:
    shown = ", ".join(map(repr, tasks[:NAMED]))
    return shown if len(tasks) <= NAMED else f"{shown} and {len(tasks) - NAMED} more"
