"""Sufferage: first the task that would suffer most on its second best worker."""

from dataclasses import dataclass

from scheduler.planning.bounds import lower_bound
from scheduler.planning.kernels.batches import SUFFERING, list_ready
from scheduler.planning.listing import placed_or_queued
from scheduler.planning.planners.base import Planner
from scheduler.planning.problem import Problem
from scheduler.planning.schedule import Schedule


@dataclass(frozen=True)
class Sufferage(Planner):
    """Of all ready tasks the one that loses most if it does not get its best worker.

    max over ready tasks of (second least end - least end) over the workers. Maheswaran, Ali,
    Siegel, Hensgen and Freund, "Dynamic mapping of a class of independent tasks onto heterogeneous
    computing systems" (1999), section 4, where a task that only one worker can take comes first.
    Where a queue in the order given ends earlier, its schedule is taken.
    """

    def plan(self, problem: Problem) -> Schedule:
        """The same schedule for the same problem, on every machine."""
        rows = placed_or_queued(problem, *list_ready(problem.flat, SUFFERING))
        return Schedule(rows, planner="sufferage", lower_bound=lower_bound(problem))
