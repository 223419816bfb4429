"""Gangs said as dependencies, for what knows of nothing else."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain, product

from scheduler.planning.problem import Problem
from scheduler.planning.schedule import Placement, Schedule
from scheduler.planning.timeline import CLOCK
from scheduler.workflow import Dependency, Task, Workflow

Wait = tuple[str, str]  # who is waited for, and who waits


def as_waits(problem: Problem, schedule: Schedule) -> Problem:
    """The problem with each task of a gang waiting for all that the gang waits for in this plan.

    That is what any of its tasks waits for, and what is planned before it on any of its workers: so
    all of them become ready at one moment, and then have room. Gangs of which something has begun
    stay as they are, and what waits so for another worker counts its latency. The same problem
    where there is no gang.
    """
    workflow, fixed = problem.workflow, problem.fixed
    gangs = {gang: them for gang, them in workflow.gangs.items() if fixed.keys().isdisjoint(them)}
    if not gangs:
        return problem
    there = {(each.source, each.target) for each in workflow.dependencies}
    wanted = dict.fromkeys(chain(_as_others(workflow, gangs), _in_turn(workflow, gangs, schedule)))
    new = [Dependency(*each) for each in wanted if each not in there]
    tasks = [_released(each, workflow, gangs.get(each.gang, ())) for each in workflow.tasks]
    return replace(problem, workflow=Workflow(workflow.name, tasks, [*workflow.dependencies, *new]))


def _released(task: Task, workflow: Workflow, gang: Sequence[str]) -> Task:
    release = max((workflow.task(each).release for each in gang), default=task.release)
    return task if release == task.release else replace(task, release=release)


def _as_others(workflow: Workflow, gangs: Mapping[str, Sequence[str]]) -> Iterator[Wait]:
    for them in gangs.values():
        before = dict.fromkeys(each for task in them for each in workflow.predecessors(task))
        yield from product(before, them)


def _in_turn(
    workflow: Workflow, gangs: Mapping[str, Sequence[str]], schedule: Schedule
) -> Iterator[Wait]:
    """On each worker a gang waits for what comes since the one before it, and for that."""
    since: dict[str, list[Placement]] = {}
    for each in sorted(schedule.placements, key=lambda each: (each.start, each.task)):
        recent = since.setdefault(each.worker, [])
        gang = gangs.get(workflow.task(each.task).gang, ())
        over = [other for other in recent if _is_over(other, each.start)] if gang else []
        yield from product([other.task for other in over], gang)
        since[each.worker] = [*(other for other in recent if other not in over), each]


def _is_over(placed: Placement, start: float) -> bool:
    return placed.start < start and placed.end <= start * (1 + CLOCK)
