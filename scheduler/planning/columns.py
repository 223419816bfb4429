"""The placements of a schedule as arrays, for whoever looks at all of them at once."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from scheduler.planning.problem import Problem
from scheduler.planning.schedule import Placement

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
RELATIVE, ABSOLUTE = 1e-9, 1e-6  # of times: what adding and writing down numbers may lose


@dataclass(frozen=True, eq=False)
class Columns:
    """One row per placement of a known task on a known worker, in the order of the schedule.

    `task` and `worker` are indices of the problem; `start` and `end` in seconds; `cores` and
    `memory` (bytes) are what is held. `free` is false where the task's placement has happened.
    Shape: one value per placement.
    """

    task: Ints
    worker: Ints
    start: Floats
    end: Floats
    cores: Floats
    memory: Floats
    free: Bools

    @classmethod
    def of(cls, placements: Sequence[Placement], problem: Problem) -> "Columns":
        """The columns of placements whose tasks and workers the problem knows."""
        tasks, workers = problem.workflow.index, problem.cluster.index
        return cls(
            task=np.array([tasks[each.task] for each in placements], dtype=np.int64),
            worker=np.array([workers[each.worker] for each in placements], dtype=np.int64),
            start=floats([each.start for each in placements]),
            end=floats([each.end for each in placements]),
            cores=floats([each.allocation.cores for each in placements]),
            memory=floats([each.allocation.memory for each in placements]),
            free=np.array([each.task not in problem.fixed for each in placements], dtype=np.bool_),
        )

    def where(self, chosen: Bools | Ints) -> "Columns":
        """Some of the rows."""
        return Columns(**{each.name: getattr(self, each.name)[chosen] for each in fields(self)})


def floats(values: Sequence[float]) -> Floats:
    """The numbers as an array, also when there are none."""
    return np.array(values, dtype=np.float64)


def leeway(time: Floats) -> Floats:
    """How much later than it should be a moment may lie, by how late it is."""
    return RELATIVE * np.abs(time) + ABSOLUTE


def blurred(start: Floats, end: Floats) -> Floats:
    """By how much both ends of a stretch of time may be off: never by more than half of it."""
    lost: Floats = np.minimum(leeway(end), (end - start) / 2)
    return lost
