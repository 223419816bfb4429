"""What may happen to a problem, or be asked of it, piece by piece: on values and on flat arrays.

An edit changes a `World`, the values of a problem that are not put together, and in the same way
the `Flat` beside it, so that nothing large is built again. `at` is when it happens, in seconds from
the start of the run: no task that is still free starts before the latest of these.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache, cached_property
from typing import ClassVar

import numpy as np

from scheduler.cluster import Cluster, Worker
from scheduler.errors import InvalidInput, NotFound
from scheduler.forecast import Forecast
from scheduler.numbers import counted, positive
from scheduler.planning import array_edits as arrays
from scheduler.planning.flat import Flat
from scheduler.planning.objective import Objective, urgency
from scheduler.planning.problem import Problem
from scheduler.planning.schedule import Placement
from scheduler.workflow import Dependency, Task, Workflow

FOREVER = 1e18  # seconds: the end of a window that never opens again


@dataclass(frozen=True, eq=False)
class World:
    """The values of a problem, apart. The forecast is put together only when it is asked for."""

    name: str
    tasks: Mapping[str, Task]
    index: Mapping[str, int]
    dependencies: tuple[Dependency, ...]
    cluster: Cluster
    objective: Objective
    fixed: Mapping[str, Placement]
    running: frozenset[str]
    now: float
    believed: Callable[[], Forecast]

    @classmethod
    def of(cls, problem: Problem) -> "World":
        """The pieces of a problem; what is fixed and ends after now counts as running."""
        return cls(
            name=problem.workflow.name,
            tasks={task.id: task for task in problem.workflow.tasks},
            index=problem.workflow.index,
            dependencies=problem.workflow.dependencies,
            cluster=problem.cluster,
            objective=problem.objective,
            fixed=problem.fixed,
            running=frozenset(t for t, each in problem.fixed.items() if each.end > problem.now),
            now=problem.now,
            believed=lambda: problem.forecast.by_task(),
        )

    @cached_property
    def forecast(self) -> Forecast:
        """What is believed of all tasks on all workers."""
        return self.believed()

    @cached_property
    def problem(self) -> Problem:
        """The pieces put together, and checked."""
        workflow = Workflow(self.name, self.tasks.values(), self.dependencies)
        forecast, fixed = self.forecast, self.fixed
        return Problem(workflow, self.cluster, forecast, self.objective, fixed=fixed, now=self.now)

    def row(self, task: str) -> int:
        """The index of a task; raises NotFound."""
        if task not in self.index:
            count = counted(len(self.index), "task")
            raise NotFound(f"The workflow has {count}, but none with the id {task!r}.")
        return self.index[task]

    def column(self, worker: str) -> int:
        """The index of a worker; raises NotFound."""
        if worker not in self.cluster.index:
            known = ", ".join(self.cluster.index)
            raise NotFound(f"There is no worker named {worker!r}; known: {known}.")
        return self.cluster.index[worker]

    def alone(self, task: str) -> Problem:
        """The problem of this task only, on all the workers."""
        only = arrays.rows_of(self.forecast, [self.row(task)])
        return Problem(Workflow(task, [self.tasks[task]]), self.cluster, only, self.objective)

    def with_fixed(self, task: str, placed: Placement | None, *, runs: bool) -> "World":
        """The task has happened so, and runs still or not; or (None) is free again."""
        fixed = {name: each for name, each in self.fixed.items() if name != task}
        if placed is not None:
            fixed[task] = placed
        running = self.running | {task} if runs else self.running - {task}
        return replace(self, fixed=fixed, running=running)

    def with_task(self, task: Task) -> "World":
        """The task of that id is this one."""
        self.row(task.id)
        return replace(self, tasks={**self.tasks, task.id: task})


@dataclass(frozen=True, kw_only=True)
class Edit(ABC):
    """One thing that happens or is asked, `at` seconds after the start of the run."""

    changes_work: ClassVar[bool] = False  # what the tasks are, or how long they take

    at: float = 0.0

    def on(self, world: World) -> World:
        """The world after it; raises NotFound or InvalidInput where it cannot be."""
        return self.on_values(replace(world, now=max(world.now, self.at)))

    def on_both(self, flat: Flat, world: World) -> tuple[Flat, World]:
        """The arrays and the world after it."""
        after, told = self.on(world), replace(world, now=max(world.now, self.at))
        flat = self.on_arrays(flat._replace(now=told.now), told)
        if len(flat.alone) <= flat.owner.max():
            flat = flat._replace(alone=np.zeros(int(flat.owner.max()) + 1))
        if flat.aims.fairness > 0 and self.changes_work:
            flat = flat._replace(alone=after.problem.flat.alone)
        return flat, after

    @abstractmethod
    def on_values(self, world: World) -> World:
        """The same, where the time is told already."""

    @abstractmethod
    def on_arrays(self, flat: Flat, world: World) -> Flat:
        """The arrays after it, where `world` is what was before, its time told already."""

    @abstractmethod
    def sentence(self) -> str:
        """What happened, for people."""


@dataclass(frozen=True, kw_only=True)
class Began(Edit):
    """An attempt has begun as placed here; its end is what is believed now."""

    placement: Placement

    def on_values(self, world: World) -> World:
        task = self.placement.task
        world.row(task)
        world.column(self.placement.worker)
        if task in world.fixed:
            raise InvalidInput(f"Task {task!r} must not begin twice; say first that it failed.")
        return world.with_fixed(task, self.placement, runs=True)

    def on_arrays(self, flat: Flat, world: World) -> Flat:
        row = world.index[self.placement.task]
        return arrays.with_fixed(flat, row, self.placement, world.cluster)

    def sentence(self) -> str:
        return f"{self.placement.task} began on {self.placement.worker}"


@dataclass(frozen=True, kw_only=True)
class OfRunning(Edit):
    """What happens to an attempt that runs."""

    task: str

    def _placed(self, world: World) -> Placement:
        world.row(self.task)
        if self.task not in world.running:
            raise InvalidInput(f"Task {self.task!r} does not run; say first that it began.")
        return world.fixed[self.task]


@dataclass(frozen=True, kw_only=True)
class Ended(OfRunning):
    """The attempt that ran has succeeded, `at` this moment."""

    def on_values(self, world: World) -> World:
        ended = replace(self._placed(world), end=self.at)
        return world.with_fixed(self.task, ended, runs=False)

    def on_arrays(self, flat: Flat, world: World) -> Flat:
        row = world.index[self.task]
        return flat._replace(fixed_end=arrays.set_at(flat.fixed_end, row, self.at))

    def sentence(self) -> str:
        return f"{self.task} ended at {self.at:.6g} s"


@dataclass(frozen=True, kw_only=True)
class Expected(OfRunning):
    """The attempt that runs is now believed to end at `end` (seconds)."""

    end: float

    def on_values(self, world: World) -> World:
        later = replace(self._placed(world), end=self.end)
        return world.with_fixed(self.task, later, runs=True)

    def on_arrays(self, flat: Flat, world: World) -> Flat:
        row = world.index[self.task]
        return flat._replace(fixed_end=arrays.set_at(flat.fixed_end, row, self.end))

    def sentence(self) -> str:
        return f"{self.task} is now believed to end at {self.end:.6g} s"


@dataclass(frozen=True, kw_only=True)
class Failed(OfRunning):
    """The attempt that ran has failed: the task is free again."""

    def on_values(self, world: World) -> World:
        self._placed(world)
        return world.with_fixed(self.task, None, runs=False)

    def on_arrays(self, flat: Flat, world: World) -> Flat:
        return arrays.with_fixed(flat, world.index[self.task], None, world.cluster)

    def sentence(self) -> str:
        return f"{self.task} failed at {self.at:.6g} s"


@dataclass(frozen=True, kw_only=True)
class WorkerLost(Edit):
    """The worker runs nothing from now on; what ran there is free again.

    What has ended there stays reachable.
    """

    worker: str

    def on_values(self, world: World) -> World:
        column = world.column(self.worker)
        workers = list(world.cluster.workers)
        since = (*workers[column].closed, (world.now, FOREVER))
        workers[column] = replace(workers[column], closed=since)
        gone = self._stopped(world)
        fixed = {task: each for task, each in world.fixed.items() if task not in gone}
        cluster = _cluster(world.cluster, workers)
        return replace(world, cluster=cluster, fixed=fixed, running=world.running - gone)

    def on_arrays(self, flat: Flat, world: World) -> Flat:
        column = world.cluster.index[self.worker]
        for task in sorted(self._stopped(world)):
            flat = arrays.with_fixed(flat, world.index[task], None, world.cluster)
        closed = (*world.cluster.workers[column].closed, (world.now, FOREVER))
        return arrays.with_windows(flat, column, closed)

    def _stopped(self, world: World) -> frozenset[str]:
        return frozenset(t for t in world.running if world.fixed[t].worker == self.worker)

    def sentence(self) -> str:
        return f"{self.worker} is gone"


@dataclass(frozen=True, kw_only=True)
class WorkerAdded(Edit):
    """A worker more, with what is believed of every task there (a forecast of it alone)."""

    changes_work = True

    worker: Worker
    forecast: Forecast

    def __post_init__(self) -> None:
        object.__setattr__(self, "forecast", self.forecast.by_task())

    def on_values(self, world: World) -> World:
        if self.worker.name in world.cluster.index:
            raise InvalidInput(f"There is a worker named {self.worker.name!r} already.")
        if self.forecast.workers != (self.worker.name,):
            raise InvalidInput(
                f"The forecast must be of {self.worker.name!r} alone, found one of "
                f"{', '.join(self.forecast.workers)}."
            )
        cluster = _cluster(world.cluster, [*world.cluster.workers, self.worker])
        return replace(
            world,
            cluster=cluster,
            believed=cache(lambda: arrays.beside(world.forecast, self.forecast, axis=1)),
        )

    def on_arrays(self, flat: Flat, world: World) -> Flat:
        tasks, aim, worker = world.tasks.values(), world.objective, self.worker
        able = np.array([t.skills <= worker.skills and t.cores <= worker.cores for t in tasks])
        asked = np.array([t.memory or np.nan for t in tasks], dtype=np.float64)
        free = np.isnan(asked)
        usual = self.forecast.at("memory", 0.5)[:, 0]
        wanted = self.forecast.at("memory", aim.memory_quantile)[:, 0] * aim.memory_margin
        wanted = np.maximum(usual, wanted)
        if world.forecast.allocations is not None:
            wanted = world.forecast.allocations[:, 0]
        whole = arrays.given_whole(flat, np.flatnonzero(free & able))
        if whole or aim.memory_chance is not None:
            return _from_values(flat, self.on_values(world).problem.flat)
        fits = able & (usual <= worker.memory)
        memory = np.where(fits, np.minimum(wanted, worker.memory), wanted)
        memory = np.ceil(np.where(free, memory, asked))
        seconds = self.forecast.at("duration", aim.duration_quantile)[:, 0]
        duration = np.where(able & (memory <= worker.memory), seconds, np.inf)
        rate = 1.0 / world.cluster.bandwidth
        return arrays.with_worker(flat, worker, duration, memory, rate)

    def sentence(self) -> str:
        return f"{self.worker.name} is added"


@dataclass(frozen=True, kw_only=True)
class TasksAdded(Edit):
    """Tasks more, which may wait for each other and for any task, with what is believed of them."""

    changes_work = True

    tasks: tuple[Task, ...]
    dependencies: tuple[Dependency, ...]
    forecast: Forecast

    def __post_init__(self) -> None:
        object.__setattr__(self, "forecast", self.forecast.by_task())

    def on_values(self, world: World) -> World:
        new = {task.id: task for task in self.tasks}
        if twice := sorted(new.keys() & world.tasks.keys()):
            raise InvalidInput(f"There is a task with the id {twice[0]!r} already.")
        for each in self.dependencies:
            if each.target not in new or each.source not in new.keys() | world.tasks.keys():
                raise InvalidInput(
                    f"The dependency {each.source} -> {each.target} must lead from a task there is "
                    "to one that is added."
                )
        tasks = {**world.tasks, **new}
        return replace(
            world,
            tasks=tasks,
            index={task: row for row, task in enumerate(tasks)},
            dependencies=(*world.dependencies, *self.dependencies),
            believed=cache(lambda: arrays.beside(world.forecast, self.forecast, axis=0)),
        )

    def on_arrays(self, flat: Flat, world: World) -> Flat:
        new = {task.id: flat.row.size + row for row, task in enumerate(self.tasks)}
        index = {**world.index, **new}
        outer = [each for each in self.dependencies if each.source not in new]
        inner = [each for each in self.dependencies if each.source in new]
        own = Workflow(world.name, self.tasks, inner)
        added = Problem(own, world.cluster, self.forecast, world.objective).flat
        owners = {task.owner: int(flat.owner[world.index[t]]) for t, task in world.tasks.items()}
        for task in self.tasks:
            owners.setdefault(task.owner, len(owners))
        added = added._replace(owner=np.array([owners[task.owner] for task in self.tasks]))
        source = np.array([index[each.source] for each in outer], dtype=np.int64)
        target = np.array([index[each.target] for each in outer], dtype=np.int64)
        size = np.array([each.bytes for each in outer], dtype=np.float64)
        return arrays.with_more(flat, added, source, target, size)

    def sentence(self) -> str:
        return f"{', '.join(task.id for task in self.tasks)} is added"


@dataclass(frozen=True, kw_only=True)
class _OfTask(Edit):
    task: str

    def changed(self, task: Task) -> Task:
        """The task as it then is."""
        raise NotImplementedError

    def on_values(self, world: World) -> World:
        world.row(self.task)
        return world.with_task(self.changed(world.tasks[self.task]))


@dataclass(frozen=True, kw_only=True)
class TaskRemoved(_OfTask):
    """The task is not to be done; what waited for it waits for it no longer."""

    changes_work = True

    def on_values(self, world: World) -> World:
        row = world.row(self.task)
        if len(world.tasks) == 1:
            raise InvalidInput(
                f"Task {self.task!r} is the only one; a workflow needs at least one."
            )
        tasks = {name: task for name, task in world.tasks.items() if name != self.task}
        edges = world.dependencies
        return replace(
            world.with_fixed(self.task, None, runs=False),
            tasks=tasks,
            index={name: row for row, name in enumerate(tasks)},
            dependencies=tuple(e for e in edges if self.task not in (e.source, e.target)),
            believed=cache(
                lambda: arrays.rows_of(
                    world.forecast, [each for each in range(len(world.tasks)) if each != row]
                )
            ),
        )

    def on_arrays(self, flat: Flat, world: World) -> Flat:
        return arrays.without(flat, world.index[self.task])

    def sentence(self) -> str:
        return f"{self.task} is removed"


@dataclass(frozen=True, kw_only=True)
class Prioritised(_OfTask):
    """The task has another priority."""

    priority: int

    def raises(self, world: World) -> bool:
        """Whether the priority is higher than before."""
        world.row(self.task)
        return self.priority > world.tasks[self.task].priority

    def changed(self, task: Task) -> Task:
        return replace(task, priority=self.priority)

    def on_arrays(self, flat: Flat, world: World) -> Flat:
        weight = urgency(self.priority)
        return flat._replace(weight=arrays.set_at(flat.weight, world.index[self.task], weight))

    def sentence(self) -> str:
        return f"{self.task} has priority {self.priority}"


@dataclass(frozen=True, kw_only=True)
class Due(_OfTask):
    """The task has another deadline (seconds from the start of the run), or none."""

    deadline: float | None

    def changed(self, task: Task) -> Task:
        return replace(task, deadline=self.deadline)

    def on_arrays(self, flat: Flat, world: World) -> Flat:
        deadline = np.inf if self.deadline is None else self.deadline
        return flat._replace(
            deadline=arrays.set_at(flat.deadline, world.index[self.task], deadline)
        )

    def sentence(self) -> str:
        when = "no deadline" if self.deadline is None else f"to end by {self.deadline:.6g} s"
        return f"{self.task} has {when}"


@dataclass(frozen=True, kw_only=True)
class Released(_OfTask):
    """The task may start from another moment on."""

    changes_work = True

    release: float

    def changed(self, task: Task) -> Task:
        return replace(task, release=self.release)

    def on_arrays(self, flat: Flat, world: World) -> Flat:
        row = world.index[self.task]
        return flat._replace(release=arrays.set_at(flat.release, row, self.release))

    def sentence(self) -> str:
        return f"{self.task} may start from {self.release:.6g} s on"


@dataclass(frozen=True, kw_only=True)
class Allocated(_OfTask):
    """The task gets other cores or memory (bytes); None leaves the one or the other."""

    changes_work = True

    cores: float | None = None
    memory: int | None = None

    def changed(self, task: Task) -> Task:
        cores = task.cores if self.cores is None else self.cores
        return replace(
            task, cores=cores, memory=task.memory if self.memory is None else self.memory
        )

    def on_arrays(self, flat: Flat, world: World) -> Flat:
        after = self.on_values(world)
        return arrays.with_task(flat, world.index[self.task], after.alone(self.task).flat)

    def sentence(self) -> str:
        cores = [] if self.cores is None else [f"{self.cores:g} cores"]
        memory = [] if self.memory is None else [f"{self.memory / 1e9:.3g} GB"]
        return f"{self.task} gets {' and '.join(cores + memory)}"


@dataclass(frozen=True, kw_only=True)
class Believed(_OfTask):
    """The task is believed to take `factor` times as long as before, everywhere."""

    changes_work = True

    factor: float

    def on_values(self, world: World) -> World:
        row = world.row(self.task)
        positive(self.factor, "the factor of a duration", InvalidInput)

        @cache
        def believed() -> Forecast:
            duration = world.forecast.duration.copy()
            duration[row] *= self.factor
            return replace(world.forecast, duration=duration)

        return replace(world, believed=believed)

    def on_arrays(self, flat: Flat, world: World) -> Flat:
        return arrays.scaled(flat, world.index[self.task], self.factor)

    def sentence(self) -> str:
        return f"{self.task} takes {self.factor:g} times as long"


def _from_values(flat: Flat, whole: Flat) -> Flat:
    """The arrays of a problem put together anew, but for its order of tasks, which any may be."""
    return whole._replace(order=flat.order)


def _cluster(old: Cluster, workers: list[Worker]) -> Cluster:
    return Cluster(
        old.name, workers, bandwidth=old.bandwidth, latency=old.latency,
        links=old.links, pools=old.pools,
    )  # fmt: skip
