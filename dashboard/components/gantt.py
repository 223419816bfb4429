"""The Gantt on a canvas: planned and actual bars by worker; a click says which task."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import streamlit as st

from dashboard import theme
from dashboard.components.packing import Chart, packed

HERE = Path(__file__).parent


def gantt(drawn: Chart, *, key: str, selected: str | None, on_click: Callable[[str], None]) -> None:
    """Draws the chart and calls `on_click` with the task whose bar is clicked.

    What it shows must also stand in a table on the same screen: a canvas cannot be read aloud.
    """

    def clicked() -> None:
        if task := st.session_state[key].get("clicked"):
            on_click(task)

    colours = {"light": theme.LIGHT, "dark": theme.DARK}
    data = packed(drawn) | {
        "key": key,
        "selected": selected,
        "palettes": {
            name: {"kinds": list(each.kinds), "failed": each.failed, "muted": each.muted,
                   "line": each.line}
            for name, each in colours.items()
        },
    }  # fmt: skip
    _component()(data=data, key=key, on_clicked_change=clicked)


@cache
def _component() -> Any:
    return st.components.v2.component(
        "allot_gantt",
        html='<div class="gantt"></div>',
        css=(HERE / "gantt.css").read_text(encoding="utf-8"),
        js=(HERE / "gantt.js").read_text(encoding="utf-8"),
    )
