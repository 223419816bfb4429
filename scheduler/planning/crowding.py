"""More work than fits between two times: tasks that cannot all be done by their deadlines."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from scheduler.planning.columns import Bools
from scheduler.planning.earliest import Earliest, open_seconds
from scheduler.planning.problem import Floats, Ints, Problem

ROUNDING = 1e-9
MOMENTS = 64  # starts of intervals that are looked at
SETS = 16  # sets of workers that some tasks are confined to
Minimal = Callable[[Sequence[int], Callable[[Sequence[int]], bool]], list[int]]


@dataclass(frozen=True, kw_only=True)
class Crowd:
    """Tasks that must all run between two times and need more than `source` gives there."""

    tasks: tuple[str, ...]
    first: float
    last: float
    needed: float
    given: float
    unit: str
    source: str


@dataclass(frozen=True, kw_only=True)
class _Supply:
    """Something that tasks use up: `work` of each (n, zero where it does not count), and how much
    of it there has been until each of some moments."""

    work: Floats
    until: Callable[[Floats], Floats]
    unit: str
    source: str


def crowds(problem: Problem, earliest: Earliest, minimal: Minimal) -> Iterator[Crowd]:
    """The first crowd, cut down by `minimal`, of the first supply that is short; or none.

    Energetic reasoning: tasks that cannot start before a moment and must end by another need all
    of their work in between (Baptiste, Le Pape and Nuijten, "Constraint-Based Scheduling", 2001).
    """
    tasks = problem.workflow.tasks
    last = np.array([earliest.latest[task.id] for task in tasks])
    first = np.array([earliest.start(task.id) for task in tasks])
    free = np.array([task.id not in problem.fixed for task in tasks])
    counted = np.flatnonzero(free & np.isfinite(last))
    for supply in _supplies(problem):
        rows = counted[supply.work[counted] > 0]
        found = _too_much(supply, rows, first, last)
        if found is None:
            continue
        few = minimal(found.tolist(), lambda some: _is_short(supply, list(some), first, last))  # noqa: B023
        begin, end = float(first[few].min()), float(last[few].max())
        yield Crowd(
            tasks=tuple(tasks[row].id for row in sorted(few)),
            first=begin,
            last=end,
            needed=float(supply.work[few].sum()),
            given=_given(supply, begin, end),
            unit=supply.unit,
            source=supply.source,
        )
        return


def _too_much(supply: _Supply, rows: Ints, first: Floats, last: Floats) -> Ints | None:
    """Tasks that are too many for the time that they share, or None."""
    moments = np.unique(first[rows])
    if len(moments) > MOMENTS:
        moments = np.unique(np.quantile(moments, np.linspace(0, 1, MOMENTS), method="lower"))
    by_end = rows[np.argsort(last[rows], kind="stable")]
    until, before = supply.until(last[by_end]), supply.until(moments)
    for begin, gone in zip(moments, before, strict=True):
        inside = np.flatnonzero(first[by_end] >= begin)
        room = until[inside] - gone
        over = np.cumsum(supply.work[by_end[inside]]) > room * (1 + ROUNDING) + 1e-6
        if over.any():
            some: Ints = by_end[inside[: int(np.argmax(over)) + 1]]
            return some
    return None


def _is_short(supply: _Supply, rows: list[int], first: Floats, last: Floats) -> bool:
    if not rows:
        return False
    room = _given(supply, float(first[rows].min()), float(last[rows].max()))
    return bool(supply.work[rows].sum() > room * (1 + ROUNDING) + 1e-6)


def _given(supply: _Supply, begin: float, end: float) -> float:
    before, after = supply.until(np.array([begin, end]))
    return float(after - before)


def _supplies(problem: Problem) -> Iterator[_Supply]:
    """Cores of each set of workers that tasks are confined to, memory, pools and quotas."""
    able, names = problem.eligible, list(problem.cluster.index)
    count = Counter(row.tobytes() for row in able)
    busiest = [np.frombuffer(each, dtype=np.bool_) for each, _ in count.most_common(SETS)]
    everyone = np.ones(len(names), dtype=np.bool_)
    cores = (problem.duration * problem.cores[:, None]).min(axis=1)
    memory = (problem.duration * problem.memory).min(axis=1)
    for inside in (everyone, *(each for each in busiest if not each.all())):
        only = ~able[:, ~inside].any(axis=1)
        who = "all workers give" if inside.all() else f"{_workers(names, inside)} give"
        for work, unit, amount in (
            (cores, "core-seconds", [each.cores for each in problem.cluster.workers]),
            (memory, "byte-seconds", [each.memory for each in problem.cluster.workers]),
        ):
            rate = np.where(inside, np.array(amount, dtype=np.float64), 0.0)
            yield _Supply(
                work=np.where(only, work, 0.0),
                until=_open_supply(problem, rate),
                unit=unit,
                source=who,
            )
    yield from _shared(problem)


def _open_supply(problem: Problem, rate: Floats) -> Callable[[Floats], Floats]:
    def until(time: Floats) -> Floats:
        given = np.zeros(len(time))
        for worker, each in zip(problem.cluster.workers, rate, strict=True):
            given += each * open_seconds(worker.closed, time)
        return given

    return until


def _shared(problem: Problem) -> Iterator[_Supply]:
    tasks, quickest = problem.workflow.tasks, problem.duration.min(axis=1)
    for pool, limit in problem.cluster.pools.items():
        need = np.array([task.pools.get(pool, 0.0) for task in tasks])
        yield _Supply(
            work=need * quickest,
            until=lambda time, limit=limit: time * limit,  # type: ignore[misc]
            unit=f"seconds of the pool {pool!r}",
            source="the cluster gives",
        )
    for owner, quota in problem.objective.quotas.items():
        need = np.array([task.cores if task.owner == owner else 0.0 for task in tasks])
        yield _Supply(
            work=need * quickest,
            until=lambda time, limit=quota: time * limit,  # type: ignore[misc]
            unit="core-seconds",
            source=f"the quota of {owner!r} gives",
        )


def _workers(names: Sequence[str], inside: Bools) -> str:
    chosen = [name for name, each in zip(names, inside, strict=True) if each]
    shown = ", ".join(map(repr, chosen[:3]))
    return shown if len(chosen) <= 3 else f"{shown} and {len(chosen) - 3} more"
