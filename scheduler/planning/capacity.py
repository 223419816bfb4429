"""One way through all that plans shared workers and pools: lists, breeding, CP-SAT, windows."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from scheduler.planning.aiming import Start
from scheduler.planning.capacity_search import (
    Arrays,
    Breeding,
    Decoder,
    never,
    only_makespan,
    value_of,
)
from scheduler.planning.climbing import Climbing
from scheduler.planning.exact import Effort, Ground, solved
from scheduler.planning.kernels.scoring import score
from scheduler.planning.problem import Problem
from scheduler.planning.searching import Budget as Pace
from scheduler.planning.searching import one_at_a_time
from scheduler.planning.searching import searched as annealed
from scheduler.planning.starts import starts
from scheduler.planning.tabu_search import Tabu, suits
from scheduler.planning.windows import COST, reopened

SEARCHES = 8  # of CP-SAT that take turns on a whole problem
ROUNDS = 3  # of windows and breeding, one after the other
SAFE = 1e-9  # share taken off a proved bound, as sums of floats may differ
FIRST, SHORT = 0.5, 0.1  # share for breeding before the rounds; before CP-SAT on the whole
LONG = 0.8  # the same for tabu search and annealing, which CP-SAT seldom betters
CROWDED = 150  # tasks, with a choice of workers, from which on one plan is annealed
WHOLE, PART = 0.6, 0.2  # share of the time for CP-SAT on the whole; of many tasks without a choice
MANY = 50  # such tasks
LONGEST = 0.05  # share of the time that one window may take
LOOK, GLANCE = 0.5, 0.1  # share of a round for windows; of tasks without a choice of worker


@dataclass(frozen=True, kw_only=True)
class Budget:
    """What a search may spend: CP-SAT's deterministic seconds, evaluated schedules, and seconds.

    A problem of at most `whole` choices of a worker is given to CP-SAT whole, which then may take
    half of the effort. Where `seconds` are limited they are shared out in the same way, CP-SAT
    takes two threads, and what is found depends on the machine. `stop` ends the search early.
    """

    effort: float
    evaluations: int
    whole: int = 600
    seed: int = 0
    seconds: float = math.inf
    stop: Callable[[], bool] = never
    clock: Callable[[], float] = field(default=time.perf_counter, repr=False, compare=False)


def searched(problem: Problem, budget: Budget, *, least: float) -> tuple[Arrays, float]:
    """The best plan found and the best lower bound known; `least` is one to begin with.

    Never worse than the lists it starts from. Equal arguments, equal plans, unless `stop` or
    `seconds` end the search.
    """
    return _Search(problem, budget, least).run()


class _Search:
    def __init__(self, problem: Problem, budget: Budget, least: float) -> None:
        self.flat, self.budget, self.bound = problem.flat, budget, least
        self.begun = budget.clock()
        self.alone = only_makespan(self.flat)
        self.single = self.alone and one_at_a_time(self.flat)
        self.known = sorted(starts(problem), key=lambda each: each.score)
        start = [Arrays(each.worker, each.start, each.end) for each in self.known]
        self.plan = start[0]
        able = np.isfinite(self.flat.duration[self.flat.row])
        self.choices, self.listed = int(able.sum()), int(able.sum()) <= len(able)
        self.breeding: Breeding | Climbing | Tabu | None = None
        if suits(self.flat):
            self.breeding = Tabu(self.flat, self.known, seed=budget.seed)
        elif self.alone and not self.single and not self.listed and len(able) >= CROWDED:
            self.breeding = Climbing(self.flat, start, seed=budget.seed)
        elif not self.single:
            self.breeding = Breeding(self.flat, start, seed=budget.seed)
        self.turns = 0

    def run(self) -> tuple[Arrays, float]:
        small = self.choices <= self.budget.whole
        first = SHORT if small and not self.single else FIRST
        self._breed(LONG if isinstance(self.breeding, Climbing | Tabu) else first)
        left = self.budget.effort
        if small and not self._over(1.0):
            left /= 2
            if self._solve_whole(left):
                return self.plan, self.bound
        begin = self._done()
        step = (1 - begin) / ROUNDS
        for number in range(ROUNDS):
            if self._over(1.0):
                break
            look = GLANCE if self.listed else LOOK
            self._look(left / ROUNDS, begin + (number + look) * step, number)
            self._breed(begin + (number + 1) * step)
        return self.plan, self.bound

    def _breed(self, until: float) -> None:
        """Goes on searching until that share of the time, or for its share of evaluations."""
        if self.breeding is None:
            self._anneal(until)
            return
        evaluations = max(3, self.budget.evaluations // (ROUNDS + 1))
        if isinstance(self.breeding, Climbing) and math.isfinite(self.budget.seconds):
            self.breeding.go(
                evaluations=evaluations,
                stop=lambda: self._over(until),
                enough=self.bound,
                done=self._done,
            )
        else:
            self.breeding.go(
                evaluations=evaluations, stop=lambda: self._over(until), enough=self.bound
            )
        self._keep(self.breeding.best)

    def _anneal(self, until: float) -> None:
        """Where workers run one task at a time and transfers take time."""
        budget, plan = self.budget, self.plan
        timed = math.isfinite(budget.seconds)
        left = until * budget.seconds - (budget.clock() - self.begun) if timed else math.inf
        if left <= 0:
            return
        value = score(self.flat, plan.worker, plan.start, plan.end)
        order = np.lexsort((np.argsort(self.flat.order), plan.start))
        begin = Start(order, plan.worker, plan.start, plan.end, value)
        evaluations = None if timed else max(3, budget.evaluations // (ROUNDS + 1))
        found = annealed(
            self.flat,
            [begin, *self.known],
            budget=Pace(evaluations, left, budget.clock),
            seed=budget.seed + self.turns,
            enough=self.bound,
        )
        self.turns += 1
        self._keep(Arrays(*found))

    def _look(self, effort: float, until: float, number: int) -> None:
        if not self.alone:
            return
        plan = reopened(
            self.flat,
            self.plan,
            rounds=int(effort / COST) if math.isfinite(effort) else 1 << 30,
            seed=self.budget.seed + number,
            stop=lambda: self._over(until),
            enough=self.bound,
            longest=LONGEST * self.budget.seconds,
        )
        self._keep(plan)
        if self.breeding is not None:
            self.breeding.take(plan)

    def _solve_whole(self, effort: float) -> bool:
        """Whether CP-SAT has proved that nothing better exists."""
        flat, plan, budget = self.flat, self.plan, self.budget
        side = np.where(flat.fixed_worker < 0, 0, -1)
        ground = Ground(plan.worker, plan.start, plan.end, plan.start, side, float(plan.end.max()))
        timed = math.isfinite(budget.seconds)
        left = budget.seconds - (budget.clock() - self.begun)
        share = PART if self.listed and len(side) > MANY else WHOLE
        answer = solved(
            flat,
            ground,
            Effort(
                deterministic=effort,
                seconds=share * left if timed else math.inf,
                seed=budget.seed,
                searches=SEARCHES,
                pair=timed,
            ),
            least=self.bound if self.alone else 0.0,
        )
        if answer.start is not None:
            self._keep(Decoder(flat).earliest(answer.worker, answer.start))
            if self.breeding is not None:
                self.breeding.take(self.plan)
        least = min(answer.bound * (1 - SAFE), float(self.plan.end.max()))
        self.bound = max(self.bound, least)
        return answer.proved and (self.alone or answer.start is not None)

    def _keep(self, plan: Arrays) -> None:
        self.plan = min(self.plan, plan, key=lambda each: value_of(self.flat, each))

    def _done(self) -> float:
        """The share of the time that is over."""
        passed, seconds = self.budget.clock() - self.begun, self.budget.seconds
        return passed / seconds if seconds > 0 else 1.0

    def _over(self, share: float) -> bool:
        budget = self.budget
        if budget.stop() or self._done() >= share:
            return True
        return self.alone and float(self.plan.end.max()) <= self.bound * (1 + 1e-8)
