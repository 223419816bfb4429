"""The Gantt on a canvas: planned and actual bars in lanes; a click says which task."""

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cache
from typing import Any

import streamlit as st

from dashboard import theme
from dashboard.components.bundle import CANVAS, bundled, styled
from dashboard.components.packing import Chart, packed

Window = tuple[float, float]


def gantt(
    drawn: Chart,
    *,
    key: str,
    selected: str | None,
    on_click: Callable[[str], None],
    window: Window | None = None,
    on_window: Callable[[Window | None], None] | None = None,
    clock: tuple[datetime, str] | None = None,
) -> None:
    """Draws the chart of a run; `on_click` is called with the task whose bar is clicked.

    The rest is as of `show`.
    """
    show(
        packed(drawn, selected=selected), key=key, on_click=on_click, window=window,
        on_window=on_window, clock=clock,
    )  # fmt: skip


def show(
    data: Mapping[str, Any],
    *,
    key: str,
    on_click: Callable[[str], None],
    window: Window | None = None,
    on_window: Callable[[Window | None], None] | None = None,
    clock: tuple[datetime, str] | None = None,
) -> None:
    """Draws what is packed; `on_click` is called with the task whose bar is clicked.

    Of many runs that is the number of the run, a slash, and the task. `window` is the part of time
    to show, in seconds of the run; `on_window` is called when a viewer takes one, with None for the
    whole run. Times are since the run began, or of day where `clock` says when that was, and in
    which zone.
    """

    def clicked() -> None:
        if task := st.session_state[key].get("clicked"):
            on_click(task)

    def taken() -> None:
        found = st.session_state[key].get("window")
        if found is not None and on_window is not None:
            on_window((float(found[0]), float(found[1])) if found else None)

    whole = dict(data) | {
        "key": key,
        "file": key,
        "window": list(window) if window else None,
        "clock": {"started": clock[0].timestamp(), "zone": clock[1]} if clock else None,
        "palettes": palettes(),
    }
    _component()(data=whole, key=key, on_clicked_change=clicked, on_window_change=taken)


def palettes() -> dict[str, Any]:
    """What a canvas cannot read from the page, by appearance."""
    return {
        name: {"kinds": list(each.kinds), "states": dict(each.states), "failed": each.failed,
               "muted": each.muted, "line": each.line}
        for name, each in {"light": theme.LIGHT, "dark": theme.DARK}.items()
    }  # fmt: skip


@cache
def _component() -> Any:
    return st.components.v2.component(
        "allot_gantt",
        html='<div class="gantt chart"></div>',
        css=styled("chart.css", "gantt/gantt.css"),
        js=bundled(CANVAS / "gantt" / "main.js"),
    )
