"""CP-SAT: small problems whole, with the optimum proved, and larger ones in windows."""

from dataclasses import dataclass

from scheduler.planning.bounds import lower_bound
from scheduler.planning.capacity import Budget, searched
from scheduler.planning.listing import placed
from scheduler.planning.planners.base import Planner
from scheduler.planning.problem import Problem
from scheduler.planning.schedule import Schedule


@dataclass(frozen=True)
class CpSat(Planner):
    """The solver CP-SAT of OR-Tools, from the best plan that a short search has found.

    Problems of up to `whole` choices (a task on a worker is one) are solved whole, and the schedule
    carries the bound that was proved; the plan of a larger one is improved window by window.
    `effort` is what the solver may spend, in its own seconds that are the same on every machine;
    `evaluations` is what the search before it may spend.
    """

    effort: float = 1.0
    evaluations: int = 6000
    whole: int = 600
    seed: int = 0

    def plan(self, problem: Problem) -> Schedule:
        """The same schedule for the same problem; never worse than the best of the lists."""
        budget = Budget(
            effort=self.effort, evaluations=self.evaluations, whole=self.whole, seed=self.seed
        )
        plan, bound = searched(problem, budget, least=lower_bound(problem))
        timed = placed(problem, plan.worker, plan.start, plan.end)
        return Schedule(timed, planner="cp_sat", lower_bound=bound)
