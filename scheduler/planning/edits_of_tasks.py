"""Tasks that are added, removed, or are to be done otherwise."""

from abc import abstractmethod
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from scheduler.errors import InvalidInput
from scheduler.forecast import Forecast
from scheduler.numbers import positive
from scheduler.planning import array_edits as arrays
from scheduler.planning.bars import Bar
from scheduler.planning.flat import Flat
from scheduler.planning.objective import urgency
from scheduler.planning.problem import Problem
from scheduler.planning.world import Edit, World
from scheduler.workflow import Dependency, Task, Workflow


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
        rows = range(len(world.tasks), len(world.tasks) + len(new))
        return replace(
            world,
            tasks={**world.tasks, **new},
            index={**world.index, **dict(zip(new, rows, strict=True))},
            dependencies=(*world.dependencies, *self.dependencies),
            believed=cache(lambda: arrays.beside(world.forecast, self.forecast, axis=0)),
            ganged=world.ganged or any(task.gang for task in self.tasks),
        )

    def on_arrays(self, flat: Flat, world: World) -> Flat:
        new = {task.id: flat.row.size + row for row, task in enumerate(self.tasks)}
        outer = [each for each in self.dependencies if each.source not in new]
        inner = [each for each in self.dependencies if each.source in new]
        own = Workflow(world.name, self.tasks, inner)
        added = Problem(own, world.cluster, self.forecast, world.objective).flat
        known = tuple(world.tasks.values())
        numbers, first = np.unique(flat.owner, return_index=True)
        owners = {known[row].owner: int(at) for at, row in zip(numbers, first, strict=True)}
        for task in self.tasks:
            owners.setdefault(task.owner, len(owners))
        added = added._replace(owner=np.array([owners[task.owner] for task in self.tasks]))
        source = np.array([world.index[each.source] for each in outer], dtype=np.int64)
        target = np.array([new[each.target] for each in outer], dtype=np.int64)
        size = np.array([each.bytes for each in outer], dtype=np.float64)
        return arrays.with_more(flat, added, source, target, size, world.shelf)

    def sentence(self) -> str:
        return f"{', '.join(task.id for task in self.tasks)} is added"


@dataclass(frozen=True, kw_only=True)
class _OfTask(Edit):
    task: str

    @abstractmethod
    def changed(self, task: Task) -> Task:
        """The task as it then is."""

    def on_values(self, world: World) -> World:
        world.row(self.task)
        return world.with_task(self.changed(world.tasks[self.task]))


@dataclass(frozen=True, kw_only=True)
class TaskRemoved(Edit):
    """The task is not to be done; what waited for it waits for it no longer."""

    changes_work = True

    task: str

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
        alone = after.alone(self.task).flat
        return arrays.with_task(flat, world.index[self.task], alone, world.shelf)

    def sentence(self) -> str:
        cores = [] if self.cores is None else [f"{self.cores:g} cores"]
        memory = [] if self.memory is None else [f"{self.memory / 1e9:.3g} GB"]
        return f"{self.task} gets {' and '.join(cores + memory)}"


@dataclass(frozen=True, kw_only=True)
class Kept(Edit):
    """The task runs on this worker and no other, as a person has decided; None lets it go again.

    `why` tells who. Raises Infeasible where the worker cannot take the task.
    """

    task: str
    worker: str | None
    why: str = ""

    def on_values(self, world: World) -> World:
        world.row(self.task)
        others = tuple(each for each in world.objective.bars if not self._is_ours(each))
        if self.worker is None:
            return replace(world, objective=replace(world.objective, bars=others))
        world.column(self.worker)
        ours = Bar(tasks=(self.task,), only=(self.worker,), why=self.why)
        return replace(world, objective=replace(world.objective, bars=(*others, ours)))

    def _is_ours(self, bar: Bar) -> bool:
        return bar.tasks == (self.task,) and bool(bar.only)

    def on_arrays(self, flat: Flat, world: World) -> Flat:
        alone = self.on_values(world).alone(self.task).flat
        return arrays.with_task(flat, world.index[self.task], alone, world.shelf)

    def sentence(self) -> str:
        if self.worker is None:
            return f"{self.task} may run anywhere again"
        return f"{self.task} is to run on {self.worker}"


@dataclass(frozen=True, kw_only=True)
class Believed(Edit):
    """The task is believed to take `factor` times as long as before, everywhere."""

    changes_work = True

    task: str
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
        return arrays.scaled(flat, world.index[self.task], self.factor, world.shelf)

    def sentence(self) -> str:
        return f"{self.task} takes {self.factor:g} times as long"
