"""Tasks, the dependencies between them, and the workflow that they form."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import networkx as nx

from scheduler.errors import InvalidWorkflow
from scheduler.numbers import (
    at_least_one,
    finite,
    not_negative,
    positive,
    printable,
    storable,
)


@dataclass(frozen=True, kw_only=True)
class Task:
    """One unit of work in a workflow.

    `kind` is the sort of task: history is grouped by it. `sizes` are numbers known before the task
    starts (input bytes, rows, files), by name. `cores` and `memory` (bytes) are what its owner
    asks for; `memory` None leaves the allocation to the forecast. A worker must have all `skills`.
    `pools` says how much it holds of what the whole cluster shares (licences, connections) while
    it runs. It starts no earlier than `release` and should end by its `deadline`, both in seconds
    from the start of the run. `owner` is whom it is done for. `action` is `module:function`,
    called with `arguments`; a task without one can only be planned and simulated. `timeout` is in
    seconds; `max_attempts` counts the first try.
    """

    id: str
    kind: str
    sizes: Mapping[str, float] = field(default_factory=dict)
    cores: float = 1.0
    memory: int | None = None
    skills: frozenset[str] = frozenset()
    pools: Mapping[str, float] = field(default_factory=dict)
    priority: int = 0
    release: float = 0.0
    deadline: float | None = None
    owner: str = ""
    action: str | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)
    timeout: float | None = None
    max_attempts: int = 3

    def __post_init__(self) -> None:
        refuse = _refuse(self.id)
        storable(self.id, "id", refuse)
        storable(self.kind, "kind", refuse)
        if self.action is not None:
            storable(self.action, "action", refuse)
        positive(self.cores, "cores", refuse)
        for name, size in self.sizes.items():
            printable(name, "the name of a size", refuse)
            not_negative(size, f"size {name!r}", refuse)
        if self.memory is not None:
            positive(self.memory, "memory", refuse)
        for name, amount in self.pools.items():
            storable(name, "the name of a pool", refuse)
            not_negative(amount, f"pools[{name!r}]", refuse)
        not_negative(self.release, "release", refuse)
        if self.deadline is not None:
            positive(self.deadline, "deadline", refuse)
        if self.timeout is not None:
            positive(self.timeout, "timeout", refuse)
        finite(self.priority, "priority", refuse)
        at_least_one(self.max_attempts, "max_attempts", refuse)


@dataclass(frozen=True)
class Dependency:
    """`target` starts after `source` has ended and its `bytes` have reached the target's worker."""

    source: str
    target: str
    bytes: float = 0.0

    def __post_init__(self) -> None:
        not_negative(
            self.bytes,
            f"bytes of the dependency {self.source} -> {self.target}",
            _refuse(self.target),
        )


class Workflow:
    """A directed acyclic graph of tasks, complete and checked from the moment it exists.

    Raises InvalidWorkflow, with the offending tasks named, for a workflow without tasks, a
    duplicate id, a dependency on an unknown task, one stated twice, or a cycle.
    """

    def __init__(
        self, name: str, tasks: Iterable[Task], dependencies: Iterable[Dependency] = ()
    ) -> None:
        storable(name, "a workflow's name", InvalidWorkflow)
        self.name = name
        self.tasks = tuple(tasks)
        self.dependencies = tuple(dependencies)
        self.index: Mapping[str, int] = {task.id: i for i, task in enumerate(self.tasks)}
        _check_ids(name, self.tasks, self.index)
        _check_ends(name, self.dependencies, self.index)
        _check_acyclic(name, self.graph)

    @cached_property
    def graph(self) -> "nx.DiGraph[str]":
        """The graph with task ids as nodes and `bytes` on the edges, frozen."""
        graph: nx.DiGraph[str] = nx.DiGraph()
        graph.add_nodes_from(self.index)
        graph.add_edges_from(
            (each.source, each.target, {"bytes": each.bytes}) for each in self.dependencies
        )
        nx.freeze(graph)
        return graph

    @cached_property
    def order(self) -> tuple[str, ...]:
        """Task ids so that each comes after its predecessors; ties in the order given."""
        return tuple(nx.lexicographical_topological_sort(self.graph, key=self.index.__getitem__))

    def task(self, task_id: str) -> Task:
        """The task of that id; KeyError when there is none."""
        return self.tasks[self.index[task_id]]

    def predecessors(self, task_id: str) -> tuple[str, ...]:
        """The tasks that must end before this one starts."""
        return tuple(self.graph.pred[task_id])

    def successors(self, task_id: str) -> tuple[str, ...]:
        """The tasks that wait for this one."""
        return tuple(self.graph.succ[task_id])

    def __len__(self) -> int:
        return len(self.tasks)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Workflow):
            return NotImplemented
        mine, theirs = (self.name, self.tasks), (other.name, other.tasks)
        return mine == theirs and set(self.dependencies) == set(other.dependencies)

    def __hash__(self) -> int:
        return hash((self.name, tuple(self.index)))

    def __repr__(self) -> str:
        counts = f"{len(self.tasks)} tasks, {len(self.dependencies)} dependencies"
        return f"Workflow({self.name!r}, {counts})"


def _refuse(task_id: str) -> Any:
    def error(message: str) -> InvalidWorkflow:
        return InvalidWorkflow(f"Task {task_id!r}: {message}", [task_id])

    return error


def _check_ids(name: str, tasks: tuple[Task, ...], index: Mapping[str, int]) -> None:
    if not tasks:
        raise InvalidWorkflow(f"Workflow {name!r} has no tasks; a workflow needs at least one.")
    if len(index) < len(tasks):
        twice = sorted({task.id for i, task in enumerate(tasks) if index[task.id] != i})
        raise InvalidWorkflow(
            f"Workflow {name!r}: each task id must be unique, found twice: {', '.join(twice)}.",
            twice,
        )


def _check_ends(name: str, dependencies: tuple[Dependency, ...], index: Mapping[str, int]) -> None:
    seen: set[tuple[str, str]] = set()
    for each in dependencies:
        for end in (each.source, each.target):
            if end not in index:
                raise InvalidWorkflow(
                    f"Workflow {name!r}: the dependency {each.source} -> {each.target} names "
                    f"{end!r}, which is not one of its {len(index)} tasks.",
                    [end],
                )
        if (each.source, each.target) in seen:
            raise InvalidWorkflow(
                f"Workflow {name!r}: the dependency {each.source} -> {each.target} is stated "
                "twice; state it once with the sum of the bytes.",
                [each.source, each.target],
            )
        seen.add((each.source, each.target))


def _check_acyclic(name: str, graph: "nx.DiGraph[str]") -> None:
    if nx.is_directed_acyclic_graph(graph):
        return
    cycle = [source for source, _ in nx.find_cycle(graph)]
    raise InvalidWorkflow(
        f"Workflow {name!r}: tasks must not wait for each other in a circle, found "
        f"{' -> '.join([*cycle, cycle[0]])}.",
        cycle,
    )
