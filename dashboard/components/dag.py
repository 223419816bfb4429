"""The graph of a run on a canvas: states, the critical path, and a click that says which."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any

import networkx as nx
import streamlit as st

from dashboard.components.bundle import CANVAS, bundled, styled
from dashboard.components.gantt import palettes
from dashboard.components.layout import Layout, layered


@dataclass(frozen=True)
class Box:
    """One node as drawn: a task, or a group with how many tasks are in each state."""

    name: str
    title: str
    detail: str
    states: Mapping[str, int]
    critical: bool = False


def packed(
    graph: "nx.DiGraph[str]",
    boxes: Sequence[Box],
    path: Sequence[str] = (),
    *,
    place: Layout | None = None,
) -> dict[str, Any]:
    """The graph as the browser takes it; boxes stand at columns and rows, edges name boxes.

    `place` is where they stand where that is known already.
    """
    place, index = place or layered(graph), {each.name: i for i, each in enumerate(boxes)}
    critical = set(pairwise(path))
    return {
        "boxes": [
            {"name": each.name, "title": each.title, "detail": each.detail,
             "states": dict(each.states), "critical": each.critical,
             "x": place.at[each.name][0], "y": place.at[each.name][1]}
            for each in boxes
        ],
        "edges": [
            {"from": index[a], "to": index[b], "critical": (a, b) in critical,
             "bends": [list(each) for each in place.bends[a, b]]}
            for a, b in graph.edges
        ],
    }  # fmt: skip


def counted(tasks: Iterable[str], states: Mapping[str, str]) -> dict[str, int]:
    """How many of the tasks are in each state."""
    return dict(Counter(states[each] for each in tasks))


def dag(
    drawn: Mapping[str, Any], *, key: str, selected: str | None, on_click: Callable[[str], None]
) -> None:
    """Draws the packed graph and calls `on_click` with the name of the box that is clicked.

    What it shows must also stand in a table on the same screen: a canvas cannot be read aloud.
    """

    def clicked() -> None:
        if name := st.session_state[key].get("clicked"):
            on_click(name)

    data = dict(drawn) | {"key": key, "file": key, "selected": selected, "palettes": palettes()}
    _component()(data=data, key=key, on_clicked_change=clicked)


@cache
def _component() -> Any:
    return st.components.v2.component(
        "allot_dag",
        html='<div class="dag chart"></div>',
        css=styled("chart.css", "graph/graph.css"),
        js=bundled(CANVAS / "graph" / "main.js"),
    )
