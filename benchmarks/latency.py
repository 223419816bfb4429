"""How long a run, or a person, waits for a new plan, an answer, or a reason."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from time import process_time
from typing import Any, TypeVar

import numpy as np
from numpy.random import Generator

from benchmarks.base import Benchmark, Found, Goal
from scheduler.forecast import Forecast
from scheduler.planning.array_edits import rows_of
from scheduler.planning.edits import (
    Allocated,
    Began,
    Believed,
    Due,
    Edit,
    Ended,
    Failed,
    Prioritised,
    Released,
    TaskRemoved,
    TasksAdded,
    WorkerAdded,
    WorkerLost,
)
from scheduler.planning.explain import reasons
from scheduler.planning.feasibility import violations
from scheduler.planning.planned import placement
from scheduler.planning.planners.heft import Heft
from scheduler.planning.problem import Problem
from scheduler.planning.replanning import Replanner
from scheduler.planning.what_if import WhatIf
from scheduler.workflow import Dependency
from scheduler.workloads.synthetic import random_problem

OPEN, WORKERS = 10_000, 64
REPLAN, WHAT_IF, EXPLAIN = 0.020, 0.100, 0.200  # seconds
Answer = TypeVar("Answer")


class Latency(Benchmark):
    """Replanning, what-if and explanations at full size, in seconds of CPU."""

    title = "how fast plans are mended, questions answered and decisions explained"

    def run(self, *, data: Path | None, quick: bool) -> Found:  # noqa: ARG002  makes its own work
        """Raises when a replanned schedule breaks a rule, or is worth less than the right shift."""
        events, asked = (60, 2) if quick else (300, 10)
        rng = np.random.default_rng(4)
        problem = random_problem(rng, OPEN + events, WORKERS)
        schedule = Heft().plan(problem)
        times = _replanning(problem, Replanner(problem, schedule), rng, events)
        answers = _answers(problem, WhatIf(problem, schedule), rng, asked)
        chosen = rng.choice(list(problem.workflow.index), 3 * asked, replace=False)
        reasons(problem, schedule, str(chosen[0]))  # compiles
        told = [_timed(partial(reasons, problem, schedule, str(task)))[0] for task in chosen]
        every = [each for kind in times.values() for each in kind]
        spread = {f"replan: {kind}": _row(found) for kind, found in times.items()}
        spread |= {f"what-if: {kind}": _row(found) for kind, found in answers.items()}
        return Found(
            work=f"{len(every)} events (attempts that end early or late or fail, workers that come "
            f"and go, tasks, priorities and deadlines), {sum(map(len, answers.values()))} "
            f"questions and {len(told)} explanations at {OPEN:,} open tasks and {WORKERS} workers "
            "of many cores and memory; seconds of CPU in one process, after compilation.",
            ours={"replan: all": _row(every), **spread, "explain": _row(told)},
            goals=(
                _goal("replan after one event, p99", REPLAN, float(np.percentile(every, 99))),
                _goal("what-if, the slowest", WHAT_IF, max(map(max, answers.values()))),
                _goal("explain one task, the slowest", EXPLAIN, max(told)),
            ),
        )


def _replanning(
    problem: Problem, replanner: Replanner, rng: Generator, count: int
) -> dict[str, list[float]]:
    events, times = _Events(problem, replanner, rng), defaultdict(list)
    for number in range(count + 3):
        name, edits = events.next(number)
        seconds, found = _timed(partial(replanner.after, *edits))
        assert found.score <= found.shifted * 1.01 + 1e-6, "worse than pushed right"
        if number >= 3:  # the first ones compile
            times[name].append(seconds)
    broken = violations(found.schedule, replanner.problem)
    assert not broken, broken[0].message
    return times


@dataclass(frozen=True)
class _Events:
    """A run on paper: attempts begin as planned and end early or late; the world changes too."""

    problem: Problem
    replanner: Replanner
    rng: Generator

    def next(self, number: int) -> tuple[str, tuple[Edit, ...]]:
        """What happens next, and its name; attempts that began meanwhile are told with it."""
        rare = ("a worker lost", "tasks added", "a priority", "a deadline", "a worker added")
        if number % 8 != 7:
            return self._attempt()
        name = rare[number // 8 % len(rare)]
        return name, (self._rare(name, number),)

    def _attempt(self) -> tuple[str, tuple[Edit, ...]]:
        here = self.replanner
        names, workers = tuple(here.world.tasks), tuple(here.world.cluster.index)
        started = (here.flat.fixed_worker < 0) & (here.plan.start <= here.world.now + 1e-9)
        began = [
            Began(placement=placement(here.flat, here.plan, row, names[row], workers[where]))
            for row, where in zip(
                np.flatnonzero(started).tolist(), here.plan.worker[started].tolist(), strict=True
            )
        ]
        placed = {each.placement.task: each.placement for each in began}
        placed |= {task: here.world.fixed[task] for task in here.world.running}
        task = min(placed, key=lambda each: (placed[each].end, each))
        length = placed[task].end - placed[task].start
        late = length * float(self.rng.lognormal(0.0, 0.3))
        at = max(here.world.now, placed[task].start + late)
        if self.rng.random() < 0.05:
            return "an attempt failed", (*began, Failed(task=task, at=at))
        name = "an attempt ended late" if late > length else "an attempt ended early"
        return name, (*began, Ended(task=task, at=at))

    def _rare(self, name: str, number: int) -> Edit:
        world, now = self.replanner.world, self.replanner.world.now
        free = [task for task in world.tasks if task not in world.fixed]
        task = str(self.rng.choice(free))
        if name == "a worker lost":
            plain = [w.name for w in world.cluster.workers[1:] if not w.closed]
            return WorkerLost(worker=str(self.rng.choice(plain)), at=now)
        if name == "a priority":
            return Prioritised(task=task, priority=5, at=now)
        if name == "a deadline":
            return Due(task=task, deadline=now + 60.0, at=now)
        if name == "tasks added":
            new = replace(self.problem.workflow.tasks[5], id=f"new-{number}")
            alike = _renamed(rows_of(world.forecast, [5]), tasks=(new.id,))
            edges = (Dependency(task, new.id, 1e6),)
            return TasksAdded(tasks=(new,), dependencies=edges, forecast=alike, at=now)
        return _another_worker(self.replanner.problem, f"new-{number}", now)


def _another_worker(problem: Problem, name: str, now: float) -> WorkerAdded:
    first, forecast = problem.cluster.workers[0], problem.forecast
    names = ("duration", "memory", "cpu", "failure")
    only = {each: getattr(forecast, each)[:, :1] for each in names}
    alike = replace(
        forecast, workers=(name,), affinity=np.ones((len(forecast.tasks), 1)), gates={},
        allocations=None, **only,
    )  # fmt: skip
    return WorkerAdded(worker=replace(first, name=name, closed=()), forecast=alike, at=now)


def _renamed(forecast: Forecast, *, tasks: tuple[str, ...]) -> Forecast:
    return replace(forecast, tasks=tasks)


def _answers(
    problem: Problem, question: WhatIf, rng: Generator, count: int
) -> dict[str, list[float]]:
    question.asked()  # compiles, and plans the side before
    times: dict[str, list[float]] = defaultdict(list)
    for number in range(count):
        task = str(rng.choice(list(problem.workflow.index)))
        worker = problem.cluster.workers[1 + number % (WORKERS - 1)].name
        asked: dict[str, Edit] = {
            "a worker more": _another_worker(problem, "more", 0.0),
            "a worker less": WorkerLost(worker=worker),
            "a priority": Prioritised(task=task, priority=9),
            "a deadline": Due(task=task, deadline=60.0),
            "a release": Released(task=task, release=60.0),
            "an allocation": Allocated(task=task, memory=2 * 10**9),
            "a duration": Believed(task=task, factor=3.0),
            "a task less": TaskRemoved(task=task),
        }
        for name, edit in asked.items():
            seconds, _ = _timed(partial(question.asked, edit))
            times[name].append(seconds)
    return times


def _timed(work: Callable[[], Answer]) -> tuple[float, Answer]:
    begun = process_time()
    answer = work()
    return process_time() - begun, answer


def _row(seconds: Sequence[float]) -> dict[str, Any]:
    levels = {f"p{level}": float(np.percentile(seconds, level)) for level in (50, 99)}
    return {"count": len(seconds), **{name: f"{at * 1e3:.1f} ms" for name, at in levels.items()}}


def _goal(name: str, goal: float, found: float) -> Goal:
    return Goal(name, f"<= {goal * 1e3:.0f} ms", f"{found * 1e3:.1f} ms", found <= goal)
