"""FIFO: tasks in order of arrival, on the worker that can start them first."""

from dataclasses import dataclass
from typing import ClassVar

from scheduler.planning.bounds import lower_bound
from scheduler.planning.listing import placements
from scheduler.planning.planners.base import Planner
from scheduler.planning.problem import Problem
from scheduler.planning.schedule import Schedule
from scheduler.planning.together import together


@dataclass(frozen=True)
class Fifo(Planner):
    """What a queue without beliefs does: the baseline of every comparison.

    Tasks in the order given (each after its predecessors), each to the worker where it can start
    first, whatever it takes there; the first such worker on a tie. On one worker no task overtakes
    another, but to fill what a gang leaves free while it waits for all of its workers.
    """

    plans_gangs: ClassVar[bool] = True

    def plan(self, problem: Problem) -> Schedule:
        """The same schedule for the same problem, on every machine."""
        order = problem.topological
        placed = placements(problem, order, duration_weight=0.0, insertion=False)
        schedule = Schedule(placed, planner="fifo", lower_bound=lower_bound(problem))
        return together(problem, schedule, further=False)
