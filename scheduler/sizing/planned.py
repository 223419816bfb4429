"""Allocations for a workflow that is to be planned: the policy on top of a forecast."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from scheduler.cluster import Cluster
from scheduler.forecast import Forecast
from scheduler.sizing.beliefs import Told
from scheduler.sizing.memory import MemorySizing
from scheduler.workflow import Task, Workflow

Array = NDArray[np.float64]
Ints = NDArray[np.int64]
ATTEMPTS = 4  # planned ahead for each task on each worker
MOST = 3000  # ladders, each about a millisecond for each named size
_ROUGHLY = (100, 20, 5, 2)  # parts of a factor e by which pairs are alike: the finest within MOST
_HELD = 2  # the same for what a miss holds, on which little depends
_NEVER = -20.0  # in the place of what a kind needs more on a worker where it never ran
_LARGEST = 2**62


@dataclass(frozen=True)
class Telling:
    """What a forecast says of the memory of its tasks."""

    forecast: Forecast

    def of(self, task: str, worker: str | None = None) -> Told | None:
        """Quantiles of a task on a worker; their geometric mean over all where it is not known.

        None for a task that the forecast does not know.
        """
        if task not in self._row:
            return None
        believed = self.forecast.memory[self._row[task]]
        column = self._column.get(worker or "")
        row = np.exp(np.log(believed).mean(axis=0)) if column is None else believed[column]
        return Told(self.forecast.quantiles, tuple(row.tolist()), self.forecast.source)

    @cached_property
    def _row(self) -> Mapping[str, int]:
        rows = self.forecast.rows
        places = range(len(self.forecast.tasks)) if rows is None else rows.tolist()
        return dict(zip(self.forecast.tasks, places, strict=True))

    @cached_property
    def _column(self) -> Mapping[str, int]:
        return {name: i for i, name in enumerate(self.forecast.workers)}


def with_allocations(
    forecast: Forecast, workflow: Workflow, cluster: Cluster, sizing: MemorySizing
) -> Forecast:
    """The forecast, and what the attempts of each task should get in turn on each worker.

    A miss wastes at least the attempt's share of the worker: the memory that goes with its cores.
    Pairs of task and worker that hardly differ in what is known of them share a ladder, that of
    the one which is said to need most.
    """
    forecast = forecast.by_task()
    held = _shares(workflow, cluster)
    ladder = _ladders(forecast, workflow, held, sizing)
    most, telling = forecast.memory[..., -1].ravel(), Telling(forecast)
    order = np.lexsort((most, ladder))
    last = np.flatnonzero(np.diff(ladder[order], append=-1))
    rows = []
    for pair in order[last].tolist():
        task, worker = divmod(pair, len(cluster.workers))
        rows.append(
            _planned(
                workflow.tasks[task],
                cluster.workers[worker].name,
                telling,
                sizing,
                held=float(held[task, worker]),
            )
        )
    pairs = (len(workflow), len(cluster.workers))
    return replace(forecast, allocations=np.array(rows)[ladder].reshape(*pairs, ATTEMPTS))


def _shares(workflow: Workflow, cluster: Cluster) -> Array:
    """Bytes that go with the cores of each task on each worker, n x m."""
    cores = np.array([task.cores for task in workflow.tasks], dtype=np.float64)
    part = cores[:, None] / np.array([each.cores for each in cluster.workers])
    room = np.array([each.memory for each in cluster.workers], dtype=np.float64)
    shares: Array = np.minimum(part, 1.0) * room
    return shares


def _ladders(forecast: Forecast, workflow: Workflow, held: Array, sizing: MemorySizing) -> Ints:
    """A number for each pair of task and worker, the same for those that are alike."""
    moved = _moved(workflow.tasks, forecast.workers, sizing)
    fine = (*np.moveaxis(np.log(forecast.memory), 2, 0), np.nan_to_num(moved, nan=_NEVER))
    for parts in _ROUGHLY:
        own = _numbered(_known(task, sizing, parts) for task in workflow.tasks)
        rough = [parts * each for each in fine]
        found = _joined(np.repeat(own, len(forecast.workers)), *rough, _HELD * np.log(held))
        if found.max() < MOST:
            break
    return found


def _joined(*columns: Array | Ints) -> Ints:
    """A number for each place, the same where all columns are equal to the next whole number."""
    found, count = np.zeros(columns[0].size, dtype=np.int64), 1
    for each in columns:
        whole = np.rint(each).astype(np.int64).ravel()
        whole -= whole.min()
        width = int(whole.max()) + 1
        if count * width > _LARGEST:
            found = np.unique(found, return_inverse=True)[1]
            count = int(found.max()) + 1
        found, count = found * width + whole, count * width
    return np.unique(found, return_inverse=True)[1]


def _known(task: Task, sizing: MemorySizing, parts: int) -> object:
    """What is known of a task beside its forecast."""
    sizes = tuple((k, round(parts * float(np.log1p(v)))) for k, v in sorted(task.sizes.items()))
    return task.kind, sizes, sizing.groups(task.kind, task.id)


def _moved(tasks: Sequence[Task], workers: Sequence[str], sizing: MemorySizing) -> Array:
    """What the kind's past needed more on each worker, in logarithms; NaN where it never ran."""
    kinds = {task.kind: sizing.needs_of(task.kind) for task in tasks}
    rows = {kind: [needs.get(each, np.nan) for each in workers] for kind, needs in kinds.items()}
    return np.array([rows[task.kind] for task in tasks])


def _numbered(values: Iterable[object]) -> Ints:
    number: dict[object, int] = {}
    return np.array([number.setdefault(each, len(number)) for each in values], dtype=np.int64)


def _planned(
    task: Task, worker: str, telling: Telling, sizing: MemorySizing, *, held: float
) -> list[float]:
    """The first allocations of the task's ladder; what follows them is left to be doubled."""
    ladder = sizing.allocate(
        task.kind,
        sizes=task.sizes,
        subject=task.id,
        worker=worker,
        told=telling.of(task.id, worker),
        held=held,
    )
    given = [ladder.first]
    while len(given) < ATTEMPTS:
        given.append(ladder.after(given[-1]) or given[-1])
    return given
