"""Tasks that do not differ in what is believed of them and asked for them share a row."""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from scheduler.cluster import Worker
from scheduler.forecast import Forecast
from scheduler.planning.bars import open_to, said_of
from scheduler.planning.objective import Objective
from scheduler.planning.spread import quantile
from scheduler.workflow import Task

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Alike:
    """Beliefs of k rows of tasks on m workers; a row for each task where none is said to be alike.

    Two tasks are alike where the forecast's `rows` say so, they ask for the same cores, memory and
    skills, and the same bars speak of them.
    """

    tasks: Sequence[Task]
    workers: Sequence[Worker]
    forecast: Forecast
    objective: Objective

    @property
    def row(self) -> Ints:
        """The row of each task, n."""
        return self._rows[0]

    @property
    def example(self) -> Ints:
        """A task of each row, k."""
        return self._rows[1]

    @cached_property
    def duration(self) -> Floats:
        """Seconds of each row on each worker, k x m; infinite where the worker cannot take it."""
        return np.where(self.eligible, self.believed_duration, np.inf)

    @cached_property
    def believed_duration(self) -> Floats:
        """Seconds of each row on each worker, k x m, whether the worker can take it or not."""
        return self._believed("duration", self.objective.duration_quantile)

    @cached_property
    def affinity(self) -> Floats:
        """How likely each worker is the right one, k x m."""
        return np.ascontiguousarray(self._rows_of(self.forecast.affinity))

    @cached_property
    def memory(self) -> Floats:
        """Bytes to reserve for each row on each worker, k x m."""
        asked = np.array([task.memory or np.nan for task in self._examples], dtype=np.float64)
        return np.ceil(np.where(np.isnan(asked)[:, None], self._believed_memory, asked[:, None]))

    @cached_property
    def eligible(self) -> Bools:
        """Whether the worker has the skills, cores and memory for the row, and no bar, k x m."""
        return self._able & (self.memory <= self._room)

    @cached_property
    def _rows(self) -> tuple[Ints, Ints]:
        if self.forecast.rows is None:
            return np.arange(len(self.tasks)), np.arange(len(self.tasks))
        rows = self.forecast.rows
        for asked in (
            [task.cores for task in self.tasks],
            [task.memory for task in self.tasks],
            [task.skills for task in self.tasks],
            [said_of(self.objective.bars, task) for task in self.tasks],
        ):
            code = _numbered(asked)
            rows = np.unique(rows * (code.max() + 1) + code, return_inverse=True)[1]
        _, example = np.unique(rows, return_index=True)
        return rows, example

    @property
    def _examples(self) -> list[Task]:
        return [self.tasks[task] for task in self.example.tolist()]

    def _rows_of(self, values: Floats) -> Floats:
        rows = self.forecast.rows
        return values if rows is None else values[rows[self.example]]

    def _believed(self, quantity: str, level: float) -> Floats:
        return self._rows_of(self.forecast.at(quantity, level))

    @property
    def _believed_memory(self) -> Floats:
        usual = self._believed("memory", 0.5)
        wanted = self._wanted_memory
        chance = self.objective.memory_chance
        if chance is not None:  # a limit, not a belief: no worker with less will do
            sure = quantile(self.forecast.memory, self.forecast.quantiles, chance)
            return np.maximum(wanted, self._rows_of(sure))
        fits = self._able & (usual <= self._room)
        largest = np.where(self._able, self._room, 0.0).max(axis=1, keepdims=True)
        last_resort = ~fits.any(axis=1, keepdims=True) & self._able & (self._room == largest)
        return np.where(fits | last_resort, np.minimum(wanted, self._room), wanted)

    @property
    def _wanted_memory(self) -> Floats:
        if self.forecast.allocations is not None:
            return self._rows_of(self.forecast.allocations)[..., 0]
        usual = self._believed("memory", 0.5)
        believed = self._believed("memory", self.objective.memory_quantile)
        return np.maximum(usual, believed * self.objective.memory_margin)

    @cached_property
    def _able(self) -> Bools:
        """Whether the worker has the skills and cores for the row, and no bar, k x m."""
        cores = np.array([task.cores for task in self._examples], dtype=np.float64)
        enough = cores[:, None] <= np.array([each.cores for each in self.workers])
        return self._skilled & enough & open_to(self.objective.bars, self._examples, self.workers)

    @cached_property
    def _room(self) -> Floats:
        return np.array([each.memory for each in self.workers], dtype=np.float64)

    @property
    def _skilled(self) -> Bools:
        wanted: dict[frozenset[str], int] = {}  # few sets of skills differ
        row = [wanted.setdefault(task.skills, len(wanted)) for task in self._examples]
        return np.array([[each <= worker.skills for worker in self.workers] for each in wanted])[
            row
        ]


def _numbered(values: Iterable[Hashable]) -> Ints:
    """A number for each value, the same for equal ones."""
    number: dict[Hashable, int] = {}
    return np.array([number.setdefault(each, len(number)) for each in values], dtype=np.int64)
