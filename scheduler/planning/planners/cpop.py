"""CPOP: the critical path on one worker, all else where it ends first."""

from dataclasses import dataclass

from scheduler.planning.bounds import lower_bound
from scheduler.planning.kernels.aims import by_key
from scheduler.planning.kernels.lists import list_schedule
from scheduler.planning.listing import placed_or_queued
from scheduler.planning.planners.base import Planner
from scheduler.planning.problem import Problem
from scheduler.planning.ranking import downward_rank, upward_rank
from scheduler.planning.schedule import Schedule
from scheduler.planning.starts import away_from_path


@dataclass(frozen=True)
class Cpop(Planner):
    """Critical Path on a Processor.

    Of the ready tasks the one with the greatest upward + downward rank is next. Those on the
    critical path go to the worker that needs the least time for all of them, the others where they
    end first. Topcuoglu, Hariri and Wu, "Performance-effective and low-complexity task scheduling
    for heterogeneous computing" (2002), section 4.3. Where no worker can take all of the path, the
    one that can take most of it does, and the rest of the path goes where it ends first. Where a
    queue in the order given ends earlier, its schedule is taken.
    """

    def plan(self, problem: Problem) -> Schedule:
        """The same schedule for the same problem, on every machine."""
        urgency = upward_rank(problem) + downward_rank(problem)
        order = by_key(problem.flat, -urgency)
        timed = list_schedule(problem.flat, order, away_from_path(problem), 1.0, True)
        rows = placed_or_queued(problem, *timed)
        return Schedule(rows, planner="cpop", lower_bound=lower_bound(problem))
