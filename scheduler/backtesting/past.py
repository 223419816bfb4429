"""Past runs, rebuilt from their records: the workflow as it was known before it began, and how it
went.

What no predecessor and no busy worker explains of the time until a task began (staging, queues
behind other work) stays with the task: it is counted as the beginning of its attempt, in which the
worker is held, wherever the task runs. A run that is repeated so ends when it ended.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np

from scheduler.backtesting.lags import Stay, set_out
from scheduler.cluster import Cluster, Worker
from scheduler.errors import AllotError
from scheduler.records import Outcome, TaskRecord
from scheduler.workflow import Dependency, Task, Workflow

UNMEASURED = 64 * 2**30  # bytes per core of a worker of which no log tells the memory
IN_TURN = (Outcome.FAILED, Outcome.TIMED_OUT, Outcome.LOST)  # that come again where it is repeated


@dataclass(frozen=True, kw_only=True)
class Lived:
    """How one task went: `start` and `end` in seconds of the run, `ready` when it could begin.

    `before` are the seconds at the beginning of its attempt that do not depend on the worker,
    `seconds` those that do. `failures` are the seconds of attempts that failed by themselves first.
    """

    worker: str
    ready: float
    start: float
    end: float
    before: float
    seconds: float
    memory: float | None
    cpu: float | None
    allocated: float | None
    failures: tuple[float, ...] = ()
    killed: int = 0


@dataclass(frozen=True, kw_only=True)
class PastRun:
    """One run of the past: what was known when it `began`, on which workers, and how it went."""

    name: str
    began: datetime
    ended: datetime
    workflow: Workflow
    cluster: Cluster
    lived: Mapping[str, Lived]

    @property
    def makespan(self) -> float:
        """Seconds from its beginning to its last end, as logged."""
        return (self.ended - self.began).total_seconds()


@dataclass(frozen=True)
class LeftOut:
    """A run that cannot be replayed, and why."""

    name: str
    why: str


def past_runs(
    records: Iterable[TaskRecord], *, cluster: Cluster | None = None, sized: bool = False
) -> Iterator[PastRun | LeftOut]:
    """The runs that the records tell of, oldest first.

    Without a `cluster` a run has the workers on which its tasks ran, each as large as what ever ran
    there at one time. A task may go where its kind was ever seen to run, and to workers of the
    cluster that no record knows. With `sized` the memory that owners asked for is left out, so that
    the policy's own sizing decides.
    """
    runs = defaultdict[str, list[TaskRecord]](list)
    for record in records:
        runs[record.run].append(record)
    sizes = sizes_of(each for run in runs.values() for each in run)
    if cluster is not None:
        kinds = frozenset(skill for each in sizes.values() for skill in each.skills)
        cluster = _able_to(cluster, {name: each.skills for name, each in sizes.items()}, kinds)
    found = [_past_run(name, run, cluster, sizes, sized=sized) for name, run in runs.items()]
    yield from (each for each in found if isinstance(each, LeftOut))
    whole = (each for each in found if isinstance(each, PastRun))
    yield from sorted(whole, key=lambda each: (each.began, each.name))


def span(record: TaskRecord) -> tuple[datetime, datetime] | None:
    """When the attempt held its worker; None where that is not known."""
    if record.started is None:
        return None
    if record.ended is not None:
        return record.started, record.ended
    if record.duration is None:
        return None
    return record.started, record.started + timedelta(seconds=record.duration)


def sizes_of(records: Iterable[TaskRecord]) -> Mapping[str, Worker]:
    """Workers as large as what was ever seen to run there at one time."""
    held = defaultdict[str, list[tuple[float, float, float]]](list)
    kinds = defaultdict[str, set[str]](set)
    for record in records:
        when = span(record)
        if record.worker is None or when is None:
            continue
        cores, memory = record.requested_cores or 1.0, _memory(record) or 0.0
        first, last = (each.timestamp() for each in when)
        held[record.worker] += [(first, cores, memory), (last, -cores, -memory)]
        kinds[record.worker].add(_able(record.kind))
    return {name: _as_large_as(name, changes, kinds[name]) for name, changes in held.items()}


def _able_to(
    cluster: Cluster, seen: Mapping[str, frozenset[str]], kinds: frozenset[str]
) -> Cluster:
    """The cluster, whose workers can do what they were seen to do; those never seen, everything."""
    return Cluster(
        cluster.name,
        [
            replace(each, skills=each.skills | seen.get(each.name, kinds))
            for each in cluster.workers
        ],
        bandwidth=cluster.bandwidth,
        latency=cluster.latency,
        links=cluster.links,
        pools=cluster.pools,
    )


def _able(kind: str) -> str:
    """The skill of workers on which the kind was seen to run."""
    return f"runs {kind}"


def _as_large_as(
    name: str, changes: list[tuple[float, float, float]], skills: Iterable[str]
) -> Worker:
    in_time = sorted(changes, key=lambda each: (each[0], each[1]))  # ends before starts
    total = np.cumsum(np.array(in_time)[:, 1:], axis=0)
    most = np.maximum(total.max(axis=0), np.array(changes)[:, 1:].max(axis=0))
    cores = float(most[0]) * (1 + 1e-9)
    room = float(most[1]) or UNMEASURED * cores
    memory = int(np.ceil(room))
    return Worker(name=name, cores=cores, memory=memory, skills=frozenset(skills))


def _past_run(
    name: str,
    records: Sequence[TaskRecord],
    cluster: Cluster | None,
    sizes: Mapping[str, Worker],
    *,
    sized: bool,
) -> PastRun | LeftOut:
    tasks = defaultdict[str, list[TaskRecord]](list)
    for record in sorted(records, key=lambda each: each.attempt):
        tasks[record.task].append(record)
    if why := _why_not(tasks, cluster):
        return LeftOut(name, why)
    began = min(each.submitted or span(each)[0] for each in records)  # type: ignore[index]
    last = {task: tries[-1] for task, tries in tasks.items()}
    try:
        workflow = _workflow(last, began, sized=sized)
        used = dict.fromkeys(str(each.worker) for each in last.values())
        workers = cluster or Cluster(name[:100], [sizes[each] for each in used])
    except AllotError as error:
        return LeftOut(name, str(error))
    stays = [_stay(workflow, tasks[task], began) for task in workflow.order]
    lived = {
        stay.task: _lived(tasks[stay.task], stay, ready, begins)
        for stay, ready, begins in set_out(workflow, workers, stays)
    }
    ends = [span(each)[1] for each in last.values()]  # type: ignore[index]
    return PastRun(
        name=name, began=began, ended=max(ends), workflow=workflow, cluster=workers, lived=lived
    )


def _why_not(tasks: Mapping[str, Sequence[TaskRecord]], cluster: Cluster | None) -> str | None:
    """The first reason for which a run cannot be replayed."""
    for task, tries in tasks.items():
        if tries[-1].outcome is not Outcome.SUCCEEDED:
            return f"task {task!r} ended {tries[-1].outcome}"
        for each in tries:
            if span(each) is None:
                return f"it is not logged when task {task!r} ran"
            if each.worker is None:
                return f"it is not logged where task {task!r} ran"
            if cluster is not None and each.worker not in cluster.index:
                return f"task {task!r} ran on {each.worker!r}, which the cluster does not have"
        for before in tries[-1].predecessors:
            if before not in tasks:
                return f"task {task!r} waited for {before!r}, of which there is no record"
    return None


def _workflow(last: Mapping[str, TaskRecord], began: datetime, *, sized: bool) -> Workflow:
    """What could be known before: names, sizes, requests, who waits for whom, and when tasks came.

    A task that waits for others came with the workflow; one that waits for none came when it was
    submitted.
    """
    tasks = [
        Task(
            id=task,
            kind=each.kind,
            sizes=dict(each.sizes),
            cores=each.requested_cores or 1.0,
            memory=None if sized or not each.requested_memory else int(each.requested_memory),
            skills=frozenset({_able(each.kind)}),
            release=0.0
            if each.predecessors or each.submitted is None
            else (each.submitted - began).total_seconds(),
            max_attempts=10,
        )
        for task, each in last.items()
    ]
    tasks.sort(key=lambda task: (task.release, task.id))  # not as they ended
    edges = [
        Dependency(before, task) for task, each in last.items() for before in each.predecessors
    ]
    name = next((each.workflow for each in last.values() if each.workflow), "") or "unnamed"
    return Workflow(name, tasks, dict.fromkeys(edges))


def _stay(workflow: Workflow, tries: Sequence[TaskRecord], began: datetime) -> Stay:
    start, end = span(tries[0]), span(tries[-1])
    assert start is not None
    assert end is not None
    memory = _memory(tries[-1]) or 0.0
    return Stay(
        task=tries[-1].task,
        worker=str(tries[-1].worker),
        start=(start[0] - began).total_seconds(),
        end=(end[1] - began).total_seconds(),
        cores=workflow.task(tries[-1].task).cores,
        memory=memory,
    )


def _lived(tries: Sequence[TaskRecord], stay: Stay, ready: float, begins: float) -> Lived:
    good, spans = tries[-1], [span(each) for each in tries]
    held = [(last - first).total_seconds() for first, last in spans]  # type: ignore[misc]
    seconds = held[-1] if good.duration is None else min(good.duration, held[-1])
    failures = tuple(
        each for each, record in zip(held, tries, strict=True) if record.outcome in IN_TURN
    )
    return Lived(
        worker=stay.worker,
        ready=ready,
        start=begins,
        end=stay.end,
        before=max(0.0, stay.end - begins - seconds - sum(failures)),
        seconds=seconds,
        memory=good.peak_memory,
        cpu=good.cpu,
        allocated=good.allocated_memory or good.requested_memory,
        failures=failures,
        killed=sum(each.outcome is Outcome.OUT_OF_MEMORY for each in tries),
    )


def _memory(record: TaskRecord) -> float | None:
    return record.allocated_memory or record.requested_memory or record.peak_memory
