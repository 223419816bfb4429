"""Plans to begin from: everything that list scheduling finds, in one pass each."""

from collections.abc import Iterator

import numpy as np

from scheduler.planning.aiming import Start, listed, orders, spending
from scheduler.planning.flat import Floats, Ints
from scheduler.planning.kernels.aims import by_key
from scheduler.planning.kernels.graph import earliest_ends
from scheduler.planning.kernels.lists import list_schedule
from scheduler.planning.kernels.scoring import score
from scheduler.planning.listing import NO_BIAS
from scheduler.planning.problem import Problem
from scheduler.planning.ranking import transfers

LARGE = 20_000  # tasks from which a table of tasks x workers costs more than it brings


def starts(problem: Problem) -> list[Start]:
    """Feasible plans under the problem's objective, as different as list scheduling makes them.

    In the orders of the objective's aims; with the optimistic cost table as rank, as preference of
    workers and as both (PEFT and its blends); in order of arrival; and all on one worker where one
    can take everything.
    """
    return [*_listed(problem), *_optimistic(problem), _queued(problem), *_alone(problem)]


def _listed(problem: Problem) -> Iterator[Start]:
    spent = spending(problem)
    for order in orders(problem):
        yield listed(problem, order)
        if spent.size:
            yield listed(problem, order, spent)


def _optimistic(problem: Problem) -> Iterator[Start]:
    """PEFT of Arabnejad and Barbosa (2014), sections 4.1 and 4.2, and both blends with HEFT."""
    if len(problem.workflow) > LARGE:
        return
    table = optimistic_costs(problem)
    able = np.isfinite(problem.duration)
    usual = np.where(able, table, 0.0).sum(axis=1) / able.sum(axis=1)
    by_table, by_rank = by_key(problem.flat, -usual), next(orders(problem))
    yield listed(problem, by_table, table)
    yield listed(problem, by_rank, table)
    yield listed(problem, by_table)


def optimistic_costs(problem: Problem) -> Floats:
    """What at least follows each task on each worker if all others run where it is best, n x m."""
    edges = problem.successors
    delay = transfers(problem, edges.bytes)
    backwards = problem.topological[::-1].copy()
    duration = np.ascontiguousarray(problem.duration)
    whole = earliest_ends(backwards, edges.start, edges.task, delay, duration)
    able = np.isfinite(duration)
    table: Floats = np.where(able, whole - np.where(able, duration, 0.0), 0.0)
    return table


def _queued(problem: Problem) -> Start:
    return _timed(problem, problem.topological, NO_BIAS, 0.0, insertion=False)


def _alone(problem: Problem) -> Iterator[Start]:
    """Everything on the worker that needs the least time for it."""
    total = problem.duration.sum(axis=0)
    worker = int(np.argmin(total))
    if not np.isfinite(total[worker]):
        return
    away = np.full(problem.duration.shape, total[worker])
    away[:, worker] = 0.0
    yield listed(problem, next(orders(problem)), away)


def _timed(problem: Problem, order: Ints, bias: Floats, weight: float, *, insertion: bool) -> Start:
    timed = list_schedule(problem.flat, order, bias, weight, insertion)
    return Start(order, *timed, score=score(problem.flat, *timed))
