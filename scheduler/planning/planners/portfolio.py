"""Portfolio: the best of what list scheduling finds."""

from dataclasses import dataclass

from scheduler.planning.aiming import best
from scheduler.planning.bounds import lower_bound
from scheduler.planning.listing import placed
from scheduler.planning.planners.base import Planner
from scheduler.planning.problem import Problem
from scheduler.planning.schedule import Schedule
from scheduler.planning.starts import starts


@dataclass(frozen=True)
class Portfolio(Planner):
    """Many list schedules, each in one pass, and the one that the objective likes best.

    Never worse than any of them: HEFT, PEFT, their blends, a queue, one worker alone, the
    orders that deadlines, urgency and owners ask for, and as thrifty as money and energy ask for.
    """

    def plan(self, problem: Problem) -> Schedule:
        """The same schedule for the same problem, on every machine."""
        found = best(starts(problem))
        rows = placed(problem, found.worker, found.start, found.end)
        return Schedule(rows, planner="portfolio", lower_bound=lower_bound(problem))
