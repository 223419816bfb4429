"""Which tasks are still to start together, and whether the workers could hold them at one time."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from scheduler.planning.flat import Flat, Floats, Ints
from scheduler.workflow import Task

Bools = NDArray[np.bool_]
LEEWAY = 1e-10  # of a worker or a pool: amounts are added as floats
NEVER = 1e17  # seconds: a worker that opens then is gone
STEPS = 200_000  # choices that are tried before it is said that a gang fits nowhere


@dataclass(frozen=True, eq=False)
class Fellows:
    """The gangs of which two or more tasks are free: their tasks as indices, by gang.

    `apart` says of each task of the workflow whether it shares its worker with no other such task
    of its gang; n.
    """

    gangs: Mapping[str, Ints]
    apart: Ints

    @classmethod
    def of(cls, tasks: Sequence[Task], free: Bools) -> "Fellows":
        """The gangs among those tasks that are free (n)."""
        rows: dict[str, list[int]] = {}
        for row, task in enumerate(tasks):
            if task.gang and free[row]:
                rows.setdefault(task.gang, []).append(row)
        apart = np.array([task.apart for task in tasks], dtype=np.int64)
        several = {gang: np.array(each) for gang, each in rows.items() if len(each) > 1}
        return cls(several, apart)

    def places(self, flat: Flat) -> Mapping[str, Ints | None]:
        """Workers that could hold each gang at one time if idle; None where there are none."""
        return {gang: self._place(flat, rows) for gang, rows in self.gangs.items()}

    def _place(self, flat: Flat, rows: Ints) -> Ints | None:
        found = _found(flat, rows, self.apart[rows], flat.memory[flat.row[rows]])
        return None if found is None else np.array(found)


class Places(NamedTuple):
    """Workers (indices) and bytes of memory of the tasks of a gang, in their order."""

    worker: list[int]
    memory: list[int]


def places_of(
    flat: Flat, tasks: Sequence[Task], rows: Sequence[int], least: Sequence[float]
) -> Places | None:
    """Workers that could hold these tasks at one time if idle, none with less memory than `least`.

    None where there are none.
    """
    gang = np.array(rows)
    apart = np.array([tasks[row].apart for row in rows], dtype=np.int64)
    memory = np.maximum(flat.memory[flat.row[gang]], np.array(least)[:, None])
    found = _found(flat, gang, apart, memory)
    if found is None:
        return None
    return Places(found, [int(memory[i, worker]) for i, worker in enumerate(found)])


def _found(flat: Flat, rows: Ints, apart: Ints, memory: Floats) -> list[int] | None:
    """The worker of each task of a gang; `memory` g x m."""
    if (flat.need[rows].sum(axis=0) > flat.limit * (1 + LEEWAY)).any():
        return None
    gone = [
        (flat.closed[first:last, 1] >= NEVER).any()
        for first, last in zip(flat.closed_start[:-1], flat.closed_start[1:], strict=True)
    ]
    seconds = np.where(gone, np.inf, flat.duration[flat.row[rows]])
    able = np.isfinite(seconds) & (memory <= flat.worker_memory)
    order = np.lexsort((-flat.cores[rows], able.sum(axis=1)))
    filling = _Filling(
        flat,
        cores=flat.cores[rows][order],
        memory=memory[order],
        seconds=np.where(able, seconds, np.inf)[order],
        apart=apart[order],
    )
    taken = filling.found()
    if taken is None:
        return None
    found = dict(zip(order.tolist(), taken, strict=True))
    return [found[each] for each in range(len(rows))]


class _Filling:
    """Tasks put on workers one after the other, each on the fastest first, with steps back."""

    def __init__(
        self, flat: Flat, *, cores: Floats, memory: Floats, seconds: Floats, apart: Ints
    ) -> None:
        self._cores = flat.worker_cores * (1 + LEEWAY)
        self._memory, self._steps = flat.worker_memory.astype(float), 0
        self._needs = cores, memory
        self._choices = [
            np.argsort(each, kind="stable")[: np.isfinite(each).sum()].tolist() for each in seconds
        ]
        self._apart = apart.astype(bool).tolist()
        self._taken: list[int] = []

    def found(self) -> list[int] | None:
        """The worker of each task, or None."""
        return self._taken if self._from(0) else None

    def _from(self, task: int) -> bool:
        if task == len(self._choices):
            return True
        for worker in self._choices[task]:
            self._steps += 1
            if self._steps > STEPS:
                return False
            if not self._fits(task, worker):
                continue
            self._hold(task, worker, 1.0)
            self._taken.append(worker)
            if self._from(task + 1):
                return True
            self._hold(task, self._taken.pop(), -1.0)
        return False

    def _fits(self, task: int, worker: int) -> bool:
        if self._apart[task] and any(
            other == worker and self._apart[i] for i, other in enumerate(self._taken)
        ):
            return False
        cores, memory = self._needs
        enough = cores[task] <= self._cores[worker] * (1 + LEEWAY)
        return bool(enough and memory[task, worker] <= self._memory[worker])

    def _hold(self, task: int, worker: int, sign: float) -> None:
        cores, memory = self._needs
        self._cores[worker] -= sign * cores[task]
        self._memory[worker] -= sign * memory[task, worker]


def never_together(tasks: Sequence[Task], free: Bools, flat: Flat) -> Iterator[str]:
    """Why some gangs could not run even alone, one sentence each."""
    fellows = Fellows.of(tasks, free)
    for gang, workers in fellows.places(flat).items():
        if workers is None:
            rows = fellows.gangs[gang]
            cores, memory = flat.cores[rows].sum(), flat.memory[flat.row[rows]].min(axis=1).sum()
            apart = int(fellows.apart[rows].sum())
            own = f", {apart} of them each on a worker of its own" if apart > 1 else ""
            yield (
                f"The {len(rows)} tasks of gang {gang!r} cannot all run at one time{own}: "
                f"together they need {cores:.9g} cores and {memory / 1e9:.3g} GB or more; make "
                "them smaller or fewer, or add workers"
            )
