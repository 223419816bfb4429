"""A workflow is right from the moment it exists, or it does not come to exist."""

import math
from itertools import pairwise

import networkx as nx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.errors import InvalidWorkflow
from scheduler.workflow import Dependency, Task, Workflow


def tasks(*ids: str) -> list[Task]:
    return [Task(id=each, kind="k") for each in ids]


def test_a_workflow_without_tasks_is_refused() -> None:
    with pytest.raises(InvalidWorkflow, match="'empty' has no tasks"):
        Workflow("empty", [])


def test_a_workflow_of_one_task_is_a_workflow() -> None:
    assert Workflow("one", tasks("a")).order == ("a",)


def test_a_duplicate_id_is_refused_by_name() -> None:
    with pytest.raises(InvalidWorkflow, match="found twice: b") as told:
        Workflow("w", tasks("a", "b", "b"))
    assert told.value.tasks == ("b",)


def test_a_dependency_on_an_unknown_task_is_refused_by_name() -> None:
    with pytest.raises(InvalidWorkflow, match="'ghost'") as told:
        Workflow("w", tasks("a"), [Dependency("a", "ghost")])
    assert told.value.tasks == ("ghost",)


def test_a_dependency_stated_twice_is_refused() -> None:
    with pytest.raises(InvalidWorkflow, match="a -> b is stated twice"):
        Workflow("w", tasks("a", "b"), [Dependency("a", "b", 1), Dependency("a", "b", 2)])


@pytest.mark.parametrize("cycle", [("a", "a"), ("a", "b", "a"), ("a", "b", "c", "a")])
def test_a_cycle_is_refused_with_its_tasks_named_in_order(cycle: tuple[str, ...]) -> None:
    edges = [Dependency(*pair) for pair in pairwise(cycle)]
    with pytest.raises(InvalidWorkflow, match="circle") as told:
        Workflow("w", tasks("a", "b", "c", "d"), edges)
    assert set(told.value.tasks) == set(cycle)


@given(st.sets(st.tuples(st.integers(0, 7), st.integers(0, 7)), max_size=25))
def test_exactly_the_acyclic_graphs_become_workflows(edges: set[tuple[int, int]]) -> None:
    graph = nx.DiGraph(edges)
    made = [Dependency(str(a), str(b)) for a, b in edges]
    if nx.is_directed_acyclic_graph(graph):
        order = Workflow("w", tasks(*map(str, range(8))), made).order
        assert all(order.index(str(a)) < order.index(str(b)) for a, b in edges)
    else:
        with pytest.raises(InvalidWorkflow):
            Workflow("w", tasks(*map(str, range(8))), made)


@pytest.mark.parametrize("value", [math.nan, math.inf, -1.0, 0.0, True, "2"])
def test_cores_that_are_no_positive_number_are_refused_with_the_value(value: object) -> None:
    with pytest.raises(InvalidWorkflow, match=r"'a': cores must be .* found"):
        Task(id="a", kind="k", cores=value)  # type: ignore[arg-type]


@pytest.mark.parametrize("size", [math.nan, math.inf, -1.0])
def test_sizes_and_bytes_that_are_no_amounts_are_refused(size: float) -> None:
    with pytest.raises(InvalidWorkflow, match="rows"):
        Task(id="a", kind="k", sizes={"rows": size})
    with pytest.raises(InvalidWorkflow, match="a -> b"):
        Dependency("a", "b", size)


def test_the_graph_of_a_workflow_cannot_be_changed() -> None:
    with pytest.raises(nx.NetworkXError):
        Workflow("w", tasks("a")).graph.add_node("b")


def test_a_graph_becomes_the_workflow_that_it_shows() -> None:
    graph = nx.DiGraph(name="shown")
    graph.add_node("b", kind="merge", cores=2.0, sizes={"rows": 3})
    graph.add_edge("a", "b", bytes=5)
    made = [Task(id="b", kind="merge", cores=2.0, sizes={"rows": 3}), Task(id="a", kind="task")]
    assert Workflow.from_graph(graph) == Workflow("shown", made, [Dependency("a", "b", 5.0)])


def test_a_graph_may_be_named_anew() -> None:
    assert Workflow.from_graph(nx.DiGraph([("a", "b")]), name="x").name == "x"


@pytest.mark.parametrize("graph", [nx.Graph([("a", "b")]), nx.MultiDiGraph([("a", "b")])])
def test_a_graph_of_another_sort_is_refused(graph) -> None:
    with pytest.raises(InvalidWorkflow, match=r"found a .*Graph"):
        Workflow.from_graph(graph)


@pytest.mark.parametrize("size", [math.nan, -1.0, math.inf, True, "3"])
def test_a_graph_with_impossible_bytes_is_refused_by_the_edge(size) -> None:
    graph = nx.DiGraph()
    graph.add_edge("a", "b", bytes=size)
    with pytest.raises(InvalidWorkflow, match="a -> b must"):
        Workflow.from_graph(graph)


def test_an_attribute_that_tasks_do_not_have_is_refused_by_name() -> None:
    graph = nx.DiGraph()
    graph.add_node("a", colour="red")
    with pytest.raises(InvalidWorkflow, match="'a': the node has the attribute 'colour'"):
        Workflow.from_graph(graph)


def test_a_graph_with_a_circle_is_refused() -> None:
    with pytest.raises(InvalidWorkflow, match="circle"):
        Workflow.from_graph(nx.DiGraph([("a", "b"), ("b", "a")]))


@given(st.sets(st.tuples(st.integers(0, 9), st.integers(0, 9)).filter(lambda e: e[0] != e[1])))
def test_order_and_neighbours_are_those_of_the_graph(pairs: set[tuple[int, int]]) -> None:
    edges = [(str(a), str(b)) for a, b in pairs if (a * 7) % 10 < (b * 7) % 10]  # acyclic
    workflow = Workflow("w", tasks(*map(str, range(10))), [Dependency(*each) for each in edges])
    first_come = nx.lexicographical_topological_sort(workflow.graph, key=workflow.index.get)
    assert workflow.order == tuple(first_come)
    for task in workflow.index:
        assert workflow.predecessors(task) == tuple(workflow.graph.pred[task])
        assert workflow.successors(task) == tuple(workflow.graph.succ[task])
