"""Figures of plans that are tried: what speed costs. Each has a table beside it."""

from collections.abc import Sequence

import pandas as pd
import plotly.graph_objects as go

from dashboard.charts import spelt, styled, unit
from dashboard.theme import Palette
from dashboard.words import money, seconds, unit_of


def trade(
    front: pd.DataFrame, others: pd.DataFrame, colours: Palette, *, chosen: int | None = None,
    currency: str = "",
) -> go.Figure:  # fmt: skip
    """Cost against makespan: a front of plans to click on, and others beside it.

    Columns of both: name, makespan (seconds), cost (in `currency`). `chosen` is a row of the
    front.
    """
    longest = max([*front["makespan"], *others["makespan"], 0.0])
    name, one = unit("duration", longest)
    figure = go.Figure()
    figure.add_scatter(
        x=front["makespan"] / one, y=front["cost"], mode="lines+markers", name="best trades",
        customdata=_told(front, currency), hovertemplate="%{customdata}<extra>best trade</extra>",
        line={"color": colours.primary, "width": 1.5, "dash": "dot"},
        marker={"size": 13, "color": colours.primary}, selectedpoints=_some(chosen),
        unselected={"marker": {"opacity": 0.85}}, selected={"marker": {"size": 17}},
    )  # fmt: skip
    figure.add_scatter(
        x=others["makespan"] / one, y=others["cost"], mode="markers", name="this and kept plans",
        customdata=_told(others, currency), hovertemplate="%{customdata}<extra></extra>",
        marker={"size": 11, "symbol": "diamond", "color": colours.states["retrying"]},
    )  # fmt: skip
    figure.update_xaxes(title_text=f"makespan, {name}")
    figure.update_yaxes(title_text=unit_of("cost", currency), rangemode="tozero")
    figure.update_layout(clickmode="event+select", dragmode=False)
    return styled(figure, colours, height=340, legend=True)


def _told(frame: pd.DataFrame, currency: str) -> Sequence[str]:
    rows = zip(frame["name"], frame["makespan"], frame["cost"], strict=True)
    return spelt([f"{name}: {seconds(long)}, {money(cost, currency)}" for name, long, cost in rows])


def _some(row: int | None) -> list[int] | None:
    return None if row is None else [row]
