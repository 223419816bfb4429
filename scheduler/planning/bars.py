"""Workers that may never take some tasks: limits that no forecast and no plan may cross."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scheduler.cluster import Worker
from scheduler.workflow import Task

Bools = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Bar:
    """Some tasks that may not run on some workers.

    It speaks of the tasks that have one of the `labels`, are of one of the `kinds` and are among
    the `tasks`; what is left empty asks nothing. These never run on the `workers`, on a worker that
    lacks one of the labels it `needs` ("name", or "name=value"), or, where `only` names some, on
    any other. `why` tells people who or what stands behind it.
    """

    labels: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    workers: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    why: str = ""

    def speaks_of(self, task: Task) -> bool:
        """Whether the task is one of those that it keeps off some workers."""
        return (
            (not self.labels or not task.labels.isdisjoint(self.labels))
            and (not self.kinds or task.kind in self.kinds)
            and (not self.tasks or task.id in self.tasks)
        )

    def keeps_off(self, worker: Worker) -> bool:
        """Whether the tasks that it speaks of may not run on the worker."""
        other = bool(self.only) and worker.name not in self.only
        return other or worker.name in self.workers or bool(self._lacking(worker))

    def told(self, worker: Worker) -> str:
        """Why its tasks may not run on the worker, in words."""
        lacking = self._lacking(worker)
        if worker.name in self.workers:
            rule = f"must not run on {worker.name!r}"
        elif lacking:
            rule = f"needs a worker with the label {lacking[0]!r}, which {worker.name!r} lacks"
        else:
            rule = f"must run on {' or '.join(map(repr, self.only))}, not on {worker.name!r}"
        return f"{rule} ({self.why})" if self.why else rule

    def _lacking(self, worker: Worker) -> tuple[str, ...]:
        return tuple(each for each in self.needs if not _has(worker, each))


def _has(worker: Worker, label: str) -> bool:
    name, equals, value = label.partition("=")
    return name in worker.labels and (not equals or worker.labels[name] == value)


def barred(bars: Iterable[Bar], task: Task, worker: Worker) -> str | None:
    """Why the task may not run on the worker, by the first bar that says so; None where none does.

    It looks at one pair alone and shares nothing with `open_to`, which planners obey.
    """
    for bar in bars:
        if bar.speaks_of(task) and bar.keeps_off(worker):
            return bar.told(worker)
    return None


def open_to(bars: Sequence[Bar], tasks: Sequence[Task], workers: Sequence[Worker]) -> Bools:
    """Which workers no bar keeps the tasks off. Shape: tasks x workers."""
    if not bars:
        return np.ones((len(tasks), len(workers)), dtype=np.bool_)
    free = np.array([[not bar.keeps_off(worker) for worker in workers] for bar in bars])
    spoken: dict[tuple[int, ...], int] = {}  # few sets of bars differ
    row = [spoken.setdefault(said_of(bars, task), len(spoken)) for task in tasks]
    table = np.array([free[list(each)].all(axis=0) for each in spoken])
    return np.asarray(table[row])


def said_of(bars: Sequence[Bar], task: Task) -> tuple[int, ...]:
    """The places of the bars that speak of the task."""
    return tuple(place for place, bar in enumerate(bars) if bar.speaks_of(task))
