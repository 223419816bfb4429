"""What the graph of a plan looks like, computed once for each plan: pure."""

from collections.abc import Mapping

import networkx as nx

from dashboard.components.layout import (
    MOST_DRAWN,
    Layout,
    grouped,
    layered,
    stages,
    summary,
)
from dashboard.reading import Plan, kept


@kept
def groups(plan: Plan) -> Mapping[str, tuple[str, ...]]:
    """The tasks of a large workflow in groups without circles."""
    return grouped(plan.workflow)


@kept
def group_of(plan: Plan) -> Mapping[str, str]:
    """The group of each task."""
    return {task: name for name, tasks in groups(plan).items() for task in tasks}


@kept
def of_groups(plan: Plan) -> "tuple[nx.DiGraph[str], Layout]":
    """The graph of the groups, and where they stand."""
    graph = summary(plan.workflow, groups(plan))
    return graph, layered(graph)


@kept
def whole(plan: Plan) -> "tuple[nx.DiGraph[str], Layout]":
    """The graph of all tasks, and where they stand; for workflows that are not large."""
    graph = plan.workflow.graph
    return graph, layered(graph)


@kept
def depth(plan: Plan) -> int:
    """How many tasks stand on the longest way, each counted as one."""
    return len(stages(plan.workflow, most=len(plan.workflow))[1])


def inside(plan: Plan, group: str) -> "nx.DiGraph[str]":
    """The tasks of a group with what joins them: at most MOST_DRAWN, the first of the workflow."""
    return nx.DiGraph(plan.workflow.graph.subgraph(groups(plan)[group][:MOST_DRAWN]))
