"""Whether a schedule keeps every rule of its problem: the one judge of every plan, anyone's.

It shares nothing with the planners: it reads the values and counts for itself.
"""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from scheduler.cluster import Worker
from scheduler.planning.problem import Problem
from scheduler.planning.schedule import Placement, Schedule

Floats = NDArray[np.float64]
RELATIVE, ABSOLUTE = 1e-9, 1e-6  # of times: what adding and writing down numbers may lose
NAMED = 5  # tasks that a message names before it counts the rest


class Rule(StrEnum):
    """The rules of a feasible, complete schedule."""

    MISSING_TASK = "missing_task"
    UNKNOWN_TASK = "unknown_task"
    UNKNOWN_WORKER = "unknown_worker"
    PLACED_TWICE = "placed_twice"
    INVALID_TIME = "invalid_time"
    TOO_SHORT = "too_short"
    PRECEDENCE = "precedence"
    SKILLS = "skills"
    CORES_BELOW_NEED = "cores_below_need"
    MEMORY_BELOW_NEED = "memory_below_need"
    CORES_OVER_CAPACITY = "cores_over_capacity"
    MEMORY_OVER_CAPACITY = "memory_over_capacity"


@dataclass(frozen=True)
class Violation:
    """One broken rule: which, of which task or worker, in words, and the numbers behind them."""

    rule: Rule
    task: str | None
    worker: str | None
    message: str
    facts: Mapping[str, object] = field(default_factory=dict)


def violations(schedule: Schedule, problem: Problem) -> tuple[Violation, ...]:
    """Every rule that the schedule breaks; none when it is feasible and complete.

    Times may be off by 1e-6 s and a billionth of themselves, cores by a billionth. A placement of
    an unknown task, on an unknown worker or at impossible times is reported once and left out of
    the other checks. Of a task placed twice, the first placement is taken for the precedence.
    """
    known = [each for each in schedule.placements if _is_known(each, problem)]
    timed = [each for each in known if _time_fault(each) is None]
    return tuple(
        chain(
            _completeness(schedule, problem),
            _times(known),
            *(_own_rules(each, problem) for each in timed),
            _precedence(timed, problem),
            _capacity(timed, problem),
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


def _times(placements: Iterable[Placement]) -> Iterator[Violation]:
    for each in placements:
        if fault := _time_fault(each):
            found = f"found {each.start!r} to {each.end!r}"
            message = f"Task {each.task!r} on {each.worker!r} {fault}, {found}."
            facts = {"start": each.start, "end": each.end}
            yield Violation(Rule.INVALID_TIME, each.task, each.worker, message, facts)


def _time_fault(each: Placement) -> str | None:
    if not (math.isfinite(each.start) and math.isfinite(each.end)):
        return "must have finite times"
    if each.start < -ABSOLUTE:
        return "must not start before the run does"
    return "must not end before it starts" if each.end < each.start else None


def _own_rules(each: Placement, problem: Problem) -> Iterator[Violation]:
    row, column = problem.workflow.index[each.task], problem.cluster.index[each.worker]
    task, worker = problem.workflow.tasks[row], problem.cluster.workers[column]

    def broken(rule: Rule, must: str, needed: float, found: float) -> Violation:
        message = f"Task {each.task!r} on {each.worker!r} {must} {needed:.9g}, found {found:.9g}."
        return Violation(rule, each.task, each.worker, message, {"needed": needed, "found": found})

    if missing := sorted(task.skills - worker.skills):
        message = (
            f"Task {each.task!r} needs the skill {', '.join(missing)}, which {worker.name!r} lacks."
        )
        yield Violation(Rule.SKILLS, each.task, each.worker, message, {"missing": missing})
    duration, found = float(problem.believed_duration[row, column]), each.end - each.start
    if found < duration - min(_leeway(each.end), duration / 2):
        yield broken(Rule.TOO_SHORT, "must run for seconds", duration, found)
    cores, memory = each.allocation.cores, each.allocation.memory
    if not cores >= task.cores * (1 - RELATIVE):
        yield broken(Rule.CORES_BELOW_NEED, "must hold cores", task.cores, cores)
    if not memory >= problem.memory[row, column]:
        needed = float(problem.memory[row, column])
        yield broken(Rule.MEMORY_BELOW_NEED, "must hold bytes of memory", needed, memory)


def _precedence(placements: Sequence[Placement], problem: Problem) -> Iterator[Violation]:
    first = {each.task: each for each in reversed(placements)}
    for edge in problem.workflow.dependencies:
        before, after = first.get(edge.source), first.get(edge.target)
        if before is None or after is None:
            continue
        transfer = problem.cluster.transfer_seconds(edge.bytes, before.worker, after.worker)
        ready = before.end + transfer
        if after.start < ready - _leeway(ready):
            message = (
                f"Task {after.task!r} on {after.worker!r} starts at {after.start:.9g} s, but waits "
                f"for {before.task!r}, which ends at {before.end:.9g} s on {before.worker!r}, and "
                f"{transfer:.9g} s for {edge.bytes:.9g} bytes: not before {ready:.9g} s."
            )
            facts = {"start": after.start, "ready": ready, "before": before.task}
            yield Violation(Rule.PRECEDENCE, after.task, after.worker, message, facts)


def _capacity(placements: Sequence[Placement], problem: Problem) -> Iterator[Violation]:
    held: dict[str, list[Placement]] = {each.name: [] for each in problem.cluster.workers}
    for each in placements:
        held[each.worker].append(each)
    for worker in problem.cluster.workers:
        cores = [each.allocation.cores for each in held[worker.name]]
        memory = [each.allocation.memory for each in held[worker.name]]
        yield from _over(Rule.CORES_OVER_CAPACITY, worker, worker.cores, held[worker.name], cores)
        yield from _over(
            Rule.MEMORY_OVER_CAPACITY, worker, worker.memory, held[worker.name], memory
        )


def _over(
    rule: Rule, worker: Worker, capacity: float, held: Sequence[Placement], amounts: Sequence[float]
) -> Iterator[Violation]:
    """One violation for each unbroken stretch of time in which a worker gives more than it has."""
    if not held:
        return
    # What is not a number was reported as below the need; the infinite is as much as too much.
    amount = np.nan_to_num(np.array(amounts, dtype=np.float64), nan=0.0, posinf=2 * capacity)
    amount = np.maximum(amount, 0.0)
    start = np.array([each.start for each in held])
    end = _earlier(start, np.array([each.end for each in held]))
    times, total = _sweep(start, end, amount)
    for first, last in _stretches(total > capacity * (1 + RELATIVE)):
        worst = first + int(np.argmax(total[first:last]))
        running = (start <= times[worst]) & (times[worst] < end) & (amount > 0)
        tasks = [held[row].task for row in np.flatnonzero(running).tolist()]
        what = "cores" if rule is Rule.CORES_OVER_CAPACITY else "bytes of memory"
        message = (
            f"Worker {worker.name!r} has {capacity:.9g} {what}, but from {times[first]:.9g} s on "
            f"the tasks {_names(tasks)} together hold {total[worst]:.9g}."
        )
        facts = {
            "capacity": capacity, "held": float(total[worst]), "tasks": tasks,
            "start": float(times[first]), "end": float(times[last]),
        }  # fmt: skip
        yield Violation(rule, tasks[0] if len(tasks) == 1 else None, worker.name, message, facts)


def _earlier(start: Floats, end: Floats) -> Floats:
    """The ends, as much earlier as times may be off, but never by more than half of a task."""
    leeway = RELATIVE * np.maximum(end, 0.0) + ABSOLUTE
    return end - np.minimum(leeway, (end - start) / 2)


def _sweep(start: Floats, end: Floats, amount: Floats) -> tuple[Floats, Floats]:
    """The moments at which something changes, and what is held from each of them on."""
    times, row = np.unique(np.concatenate([start, end]), return_inverse=True)
    change = np.zeros(len(times))
    np.add.at(change, row, np.concatenate([amount, -amount]))
    return times, np.cumsum(change)


def _stretches(over: NDArray[np.bool_]) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate([[False], over, [False]]).astype(np.int8)))
    return [(int(first), int(last)) for first, last in edges.reshape(-1, 2)]


def _leeway(time: float) -> float:
    return RELATIVE * abs(time) + ABSOLUTE


def _names(tasks: Sequence[str]) -> str:
    shown = ", ".join(repr(each) for each in tasks[:NAMED])
    return shown if len(tasks) <= NAMED else f"{shown} and {len(tasks) - NAMED} more"
