"""Logs of runs whose world we know: who would do what on which worker is written down."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import numpy as np

from scheduler.execution.events import AttemptEnded, AttemptStarted
from scheduler.execution.executors.simulator import Simulator
from scheduler.planning.planners.base import Planner
from scheduler.planning.problem import Problem
from scheduler.planning.schedule import Schedule
from scheduler.records import Outcome, TaskRecord
from scheduler.workflow import Workflow
from scheduler.workloads.probing import nothing_known, probe
from scheduler.workloads.synthetic import World, cluster, layered, truth_of
from scheduler.workloads.truth import AsWorld

MORNING = datetime(2026, 1, 5, 8, tzinfo=UTC)


@dataclass(frozen=True)
class Ran:
    """A run of the past, its world, what is logged of it, and the seconds that it took."""

    world: World
    records: tuple[TaskRecord, ...]
    makespan: float


def runs(seed: int, count: int, *, tasks: int = 30, workers: int = 3) -> Iterator[Ran]:
    """Runs of one law on one cluster, an hour apart, by somebody who goes round in turn.

    It has about so many `tasks`, in layers. Transfers take no time, nothing fails, and each kind is
    as fast on a worker in every run: what the log cannot tell is only how long a task would have
    taken elsewhere.
    """
    rng = np.random.default_rng(seed)
    places = cluster(rng, workers, cores=(16,), latency=0.0, bandwidth=1e15)
    skill = int(rng.integers(1 << 30))
    for number in range(count):
        drawn = layered(rng, tasks)
        workflow = Workflow("nightly", drawn.tasks, drawn.dependencies)
        world = truth_of(workflow, places, np.random.default_rng(skill), failure=0.0)
        problem = Problem(workflow, places, nothing_known(workflow, places))
        yield _carried_out(world, problem, probe(problem, number), number)


def _carried_out(world: World, problem: Problem, schedule: Schedule, number: int) -> Ran:
    began = MORNING + timedelta(hours=number)
    workflow, run = world.workflow, f"run {number}"
    starts: dict[str, AttemptStarted] = {}
    found, last = [], 0.0
    for event in Simulator(AsWorld(world), began=began).run(problem, schedule):
        if isinstance(event, AttemptStarted):
            starts[event.task] = event
        if isinstance(event, AttemptEnded):
            assert event.observation.outcome is Outcome.SUCCEEDED
            found.append(_record(run, workflow, starts[event.task], event))
            last = max(last, event.at)
    return Ran(world, tuple(found), last)


def _record(run: str, workflow: Workflow, begun: AttemptStarted, ended: AttemptEnded) -> TaskRecord:
    task, seen = workflow.task(begun.task), ended.observation
    return TaskRecord(
        run=run,
        task=task.id,
        kind=task.kind,
        outcome=seen.outcome,
        worker=begun.worker,
        workflow=workflow.name,
        started=begun.time,
        ended=ended.time,
        duration=seen.duration,
        peak_memory=seen.peak_memory,
        cpu=seen.cpu,
        requested_cores=task.cores,
        allocated_memory=begun.allocation.memory,
        sizes=dict(task.sizes),
        predecessors=workflow.predecessors(task.id),
    )


def truth_for(ran: Ran, tasks: Sequence[str]) -> Problem:
    """The problem of the run, its tasks in this order, for somebody who knows all durations."""
    world = ran.world
    rows = [world.workflow.index[each] for each in tasks]
    known = world.forecast(spread=0.0)
    arrays = ("duration", "memory", "cpu", "failure", "affinity")
    turned = {name: getattr(known, name)[rows] for name in arrays}
    came = [world.workflow.task(each) for each in tasks]
    workflow = Workflow(world.workflow.name, came, world.workflow.dependencies)
    return Problem(workflow, world.cluster, replace(known, tasks=tuple(tasks), **turned))


def true_makespan(ran: Ran, planner: Planner, problem: Problem) -> float:
    """Seconds that the planner's plan of the problem really takes in the world of the run."""
    events = Simulator(AsWorld(ran.world)).run(problem, planner.plan(problem))
    return max(each.at for each in events if isinstance(each, AttemptEnded))
