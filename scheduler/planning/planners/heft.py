"""HEFT: the most urgent task first, on the worker where it ends first."""

from dataclasses import dataclass

from scheduler.planning.bounds import lower_bound
from scheduler.planning.listing import placements
from scheduler.planning.planners.base import Planner
from scheduler.planning.problem import Problem
from scheduler.planning.ranking import by_upward_rank
from scheduler.planning.schedule import Schedule


@dataclass(frozen=True)
class Heft(Planner):
    """Heterogeneous Earliest Finish Time with insertion, over cores and memory.

    Tasks in order of upward rank, each at its earliest finish time; a task may fill a gap before
    tasks placed earlier. Topcuoglu, Hariri and Wu, "Performance-effective and low-complexity task
    scheduling for heterogeneous computing" (2002), section 4.2, with gaps in capacity over time
    in place of an idle processor.

    `within` ranks by mean transfers that count those within a worker too, as the library SAGA does,
    so that both give the same schedule.
    """

    within: bool = False

    def plan(self, problem: Problem) -> Schedule:
        """The same schedule for the same problem, on every machine."""
        placed = placements(problem, by_upward_rank(problem, within=self.within))
        return Schedule(placed, planner="heft", lower_bound=lower_bound(problem))
