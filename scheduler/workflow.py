"""Tasks, the dependencies between them, and the workflow that they form."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from heapq import heappop, heappush
from itertools import starmap
from typing import Any

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from scheduler.errors import InvalidWorkflow
from scheduler.numbers import (
    LARGEST,
    at_least_one,
    finite,
    not_negative,
    positive,
    printable,
    storable,
)
from scheduler.work import check_arguments, check_command, check_environment, check_path, variable

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
MOST_ATTEMPTS = 3  # where nothing else is asked for


@dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """One unit of work in a workflow.

    `kind` is the sort of task: history is grouped by it. `sizes` are numbers known before the task
    starts (input bytes, rows, files), by name. `cores` and `memory` (bytes) are what its owner
    asks for; `memory` None leaves the allocation to the forecast. A worker must have all `skills`.
    `pools` says how much it holds of what the whole cluster shares (licences, connections) while
    it runs. It starts no earlier than `release` and should end by its `deadline`, both in seconds
    from the start of the run. `owner` is whom it is done for; `labels` say what sort of data it
    works on, for policies. `action` is `module:function`,
    called with `arguments`, `command` a program and its arguments, which no shell reads; a task
    has one of them, and one without can only be planned and simulated. It runs with what
    `environment` says, with the variables that `secrets` names as they are where Allot runs, and
    in `folder` on the worker. The files `inputs` must be there before, `outputs` after it.
    `timeout` is in seconds; `max_attempts` counts the first try, and `backoff` is how many seconds
    pass before the second, doubling from try to try. One that is `idempotent` may be started again
    where nobody knows what became of it. The tasks of one `gang` start at the same moment
    or not at all, each with an allocation of its own; of those that are `apart` no two share a
    worker.
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
    labels: frozenset[str] = frozenset()
    action: str | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)
    timeout: float | None = None
    max_attempts: int = MOST_ATTEMPTS
    command: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    secrets: frozenset[str] = frozenset()
    folder: str | None = None
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    idempotent: bool = False
    backoff: float = 0.0
    gang: str = ""
    apart: bool = False

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
        if self.release != 0.0:
            not_negative(self.release, "release", refuse)
        if self.deadline is not None:
            positive(self.deadline, "deadline", refuse)
        if self.timeout is not None:
            positive(self.timeout, "timeout", refuse)
        if self.priority != 0:
            finite(self.priority, "priority", refuse)
        if self.max_attempts != MOST_ATTEMPTS:
            at_least_one(self.max_attempts, "max_attempts", refuse)
        if any((self.action, self.command, self.arguments, self.environment, self.secrets)) or any(
            (self.folder, self.inputs, self.outputs)
        ):
            self._check_work(refuse)
        if self.backoff != 0.0:
            not_negative(self.backoff, "backoff", refuse)
        if self.gang:
            storable(self.gang, "gang", refuse)
        elif self.apart:
            raise refuse("apart says of tasks of a gang that they share no worker; name a gang.")

    def _check_work(self, refuse: Any) -> None:
        if self.command:
            if self.action is not None:
                raise refuse("it must have an action or a command, found both.")
            object.__setattr__(self, "command", check_command(self.command, refuse))
        check_arguments(self.arguments, refuse)
        check_environment(self.environment, refuse)
        for name in self.secrets:
            variable(name, "secrets", refuse)
        if self.folder is not None:
            check_path(self.folder, "folder", refuse)
        for name in ("inputs", "outputs"):
            for place, path in enumerate(getattr(self, name)):
                check_path(path, f"{name}[{place}]", refuse)


@dataclass(frozen=True, slots=True)
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

    `tasks` and `dependencies` are as given; `index` is the place of each task id in `tasks`, and
    the arrays `source`, `target` and `bytes` say of each dependency what it joins, as places.

    Raises InvalidWorkflow, with the offending tasks named, for a workflow without tasks, a
    duplicate id, a dependency on an unknown task, one stated twice, a cycle, or a gang of which one
    task waits for another.
    """

    def __init__(
        self, name: str, tasks: Iterable[Task], dependencies: Iterable[Dependency] = ()
    ) -> None:
        self._begin(name, tasks)
        given = tuple(dependencies)
        vars(self)["dependencies"] = given  # in place of the cached property
        _check_ends(name, given, self.index)
        place = self.index.__getitem__
        self.source = np.array([place(each.source) for each in given], dtype=np.int64)
        self.target = np.array([place(each.target) for each in given], dtype=np.int64)
        self.bytes = np.array([each.bytes for each in given], dtype=np.float64)
        _check_acyclic(self)
        _check_gangs(self)

    @classmethod
    def from_graph(cls, graph: "nx.DiGraph[str]", *, name: str = "") -> "Workflow":
        """A workflow of a networkx graph whose nodes are task ids.

        A node's attributes are those of `Task`, `kind` is "task" where it is left out; an edge's
        `bytes` are those of `Dependency`, none where left out; its other attributes are not read.
        The name is that of the graph where none is given. Raises InvalidWorkflow as the class does,
        and for a graph without directions, parallel edges, or an attribute that tasks do not have.
        """
        if not graph.is_directed() or graph.is_multigraph():
            raise InvalidWorkflow(
                "A workflow is read from a DiGraph, with one edge from a task to the next, "
                f"found a {type(graph).__name__}."
            )
        self = cls.__new__(cls)
        self._begin(name or graph.name or "workflow", starmap(_task_of, graph.nodes(data=True)))
        source: list[int] = []
        target: list[int] = []
        size: list[float] = []
        for here, followers in enumerate(graph.adj.values()):
            source += [here] * len(followers)
            target += map(self.index.__getitem__, followers)
            size += [each.get("bytes", 0.0) for each in followers.values()]
        self.source, self.target = np.array(source, np.int64), np.array(target, np.int64)
        self.bytes = _checked_bytes(self, size)
        _check_acyclic(self)
        _check_gangs(self)
        return self

    def _begin(self, name: str, tasks: Iterable[Task]) -> None:
        storable(name, "a workflow's name", InvalidWorkflow)
        self.name, self.tasks = name, tuple(tasks)
        self.index: Mapping[str, int] = {task.id: i for i, task in enumerate(self.tasks)}
        _check_ids(name, self.tasks, self.index)

    @cached_property
    def dependencies(self) -> tuple[Dependency, ...]:
        """All dependencies; the arrays `source`, `target` (of `tasks`) and `bytes` say the same."""
        ids = [task.id for task in self.tasks]
        rows = zip(self.source.tolist(), self.target.tolist(), self.bytes.tolist(), strict=True)
        return tuple(Dependency(ids[a], ids[b], size) for a, b, size in rows)

    @cached_property
    def gangs(self) -> Mapping[str, tuple[str, ...]]:
        """The tasks that start together, by gang, in the order given; a gang of one is none."""
        members: dict[str, list[str]] = {}
        for task in self.tasks:
            if task.gang:
                members.setdefault(task.gang, []).append(task.id)
        return {gang: tuple(each) for gang, each in members.items() if len(each) > 1}

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
    def topological(self) -> Ints:
        """Indices of tasks so that each comes after its predecessors; ties in the order given."""
        if (self.source < self.target).all():
            return np.arange(len(self.tasks))
        return _first_come(self)

    @cached_property
    def order(self) -> tuple[str, ...]:
        """Task ids so that each comes after its predecessors; ties in the order given."""
        return tuple(self.tasks[row].id for row in self.topological.tolist())

    def task(self, task_id: str) -> Task:
        """The task of that id; KeyError when there is none."""
        return self.tasks[self.index[task_id]]

    def predecessors(self, task_id: str) -> tuple[str, ...]:
        """The tasks that must end before this one starts."""
        return self._names(self._before, self.source, task_id)

    def successors(self, task_id: str) -> tuple[str, ...]:
        """The tasks that wait for this one."""
        return self._names(self._after, self.target, task_id)

    @cached_property
    def _before(self) -> tuple[Ints, Ints]:
        return _rows_by(self.target, len(self.tasks))

    @cached_property
    def _after(self) -> tuple[Ints, Ints]:
        return _rows_by(self.source, len(self.tasks))

    def _names(self, edges: tuple[Ints, Ints], ends: Ints, task_id: str) -> tuple[str, ...]:
        (start, rows), here = edges, self.index[task_id]
        found = ends[rows[start[here] : start[here + 1]]].tolist()
        return tuple(self.tasks[row].id for row in found)

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
        counts = f"{len(self.tasks)} tasks, {len(self.source)} dependencies"
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


def _check_acyclic(workflow: Workflow) -> None:
    if len(workflow.topological) == len(workflow.tasks):
        return
    cycle = [source for source, _ in nx.find_cycle(workflow.graph)]
    raise InvalidWorkflow(
        f"Workflow {workflow.name!r}: tasks must not wait for each other in a circle, found "
        f"{' -> '.join([*cycle, cycle[0]])}.",
        cycle,
    )


def _check_gangs(workflow: Workflow) -> None:
    """No task of a gang may wait for another one of it, not even by way of other gangs."""
    if not workflow.gangs:
        return
    block = {task: gang for gang, tasks in workflow.gangs.items() for task in tasks}
    together: nx.DiGraph[tuple[bool, str]] = nx.DiGraph()
    for source, target in workflow.graph.edges:
        ends = [(each in block, block.get(each, each)) for each in (source, target)]
        together.add_edge(*ends, through=(source, target))
    try:
        steps = nx.find_cycle(together)
    except nx.NetworkXNoCycle:
        return
    waits = [together.edges[step]["through"] for step in steps]
    gangs = ", ".join(repr(name) for (is_gang, name), _ in steps if is_gang)
    told = ", ".join(f"{source} -> {target}" for source, target in waits)
    raise InvalidWorkflow(
        f"Workflow {workflow.name!r}: the tasks of a gang start together, so none may wait for "
        f"another, found for {gangs} the dependencies {told}.",
        [task for wait in waits for task in wait],
    )


def _first_come(workflow: Workflow) -> Ints:
    """The first of the tasks that wait for nothing, then the first of those left, and so on.

    Fewer than all where some wait for each other in a circle.
    """
    start, rows = (each.tolist() for each in _rows_by(workflow.source, len(workflow.tasks)))
    target = workflow.target.tolist()
    waits = np.bincount(workflow.target, minlength=len(workflow.tasks)).tolist()
    free = [row for row, count in enumerate(waits) if not count]  # rising, hence a heap
    order: list[int] = []
    while free:
        here = heappop(free)
        order.append(here)
        for edge in rows[start[here] : start[here + 1]]:
            waits[target[edge]] -= 1
            if not waits[target[edge]]:
                heappush(free, target[edge])
    return np.array(order, dtype=np.int64)


def _rows_by(end: Ints, count: int) -> tuple[Ints, Ints]:
    """Which edges have each task at this end: those of task i are rows[start[i]:start[i + 1]]."""
    start = np.zeros(count + 1, dtype=np.int64)
    np.cumsum(np.bincount(end, minlength=count), out=start[1:])
    return start, np.argsort(end, kind="stable")


def _task_of(node: str, attributes: Mapping[str, Any]) -> Task:
    if unknown := attributes.keys() - _FIELDS:
        raise _refuse(node)(
            f"the node has the attribute {min(unknown)!r}, which tasks do not have; "
            f"they have {', '.join(sorted(_FIELDS))}."
        )
    return Task(**{"id": node, "kind": "task", **attributes})


def _checked_bytes(workflow: Workflow, sizes: Sequence[float]) -> Floats:
    if set(map(type, sizes)) <= {int, float}:
        found = np.array(sizes, dtype=np.float64)
        if found.size == 0 or (found.min() >= 0 and found.max() <= LARGEST):  # not with NaN
            return found
    ends = zip(workflow.source.tolist(), workflow.target.tolist(), sizes, strict=True)
    tasks = workflow.tasks
    return np.array([Dependency(tasks[a].id, tasks[b].id, each).bytes for a, b, each in ends])


_FIELDS = frozenset(each.name for each in fields(Task)) - {"id"}
