"""The values of a problem apart, and what changes them: on values and on flat arrays alike."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import ClassVar

import numpy as np

from scheduler.cluster import Cluster
from scheduler.errors import NotFound
from scheduler.forecast import Forecast
from scheduler.numbers import counted
from scheduler.planning import array_edits as arrays
from scheduler.planning.flat import Flat
from scheduler.planning.objective import Objective
from scheduler.planning.problem import Problem
from scheduler.planning.schedule import Placement
from scheduler.planning.shelf import Shelf
from scheduler.workflow import Dependency, Task, Workflow


@dataclass(frozen=True, eq=False)
class World:
    """The values of a problem, apart. The forecast is put together only when it is asked for.

    `shelf` has the room for large arrays, so that no event waits for the system's memory. `ganged`
    tells that some tasks may have to start together.
    """

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
    shelf: Shelf = field(default_factory=Shelf)
    ganged: bool = False

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
            ganged=bool(problem.workflow.gangs),
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
