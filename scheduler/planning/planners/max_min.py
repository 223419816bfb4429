"""Max-min: of the tasks that are ready, first the one that ends last at best."""

from dataclasses import dataclass

from scheduler.planning.bounds import lower_bound
from scheduler.planning.kernels.batches import LONGEST, list_ready
from scheduler.planning.listing import placed_or_queued
from scheduler.planning.planners.base import Planner
from scheduler.planning.problem import Problem
from scheduler.planning.schedule import Schedule


@dataclass(frozen=True)
class MaxMin(Planner):
    """Of all ready tasks the one with the greatest earliest end, on the worker that gives it.

    max over ready tasks of min over workers of (start + duration): long tasks first, short ones
    beside them. Ibarra and Kim, "Heuristic algorithms for scheduling independent tasks on
    nonidentical processors" (1977), algorithm E, and Braun et al. (2001), section 3.6.
    Where a queue in the order given ends earlier, its schedule is taken.
    """

    def plan(self, problem: Problem) -> Schedule:
        """The same schedule for the same problem, on every machine."""
        rows = placed_or_queued(problem, *list_ready(problem.flat, LONGEST))
        return Schedule(rows, planner="max_min", lower_bound=lower_bound(problem))
