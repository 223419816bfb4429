"""All that a planner may know, as values and as flat arrays."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from scheduler.cluster import Allocation, Cluster, Worker
from scheduler.errors import Infeasible, InvalidInput
from scheduler.forecast import Forecast
from scheduler.planning.alike import Alike
from scheduler.planning.bars import Bar, barred
from scheduler.planning.fellows import never_together
from scheduler.planning.flat import Flat, flatten
from scheduler.planning.objective import Objective
from scheduler.planning.schedule import Placement
from scheduler.planning.sharing import never_fitting
from scheduler.workflow import Task, Workflow

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Scalar = TypeVar("Scalar", np.float64, np.bool_)
GROWTH = 2.0  # of the allocation after an attempt ran out of memory, where nothing is planned


@dataclass(frozen=True, eq=False)
class Edges:
    """One direction of the graph in compressed rows: those of task i lie in start[i]:start[i + 1].

    Shape: start n + 1; task (the index at the other end) and bytes, one each per dependency.
    """

    start: Ints
    task: Ints
    bytes: Floats


@dataclass(frozen=True, eq=False)
class Problem:
    """A workflow to be placed on a cluster, with what is believed of every task on every worker.

    Part of it may have happened: the placements in `fixed` (by task; done, or running now) stay as
    they are, and no other task starts before `now` (seconds from the start of the run). Raises
    Infeasible, with a reason per task, when some other task has no worker that could take it, or
    needs more of a pool or of its owner's quota than there is, or a gang fits nowhere at one time.
    """

    workflow: Workflow
    cluster: Cluster
    forecast: Forecast
    objective: Objective = field(default_factory=Objective)
    fixed: Mapping[str, Placement] = field(default_factory=dict)
    now: float = 0.0

    def __post_init__(self) -> None:
        tasks, workers = tuple(self.workflow.index), tuple(self.cluster.index)
        if (self.forecast.tasks, self.forecast.workers) != (tasks, workers):
            raise InvalidInput(
                "A problem needs a forecast for exactly the tasks of its workflow and the workers "
                f"of its cluster, found one for {len(self.forecast.tasks)} tasks and "
                f"{len(self.forecast.workers)} workers."
            )
        self._check_history()
        free = [task for task in self.workflow.tasks if task.id not in self.fixed]
        able = np.asarray(self.alike.eligible.any(axis=1))[self.alike.row].tolist()
        whys = [self._why_stuck(task) for task in free if not able[self.workflow.index[task.id]]]
        whys += never_fitting(free, self.cluster.pools, self.objective.quotas)
        if not whys and self.workflow.gangs:
            happened = np.array([task.id in self.fixed for task in self.workflow.tasks])
            whys += never_together(self.workflow.tasks, ~happened, self.flat)
        if whys:
            raise Infeasible(whys)

    @cached_property
    def duration(self) -> Floats:
        """Seconds of each task on each worker, n x m; infinite where the worker cannot take it."""
        return self._of_tasks(self.alike.duration)

    @cached_property
    def believed_duration(self) -> Floats:
        """Seconds of each task on each worker, n x m, whether the worker can take it or not."""
        return self._of_tasks(self.alike.believed_duration)

    @cached_property
    def memory(self) -> Floats:
        """Bytes to reserve for each task on each worker, n x m.

        What its owner asked for, else what wastes least, else what is believed; at most all that
        the worker has. A belief alone never leaves a task without a worker: where it usually takes
        more than any able worker has, the largest of these is given whole.
        """
        return self._of_tasks(self.alike.memory)

    @cached_property
    def eligible(self) -> NDArray[np.bool_]:
        """Whether the worker has the skills, cores and memory for the task, and no bar, n x m."""
        return self._of_tasks(self.alike.eligible)

    @cached_property
    def alike(self) -> Alike:
        """What is believed and asked, once for all tasks that do not differ in it."""
        return Alike(self.workflow.tasks, self.cluster.workers, self.forecast, self.objective)

    def _of_tasks(self, values: NDArray[Scalar]) -> NDArray[Scalar]:
        return values if self.forecast.rows is None else values[self.alike.row]

    def memory_after(self, task: int, worker: int, held: float) -> float:
        """The bytes for the attempt of the task on the worker after one ran out of `held`.

        What the forecast plans, else twice as much. Both are indices.
        """
        planned = np.empty(0)
        if self.forecast.allocations is not None:
            rows = self.forecast.rows
            row = task if rows is None else rows[task]
            planned = np.ceil(self.forecast.allocations[row, worker])
        larger = planned[planned > held]
        return float(larger.min()) if larger.size else held * GROWTH

    @cached_property
    def cores(self) -> Floats:
        """Cores that each task holds while it runs, n."""
        return np.array([task.cores for task in self.workflow.tasks], dtype=np.float64)

    @cached_property
    def predecessors(self) -> Edges:
        """What each task waits for."""
        return self._edges(by_target=True)

    @cached_property
    def successors(self) -> Edges:
        """What waits for each task."""
        return self._edges(by_target=False)

    @cached_property
    def topological(self) -> Ints:
        """Task indices, each after its predecessors."""
        return self.workflow.topological

    @cached_property
    def flat(self) -> Flat:
        """All of it as numbers, for compiled code."""
        return flatten(self)

    def allocation(self, task: int, worker: int) -> Allocation:
        """What is reserved for this task on this worker."""
        return Allocation(
            float(self.cores[task]), int(self.alike.memory[self.alike.row[task], worker])
        )

    def refusal(self, task: str, worker: str) -> str | None:
        """Why the worker cannot take the task; None when it can."""
        row, column = self.workflow.index[task], self.cluster.index[worker]
        alike = self.alike.row[row]
        if self.alike.eligible[alike, column]:
            return None
        memory = self.alike.memory[alike, column]
        found = self.workflow.tasks[row], self.cluster.workers[column]
        return _why_not(*found, memory, bars=self.objective.bars)

    def _edges(self, *, by_target: bool) -> Edges:
        source, target = self.workflow.source, self.workflow.target
        own, other = (target, source) if by_target else (source, target)
        rows = np.argsort(own, kind="stable")
        start = np.zeros(len(self.workflow) + 1, dtype=np.int64)
        np.cumsum(np.bincount(own, minlength=len(self.workflow)), out=start[1:])
        return Edges(start, other[rows], self.workflow.bytes[rows])

    def _check_history(self) -> None:
        if not 0 <= self.now < np.inf:
            raise InvalidInput(f"Problem: now must be 0 or more seconds, found {self.now!r}.")
        for task, placed in self.fixed.items():
            if task not in self.workflow.index or placed.worker not in self.cluster.index:
                raise InvalidInput(
                    f"Problem: what has happened must name its tasks and workers, found {task!r} "
                    f"on {placed.worker!r}."
                )
            if placed.task != task:
                raise InvalidInput(
                    f"Problem: what has happened to {task!r} must be a placement of it, found one "
                    f"of {placed.task!r}."
                )

    def _why_stuck(self, task: Task) -> str:
        row = self.alike.row[self.workflow.index[task.id]]
        whys = [
            _why_not(task, worker, self.alike.memory[row, column], bars=self.objective.bars)
            for column, worker in enumerate(self.cluster.workers)
        ]
        return f"Task {task.id!r} has no worker that could take it: {', '.join(whys)}"


def _why_not(task: Task, worker: Worker, memory: float, *, bars: tuple[Bar, ...]) -> str:
    if missing := sorted(task.skills - worker.skills):
        return f"{worker.name!r} lacks the skill {', '.join(map(repr, missing))}"
    if task.cores > worker.cores:
        return f"{worker.name!r} has {worker.cores:g} cores, the task needs {task.cores:g}"
    if why := barred(bars, task, worker):
        return f"it {why}"
    return f"{worker.name!r} has {worker.memory / 1e9:.3g} GB, the task needs {memory / 1e9:.3g} GB"
