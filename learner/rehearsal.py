"""Workflows of held-out attempts, planned by what versions believe and carried out in simulation.

What an attempt takes on the worker where it was observed is what was observed; elsewhere it is that
times what an offset, fitted on trusted attempts of the same time, says of the two workers. This is
half made up, and the same for everybody who is compared.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from learner.examples import Examples, Split
from learner.learned import Learned
from learner.offsets import Offsets
from scheduler.cluster import Cluster, Worker
from scheduler.execution.events import AttemptEnded, Start
from scheduler.execution.executors.simulator import Draw, Simulator, Truth
from scheduler.forecast import QUANTILES, Forecast, uniform_affinity
from scheduler.planning.planners.heft import Heft
from scheduler.planning.problem import Problem
from scheduler.records import Outcome, TaskRecord
from scheduler.workflow import Dependency, Task, Workflow

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
WORKFLOWS, TASKS, WORKERS = 10, 24, 6
GIGABYTE = 2**30


def regrets(versions: Sequence[Learned], records: Sequence[TaskRecord], *, seed: int = 0) -> Floats:
    """By simulated workflow and version, how much longer than with perfect beliefs it takes.

    Shape: workflows x versions, shares of that makespan; no workflow where too little is known.
    """
    workers = _workers(records)
    usable = [
        i
        for i, each in enumerate(records)
        if each.outcome is Outcome.SUCCEEDED and each.duration and each.worker in workers
    ]
    if len(usable) < TASKS or len(workers) < 2:
        return np.zeros((0, len(versions)))
    rng = np.random.default_rng(seed)
    seconds = _seconds(records, workers)
    return np.array(
        [
            _one(versions, records, seconds, workers, rng.choice(usable, TASKS, False), rng)
            for _ in range(WORKFLOWS)
        ]
    )


def _workers(records: Sequence[TaskRecord]) -> tuple[str, ...]:
    """The workers with most attempts."""
    names = [each.worker for each in records if each.worker is not None]
    found, counts = np.unique(np.array(names, dtype=str), return_counts=True)
    return tuple(found[np.argsort(-counts, kind="stable")][:WORKERS].tolist())


def _seconds(records: Sequence[TaskRecord], workers: Sequence[str]) -> Floats:
    """What each attempt would have taken on each worker."""
    every = np.arange(len(records))
    examples = Examples.of(records, split=Split(every, every[:0], every[:0]))
    ridge = Offsets.fit(examples).ridges["duration"]
    rows, places = examples.inputs, {name: i for i, name in enumerate(examples.columns.workers)}
    own = ridge.at(rows)
    there = [ridge.at(rows.on(np.full(len(rows), places[each]))) for each in workers]
    observed = np.array([each.duration or np.nan for each in records], dtype=np.float64)
    found: Floats = observed[:, None] * np.exp(np.stack(there, axis=1) - own[:, None])
    return found


def _one(
    versions: Sequence[Learned],
    records: Sequence[TaskRecord],
    seconds: Floats,
    workers: Sequence[str],
    rows: Ints,
    rng: Generator,
) -> list[float]:
    truth = seconds[rows]
    workflow, cluster = _workflow(len(rows), rng), _cluster(workers)
    chosen = [records[i] for i in rows.tolist()]
    best = _makespan(workflow, cluster, np.repeat(truth[..., None], len(QUANTILES), -1), truth)
    return [
        _makespan(workflow, cluster, _believed(each, chosen, workers), truth) / best - 1
        for each in versions
    ]


def _believed(learned: Learned, records: Sequence[TaskRecord], workers: Sequence[str]) -> Floats:
    """Seconds by attempt, worker and quantile."""
    rows = learned.columns.encode_records(records)
    places = {name: i for i, name in enumerate(learned.columns.workers)}
    said = [
        learned.predict(rows.on(np.full(len(rows), places.get(each, 0))))["duration"]
        for each in workers
    ]
    found: Floats = np.exp(np.stack(said, axis=1))
    return found


def _workflow(count: int, rng: Generator) -> Workflow:
    """Every task but the first four waits for one or two earlier ones."""
    edges = [
        Dependency(f"t{each}", f"t{i}", 0.0)
        for i in range(4, count)
        for each in sorted(rng.choice(i, int(rng.integers(1, 3)), replace=False).tolist())
    ]
    return Workflow("rehearsal", [Task(id=f"t{i}", kind="any") for i in range(count)], edges)


def _cluster(workers: Sequence[str]) -> Cluster:
    return Cluster("rehearsal", [Worker(name=each, cores=1, memory=GIGABYTE) for each in workers])


def _makespan(workflow: Workflow, cluster: Cluster, believed: Floats, truth: Floats) -> float:
    pairs = (len(workflow), len(cluster))
    same = np.ones((*pairs, len(QUANTILES)))
    forecast = Forecast(
        tuple(workflow.index),
        tuple(cluster.index),
        duration=np.maximum(believed, 1e-6),
        memory=same,
        cpu=same,
        failure=np.zeros(pairs),
        affinity=uniform_affinity(*pairs),
    )
    problem = Problem(workflow, cluster, forecast)
    events = Simulator(_Table(truth)).run(problem, Heft().plan(problem))
    return max(each.at for each in events if isinstance(each, AttemptEnded))


@dataclass(frozen=True, eq=False)
class _Table(Truth):
    """Attempts take what the table says. Shape: seconds: tasks x workers."""

    seconds: Floats

    def draw(self, problem: Problem, start: Start, rng: Generator) -> Draw:  # noqa: ARG002
        """The same each time."""
        where = problem.workflow.index[start.task], problem.cluster.index[start.worker]
        return Draw(duration=float(self.seconds[where]), memory=1.0, cpu=1.0)
