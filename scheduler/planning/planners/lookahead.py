"""Lookahead: each task where its successors would end first."""

from dataclasses import dataclass

from scheduler.planning.bounds import lower_bound
from scheduler.planning.kernels.ahead import list_ahead
from scheduler.planning.listing import placed
from scheduler.planning.planners.base import Planner
from scheduler.planning.problem import Problem
from scheduler.planning.ranking import by_upward_rank
from scheduler.planning.schedule import Schedule


@dataclass(frozen=True)
class Lookahead(Planner):
    """HEFT that looks one generation ahead.

    In order of upward rank each task goes to the worker for which the greatest end of its
    successors is least when these follow where they end first. Bittencourt, Sakellariou and
    Madeira, "DAG scheduling using a lookahead variant of the heterogeneous earliest finish time
    algorithm" (2010), section 3. Takes as many times longer than HEFT as there are workers times
    successors of a task.
    """

    def plan(self, problem: Problem) -> Schedule:
        """The same schedule for the same problem, on every machine."""
        rows = placed(problem, *list_ahead(problem.flat, by_upward_rank(problem)))
        return Schedule(rows, planner="lookahead", lower_bound=lower_bound(problem))
