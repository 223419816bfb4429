"""Plans by the planner of shared workers and pools within a time, each checked."""

import time
from dataclasses import dataclass

from benchmarks.public.psplib import Known
from scheduler.planning.bounds import lower_bound
from scheduler.planning.capacity import Budget, searched
from scheduler.planning.capacity_search import Arrays
from scheduler.planning.feasibility import violations
from scheduler.planning.listing import placed
from scheduler.planning.problem import Problem
from scheduler.planning.schedule import Schedule

PLENTY = 10**12  # evaluations and deterministic seconds: time ends the search


@dataclass(frozen=True)
class Planned:
    """A makespan, the lower bound that goes with it, and the seconds it took."""

    makespan: float
    bound: float
    seconds: float

    def over(self, known: Known) -> float:
        """How far it lies above the best known, as a share of that."""
        return self.makespan / known.best - 1


def planned(problem: Problem, seconds: float, *, whole: int = 1200) -> Planned:
    """The makespan after that many seconds of search; raises where the plan breaks a rule."""
    begun = time.perf_counter()
    budget = Budget(effort=float(PLENTY), evaluations=PLENTY, whole=whole, seconds=seconds)
    plan, bound = searched(problem, budget, least=lower_bound(problem))
    took = time.perf_counter() - begun
    checked(problem, plan)
    return Planned(float(plan.end.max()), bound, took)


def checked(problem: Problem, plan: Arrays) -> Schedule:
    """The schedule of a plan; raises AssertionError where it breaks a rule."""
    schedule = Schedule(placed(problem, plan.worker, plan.start, plan.end))
    if broken := violations(schedule, problem):
        raise AssertionError(f"{problem.workflow.name}: {broken[0].message}")
    return schedule
