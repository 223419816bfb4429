"""A store as large as a company's after a year: records, runs, very large ones, a living one."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import islice

import numpy as np
from numpy.random import Generator

from scheduler.documents import cluster_document, workflow_document
from scheduler.execution.events import AttemptEnded, AttemptStarted, Event, Observation
from scheduler.forecast import Forecast
from scheduler.planning.planners.heft import Heft
from scheduler.planning.problem import Problem
from scheduler.planning.schedule import Placement, Schedule
from scheduler.records import Outcome, TaskRecord
from scheduler.store import Store
from scheduler.workloads import synthetic

KINDS, WORKERS, SOURCES = 40, 64, 12
AT_ONCE = 20_000
TARGETS, EXPERTS = ("duration", "memory", "cpu", "failure", "assignment"), 4


@dataclass(frozen=True)
class Filled:
    """The numbers of runs to look at: with 10,000 tasks, with 25,000, and one that goes on."""

    large: int
    huge: int
    living: int


def fill(store: Store, now: datetime, *, records: int, runs: int, large: int, huge: int) -> Filled:
    """Fills an empty store; the same for the same arguments but for the times."""
    rng = np.random.default_rng(11)
    numbered = _records(rng, records, now)
    while some := list(islice(numbered, AT_ONCE)):
        store.add_records([(f"{i:08d}" * 8, each) for i, each in some], _source(some[0][0]))
    for each in range(runs - 3):
        problem = _problem(rng, 60, 6)
        _carried_out(store, problem, rng, at=now - timedelta(hours=runs - each), label=f"{each}")
    hour = timedelta(hours=1)
    first = _carried_out(store, _problem(rng, large, 50), rng, at=now - 3 * hour, label="large")
    second = _carried_out(store, _problem(rng, huge, 50), rng, at=now - 2 * hour, label="huge")
    living = _carried_out(store, _problem(rng, 200, 8), rng, at=now, label="living", part=0.5)
    return Filled(first, second, living)


def _source(number: int) -> str:
    return f"logs/{number % SOURCES}.jsonl"


def _records(rng: Generator, count: int, now: datetime) -> Iterator[tuple[int, TaskRecord]]:
    kinds = rng.integers(0, KINDS, count).tolist()
    workers = rng.integers(0, WORKERS, count).tolist()
    seconds = (20 * rng.lognormal(0, 0.8, count)).tolist()
    fails = (rng.random(count) < 0.03).tolist()
    every = timedelta(days=365) / max(count, 1)
    for i in range(count):
        ended = now - every * (count - i)
        yield i, TaskRecord(
            run=f"log-{i // 500}", task=f"t{i}", kind=f"kind {kinds[i]}",
            outcome=Outcome.FAILED if fails[i] else Outcome.SUCCEEDED, worker=f"w{workers[i]}",
            started=ended - timedelta(seconds=seconds[i]), ended=ended, duration=seconds[i],
            peak_memory=seconds[i] * 1e7, cpu=1.0, sizes={"input_bytes": seconds[i] * 1e6},
        )  # fmt: skip


def _problem(rng: Generator, tasks: int, workers: int) -> Problem:
    world = synthetic.random_world(rng, tasks, workers, ccr=0.1)
    forecast = replace(world.forecast(spread=0.3), source="gated-1")
    return Problem(
        world.workflow, world.cluster, _gated(rng, forecast) if tasks < 1000 else forecast
    )


def _gated(rng: Generator, forecast: Forecast) -> Forecast:
    pairs = (len(forecast.tasks), len(forecast.workers))
    return replace(
        forecast, experts=tuple(f"expert {i + 1}" for i in range(EXPERTS)),
        gates={each: rng.dirichlet(np.full(EXPERTS, 0.7), pairs) for each in TARGETS},
    )  # fmt: skip


def _carried_out(
    store: Store, problem: Problem, rng: Generator, *, at: datetime, label: str, part: float = 1.0
) -> int:
    """One run as HEFT planned it; of one that goes on, only the first part of what happened."""
    plan = Heft().plan(problem)
    run = store.begin_run(
        workflow=workflow_document(problem.workflow), cluster=cluster_document(problem.cluster),
        objective=asdict(problem.objective), forecast=problem.forecast, schedule=plan,
        executor="Simulator", label=label, at=at,
    )  # fmt: skip
    events = sorted(_events(plan, rng, at), key=lambda each: each.at)
    store.append_events(run, events[: round(part * len(events))], at=datetime.now(UTC))
    if part >= 1:
        last = max((each.at for each in events), default=0.0)
        ended = at + timedelta(seconds=last)
        store.end_run(run, state="succeeded", makespan=last, message="", at=ended)
    return run


def _events(plan: Schedule, rng: Generator, at: datetime) -> Iterator[Event]:
    for each in plan.placements:
        yield AttemptStarted(
            each.task, 1, each.worker, each.start, at + timedelta(seconds=each.start),
            each.allocation,
        )  # fmt: skip
        yield ended(each, each.start + (each.end - each.start) * float(rng.uniform(0.7, 1.0)), at)


def ended(each: Placement, end: float, at: datetime) -> AttemptEnded:
    """A placed task whose attempt went well."""
    seen = Observation(
        Outcome.SUCCEEDED, duration=end - each.start, exit_code=0,
        peak_memory=float(round(each.allocation.memory * 0.7)), cpu=each.allocation.cores * 0.8,
    )  # fmt: skip
    return AttemptEnded(each.task, 1, each.worker, end, at + timedelta(seconds=end), seen)
