"""Where the tasks of a graph stand: pure.

Layers by longest path, then barycentre sweeps against crossings: Sugiyama, Tagawa and Toda,
"Methods for visual understanding of hierarchical system structures" (1981).
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import TypeVar

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from dashboard.words import by_frequency
from scheduler.workflow import Workflow

MOST_DRAWN = 300
FEW_GROUPS, STAGES, MOST_LANES = 40, 8, 24
_SWEEPS = 12
Node = TypeVar("Node", bound=Hashable)
Point = tuple[float, float]


@dataclass(frozen=True)
class Layout:
    """Each node's column and row, and the bends of each edge that passes other columns."""

    at: Mapping[str, Point]
    bends: Mapping[tuple[str, str], tuple[Point, ...]]


def columns(graph: "nx.DiGraph[Node]") -> dict[Node, int]:
    """The longest way from a source to each node, in edges: always above its predecessors'."""
    column: dict[Node, int] = {}
    for node in nx.topological_sort(graph):
        column[node] = max((column[each] + 1 for each in graph.pred[node]), default=0)
    return column


def layered(graph: "nx.DiGraph[str]") -> Layout:
    """A place for each node, left to right, with few crossings; edges bend between nodes."""
    column = columns(graph)
    whole: nx.DiGraph[Hashable] = nx.DiGraph()
    whole.add_nodes_from(graph)
    chains = {(a, b): _chain(a, b, column) for a, b in graph.edges}
    for chain in chains.values():
        nx.add_path(whole, chain)
    places = _rows(whole, _place_of(column, chains))
    return Layout(
        at={each: places[each] for each in graph},
        bends={edge: tuple(places[each] for each in chain[1:-1]) for edge, chain in chains.items()},
    )


def stages(workflow: Workflow, *, most: int = MOST_LANES) -> tuple[NDArray[np.int64], list[str]]:
    """The stage of each task, how many tasks at most come before it, and the name of each stage.

    Where there are more than so many, neighbours are taken together.
    """
    depth = np.zeros(len(workflow), np.int64)
    order = np.argsort(_places(workflow)[workflow.source], kind="stable")
    for a, b in zip(workflow.source[order], workflow.target[order], strict=True):
        depth[b] = max(depth[b], depth[a] + 1)
    last = int(depth.max(initial=0))
    wide = ceil((last + 1) / most)
    return depth // wide, [_stage(first, wide, last) for first in range(0, last + 1, wide)]


def grouped(workflow: Workflow) -> dict[str, tuple[str, ...]]:
    """The tasks of a large workflow in groups that form a graph without cycles.

    By kind where kinds do not wait for each other in a circle; else by kind and column where that
    makes few groups; else by stages, each some columns wide.
    """
    kind = {task.id: task.kind for task in workflow.tasks}
    by_kind = _gather(workflow, kind)
    if nx.is_directed_acyclic_graph(quotient(workflow, by_kind)):
        return by_kind
    column = columns(workflow.graph)
    by_column = _gather(workflow, {task: f"{kind[task]} · {column[task]}" for task in kind})
    if len(by_column) <= FEW_GROUPS:
        return by_column
    last = max(column.values())
    wide = ceil((last + 1) / STAGES)
    return _gather(
        workflow, {task: _stage(at // wide * wide, wide, last) for task, at in column.items()}
    )


def quotient(workflow: Workflow, groups: Mapping[str, Sequence[str]]) -> "nx.DiGraph[str]":
    """The graph of the groups: an edge where some task of one waits for some task of the other."""
    group = {task: name for name, tasks in groups.items() for task in tasks}
    graph: nx.DiGraph[str] = nx.DiGraph()
    graph.add_nodes_from(groups)
    ends = ((group[each.source], group[each.target]) for each in workflow.dependencies)
    graph.add_edges_from((a, b) for a, b in ends if a != b)
    return graph


def summary(workflow: Workflow, groups: Mapping[str, Sequence[str]]) -> "nx.DiGraph[str]":
    """The graph of the groups without the edges that a longer way already implies."""
    reduced: nx.DiGraph[str] = nx.transitive_reduction(quotient(workflow, groups))
    return reduced


def neighbourhood(
    workflow: Workflow, task: str, *, reach: int = 2
) -> "tuple[nx.DiGraph[str], int]":
    """The tasks at most `reach` dependencies before or after one task, with what joins them.

    At most MOST_DRAWN tasks, the nearest; and how many were left out.
    """
    near, left_out = {task}, 0
    for graph in (workflow.graph, workflow.graph.reverse(copy=False)):
        found = nx.single_source_shortest_path_length(graph, task, cutoff=reach)
        nearest = sorted(found, key=lambda each: found[each])
        near.update(nearest[: MOST_DRAWN // 2])
        left_out += len(nearest[MOST_DRAWN // 2 :])
    return nx.DiGraph(workflow.graph.subgraph(near)), left_out


def _stage(first: int, wide: int, last: int) -> str:
    until = min(first + wide - 1, last)
    return f"stage {first + 1}" if until == first else f"stages {first + 1} to {until + 1}"


def _places(workflow: Workflow) -> NDArray[np.int64]:
    """The place of each task in an order in which each comes after what it waits for."""
    place = np.empty(len(workflow), np.int64)
    place[workflow.topological] = np.arange(len(workflow))
    return place


def _gather(workflow: Workflow, name: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    groups: dict[str, list[str]] = {each: [] for each in by_frequency(name.values())}
    for task in workflow.index:
        groups[name[task]].append(task)
    return {group: tuple(tasks) for group, tasks in groups.items()}


def _chain(source: str, target: str, column: Mapping[str, int]) -> list[Hashable]:
    bends = range(column[source] + 1, column[target])
    return [source, *((source, target, each) for each in bends), target]


def _place_of(
    column: Mapping[str, int], chains: Mapping[tuple[str, str], list[Hashable]]
) -> dict[Hashable, int]:
    place: dict[Hashable, int] = {}
    place.update(column)
    for (source, _), chain in chains.items():
        place.update({bend: column[source] + 1 + i for i, bend in enumerate(chain[1:-1])})
    return place


def _rows(graph: "nx.DiGraph[Hashable]", column: Mapping[Hashable, int]) -> dict[Hashable, Point]:
    """Barycentre sweeps: forwards by the rows of predecessors, backwards by those of successors."""
    order: dict[int, list[Hashable]] = {}
    for node in nx.lexicographical_topological_sort(graph, key=_steady(graph)):
        order.setdefault(column[node], []).append(node)
    row = {node: i - len(each) / 2 for each in order.values() for i, node in enumerate(each)}
    for sweep in range(_SWEEPS):
        near = graph.succ if sweep % 2 else graph.pred
        for here in sorted(order, reverse=bool(sweep % 2)):
            centre = {
                node: _mean([row[each] for each in near[node]], row[node]) for node in order[here]
            }
            order[here].sort(key=centre.__getitem__)
            row.update({node: i - len(order[here]) / 2 for i, node in enumerate(order[here])})
    return {node: (float(column[node]), row[node]) for node in graph}


def _steady(graph: "nx.DiGraph[Hashable]") -> Callable[[Hashable], int]:
    return {node: i for i, node in enumerate(graph)}.__getitem__


def _mean(values: Sequence[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise
