"""What can be promised of a schedule: when tasks start and end, and how surely.

A schedule states one course of events. Here it is carried out on paper many times, with durations,
memory and failures drawn from the forecast, by the rules of the dispatch (kernels/replay.py).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from scheduler.errors import InvalidInput
from scheduler.planning.flat import Floats, Ints
from scheduler.planning.gang_waits import as_waits
from scheduler.planning.kernels.replay import Plan, replay
from scheduler.planning.problem import GROWTH, Problem
from scheduler.planning.schedule import Placement, Schedule
from scheduler.planning.spread import chance_within, quantile, score_of, scores
from scheduler.planning.timeline import CLOCK

LEVELS = (0.5, 0.9)
FAR = 8.0  # normal scores beyond the known levels: farther than is ever drawn
BROKEN = 3.0902323061678133  # past this normal score, 1 in 1,000, the forecast is wrong of it
LONGER = 0.25  # of what it has run for: what an attempt still takes when no forecast helps
MOST_ATTEMPTS = 8  # whose memory is told apart; later ones get what the last of these gets


@dataclass(frozen=True, eq=False)
class Promise:
    """When a schedule's tasks will start and end (seconds), level by level.

    `start` (of the attempt that succeeds) and `end` have the shape tasks x levels: with the chance
    `levels[i]` a task has started, or ended, by then; infinite where the chance of that is smaller.
    `makespans` holds that of each sample, rising, infinite where a task was given up. `deadlines`
    is the chance of each deadline by task, `memory` the chance by task that the allocation suffices
    for an attempt, `complete` the chance that no task is given up.
    """

    tasks: tuple[str, ...]
    levels: tuple[float, ...]
    start: Floats
    end: Floats
    makespans: Floats
    deadlines: Mapping[str, float]
    memory: Mapping[str, float]
    complete: float

    def makespan(self, level: float, *, stretch: float = 1.0) -> float:
        """The makespan that is kept with this chance.

        With `stretch` (see `stretch`) its distance from the median, in logarithms, is so many times
        as long.
        """
        middle, found = self._sample(0.5), self._sample(level)
        return found if stretch == 1.0 else float(middle * (found / middle) ** stretch)

    def chance_by(self, time: float) -> float:
        """The chance that the whole workflow has ended by then."""
        return float(np.searchsorted(self.makespans, time, side="right") / self.makespans.size)

    def _sample(self, level: float) -> float:
        return float(self.makespans[_rank(level, self.makespans.size)])


def makespans(
    problem: Problem, schedule: Schedule, *, rng: Generator, samples: int = 100
) -> Floats:
    """How long the run might take, sample by sample: the schedule carried out that often on paper.

    Schedules of one problem meet the same fate in each sample when their generators are equal, so
    few samples tell which is better. Infinite where a task was given up. The schedule need not
    know what has happened since it was made.

    Whoever looks for the best plan finds what the forecast errs in, so only what three quantiles
    can tell is weighed: a worker is quicker or slower for a kind, but no more certain than others,
    and beyond its known levels a duration rises no faster than on its narrower side. Of an attempt
    that runs for longer than 999 in 1,000 the forecast is taken to be wrong, and a quarter more
    than it has run for to be usual. A promise keeps the whole forecast.
    """
    later = rng.spawn(1)[0]
    plan = _overdue(_alike(_plan(problem, schedule), problem), problem.forecast.quantiles)
    _, end = replay(_tame(plan), problem.flat, 0.0, 0.0, rng, later, samples)
    found: Floats = end.max(axis=1)
    return found


def promise(
    problem: Problem,
    schedule: Schedule,
    *,
    rng: Generator,
    samples: int = 1000,
    levels: tuple[float, ...] = LEVELS,
    by_kind: float = 0.0,
    by_worker: float = 0.0,
) -> Promise:
    """Carries out a feasible, complete schedule so many times on paper.

    `by_kind` and `by_worker` are the shares of the variance of durations (on the normal score) that
    tasks of one kind, and tasks on one worker, have in common: together at most 1. What has
    happened (`problem.fixed`) stays, and what runs now is drawn to run longer than it has. Equal
    generators give equal promises. Raises InvalidInput where the shares or levels make no sense.

    A gang starts when all that its tasks wait for is over, and all that is planned before it on its
    workers; that the others start again where one of it fails is left out.
    """
    _check(samples, levels, by_kind, by_worker)
    problem = as_waits(problem, schedule)
    plan = _plan(problem, schedule)
    shares, later = (float(by_kind), float(by_worker)), rng.spawn(1)[0]
    start, end = replay(plan, problem.flat, *shares, rng, later, samples)
    tasks = problem.workflow.tasks
    due = {row: task.deadline for row, task in enumerate(tasks) if task.deadline is not None}
    makespans = np.sort(end.max(axis=1))
    return Promise(
        tasks=tuple(problem.workflow.index),
        levels=levels,
        start=_quantiles(start, levels),
        end=_quantiles(end, levels),
        makespans=makespans,
        deadlines={
            tasks[row].id: float((end[:, row] <= at * (1 + 1e-9)).mean()) for row, at in due.items()
        },
        memory={
            task.id: float(1 - short) for task, short in zip(tasks, plan.short[:, 0], strict=True)
        },
        complete=float(np.isfinite(makespans).mean()),
    )


def stretch(past: Iterable[tuple[Promise, float]], level: float) -> float:
    """How much longer a promise must be for the next run to keep it with this chance.

    `past` holds promises made before, of whatever workflows, and the makespans that came of them.
    Split conformal prediction (Vovk et al. 2005; Lei et al. 2018, theorem 2.2) on the score: how
    many times its own distance from the median the outcome lay above the median, in logarithms. If
    the next run is exchangeable with the past ones, it keeps `makespan(level, stretch=...)` with at
    least this chance, and at most one part in (runs + 1) more. Infinite where there are too few.
    """
    found = np.sort([_score(each, realised, level) for each, realised in past])
    rank = int(np.ceil((found.size + 1) * level)) - 1
    return float(found[rank]) if rank < found.size else float("inf")


def _score(promised: Promise, realised: float, level: float) -> float:
    middle, outer = promised.makespan(0.5), promised.makespan(level)
    if not middle < outer < np.inf:
        raise InvalidInput(
            f"A promise must have a spread to be stretched, found {middle:.6g} s at the median and "
            f"{outer:.6g} s at the level {level:g}."
        )
    return float(np.log(realised / middle) / np.log(outer / middle))


def _plan(problem: Problem, schedule: Schedule) -> Plan:
    tasks, cluster = problem.workflow.tasks, problem.cluster
    placed = [problem.fixed.get(task.id) or schedule.by_task[task.id] for task in tasks]
    worker = np.array([cluster.index[each.worker] for each in placed], dtype=np.int64)
    begin = np.array([each.start for each in placed], dtype=np.float64)
    row = _rows(problem)
    usual = problem.believed_duration[np.arange(len(tasks)), worker]
    attempts = np.array([task.max_attempts for task in tasks], dtype=np.int64)
    room = _rooms(problem, placed, int(min(attempts.max(), MOST_ATTEMPTS)))
    kinds = {kind: i for i, kind in enumerate(dict.fromkeys(task.kind for task in tasks))}
    return Plan(
        worker=worker,
        begin=begin,
        order=np.argsort(begin, kind="stable"),
        served=np.lexsort((begin, worker)),
        first=np.searchsorted(np.sort(worker), np.arange(len(cluster) + 1)),
        usual=usual,
        score=scores(problem.forecast.quantiles),
        spread=np.log(problem.forecast.duration[row, worker] / usual[:, None]),
        failure=np.ascontiguousarray(problem.forecast.failure[row, worker]),
        short=_short(problem, worker, room),
        room=room,
        limit=np.array([np.inf if each.timeout is None else each.timeout for each in tasks]),
        attempts=attempts,
        kind=np.array([kinds[task.kind] for task in tasks], dtype=np.int64),
        gone=_gone(problem),
    )


def _alike(plan: Plan, problem: Problem) -> Plan:
    """The plan, whose durations vary as much on one worker as on another.

    Logarithms are levelled over the workers that can take the task: which of them has the lowest
    P90 of few attempts tells when these ran rather than where.
    """
    alike, levels = problem.alike, problem.forecast.quantiles
    able = alike.eligible | ~alike.eligible.any(axis=1, keepdims=True)
    logs = np.log(problem.forecast.duration[_rows(problem)[alike.example]])
    common = np.where(able[..., None], logs, 0.0).sum(axis=1) / able.sum(axis=1)[:, None]
    usual = np.log(quantile(np.exp(common), levels, problem.objective.duration_quantile))
    return plan._replace(spread=np.ascontiguousarray((common - usual[:, None])[alike.row]))


def _overdue(plan: Plan, levels: tuple[float, ...]) -> Plan:
    """The plan, in which attempts that run for longer than ever believed are not about to end."""
    over = plan.gone > plan.usual * (1 + CLOCK)
    runs = np.flatnonzero(over & np.isfinite(plan.gone))
    believed = plan.usual[runs, None] * np.exp(plan.spread[runs])
    late = runs[score_of(believed, levels, plan.gone[runs]) > BROKEN]
    usual = plan.usual.copy()
    usual[late] = plan.gone[late] * (1 + LONGER)
    return plan._replace(usual=usual)


def _tame(plan: Plan) -> Plan:
    """The plan, whose durations go on beyond the known levels by the flatter of the outer lines."""
    known, spread = plan.score, plan.spread
    if known.size < 3:
        return plan
    lowest = (spread[:, 1] - spread[:, 0]) / (known[1] - known[0])
    highest = (spread[:, -1] - spread[:, -2]) / (known[-1] - known[-2])
    rise = np.minimum(lowest, highest) * FAR
    columns = (spread[:, 0] - rise, *spread.T, spread[:, -1] + rise)
    return plan._replace(
        score=np.concatenate([[known[0] - FAR], known, [known[-1] + FAR]]),
        spread=np.stack(columns, axis=1),
    )


def _rooms(problem: Problem, placed: Sequence[Placement], attempts: int) -> Floats:
    """Bytes that the attempts of each task get in turn, each after one ran out of memory."""
    rooms = [np.array([each.allocation.memory for each in placed], dtype=np.float64)]
    planned = np.empty((rooms[0].size, 0))
    if problem.forecast.allocations is not None:
        worker = [problem.cluster.index[each.worker] for each in placed]
        planned = np.ceil(problem.forecast.allocations[_rows(problem), worker])
    while len(rooms) < attempts:
        larger = np.where(planned > rooms[-1][:, None], planned, np.inf).min(axis=1, initial=np.inf)
        rooms.append(np.where(np.isfinite(larger), larger, rooms[-1] * GROWTH))
    return np.stack(rooms, axis=1)


def _short(problem: Problem, worker: Ints, room: Floats) -> Floats:
    """The chance that an attempt needs more memory than it gets, tasks x attempts."""
    levels, most = problem.forecast.quantiles, problem.flat.worker_memory[worker]
    believed = problem.forecast.memory[_rows(problem), worker]
    columns = [chance_within(believed, levels, np.minimum(each, most)) for each in room.T]
    return 1.0 - np.stack(columns, axis=1)


def _rows(problem: Problem) -> Ints:
    """Where the forecast says what is believed of each task, n."""
    rows = problem.forecast.rows
    return np.arange(len(problem.workflow)) if rows is None else rows


def _gone(problem: Problem) -> Floats:
    flat = problem.flat
    running = np.where(flat.fixed_end <= flat.now, np.inf, flat.now - flat.fixed_start)
    return np.where(flat.fixed_worker < 0, -1.0, running)


def _quantiles(samples: Floats, levels: tuple[float, ...]) -> Floats:
    ranks = [_rank(level, len(samples)) for level in levels]
    found: Floats = np.partition(samples, ranks, axis=0)[ranks].T
    return found


def _rank(level: float, samples: int) -> int:
    """Of the sample that at least this share of all samples does not exceed."""
    return min(max(int(np.ceil(level * samples - 1e-9)) - 1, 0), samples - 1)


def _check(samples: int, levels: tuple[float, ...], by_kind: float, by_worker: float) -> None:
    if samples < 1:
        raise InvalidInput(f"A promise needs at least one sample, found {samples}.")
    for level in levels:
        if not 0 < level < 1:
            raise InvalidInput(f"The levels of a promise must lie between 0 and 1, found {level}.")
    if not (by_kind >= 0 and by_worker >= 0 and by_kind + by_worker <= 1):
        raise InvalidInput(
            "The shares of the variance that kinds and workers have in common must not be "
            f"negative nor add up to more than 1, found {by_kind} and {by_worker}."
        )
