"""Search: from the best of the portfolio to better and better plans, for as long as one wants."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from scheduler.errors import InvalidInput
from scheduler.planning import capacity
from scheduler.planning.aiming import Start
from scheduler.planning.bounds import lower_bound
from scheduler.planning.flat import Floats, Ints
from scheduler.planning.listing import placed
from scheduler.planning.planners.base import Planner
from scheduler.planning.problem import Problem
from scheduler.planning.schedule import Schedule
from scheduler.planning.searching import Budget, one_at_a_time, only_makespan, searched
from scheduler.planning.starts import starts
from scheduler.planning.tabu_search import Tabu, suits

MANY = 10**12  # evaluations: more than any budget of seconds allows
AN_EFFORT = 20_000  # evaluations that are given as much time as a deterministic second of CP-SAT


@dataclass(frozen=True)
class Search(Planner):
    """Anytime search from the portfolio; the best plan seen is the result, never a worse one.

    It ends after so many `evaluations` of a schedule, or after so many `seconds` if that is
    earlier; without a number of evaluations it takes all the seconds, at a pace to suit them.
    Equal problems get equal schedules where the evaluations end it. `threads` changes the time
    alone. `clock` gives seconds from any moment on.

    Where workers run one task at a time and the makespan is all that counts, related tasks are
    taken out and each is put where the longest way through it is shortest, under simulated
    annealing (ruin and recreate of Schrimpf and others, 2000, with the exact insertion of
    Mastrolilli and Gambardella, "Effective neighbourhood functions for the flexible job shop
    problem", 2000, here with transfers); where no transfer takes time tabu search takes its place,
    and good plans are blended. Elsewhere lists are bred and justified, and CP-SAT solves
    small problems whole and windows of larger ones; a bound that it proves goes with the
    schedule.
    """

    seconds: float = 10.0
    evaluations: int | None = 20_000
    seed: int = 0
    threads: int = 2
    clock: Callable[[], float] = field(default=time.perf_counter, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.seconds >= 0:
            raise InvalidInput(f"Search: seconds must not be negative, found {self.seconds!r}.")
        if self.evaluations is None and not math.isfinite(self.seconds):
            raise InvalidInput(
                "Search: seconds must be finite where no number of evaluations is given, found "
                f"{self.seconds!r}."
            )
        if self.evaluations is not None and self.evaluations < 0:
            raise InvalidInput(
                f"Search: evaluations must not be negative, found {self.evaluations!r}."
            )
        if self.threads < 1:
            raise InvalidInput(f"Search: threads must be at least 1, found {self.threads!r}.")

    def plan(self, problem: Problem) -> Schedule:
        """Never worse under the objective than the portfolio's schedule."""
        begun = self.clock()
        begin, bound = starts(problem), lower_bound(problem)
        left = max(0.0, self.seconds - (self.clock() - begun))
        found, bound = self._found(problem, begin, bound, left)
        rows = placed(problem, *found)
        return Schedule(rows, planner="search", lower_bound=bound)

    def _found(
        self, problem: Problem, begin: list[Start], bound: float, left: float
    ) -> tuple[tuple[Ints, Floats, Floats], float]:
        flat, best = problem.flat, min(begin, key=lambda each: each.score)
        if self.evaluations == 0 or left == 0:
            return (best.worker, best.start, best.end), bound
        if suits(flat):
            if self.evaluations is None:
                return self._shared(problem, bound, left)
            ends, tabu = self.clock() + left, Tabu(flat, begin, seed=self.seed)
            tabu.go(
                evaluations=self.evaluations,
                stop=lambda: self.clock() >= ends,
                enough=bound,
                threads=self.threads,
            )
            found = tabu.best
            return (found.worker, found.start, found.end), bound
        if one_at_a_time(flat) and only_makespan(flat):
            budget = Budget(self.evaluations, left, self.clock)
            return searched(
                flat, begin, budget=budget, seed=self.seed, threads=self.threads, enough=bound
            ), bound
        return self._shared(problem, bound, left)

    def _shared(
        self, problem: Problem, bound: float, left: float
    ) -> tuple[tuple[Ints, Floats, Floats], float]:
        """Without a number of evaluations the seconds are shared out, else they only end it."""
        ends = self.clock() + left
        timed = self.evaluations is None
        plan, least = capacity.searched(
            problem,
            capacity.Budget(
                effort=math.inf if self.evaluations is None else self.evaluations / AN_EFFORT,
                evaluations=MANY if self.evaluations is None else self.evaluations,
                seconds=left if timed else math.inf,
                stop=lambda: self.clock() >= ends,
                seed=self.seed,
                clock=self.clock,
            ),
            least=bound,
        )
        return (plan.worker, plan.start, plan.end), least
