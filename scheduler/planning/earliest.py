"""When each task could end at the earliest, and must end at the latest, whatever the others do."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from scheduler.planning.problem import Floats, Problem


@dataclass(frozen=True, eq=False)
class Earliest:
    """Ends that no schedule can undercut: every task alone, on the best worker, at once.

    Releases, closed windows, what has happened and the precedence are kept; transfers and what
    other tasks hold are not counted.
    """

    problem: Problem

    @cached_property
    def end(self) -> Mapping[str, float]:
        """The earliest end of every task."""
        ends: dict[str, float] = {}
        for task in self.problem.workflow.order:
            waits = self.problem.workflow.predecessors(task)
            ends[task] = self.after(task, max((ends[each] for each in waits), default=0.0))
        return ends

    def start(self, task: str) -> float:
        """The earliest start of a task that has not happened, on whatever worker."""
        waits = self.problem.workflow.predecessors(task)
        before = max((self.end[each] for each in waits), default=0.0)
        return max(before, self.problem.workflow.task(task).release, self.problem.now)

    def after(self, task: str, ready: float) -> float:
        """When the task could end if it were alone and had to wait until `ready`."""
        if (happened := self.problem.fixed.get(task)) is not None:
            return happened.end
        start = max(ready, self.problem.workflow.task(task).release, self.problem.now)
        row = self.problem.workflow.index[task]
        quickest = self._quickest[row]
        end = self._through(quickest, start, self._least[row])
        if end <= start + self._least[row]:
            return end
        seconds = self.problem.duration[row]
        for worker in np.flatnonzero(start + seconds < end).tolist():
            end = min(end, self._through(worker, start, float(seconds[worker])))
        return end

    def end_of(self, chain: Sequence[str]) -> float:
        """When the last of these could end if they ran one after the other."""
        end = 0.0
        for task in chain:
            end = self.after(task, end)
        return end

    def way_to(self, task: str) -> list[str]:
        """The tasks that hold this one back, each waiting for the one before; it is the last."""
        way = [task]
        while waits := self.problem.workflow.predecessors(way[0]):
            way.insert(0, max(waits, key=self.end.__getitem__))
        return way

    @cached_property
    def latest(self) -> Mapping[str, float]:
        """By when each task must end so that all that wait for it can still be in time."""
        quickest, index = self._least, self.problem.workflow.index
        latest: dict[str, float] = {}
        for task in self.problem.workflow.order[::-1]:
            own = self.problem.workflow.task(task).deadline
            after = [
                latest[each] - quickest[index[each]]
                for each in self.problem.workflow.successors(task)
            ]
            latest[task] = min(np.inf if own is None else own, *after, np.inf)
        return latest

    @cached_property
    def _quickest(self) -> list[int]:
        workers: list[int] = self.problem.duration.argmin(axis=1).tolist()
        return workers

    @cached_property
    def _least(self) -> list[float]:
        seconds: list[float] = self.problem.duration.min(axis=1).tolist()
        return seconds

    @cached_property
    def _closed(self) -> list[list[tuple[float, float]]]:
        return [sorted(worker.closed) for worker in self.problem.cluster.workers]

    def _through(self, worker: int, start: float, seconds: float) -> float:
        for first, last in self._closed[worker]:
            if start + seconds <= first:
                break
            start = max(start, last)
        return start + seconds


def open_seconds(closed: Sequence[tuple[float, float]], until: Floats) -> Floats:
    """How long a worker with these closed windows is open before each of these times."""
    open_for, reached = until.copy(), 0.0
    for first, last in sorted(closed):
        begin = max(first, reached)
        open_for -= np.clip(until - begin, 0.0, max(0.0, last - begin))
        reached = max(reached, last)
    return open_for
