"""Thrifty: as much money and energy saved as the objective's other aims are worth."""

from dataclasses import dataclass

from scheduler.planning.aiming import best, listed, orders
from scheduler.planning.bounds import lower_bound
from scheduler.planning.listing import placed
from scheduler.planning.planners.base import Planner
from scheduler.planning.problem import Problem
from scheduler.planning.saving import REFINEMENTS, savings
from scheduler.planning.schedule import Schedule


@dataclass(frozen=True)
class Thrifty(Planner):
    """List scheduling that takes the worker where the end plus so many seconds per money is least.

    The rate runs from where money only breaks ties to where the cheapest worker is always taken,
    once alike for all tasks and once for each by how far it is from the critical path, in the best
    of the orders of `urgent`; `refinements` halve the steps about the best rate. Where neither
    money nor energy counts, the schedule is that of `urgent`.
    """

    refinements: int = REFINEMENTS

    def plan(self, problem: Problem) -> Schedule:
        """The same schedule for the same problem, on every machine."""
        found = best(listed(problem, order) for order in orders(problem))
        found = best([found, *savings(problem, found, refinements=self.refinements)])
        rows = placed(problem, found.worker, found.start, found.end)
        return Schedule(rows, planner="thrifty", lower_bound=lower_bound(problem))
