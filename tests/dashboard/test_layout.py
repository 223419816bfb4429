import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.components import layout
from dashboard.components.dag import Box, packed
from scheduler.workflow import Dependency, Task, Workflow
from scheduler.workloads import synthetic


def a_workflow(kinds: str, edges: list[tuple[int, int]]) -> Workflow:
    tasks = [Task(id=f"t{i}", kind=kind) for i, kind in enumerate(kinds)]
    return Workflow("w", tasks, [Dependency(f"t{a}", f"t{b}") for a, b in edges])


@st.composite
def graphs(draw: st.DrawFn) -> "nx.DiGraph[str]":
    size = draw(st.integers(1, 14))
    pairs = [(a, b) for a in range(size) for b in range(a + 1, size)]
    graph: nx.DiGraph[str] = nx.DiGraph()
    graph.add_nodes_from(f"t{i}" for i in range(size))
    edges = draw(st.lists(st.sampled_from(pairs), max_size=40)) if pairs else []
    graph.add_edges_from((f"t{a}", f"t{b}") for a, b in edges)
    return graph


@given(graph=graphs())
def test_a_task_stands_right_of_all_that_it_waits_for(graph: "nx.DiGraph[str]") -> None:
    at = layout.layered(graph).at
    assert all(at[a][0] < at[b][0] for a, b in graph.edges)


@given(graph=graphs())
def test_no_two_tasks_stand_in_one_place(graph: "nx.DiGraph[str]") -> None:
    found = layout.layered(graph)
    bends = [point for each in found.bends.values() for point in each]
    assert len({*found.at.values(), *bends}) == len(graph) + len(bends)


@given(graph=graphs())
def test_an_edge_bends_once_in_each_column_that_it_passes(graph: "nx.DiGraph[str]") -> None:
    found = layout.layered(graph)
    for (a, b), bends in found.bends.items():
        passed = [float(each) for each in range(int(found.at[a][0]) + 1, int(found.at[b][0]))]
        assert [x for x, _ in bends] == passed


def test_two_chains_side_by_side_do_not_cross() -> None:
    graph: nx.DiGraph[str] = nx.DiGraph([("a", "c"), ("b", "d"), ("c", "e"), ("d", "f")])
    at = layout.layered(graph).at
    assert np.sign(at["a"][1] - at["b"][1]) == np.sign(at["e"][1] - at["f"][1])


def test_a_large_workflow_collapses_to_kinds_where_they_do_not_wait_in_a_circle() -> None:
    workflow = a_workflow("aabbc", [(0, 2), (1, 3), (2, 4), (3, 4)])
    assert {name: len(each) for name, each in layout.grouped(workflow).items()} == {
        "a": 2,
        "b": 2,
        "c": 1,
    }


def test_kinds_that_wait_in_a_circle_are_told_apart_by_column() -> None:
    workflow = a_workflow("aba", [(0, 1), (1, 2)])
    assert sorted(layout.grouped(workflow)) == ["a · 0", "a · 2", "b · 1"]


@pytest.mark.parametrize("shape", sorted(synthetic.SHAPES))
def test_groups_hold_each_task_once_and_form_no_circle(shape: str) -> None:
    workflow = synthetic.SHAPES[shape](np.random.default_rng(1), 700)
    groups = layout.grouped(workflow)
    assert sorted(task for tasks in groups.values() for task in tasks) == sorted(workflow.index)
    assert nx.is_directed_acyclic_graph(layout.quotient(workflow, groups))
    assert len(groups) <= layout.FEW_GROUPS


def test_the_neighbourhood_of_a_task_is_what_is_near_it() -> None:
    workflow = a_workflow("aaaaaaa", [(i, i + 1) for i in range(6)])
    near, left_out = layout.neighbourhood(workflow, "t3", reach=2)
    assert (sorted(near), left_out) == (["t1", "t2", "t3", "t4", "t5"], 0)


def test_edges_of_the_critical_path_are_marked() -> None:
    graph: nx.DiGraph[str] = nx.DiGraph([("a", "b"), ("a", "c"), ("b", "d"), ("c", "d")])
    boxes = [Box(each, each, "", {"waiting": 1}) for each in graph]
    drawn = packed(graph, boxes, ("a", "c", "d"))
    names = [(boxes[e["from"]].name, boxes[e["to"]].name) for e in drawn["edges"] if e["critical"]]
    assert sorted(names) == [("a", "c"), ("c", "d")]


def test_an_edge_that_a_longer_way_implies_is_left_out_of_the_summary() -> None:
    workflow = a_workflow("abc", [(0, 1), (1, 2), (0, 2)])
    found = layout.summary(workflow, layout.grouped(workflow))
    assert sorted(found.edges) == [("a", "b"), ("b", "c")]
