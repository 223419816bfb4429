"""The rules that each placement keeps or breaks by itself, whatever the others do."""

from collections.abc import Iterator
from itertools import chain

import numpy as np

from scheduler.planning.bars import barred
from scheduler.planning.columns import RELATIVE, Bools, Columns, Floats, blurred, floats, leeway
from scheduler.planning.problem import Problem
from scheduler.planning.violation import Rule, Violation


def own_rules(free: Columns, problem: Problem) -> Iterator[Violation]:
    """What placements that have not happened break, each for itself."""
    return chain(
        _moments(free, problem),
        _closed(free, problem),
        _skills(free, problem),
        _bars(free, problem),
        _needs(free, problem),
        _deadlines(free, problem),
    )


def _moments(free: Columns, problem: Problem) -> Iterator[Violation]:
    release = floats([task.release for task in problem.workflow.tasks])[free.task]
    now = np.full(len(free.task), problem.now)
    for rule, earliest, why in (
        (Rule.BEFORE_RELEASE, release, "must not start before its release at {} s"),
        (Rule.BEFORE_NOW, now, "must not start before now, which is {} s"),
    ):
        early = free.start < earliest - leeway(earliest)
        yield from _broken(rule, why, free, problem, early, earliest, free.start)


def _closed(free: Columns, problem: Problem) -> Iterator[Violation]:
    lost = blurred(free.start, free.end)
    start, end = free.start + lost, free.end - lost
    for column, worker in enumerate(problem.cluster.workers):
        if not worker.closed:
            continue
        opens_by = sorted(worker.closed)
        closes = floats([window[0] for window in opens_by])
        opens = np.maximum.accumulate([window[1] for window in opens_by])
        rows = np.flatnonzero(free.worker == column)
        before = np.searchsorted(
            closes, end[rows], side="left"
        )  # windows that close before it ends
        for row, last in zip(rows, before - 1, strict=True):
            if last < 0 or opens[last] <= start[row]:
                continue
            first, until = next(each for each in opens_by if each[1] > start[row])
            task = problem.workflow.tasks[free.task[row]].id
            message = (
                f"Worker {worker.name!r} is closed from {first:.9g} s to {until:.9g} s, but task "
                f"{task!r} runs there from {free.start[row]:.9g} s to {free.end[row]:.9g} s."
            )
            facts = {"closed": (first, until), "start": float(free.start[row])}
            yield Violation(Rule.CLOSED, task, worker.name, message, facts)


def _skills(free: Columns, problem: Problem) -> Iterator[Violation]:
    tasks, workers = problem.workflow.tasks, problem.cluster.workers
    wanted = {skills: i for i, skills in enumerate(dict.fromkeys(each.skills for each in tasks))}
    lacks = np.array([[not each <= worker.skills for worker in workers] for each in wanted])
    sort = np.array([wanted[each.skills] for each in tasks])
    for row in np.flatnonzero(lacks[sort[free.task], free.worker]):
        task, worker = tasks[free.task[row]], workers[free.worker[row]]
        missing = sorted(task.skills - worker.skills)
        message = (
            f"Task {task.id!r} needs the skill {', '.join(missing)}, which {worker.name!r} lacks."
        )
        yield Violation(Rule.SKILLS, task.id, worker.name, message, {"missing": missing})


def _bars(free: Columns, problem: Problem) -> Iterator[Violation]:
    tasks, workers, bars = problem.workflow.tasks, problem.cluster.workers, problem.objective.bars
    for where, place in zip(free.worker.tolist(), free.task.tolist(), strict=True) if bars else ():
        task, worker = tasks[place], workers[where]
        if why := barred(bars, task, worker):
            message = f"Task {task.id!r} is on {worker.name!r}, but it {why}."
            yield Violation(Rule.BARRED, task.id, worker.name, message, {"why": why})


def _needs(free: Columns, problem: Problem) -> Iterator[Violation]:
    duration, found = problem.believed_duration[free.task, free.worker], free.end - free.start
    short = found < duration - np.minimum(leeway(free.end), duration / 2)
    yield from _broken(Rule.TOO_SHORT, "must run for {} s", free, problem, short, duration, found)
    cores = floats([task.cores for task in problem.workflow.tasks])[free.task]
    few = ~(free.cores >= cores * (1 - RELATIVE))
    yield from _broken(
        Rule.CORES_BELOW_NEED, "must hold {} cores", free, problem, few, cores, free.cores
    )
    memory = problem.memory[free.task, free.worker]
    little = ~(free.memory >= memory)
    must = "must hold {} bytes of memory"
    yield from _broken(Rule.MEMORY_BELOW_NEED, must, free, problem, little, memory, free.memory)


def _deadlines(free: Columns, problem: Problem) -> Iterator[Violation]:
    if not problem.objective.hard_deadlines:
        return
    tasks = problem.workflow.tasks
    deadline = floats([np.inf if each.deadline is None else each.deadline for each in tasks])
    until = deadline[free.task]
    late = free.end > until + leeway(until)
    must = "must end by its deadline at {} s"
    yield from _broken(Rule.AFTER_DEADLINE, must, free, problem, late, until, free.end)


def _broken(
    rule: Rule, must: str, placed: Columns, problem: Problem,
    wrong: Bools, needed: Floats, found: Floats,
) -> Iterator[Violation]:  # fmt: skip
    """A violation for each row that is wrong, with the number needed and the one found."""
    for row in np.flatnonzero(wrong):
        task = problem.workflow.tasks[placed.task[row]].id
        worker = problem.cluster.workers[placed.worker[row]].name
        needs, finds = float(needed[row]), float(found[row])
        told = must.format(f"{needs:.9g}")
        message = f"Task {task!r} on {worker!r} {told}, found {finds:.9g}."
        yield Violation(rule, task, worker, message, {"needed": needs, "found": finds})
