"""Where more is held at one time than there is: of a worker, of a pool, by an owner."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from scheduler.planning.columns import RELATIVE, Bools, Columns, Floats, blurred, floats
from scheduler.planning.problem import Problem
from scheduler.planning.violation import Rule, Violation

NAMED = 5  # tasks that a message names before it counts the rest


def overloads(placed: Columns, problem: Problem) -> Iterator[Violation]:
    """One violation for each stretch of time in which some capacity is exceeded.

    What has happened exceeds none by itself: only stretches that a free task adds to are told.
    """
    yield from _of_workers(placed, problem)
    yield from _of_pools(placed, problem)
    yield from _of_owners(placed, problem)


@dataclass(frozen=True, kw_only=True)
class _Limit:
    """A capacity, and how a message speaks of it."""

    rule: Rule
    capacity: float
    says: str
    worker: str | None = None


def _of_workers(placed: Columns, problem: Problem) -> Iterator[Violation]:
    order = np.argsort(placed.worker, kind="stable")
    ends = np.cumsum(np.bincount(placed.worker, minlength=len(problem.cluster)))
    for worker, rows in zip(problem.cluster.workers, np.split(order, ends[:-1]), strict=True):
        held = placed.where(rows)
        for rule, capacity, amount, what in (
            (Rule.CORES_OVER_CAPACITY, worker.cores, held.cores, "cores"),
            (Rule.MEMORY_OVER_CAPACITY, worker.memory, held.memory, "bytes of memory"),
        ):
            says = f"Worker {worker.name!r} has {capacity:.9g} {what}"
            limit = _Limit(rule=rule, capacity=capacity, says=says, worker=worker.name)
            yield from _over(limit, held, amount, problem)


def _of_pools(placed: Columns, problem: Problem) -> Iterator[Violation]:
    tasks, pools = problem.workflow.tasks, problem.cluster.pools
    asked = dict.fromkeys(pool for task in tasks for pool in task.pools)
    for pool in asked:
        capacity = pools.get(pool, 0.0)
        says = f"Pool {pool!r} has {capacity:.9g}"
        limit = _Limit(rule=Rule.POOL_OVER_CAPACITY, capacity=capacity, says=says)
        need = floats([task.pools.get(pool, 0.0) for task in tasks])
        yield from _over(limit, placed, need[placed.task], problem)


def _of_owners(placed: Columns, problem: Problem) -> Iterator[Violation]:
    tasks = problem.workflow.tasks
    for owner, quota in problem.objective.quotas.items():
        says = f"Owner {owner!r} may hold {quota:.9g} cores"
        limit = _Limit(rule=Rule.OVER_QUOTA, capacity=quota, says=says)
        own = np.array([task.owner == owner for task in tasks], dtype=np.bool_)
        yield from _over(limit, placed, np.where(own[placed.task], placed.cores, 0.0), problem)


def _over(limit: _Limit, held: Columns, amount: Floats, problem: Problem) -> Iterator[Violation]:
    # What is not a number was reported as below the need; the infinite is as much as too much.
    much = 2 * limit.capacity + 1
    amount = np.maximum(np.nan_to_num(amount, nan=0.0, posinf=much), 0.0)
    rows = np.flatnonzero(amount > 0)
    held, amount = held.where(rows), amount[rows]
    start, end = held.start, held.end - blurred(held.start, held.end)
    times, total = _sweep(start, end, amount)
    over = total > limit.capacity * (1 + RELATIVE)
    if not held.free.all():
        over &= _sweep(start, end, np.where(held.free, amount, 0.0))[1] > limit.capacity * RELATIVE
    for first, last in _stretches(over):
        worst = first + int(np.argmax(total[first:last]))
        running = (start <= times[worst]) & (times[worst] < end)
        tasks = [problem.workflow.tasks[row].id for row in held.task[running]]
        message = (
            f"{limit.says}, but from {times[first]:.9g} s on the tasks {_names(tasks)} together "
            f"hold {total[worst]:.9g}."
        )
        facts = {
            "capacity": limit.capacity, "held": float(total[worst]), "tasks": tasks,
            "start": float(times[first]), "end": float(times[last]),
        }  # fmt: skip
        task = tasks[0] if len(tasks) == 1 else None
        yield Violation(limit.rule, task, limit.worker, message, facts)


def _sweep(start: Floats, end: Floats, amount: Floats) -> tuple[Floats, Floats]:
    """The moments at which something changes, and what is held from each of them on."""
    times, row = np.unique(np.concatenate([start, end]), return_inverse=True)
    change = np.bincount(row, np.concatenate([amount, -amount]), minlength=len(times))
    return times, np.cumsum(change)


def _stretches(over: Bools) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate([[False], over, [False]]).astype(np.int8)))
    return [(int(first), int(last)) for first, last in edges.reshape(-1, 2)]


def _names(tasks: Sequence[str]) -> str:
    shown = ", ".join(repr(each) for each in tasks[:NAMED])
    return shown if len(tasks) <= NAMED else f"{shown} and {len(tasks) - NAMED} more"
