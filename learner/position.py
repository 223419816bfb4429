"""Where a task stands in the graph of its run, and what its neighbours are like.

The neighbours' part is message passing without weights, done before the training (Frasca et al.
2020, eq. 1): in each of two rounds a task hears the mean of what its neighbours know.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import networkx as nx

from scheduler.records import TaskRecord
from scheduler.workflow import Workflow

PLACE = ("level", "height", "fan_in", "fan_out", "run_tasks", "downward_rank", "upward_rank")
ROUNDS = 2
HEARD = ("duration", "size")
SIDES = ("before", "after")
COLUMNS = (*PLACE, *(f"{s}_{r + 1}_{h}" for s in SIDES for r in range(ROUNDS) for h in HEARD))
Usual = Mapping[str, float]


@dataclass(frozen=True)
class Told:
    """What a task says of itself: its usual seconds, and its largest size."""

    seconds: float
    size: float


def of_records(records: Sequence[TaskRecord], usual: Usual) -> list[dict[str, float]]:
    """The columns of each attempt; empty where its run has no known dependencies.

    `usual` is the logarithm of the usual seconds by kind.
    """
    runs: dict[str, dict[str, TaskRecord]] = {}
    for record in records:
        runs.setdefault(record.run, {})[record.task] = record
    found: dict[tuple[str, str], dict[str, float]] = {}
    for run, tasks in runs.items():
        edges = [(p, t) for t, r in tasks.items() for p in r.predecessors if p in tasks]
        told = {t: _told(r.kind, r.sizes, usual) for t, r in tasks.items()}
        found |= {(run, str(t)): row for t, row in positions(told, edges).items()}
    return [found.get((record.run, record.task), {}) for record in records]


def of_workflow(workflow: Workflow, usual: Usual) -> list[dict[str, float]]:
    """The columns of each task of a workflow, in its order."""
    told = {task.id: _told(task.kind, task.sizes, usual) for task in workflow.tasks}
    edges = [(each.source, each.target) for each in workflow.dependencies]
    found = positions(told, edges)
    return [found.get(task.id, {}) for task in workflow.tasks]


def positions(
    told: Mapping[str, Told], edges: Sequence[tuple[str, str]]
) -> dict[str, dict[str, float]]:
    """The columns of every task of one graph, as logarithms; nothing without edges.

    A log whose dependencies go in a circle tells nothing of positions either.
    """
    graph: nx.DiGraph[str] = nx.DiGraph(edges)
    graph.add_nodes_from(told)
    if not edges or not nx.is_directed_acyclic_graph(graph):
        return {}
    order = list(nx.topological_sort(graph))
    before = {task: list(graph.predecessors(task)) for task in order}
    after = {task: list(graph.successors(task)) for task in order}
    seconds = {task: each.seconds for task, each in told.items()}
    ones = dict.fromkeys(order, 1.0)
    whole = {
        "level": _longest(order, before, ones),
        "height": _longest(order[::-1], after, ones),
        "fan_in": {task: float(len(each)) for task, each in before.items()},
        "fan_out": {task: float(len(each)) for task, each in after.items()},
        "run_tasks": dict.fromkeys(order, float(len(order))),
        "downward_rank": _longest(order, before, seconds),
        "upward_rank": _longest(order[::-1], after, seconds),
    }
    rows = {task: {name: math.log1p(each[task]) for name, each in whole.items()} for task in order}
    for side, near in zip(SIDES, (before, after), strict=True):
        _hear(rows, told, near, side)
    return rows


def _longest(
    order: Sequence[str], near: Mapping[str, Sequence[str]], weight: Mapping[str, float]
) -> dict[str, float]:
    """The heaviest path up to each task, without the task itself."""
    found: dict[str, float] = {}
    for task in order:
        found[task] = max((found[each] + weight[each] for each in near[task]), default=0.0)
    return found


def _hear(
    rows: Mapping[str, dict[str, float]],
    told: Mapping[str, Told],
    near: Mapping[str, Sequence[str]],
    side: str,
) -> None:
    heard: Mapping[str, tuple[float, ...]] = {
        task: (math.log1p(each.seconds), math.log1p(each.size)) for task, each in told.items()
    }
    for turn in range(ROUNDS):
        heard = {task: _mean([heard[each] for each in near[task]]) for task in near}
        for task, values in heard.items():
            for name, value in zip(HEARD, values, strict=True):
                rows[task][f"{side}_{turn + 1}_{name}"] = value


def _mean(rows: Sequence[tuple[float, ...]]) -> tuple[float, ...]:
    return tuple(sum(each) / len(rows) for each in zip(*rows, strict=True)) or (0.0,) * len(HEARD)


def _told(kind: str, sizes: Mapping[str, float], usual: Usual) -> Told:
    seconds = math.exp(usual[kind]) if kind in usual else 1.0
    return Told(seconds, max(sizes.values(), default=0.0))
