"""Whether a schedule keeps every rule of its problem: the one judge of every plan, anyone's.

It shares nothing with the planners: it reads the values and counts for itself.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain

import numpy as np

from scheduler.planning.columns import (
    ABSOLUTE,
    RELATIVE,
    Bools,
    Columns,
    Floats,
    floats,
    leeway,
)
from scheduler.planning.gang_rules import gang_rules
from scheduler.planning.overload import overloads
from scheduler.planning.own_rules import own_rules
from scheduler.planning.problem import Problem
from scheduler.planning.schedule import Placement, Schedule
from scheduler.planning.violation import Rule, Violation

__all__ = ["Rule", "Violation", "violations"]


def violations(schedule: Schedule, problem: Problem) -> tuple[Violation, ...]:
    """Every rule that the schedule breaks; none when it is feasible and complete.

    Times may be off by 1e-6 s and a billionth of themselves, cores and money by a billionth. A
    placement of an unknown task, on an unknown worker or at impossible times is reported once and
    left out of the other checks. Of a task placed twice, the first placement is taken for the
    precedence. What has happened (`Problem.fixed`) must be in the schedule as it was; the rules
    are asked of the other placements, which must leave it the room that it takes.
    """
    known = [each for each in schedule.placements if _is_known(each, problem)]
    placed = Columns.of(known, problem)
    faults = _time_faults(placed)
    timed = placed.where(~np.logical_or.reduce(list(faults.values())))
    return tuple(
        chain(
            _completeness(schedule, problem),
            _times(known, faults),
            _history(known, problem),
            own_rules(timed.where(timed.free), problem),
            _precedence(timed, problem),
            overloads(timed, problem),
            _budget(timed, problem),
            gang_rules(timed.where(timed.free), problem),
        )
    )


def _is_known(each: Placement, problem: Problem) -> bool:
    return each.task in problem.workflow.index and each.worker in problem.cluster.index


def _completeness(schedule: Schedule, problem: Problem) -> Iterator[Violation]:
    count = Counter(each.task for each in schedule.placements)
    for task in problem.workflow.index:
        if not count[task]:
            yield Violation(Rule.MISSING_TASK, task, None, f"Task {task!r} is placed nowhere.")
        elif count[task] > 1:
            message = f"Task {task!r} must be placed once, found {count[task]} placements."
            yield Violation(Rule.PLACED_TWICE, task, None, message, {"placements": count[task]})
    for each in schedule.placements:
        if each.task not in problem.workflow.index:
            message = f"Task {each.task!r} is placed but is not in the workflow."
            yield Violation(Rule.UNKNOWN_TASK, each.task, each.worker, message)
        if each.worker not in problem.cluster.index:
            message = (
                f"Task {each.task!r} is placed on {each.worker!r}, which is not in the cluster."
            )
            yield Violation(Rule.UNKNOWN_WORKER, each.task, each.worker, message)


def _time_faults(placed: Columns) -> dict[str, Bools]:
    """Which placements lie at times that cannot be, by what is wrong with them."""
    finite = np.isfinite(placed.start) & np.isfinite(placed.end)
    return {
        "must have finite times": ~finite,
        "must not start before the run does": finite & (placed.start < -ABSOLUTE),
        "must not end before it starts": finite & (placed.end < placed.start),
    }


def _times(placements: Sequence[Placement], faults: dict[str, Bools]) -> Iterator[Violation]:
    wrong = np.logical_or.reduce(list(faults.values()))
    for row in np.flatnonzero(wrong).tolist():
        each, fault = placements[row], next(name for name, rows in faults.items() if rows[row])
        found = f"found {each.start!r} to {each.end!r}"
        message = f"Task {each.task!r} on {each.worker!r} {fault}, {found}."
        facts = {"start": each.start, "end": each.end}
        yield Violation(Rule.INVALID_TIME, each.task, each.worker, message, facts)


def _history(placements: Sequence[Placement], problem: Problem) -> Iterator[Violation]:
    for each in placements if problem.fixed else ():
        was = problem.fixed.get(each.task)
        if was is None or _same(each, was):
            continue
        message = (
            f"Task {each.task!r} has happened on {was.worker!r} from {was.start:.9g} s to "
            f"{was.end:.9g} s and must stay so, found {each.worker!r} from {each.start:.9g} s to "
            f"{each.end:.9g} s with {each.allocation}."
        )
        yield Violation(Rule.HISTORY_CHANGED, each.task, each.worker, message)


def _same(one: Placement, other: Placement) -> bool:
    moved = np.abs(floats([one.start - other.start, one.end - other.end]))
    same_times = bool((moved <= leeway(floats([other.start, other.end]))).all())
    return same_times and (one.worker, one.allocation) == (other.worker, other.allocation)


def _precedence(placed: Columns, problem: Problem) -> Iterator[Violation]:
    index, edges = problem.workflow.index, problem.workflow.dependencies
    first = np.full(len(index), -1)
    first[placed.task[::-1]] = np.arange(len(placed.task))[::-1]
    before = first[np.array([index[each.source] for each in edges], dtype=np.int64)]
    after = first[np.array([index[each.target] for each in edges], dtype=np.int64)]
    both = np.flatnonzero((before >= 0) & (after >= 0))
    asked = both[placed.free[after[both]]]
    before, after = before[asked], after[asked]
    size = floats([edge.bytes for edge in edges])[asked]
    travel = _transfer(problem, size, placed.where(before), placed.where(after))
    ready = placed.end[before] + travel
    for row in np.flatnonzero(placed.start[after] < ready - leeway(ready)):
        edge, source, target = edges[asked[row]], before[row], after[row]
        there = problem.cluster.workers[placed.worker[source]].name
        worker = problem.cluster.workers[placed.worker[target]].name
        start, until = float(placed.start[target]), float(ready[row])
        message = (
            f"Task {edge.target!r} on {worker!r} starts at {start:.9g} s, but waits "
            f"for {edge.source!r}, which ends at {placed.end[source]:.9g} s on {there!r}, and "
            f"{travel[row]:.9g} s for {edge.bytes:.9g} bytes: not before {until:.9g} s."
        )
        facts = {"start": start, "ready": until, "before": edge.source}
        yield Violation(Rule.PRECEDENCE, edge.target, worker, message, facts)


def _transfer(problem: Problem, size: Floats, source: Columns, target: Columns) -> Floats:
    """Seconds that these bytes travel between the workers of two placements each."""
    cluster = problem.cluster
    rate = np.full((len(cluster), len(cluster)), float(cluster.bandwidth))
    for (one, other), speed in cluster.links.items():
        a, b = cluster.index[one], cluster.index[other]
        rate[a, b], rate[b, a] = speed, cluster.links.get((other, one), speed)
    apart = cluster.latency + size / rate[source.worker, target.worker]
    return np.where(source.worker == target.worker, 0.0, apart)


def _budget(placed: Columns, problem: Problem) -> Iterator[Violation]:
    budget, workers = problem.objective.budget, problem.cluster.workers
    if budget is None:
        return
    rate = floats([each.price / 3600 / each.cores for each in workers])[placed.worker]
    cost = float(np.nansum(rate * placed.cores * (placed.end - placed.start)))
    if cost > budget * (1 + RELATIVE):
        message = f"The schedule must cost at most {budget:.9g}, found {cost:.9g}."
        yield Violation(Rule.OVER_BUDGET, None, None, message, {"needed": budget, "found": cost})
