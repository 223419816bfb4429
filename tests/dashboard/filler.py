"""Fills a store as a few days of use would: runs, records, trainings, networks, refused lines."""

from collections.abc import Iterator
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.random import Generator

from scheduler.cluster import Cluster
from scheduler.documents import cluster_document, workflow_document
from scheduler.execution.events import AttemptEnded, AttemptStarted, Event, Observation, TaskGivenUp
from scheduler.forecast import Forecast
from scheduler.logs.base import Refused
from scheduler.planning.planners.fifo import Fifo
from scheduler.planning.planners.heft import Heft
from scheduler.planning.problem import Problem
from scheduler.planning.schedule import Placement, Schedule
from scheduler.records import Outcome, TaskRecord
from scheduler.store import Store
from scheduler.store.values import Metric, ModelVersion
from scheduler.workflow import Dependency, Workflow
from scheduler.workloads import synthetic

START = datetime(2026, 5, 4, 9, 0, tzinfo=UTC)
TARGETS = ("duration", "memory", "cpu", "failure", "assignment")
EXPERTS = 4
EXPERT_NAMES = (  # of the sharings in turn; the oldest network numbered its experts
    ("0", "1", "2", "3"),
    ("shared 1", "shared 2", "shared 3", "shared 4"),
    ("shared 1", "shared 2", "shared 3", "own"),
)
EPOCHS = 30
FAILING = 17  # the place, in order of the plan, of the task whose first attempt fails
LOST = 55  # and of the one that is given up


def fill(store: Store, *, seed: int = 7, tasks: int = 60, hostile: str = "") -> None:
    """Everything that the dashboard can show, the same for a seed.

    `hostile` is put into every name and message that could come from outside.
    """
    rng = np.random.default_rng(seed)
    fill_logs(store, rng, hostile=hostile)
    fill_learning(store, rng, hostile=hostile)
    problem = a_problem(rng, tasks, hostile=hostile)
    for hours, planner, label in ((2, Fifo(), "baseline"), (3, Heft(), "planned")):
        at, plan = START + timedelta(hours=hours), planner.plan(problem)
        run = begin(store, problem, plan, label=label + hostile, at=at, owner="dora" + hostile)
        carry_out(
            store, run, problem, plan, rng, at=at, give_up=label == "planned", hostile=hostile
        )


def a_problem(rng: Generator, tasks: int, *, workers: int = 3, hostile: str = "") -> Problem:
    """A layered workflow on three workers, with beliefs that a gated network might have."""
    world = synthetic.random_world(rng, tasks, workers, ccr=0.1)
    workflow, cluster = _renamed(world.workflow, hostile), _renamed_workers(world.cluster, hostile)
    truth = world.forecast(spread=0.3)
    n, m = len(truth.tasks), len(truth.workers)
    fast = 1 / truth.duration[..., 1]
    forecast = Forecast(
        tasks=tuple(workflow.index), workers=tuple(cluster.index),
        duration=truth.duration * rng.lognormal(0, 0.12, (n, m, 1)),
        memory=truth.memory, cpu=truth.cpu, failure=truth.failure,
        affinity=fast / fast.sum(axis=1, keepdims=True), source="gated-3" + hostile,
        gates={each: rng.dirichlet(np.full(EXPERTS, 0.7), (n, m)) for each in TARGETS},
        experts=tuple(f"expert {i + 1}" for i in range(EXPERTS)),
    )  # fmt: skip
    return Problem(workflow, cluster, forecast)


def _renamed(workflow: Workflow, hostile: str) -> Workflow:
    tasks = [
        replace(each, id=each.id + hostile, kind=each.kind + hostile) for each in workflow.tasks
    ]
    edges = [
        Dependency(each.source + hostile, each.target + hostile, each.bytes)
        for each in workflow.dependencies
    ]
    return Workflow(workflow.name + hostile, tasks, edges)


def _renamed_workers(cluster: Cluster, hostile: str) -> Cluster:
    workers = [replace(each, name=each.name + hostile) for each in cluster.workers]
    return Cluster(cluster.name, workers, bandwidth=cluster.bandwidth, latency=cluster.latency)


def begin(
    store: Store, problem: Problem, plan: Schedule, *, label: str, at: datetime, owner: str = ""
) -> int:
    """Notes a run with its documents."""
    return store.begin_run(
        workflow=workflow_document(problem.workflow), cluster=cluster_document(problem.cluster),
        objective=asdict(problem.objective), forecast=problem.forecast, schedule=plan,
        executor="Simulator", label=label, at=at, owner=owner,
    )  # fmt: skip


def carry_out(
    store: Store, run: int, problem: Problem, plan: Schedule, rng: Generator, *, at: datetime,
    give_up: bool = False, hostile: str = "",
) -> None:  # fmt: skip
    """Writes what an executor might say of a plan: one attempt fails and is tried again."""
    events = sorted(_events(problem, plan, rng, at, give_up=give_up), key=lambda each: each.at)
    store.append_events(run, events, at=at)
    last = max(each.at for each in events)
    state = "failed" if give_up else "succeeded"
    store.end_run(run, state=state, makespan=last, message=hostile, at=at + timedelta(seconds=last))


def _events(
    problem: Problem, plan: Schedule, rng: Generator, at: datetime, *, give_up: bool
) -> Iterator[Event]:
    done: dict[str, float] = {}
    held: dict[str, list[tuple[float, float]]] = {each.name: [] for each in problem.cluster.workers}
    for number, each in enumerate(sorted(plan.placements, key=lambda one: (one.start, one.task))):
        waits = [done.get(before, 0.0) for before in problem.workflow.predecessors(each.task)]
        start = _free(held[each.worker], problem, each, max([each.start, *waits]))
        if give_up and number == LOST:
            yield TaskGivenUp(each.task, start, _clock(at, start), "no attempt is left")
            continue
        attempt = 1
        if number == FAILING:
            end = start + (each.end - each.start) * 0.4
            yield from _attempt(each, 1, start, end, at, rng, fails=True)
            start, attempt = end + 0.2, 2
        end = start + (each.end - each.start) * float(rng.lognormal(0.03, 0.15))
        held[each.worker].append((end, each.allocation.cores))
        done[each.task] = end
        yield from _attempt(each, attempt, start, end, at, rng)


def _attempt(
    each: Placement, attempt: int, start: float, end: float, at: datetime, rng: Generator, *,
    fails: bool = False,
) -> Iterator[Event]:  # fmt: skip
    used = each.allocation.memory * (1.0 if fails else float(rng.uniform(0.55, 0.95)))
    seen = Observation(
        Outcome.OUT_OF_MEMORY if fails else Outcome.SUCCEEDED, duration=end - start,
        peak_memory=float(round(used)), cpu=each.allocation.cores * float(rng.uniform(0.6, 1.0)),
        exit_code=137 if fails else 0,
        message="killed: it held more memory than was reserved" if fails else "",
    )  # fmt: skip
    yield AttemptStarted(each.task, attempt, each.worker, start, _clock(at, start), each.allocation)
    yield AttemptEnded(each.task, attempt, each.worker, end, _clock(at, end), seen)


def _free(
    held: list[tuple[float, float]], problem: Problem, each: Placement, earliest: float
) -> float:
    """When the worker has the cores again, attempts in the order of the plan."""
    cores = problem.cluster.worker(each.worker).cores
    for moment in sorted({earliest, *(end for end, _ in held if end > earliest)}):
        if sum(one for end, one in held if end > moment) + each.allocation.cores <= cores:
            return moment
    return earliest


def _clock(at: datetime, seconds: float) -> datetime:
    return at + timedelta(seconds=seconds)


def fill_logs(store: Store, rng: Generator, *, hostile: str = "") -> None:
    """Records of six kinds on three workers, two readings of files, and refused lines."""
    file = "traces/monday.csv" + hostile
    records = [_record(rng, i, hostile) for i in range(420)]
    store.add_records([(each.key(), each) for each in records], file)
    for day, (read, new) in enumerate(((427, 420), (427, 0))):
        store.note_ingest(
            file=file, format="csv_table", read=read, accepted=new,
            duplicates=read - new - 7, quarantined=7, at=START + timedelta(minutes=day * 20),
        )  # fmt: skip
    refused = [
        Refused(file, 12 + 31 * i, field, rule, value, f"r1,t{i},sort,{value},w0,ok{hostile}")
        for i, (field, rule, value) in enumerate(
            [("duration", "must not be negative", "-4.0"), ("duration", "must be finite", "nan"),
             ("kind", "must be a text that is not empty", "''"),
             ("ended", "must not be before started", "2026-05-04T08:00:00+00:00"),
             ("peak_memory", "must be a number", "'lots'"), ("attempt", "must be at least 1", "0"),
             ("outcome", "must be one of succeeded, failed, out_of_memory, timed_out, cancelled, "
              "lost", "'meh'")]
        )
    ]  # fmt: skip
    store.quarantine(refused, file, at=START)


def _record(rng: Generator, number: int, hostile: str) -> TaskRecord:
    kind = synthetic.KINDS[int(rng.integers(len(synthetic.KINDS)))]
    started = START - timedelta(days=3) + timedelta(minutes=4 * number)
    duration, fails = float(kind.seconds * rng.lognormal(0, 0.4)), rng.random() < 0.04
    return TaskRecord(
        run=f"log-{number // 60}", task=f"{kind.name}-{number}", kind=kind.name + hostile,
        outcome=Outcome.FAILED if fails else Outcome.SUCCEEDED,
        worker=f"w{rng.integers(3)}" + hostile,
        started=started, ended=started + timedelta(seconds=duration), duration=duration,
        peak_memory=kind.memory * 1e6 * float(rng.lognormal(0, 0.3)),
        cpu=kind.cores * float(rng.uniform(0.6, 1)),
        sizes={"input_bytes": float(rng.integers(1, 9) * 1e6)},
    )  # fmt: skip


def fill_learning(store: Store, rng: Generator, *, hostile: str = "") -> None:
    """Three trainings, of which one failed; a champion, a challenger and a former champion."""
    for number, sharing in enumerate(("hard", "mmoe", "cgc")):
        at = START + timedelta(minutes=30 * number)
        training = store.begin_training(
            sharing=sharing, workers=2, settings={"epochs": EPOCHS, "seed": 1}, at=at
        )
        for epoch in range(1, EPOCHS + 1):
            store.report_metrics(training, list(_metrics(rng, epoch, number)), at=at)
        name = f"{sharing}-{number + 1}"
        store.add_version(
            ModelVersion(
                name, sharing, at + timedelta(minutes=2), f"{number}" * 64, training,
                {each: {"error": 0.3 / (1 + number) + 0.02 * i, "baseline_error": 0.42 + 0.02 * i}
                 for i, each in enumerate(TARGETS)}
                | {"assignment": {"regret": 0.11 - 0.02 * number}},
            )
        )  # fmt: skip
        store.end_training(training, state="succeeded", at=at + timedelta(seconds=94), version=name)
    failed = store.begin_training(
        sharing="cgc", workers=2, settings={}, at=START + timedelta(hours=4)
    )
    store.end_training(
        failed,
        state="failed",
        at=START + timedelta(hours=4, seconds=9),
        message="worker 1 was lost" + hostile,
    )
    store.promote(
        "hard-1", reason="the first" + hostile, by="loop", at=START + timedelta(minutes=5)
    )
    store.promote(
        "mmoe-2",
        reason="duration error 0.15 against 0.30",
        by="loop",
        at=START + timedelta(minutes=36),
    )
    store.challenge(
        "cgc-3", reason="trained on newer records", by="loop", at=START + timedelta(minutes=66)
    )
    asked = store.ask(
        "retrain", {"reason": "new machines" + hostile}, by="ada", at=START + timedelta(minutes=50)
    )
    store.answer(asked, state="done", answer="training 3", at=START + timedelta(minutes=65))


def _metrics(rng: Generator, epoch: int, number: int) -> Iterator[Metric]:
    own = np.random.default_rng([epoch, number])  # what comes after stays the same world
    for place, target in enumerate(TARGETS):
        falling = 0.25 + (1 + place * 0.2) * np.exp(-epoch / (6 + number))
        named = {
            "loss": falling * 0.9, "validation_loss": falling * 1.05, "error": falling * 0.4,
            "baseline_error": 0.42, "coverage": 0.8 - 0.3 * np.exp(-epoch / 5),
            "gate_entropy": 1.38 - 0.6 * (1 - np.exp(-epoch / 9)),
        }  # fmt: skip
        for name, value in named.items():
            noise = 0.0 if name == "baseline_error" else float(rng.normal(0, 0.008))
            yield Metric(epoch, target, name, float(value) + noise)
        load = rng.dirichlet(np.array([4, 3, 2, 1 + place]) * 30 / (1 + epoch / 20))
        names = EXPERT_NAMES[number]
        for name, weight in zip(names, load, strict=True):
            yield Metric(epoch, target, f"expert_load.{name}", float(weight))
        yield Metric(epoch, target, "dead_experts", 0.0)
        yield Metric(epoch, target, "weight", 1.0)
        for other in TARGETS[place + 1 :]:
            agree = float(np.tanh(own.normal(0.1, 0.4)))
            yield Metric(epoch, target, f"cosine.{other}", agree)
    yield Metric(epoch, "all", "dead_units", 0.02)
    yield Metric(epoch, "all", "loss", 2 * float(np.exp(-epoch / 8)) + 0.3)
    yield Metric(epoch, "all", "validation_loss", 2 * float(np.exp(-epoch / 8)) + 0.36)
