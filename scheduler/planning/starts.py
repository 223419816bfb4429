"""Plans to begin from: everything that list scheduling finds, in one pass each."""

from collections.abc import Iterator

import numpy as np

from scheduler.planning.aiming import Start, best, listed, orders, spending
from scheduler.planning.flat import Floats, Ints
from scheduler.planning.kernels.ahead import list_ahead
from scheduler.planning.kernels.aims import by_key
from scheduler.planning.kernels.batches import LONGEST, SHORTEST, SUFFERING, list_ready
from scheduler.planning.kernels.graph import earliest_ends
from scheduler.planning.kernels.lists import list_schedule
from scheduler.planning.kernels.scoring import score
from scheduler.planning.listing import NO_BIAS
from scheduler.planning.policy import load
from scheduler.planning.policy_view import learned
from scheduler.planning.problem import Problem
from scheduler.planning.ranking import (
    by_upward_rank,
    critical_path,
    downward_rank,
    transfers,
    upward_rank,
)
from scheduler.planning.saving import savings

LARGE = 20_000  # tasks from which a table of tasks x workers costs more than it brings
QUADRATIC = 2_000  # tasks from which looking at each beside each other does


def starts(problem: Problem) -> list[Start]:
    """Feasible plans under the problem's objective, as different as list scheduling makes them.

    In the orders of the objective's aims (HEFT is the first); where money or energy counts, as
    thrifty as the other aims allow; with the optimistic cost table as rank, as preference of
    workers and as both (PEFT and its blends); with the critical path on one worker; by what
    policies have learned; in order of arrival; all on one worker where one can take everything; and
    the ready task first that ends first, ends last or would suffer most. Those that look at every
    ready task or every successor in turn are left out of large problems.
    """
    found = [*_listed(problem), _queued(problem), *_alone(problem)]
    if len(problem.workflow) <= LARGE:
        found += [*_optimistic(problem), _on_one_path(problem), *learned(problem, load())]
    if len(problem.workflow) <= QUADRATIC:
        found += _by_turns(problem)
    return found


def _listed(problem: Problem) -> Iterator[Start]:
    found = [listed(problem, order) for order in orders(problem)]
    spent = spending(problem)
    yield from found
    if spent.size:
        yield from (listed(problem, each.order, spent) for each in found)
        yield from savings(problem, best(found))


def _optimistic(problem: Problem) -> Iterator[Start]:
    """PEFT of Arabnejad and Barbosa (2014), sections 4.1 and 4.2, and both blends with HEFT."""
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


def _on_one_path(problem: Problem) -> Start:
    order = by_key(problem.flat, -(upward_rank(problem) + downward_rank(problem)))
    return listed(problem, order, away_from_path(problem))


def _by_turns(problem: Problem) -> Iterator[Start]:
    flat = problem.flat
    for rule in (SHORTEST, LONGEST, SUFFERING):
        yield _start(problem, *list_ready(flat, rule))
    yield _start(problem, *list_ahead(flat, by_upward_rank(problem)))


def _queued(problem: Problem) -> Start:
    timed = list_schedule(problem.flat, problem.topological, NO_BIAS, 0.0, False)
    return _start(problem, *timed)


def _alone(problem: Problem) -> Iterator[Start]:
    """Everything on the worker that needs the least time for it."""
    total = problem.duration.sum(axis=0)
    worker = int(np.argmin(total))
    if not np.isfinite(total[worker]):
        return
    away = np.full(problem.duration.shape, total[worker])
    away[:, worker] = 0.0
    yield listed(problem, next(orders(problem)), away)


def _start(problem: Problem, worker: Ints, start: Floats, end: Floats) -> Start:
    order = np.argsort(start, kind="stable")
    return Start(order, worker, start, end, score=score(problem.flat, worker, start, end))


def away_from_path(problem: Problem) -> Floats:
    """For CPOP: a price (seconds, n x m) on every worker but one for the critical path."""
    rows = [problem.workflow.index[each] for each in critical_path(problem)]
    path = problem.duration[rows]
    able = np.isfinite(path)
    needed = np.where(able, path, 0.0).sum(axis=0)
    worker = int(np.lexsort((needed, -able.sum(axis=0)))[0])
    bias = np.zeros(problem.duration.shape)
    pinned = [row for row, fits in zip(rows, able[:, worker], strict=True) if fits]
    bias[pinned] = _more_than_any(problem)
    bias[pinned, worker] = 0.0
    return bias


def _more_than_any(problem: Problem) -> float:
    """Seconds that no end of a task can lie after another one's, in any list schedule."""
    return (
        1e6 * float(problem.duration[np.isfinite(problem.duration)].max()) * len(problem.workflow)
    )
