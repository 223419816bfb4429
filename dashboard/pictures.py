"""Figures on the screen, each with a button that saves it as a PNG."""

from collections.abc import Callable
from typing import Any

import plotly.graph_objects as go
import streamlit as st

TOLD = "The table below says the same."


def show(
    figure: go.Figure, *, key: str, alt: str = TOLD, on_select: Callable[[], None] | None = None
) -> None:
    """A figure; `on_select` is called when points of it are clicked on.

    What it shows must also stand in a table on the same screen.
    """
    config = {
        "displaylogo": False, "modeBarButtons": [["toImage"]],
        "toImageButtonOptions": {"format": "png", "scale": 2, "filename": f"allot-{key}"},
    }  # fmt: skip
    chosen: dict[str, Any] = {}
    if on_select is not None:
        chosen = {"on_select": on_select, "selection_mode": "points"}
    st.plotly_chart(figure, key=key, theme=None, config=config, alt=alt, **chosen)
