"""One way through all that plans shared workers and pools: lists, breeding, CP-SAT, windows."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from scheduler.planning.capacity_search import (
    Arrays,
    Decoder,
    from_lists,
    improved,
    never,
    only_makespan,
    value_of,
)
from scheduler.planning.exact import Effort, Ground, solved
from scheduler.planning.flat import Flat
from scheduler.planning.problem import Problem
from scheduler.planning.windows import COST, reopened

SEARCHES = 8  # of CP-SAT that take turns on a whole problem
ROUNDS = 4  # of breeding and windows, one after the other
SAFE = 1e-9  # share taken off a proved bound, as sums of floats may differ


@dataclass(frozen=True, kw_only=True)
class Budget:
    """What a search may spend: CP-SAT's deterministic seconds and evaluated schedules.

    A problem of at most `whole` choices of a worker is given to CP-SAT whole, which then may take
    half of the effort. `stop` ends the search early, whatever is left.
    """

    effort: float
    evaluations: int
    whole: int = 600
    seed: int = 0
    stop: Callable[[], bool] = never
    seconds: float = 3600.0


def searched(problem: Problem, budget: Budget, *, least: float) -> tuple[Arrays, float]:
    """The best plan found and the best lower bound known; `least` is one to begin with.

    Never worse than the lists it starts from. Equal arguments, equal plans, unless `stop` or
    `seconds` end the search.
    """
    flat = problem.flat
    start = from_lists(problem)
    plan, bound = min(start, key=lambda each: value_of(flat, each)), least
    left = budget.evaluations
    share = max(1, left // ROUNDS)
    plan = improved(
        flat, start, evaluations=share, seed=budget.seed, stop=budget.stop, enough=bound
    )
    effort = budget.effort
    if np.isfinite(flat.duration[flat.row]).sum() <= budget.whole and not _over(
        flat, plan, bound, budget
    ):
        plan, bound, proved = _whole(flat, plan, bound, budget)
        effort /= 2
        if proved:
            return plan, bound
    for number in range(1, ROUNDS):
        if _over(flat, plan, bound, budget):
            break
        rounds = int(effort / (ROUNDS - 1) / COST)
        seed = budget.seed + number
        if only_makespan(flat):
            plan = reopened(flat, plan, rounds=rounds, seed=seed, stop=budget.stop, enough=bound)
        if _over(flat, plan, bound, budget):
            break
        plan = improved(
            flat, [plan, *start], evaluations=share, seed=seed, stop=budget.stop, enough=bound
        )
    return plan, bound


def _over(flat: Flat, plan: Arrays, bound: float, budget: Budget) -> bool:
    alone = only_makespan(flat)
    return budget.stop() or (alone and float(plan.end.max()) <= bound * (1 + 1e-9))


def _whole(flat: Flat, plan: Arrays, bound: float, budget: Budget) -> tuple[Arrays, float, bool]:
    """The better of the plan and CP-SAT's, the better bound, and whether nothing better exists."""
    side = np.where(flat.fixed_worker < 0, 0, -1)
    last = float(plan.end.max())
    ground = Ground(plan.worker, plan.start, plan.end, plan.start, side, last)
    effort = Effort(
        deterministic=budget.effort / 2,
        seconds=budget.seconds,
        seed=budget.seed,
        searches=SEARCHES,
    )
    answer = solved(flat, ground, effort)
    if answer.start is not None:
        found = Decoder(flat).earliest(answer.worker, answer.start)
        plan = min(plan, found, key=lambda each: value_of(flat, each))
    bound = max(bound, min(answer.bound * (1 - SAFE), float(plan.end.max())))
    return plan, bound, answer.proved
