"""Tasks as they are before anything of them has begun, and with what they are tried again."""

import math
from collections.abc import Mapping

from scheduler.cluster import Allocation
from scheduler.execution.holding import Held
from scheduler.planning.problem import Problem
from scheduler.planning.schedule import Schedule
from scheduler.workflow import Task

LONGEST_PAUSE = 3600.0  # seconds between two attempts, however often it has failed
MOST_DOUBLINGS = 60


def held_tasks(problem: Problem, schedule: Schedule) -> dict[str, Held]:
    """Every task of the problem, placed as planned and waiting for all its predecessors."""
    priority, need = inherited(problem, {}), problem.flat.need
    graph, placed = problem.workflow.graph, schedule.by_task
    index, gangs = problem.workflow.index, problem.workflow.gangs.values()
    lead = {task: index[fellows[0]] for fellows in gangs for task in fellows}
    return {
        task.id: Held(
            task.id,
            row,
            placed[task.id].worker,
            placed[task.id].allocation,
            placed[task.id].start,
            priority[task.id],
            graph.in_degree(task.id),
            tuple((pool, float(need[row, pool])) for pool in need[row].nonzero()[0].tolist()),
            lead=lead.get(task.id, -1),
        )
        for row, task in enumerate(problem.workflow.tasks)
    }


def pause(task: Task, attempt: int) -> float:
    """Seconds that pass after a failed attempt before the task is tried again."""
    return min(task.backoff * 2.0 ** min(attempt - 1, MOST_DOUBLINGS), LONGEST_PAUSE)


def grown(problem: Problem, task: Held) -> tuple[str, Allocation] | None:
    """Worker and allocation with more memory: where the task is, or the fastest that has it.

    None where no worker that can take the task has more than it was given.
    """
    held = task.allocation.memory
    larger = [
        (
            worker.memory < (wanted := math.ceil(problem.memory_after(task.row, column, held))),
            worker.name != task.worker,
            problem.duration[task.row, column],
            worker,
            wanted,
        )
        for column, worker in enumerate(problem.cluster.workers)
        if problem.eligible[task.row, column] and worker.memory > held
    ]
    if not larger:
        return None
    *_, chosen, wanted = min(larger, key=lambda each: each[:3])
    return chosen.name, Allocation(task.allocation.cores, min(wanted, chosen.memory))


def inherited(problem: Problem, given: Mapping[str, int]) -> Mapping[str, int]:
    """The priority of each task, at least that of every task that waits for it.

    `given` are priorities that count instead of the tasks' own.
    """
    workflow, found = problem.workflow, dict[str, int]()
    for name in reversed(workflow.order):
        later = [found[each] for each in workflow.graph.succ[name]]
        own = given.get(name, workflow.task(name).priority)
        found[name] = max([own, *later])
    return found
