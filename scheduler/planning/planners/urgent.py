"""Urgent: the best of the orders that deadlines, priorities and owners ask for."""

from dataclasses import dataclass

from scheduler.planning.aiming import best, listed, orders
from scheduler.planning.bounds import lower_bound
from scheduler.planning.listing import placed
from scheduler.planning.planners.base import Planner
from scheduler.planning.problem import Problem
from scheduler.planning.schedule import Schedule


@dataclass(frozen=True)
class Urgent(Planner):
    """List scheduling in each order that an aim of the objective suggests; the best one is kept.

    By upward rank; for deadlines by latest end and latest start (earliest due date, with what
    still follows taken off), by urgency, and by apparent tardiness cost; for flow by urgency over
    duration; for fairness by when each owner could have been done alone, which makes the largest
    lag a largest lateness. Where the makespan alone counts, the schedule is that of HEFT.
    """

    def plan(self, problem: Problem) -> Schedule:
        """The same schedule for the same problem, on every machine."""
        found = best(listed(problem, order) for order in orders(problem))
        rows = placed(problem, found.worker, found.start, found.end)
        return Schedule(rows, planner="urgent", lower_bound=lower_bound(problem))
