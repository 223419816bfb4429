"""A schedule as arrays, and back."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from scheduler.cluster import Allocation
from scheduler.planning.flat import Flat, Floats, Ints
from scheduler.planning.problem import Problem
from scheduler.planning.schedule import Placement, Schedule


class Planned(NamedTuple):
    """Worker (an index, -1 for none), start and end of each task, n, in the workflow's order."""

    worker: Ints
    start: Floats
    end: Floats

    @property
    def makespan(self) -> float:
        """Seconds from the start of the run to the last end."""
        return float(self.end.max())

    @classmethod
    def of(cls, schedule: Schedule, problem: Problem) -> "Planned":
        """The arrays of a complete schedule of the problem."""
        tasks, workers = problem.workflow.index, problem.cluster.index
        worker = np.full(len(tasks), -1, dtype=np.int64)
        start, end = np.zeros(len(tasks)), np.zeros(len(tasks))
        for each in schedule.placements:
            row = tasks[each.task]
            worker[row] = workers[each.worker]
            start[row], end[row] = each.start, each.end
        return cls(worker, start, end)


def placement(flat: Flat, plan: Planned, row: int, task: str, worker: str) -> Placement:
    """One task's placement, with the allocation it has or had."""
    column = int(plan.worker[row])
    if flat.fixed_worker[row] >= 0:
        held = Allocation(float(flat.fixed_cores[row]), int(flat.fixed_memory[row]))
    else:
        memory = int(flat.memory[flat.row[row], column])
        held = Allocation(float(flat.cores[row]), memory)
    return Placement(task, worker, float(plan.start[row]), float(plan.end[row]), held)


def placements(
    flat: Flat, plan: Planned, tasks: Iterable[str], workers: tuple[str, ...]
) -> tuple[Placement, ...]:
    """The placement of each of the tasks, which are all of the plan, in its order."""
    return tuple(
        placement(flat, plan, row, task, workers[plan.worker[row]])
        for row, task in enumerate(tasks)
    )
