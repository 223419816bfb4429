"""PEFT: where a task ends first, and what follows it can still be quick."""

from dataclasses import dataclass

from scheduler.planning.bounds import lower_bound
from scheduler.planning.kernels.aims import by_key
from scheduler.planning.listing import placements
from scheduler.planning.planners.base import Planner
from scheduler.planning.problem import Problem
from scheduler.planning.schedule import Schedule
from scheduler.planning.starts import optimistic_costs


@dataclass(frozen=True)
class Peft(Planner):
    """Predict Earliest Finish Time, by a table of what at least follows.

    OCT(i, w) = max over successors j of min over workers v of (OCT(j, v) + duration(j, v) +
    transfer, which is zero where v = w). Of the ready tasks the one with the highest mean OCT is
    next, on the worker with the least end + OCT. Arabnejad and Barbosa, "List scheduling algorithm
    for heterogeneous systems by an optimistic cost table" (2014), equations 5 to 7.
    """

    def plan(self, problem: Problem) -> Schedule:
        """The same schedule for the same problem, on every machine."""
        table = optimistic_costs(problem)
        mean = table.sum(axis=1, where=problem.eligible) / problem.eligible.sum(axis=1)
        placed = placements(problem, by_key(problem.flat, -mean), bias=table)
        return Schedule(placed, planner="peft", lower_bound=lower_bound(problem))
