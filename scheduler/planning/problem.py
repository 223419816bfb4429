"""All that a planner may know, as values and as flat arrays."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from scheduler.cluster import Allocation, Cluster, Worker
from scheduler.errors import Infeasible, InvalidInput
from scheduler.forecast import Forecast
from scheduler.planning.flat import Flat, flatten
from scheduler.planning.objective import Objective
from scheduler.planning.schedule import Placement
from scheduler.planning.sharing import never_fitting
from scheduler.workflow import Task, Workflow

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
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
    needs more of a pool or of its owner's quota than there is.
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
        free = [task for task in self.workflow.tasks if task.id not in self.fixed]
        able = np.asarray(self.eligible.any(axis=1)).tolist()
        whys = [self._why_stuck(task) for task in free if not able[self.workflow.index[task.id]]]
        whys += never_fitting(free, self.cluster.pools, self.objective.quotas)
        if whys:
            raise Infeasible(whys)

    @cached_property
    def duration(self) -> Floats:
        """Seconds of each task on each worker, n x m; infinite where the worker cannot take it."""
        return np.where(self.eligible, self.believed_duration, np.inf)

    @cached_property
    def believed_duration(self) -> Floats:
        """Seconds of each task on each worker, n x m, whether the worker can take it or not."""
        return self.forecast.at("duration", self.objective.duration_quantile)

    @cached_property
    def memory(self) -> Floats:
        """Bytes to reserve for each task on each worker, n x m.

        What its owner asked for, else what wastes least, else what is believed; at most all that
        the worker has. A belief alone never leaves a task without a worker: where it usually takes
        more than any able worker has, the largest of these is given whole.
        """
        asked = np.array([task.memory or np.nan for task in self.workflow.tasks], dtype=np.float64)
        return np.ceil(np.where(np.isnan(asked)[:, None], self._believed_memory, asked[:, None]))

    @property
    def _believed_memory(self) -> Floats:
        usual = self.forecast.at("memory", 0.5)
        wanted = self._wanted_memory
        fits = self._able & (usual <= self._room)
        largest = np.where(self._able, self._room, 0.0).max(axis=1, keepdims=True)
        last_resort = ~fits.any(axis=1, keepdims=True) & self._able & (self._room == largest)
        return np.where(fits | last_resort, np.minimum(wanted, self._room), wanted)

    @property
    def _wanted_memory(self) -> Floats:
        if self.forecast.allocations is not None:
            return np.repeat(self.forecast.allocations[:, :1], len(self.cluster.workers), axis=1)
        usual = self.forecast.at("memory", 0.5)
        believed = self.forecast.at("memory", self.objective.memory_quantile)
        return np.maximum(usual, believed * self.objective.memory_margin)

    def memory_after(self, task: int, held: float) -> float:
        """The bytes for the attempt after one of the task (an index) that ran out of `held`.

        What the forecast plans, else twice as much.
        """
        planned = np.empty(0)
        if self.forecast.allocations is not None:
            planned = np.ceil(self.forecast.allocations[task])
        larger = planned[planned > held]
        return float(larger.min()) if larger.size else held * GROWTH

    @cached_property
    def cores(self) -> Floats:
        """Cores that each task holds while it runs, n."""
        return np.array([task.cores for task in self.workflow.tasks], dtype=np.float64)

    @cached_property
    def eligible(self) -> NDArray[np.bool_]:
        """Whether the worker has the skills, cores and memory for the task, n x m."""
        return self._able & (self.memory <= self._room)

    @cached_property
    def _able(self) -> NDArray[np.bool_]:
        """Whether the worker has the skills and cores for the task, n x m."""
        return self._skilled & (
            self.cores[:, None] <= np.array([each.cores for each in self.cluster.workers])
        )

    @cached_property
    def _room(self) -> Floats:
        return np.array([each.memory for each in self.cluster.workers], dtype=np.float64)

    @property
    def _skilled(self) -> NDArray[np.bool_]:
        wanted: dict[
            frozenset[str], int
        ] = {}  # few sets of skills differ, however many tasks there are
        row = [wanted.setdefault(task.skills, len(wanted)) for task in self.workflow.tasks]
        return np.array(
            [[each <= worker.skills for worker in self.cluster.workers] for each in wanted]
        )[row]

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
        return np.array([self.workflow.index[task] for task in self.workflow.order], dtype=np.int64)

    @cached_property
    def flat(self) -> Flat:
        """All of it as numbers, for compiled code."""
        return flatten(self)

    def allocation(self, task: int, worker: int) -> Allocation:
        """What is reserved for this task on this worker."""
        return Allocation(float(self.cores[task]), int(self.memory[task, worker]))

    def refusal(self, task: str, worker: str) -> str | None:
        """Why the worker cannot take the task; None when it can."""
        row, column = self.workflow.index[task], self.cluster.index[worker]
        if self.eligible[row, column]:
            return None
        return _why_not(
            self.workflow.tasks[row], self.cluster.workers[column], self.memory[row, column]
        )

    @cached_property
    def _ends(self) -> tuple[Ints, Ints, Floats]:
        index, edges = self.workflow.index, self.workflow.dependencies
        source = np.array([index[each.source] for each in edges], dtype=np.int64)
        target = np.array([index[each.target] for each in edges], dtype=np.int64)
        return source, target, np.array([each.bytes for each in edges], dtype=np.float64)

    def _edges(self, *, by_target: bool) -> Edges:
        index = self.workflow.index
        source, target, size = self._ends
        own, other = (target, source) if by_target else (source, target)
        rows = np.argsort(own, kind="stable")
        start = np.zeros(len(index) + 1, dtype=np.int64)
        np.cumsum(np.bincount(own, minlength=len(index)), out=start[1:])
        return Edges(start, other[rows], size[rows])

    def _why_stuck(self, task: Task) -> str:
        row = self.workflow.index[task.id]
        whys = [
            _why_not(task, worker, self.memory[row, column])
            for column, worker in enumerate(self.cluster.workers)
        ]
        return f"Task {task.id!r} has no worker that could take it: {', '.join(whys)}"


def _why_not(task: Task, worker: Worker, memory: float) -> str:
    if missing := sorted(task.skills - worker.skills):
        return f"{worker.name!r} lacks the skill {', '.join(map(repr, missing))}"
    if task.cores > worker.cores:
        return f"{worker.name!r} has {worker.cores:g} cores, the task needs {task.cores:g}"
    return f"{worker.name!r} has {worker.memory / 1e9:.3g} GB, the task needs {memory / 1e9:.3g} GB"
