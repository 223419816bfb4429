"""What speed costs: the plans of which none is better than another under every aim."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from scheduler.planning.feasibility import violations
from scheduler.planning.measures import Measures, measured
from scheduler.planning.objective import AIMS, Objective
from scheduler.planning.planners.base import Planner
from scheduler.planning.problem import Problem
from scheduler.planning.schedule import Schedule

LITTLE = 1e-3  # weight of the other aims where one is all that counts: enough to break ties
SAME = 1e-9  # share by which two values may differ and be the same one


@dataclass(frozen=True)
class Point:
    """One plan of a front, what it comes to, and the objective that led the planner to it."""

    schedule: Schedule
    measures: Measures
    objective: Objective


def pareto(
    problem: Problem,
    planner: Planner,
    *,
    aims: Sequence[str] = ("makespan", "cost"),
    points: int = 8,
) -> tuple[Point, ...]:
    """The front of the aims that this planner finds, by rising makespan; equal calls, equal fronts.

    It plans for each aim alone, for `points` mixtures between each two of them, and, where the cost
    is among them, for the makespan within as many budgets between the cheapest and the dearest
    plan. Plans that break a limit of the problem's objective, or that another one beats, are left
    out. Each other aim of the objective is left out too. A planner that knows no aim but the
    makespan has one point.
    """
    if set(aims) - set(AIMS) or len(set(aims)) < 2:
        raise ValueError(f"A front needs two or more of the aims {AIMS}, found {tuple(aims)!r}.")
    plain = problem.objective.weighing(makespan=1.0)
    found = [_planned(problem, planner, plain)]
    scale = {aim: getattr(found[0].measures, aim) or 1.0 for aim in aims}
    for weights in _mixtures(aims, points):
        shares = {aim: weight / scale[aim] for aim, weight in weights.items()}
        found.append(_planned(problem, planner, plain.weighing(**shares)))
    if "cost" in aims:
        found += _within_budgets(problem, planner, plain, found, points)
    kept = [each for each in found if not violations(each.schedule, problem)]
    return _front(kept, aims)


def _planned(problem: Problem, planner: Planner, objective: Objective) -> Point:
    schedule = planner.plan(replace(problem, objective=objective))
    return Point(schedule, measured(schedule, problem), objective)


def _mixtures(aims: Sequence[str], points: int) -> Iterator[dict[str, float]]:
    """Weights of the aims: one alone, then shares between each two."""
    for aim in aims:
        yield dict.fromkeys(aims, LITTLE) | {aim: 1.0}
    shares = np.linspace(0, 1, points + 2)[1:-1].tolist()
    for place, one in enumerate(aims):
        for other in aims[place + 1 :]:
            for share in shares:
                yield dict.fromkeys(aims, 0.0) | {one: share, other: 1 - share}


def _within_budgets(
    problem: Problem, planner: Planner, plain: Objective, found: Sequence[Point], points: int
) -> Iterator[Point]:
    costs = [each.measures.cost for each in found]
    limit = np.inf if plain.budget is None else plain.budget
    for budget in np.linspace(min(costs), max(costs), points + 1)[:-1].tolist():
        yield _planned(problem, planner, replace(plain, budget=min(budget, limit)))


def _front(found: Sequence[Point], aims: Sequence[str]) -> tuple[Point, ...]:
    kept: list[Point] = []
    for each in sorted(found, key=lambda point: _values(point, aims)):
        values = _values(each, aims)
        if not any(_covers(_values(other, aims), values) for other in kept):
            kept = [other for other in kept if not _covers(values, _values(other, aims))]
            kept.append(each)
    return tuple(kept)


def _values(point: Point, aims: Sequence[str]) -> tuple[float, ...]:
    return tuple(float(getattr(point.measures, aim)) for aim in aims)


def _covers(one: Sequence[float], other: Sequence[float]) -> bool:
    """Whether one is at least as good under every aim, up to rounding."""
    return all(a <= b + SAME * abs(b) for a, b in zip(one, other, strict=True))
