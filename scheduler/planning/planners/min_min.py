"""Min-min: of the tasks that are ready, first the one that can end first."""

from dataclasses import dataclass

from scheduler.planning.bounds import lower_bound
from scheduler.planning.kernels.batches import SHORTEST, list_ready
from scheduler.planning.listing import placed_or_queued
from scheduler.planning.planners.base import Planner
from scheduler.planning.problem import Problem
from scheduler.planning.schedule import Schedule


@dataclass(frozen=True)
class MinMin(Planner):
    """Of all ready tasks the one with the least earliest end, on the worker that gives it.

    min over ready tasks of min over workers of (start + duration). Ibarra and Kim, "Heuristic
    algorithms for scheduling independent tasks on nonidentical processors" (1977), algorithm D, and
    Braun et al. (2001), section 3.5, for the tasks that are ready, with gaps in capacity over time.
    Where a queue in the order given ends earlier, its schedule is taken.
    """

    def plan(self, problem: Problem) -> Schedule:
        """The same schedule for the same problem, on every machine."""
        rows = placed_or_queued(problem, *list_ready(problem.flat, SHORTEST))
        return Schedule(rows, planner="min_min", lower_bound=lower_bound(problem))
