"""Figures of networks, drifts and trainings. Each has a table beside it."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from dashboard.charts import WORDS, spelt, stops, styled, unit, written
from dashboard.charts_times import plain, zoned
from dashboard.theme import Palette
from dashboard.words import number, seconds, when

_STYLES = ("solid", "dash", "dot", "dashdot")


def errors(frame: pd.DataFrame, colours: Palette) -> go.Figure:
    """A number of each target, a bar for each version. Columns: target, version, value."""
    figure = go.Figure()
    shades = (colours.primary, colours.kinds[1], colours.states["waiting"], colours.kinds[3])
    for place, name in enumerate(dict.fromkeys(frame["version"])):
        rows = frame[frame["version"] == name]
        figure.add_bar(
            x=spelt(rows["target"]), y=rows["value"], name=str(name), marker_line_width=0,
            marker_color=shades[place % len(shades)],
            hovertemplate=f"%{{x}}, {spelt([name])[0]}: %{{y:.4~g}}<extra></extra>",
        )  # fmt: skip
    figure.update_layout(barmode="group", bargap=0.3)
    figure.update_yaxes(rangemode="tozero", title_text="error")
    return styled(figure, colours, height=300, legend=True)


def drifting(
    seen: pd.DataFrame, told: pd.DataFrame, quantity: str, colours: Palette, *,
    since: datetime, levels: Mapping[str, float], zone: ZoneInfo,
) -> go.Figure:  # fmt: skip
    """What was observed over time, beside what was forecast.

    Columns of `seen`: at, value (SI); of `told`: at, low, middle, high: forecasts of attempts by
    when these ended. `levels` are horizontal lines by name, the first until `since`, the others
    from there on. Times are told in `zone`.
    """
    one, name, words = _scaled(quantity, [*seen["value"], *levels.values()])
    figure = go.Figure()
    figure.add_scatter(
        x=_plain(seen), y=seen["value"] / one, mode="markers", name="observed",
        customdata=_said(seen, "value", words, zone),
        marker={"size": 6, "color": colours.primary, "opacity": 0.65},
        hovertemplate="%{customdata}<extra>observed</extra>",
    )  # fmt: skip
    if len(told):
        figure.add_scatter(
            x=_plain(told), y=told["middle"] / one, mode="markers", name="forecast, P10 to P90",
            customdata=_said(told, "middle", words, zone),
            error_y={"type": "data", "symmetric": False, "thickness": 1.2, "width": 2,
                     "array": (told["high"] - told["middle"]) / one,
                     "arrayminus": (told["middle"] - told["low"]) / one},
            marker={"size": 7, "symbol": "diamond", "color": colours.kinds[1]},
            hovertemplate="%{customdata}<extra>forecast</extra>",
        )  # fmt: skip
    first, last = (seen["at"].min(), seen["at"].max()) if len(seen) else (since, since)
    for place, (title, value) in enumerate(levels.items()):
        ends = (min(first, since), since) if place == 0 else (since, max(last, since))
        figure.add_scatter(
            x=[plain(each) for each in ends], y=[value / one] * 2, mode="lines", name=title,
            line={"width": 2.4, "dash": _STYLES[place % 4],
                  "color": colours.muted if place == 0 else colours.failed},
            hovertemplate=f"{title}: {words(value)}<extra></extra>",
        )  # fmt: skip
    figure.add_vline(x=plain(since), line={"width": 1.4, "dash": "dot", "color": colours.failed})
    figure.update_yaxes(title_text=name, rangemode="tozero")
    zoned(figure, [*seen["at"], *told["at"], since], zone)
    return styled(figure, colours, height=380, legend=True)


def failing(frame: pd.DataFrame, colours: Palette, *, since: datetime, zone: ZoneInfo) -> go.Figure:
    """The share of attempts that failed by stretch of time, in a zone.

    Columns: at, share, attempts.
    """
    figure = go.Figure(
        go.Bar(
            x=_plain(frame), y=frame["share"], marker_color=colours.primary, marker_line_width=0,
            customdata=_said(frame, "attempts", "of {:,} attempts".format, zone),
            hovertemplate="%{y:.1%} %{customdata}<extra></extra>",
        )
    )  # fmt: skip
    zoned(figure, [*frame["at"], since], zone)
    figure.add_vline(x=plain(since), line={"width": 1.4, "dash": "dot", "color": colours.failed})
    figure.update_yaxes(tickformat=".0%", title_text="failed", rangemode="tozero")
    return styled(figure, colours, height=320)


def cells(frame: pd.DataFrame, colours: Palette) -> go.Figure:
    """A number of each kind (rows) on each worker (columns), as a heatmap with the numbers in it.

    Columns: kind, worker, value; a pair that is not there stays empty.
    """
    table = frame.pivot_table(index="kind", columns="worker", values="value", sort=True)
    values = frame["value"].to_numpy(np.float64)
    most = float(values.max(initial=0.0, where=np.isfinite(values)))
    figure = go.Figure(
        go.Heatmap(
            z=table.to_numpy(), x=spelt(table.columns), y=spelt(table.index), xgap=2, ygap=2,
            colorscale=stops(colours.scale), zmin=0, zmax=most,
            hovertemplate="%{y} on %{x}: %{z:.3~g}<extra></extra>",
            colorbar={"thickness": 10, "outlinewidth": 0, "len": 0.9},
        )
    )  # fmt: skip
    written(figure, colours.scale, number)
    figure.update_yaxes(autorange="reversed")
    return styled(figure, colours, height=90 + 30 * max(len(table), 3))


def losses(frame: pd.DataFrame, colours: Palette) -> go.Figure:
    """A curve for each of several trainings. Columns: training, epoch, value."""
    figure = go.Figure()
    for place, (each, rows) in enumerate(frame.groupby("training", sort=True)):
        figure.add_scatter(
            x=rows["epoch"], y=rows["value"], name=f"training {each}", mode="lines",
            line={"width": 2.2, "color": colours.kinds[place % len(colours.kinds)],
                  "dash": _STYLES[place % len(_STYLES)]},
            hovertemplate=f"training {each}, epoch %{{x}}: %{{y:.4~g}}<extra></extra>",
        )  # fmt: skip
    figure.update_xaxes(title_text="epoch", tickformat="d")
    figure.update_yaxes(title_text="validation loss")
    return styled(figure, colours, height=340, legend=True)


def _plain(frame: pd.DataFrame) -> list[datetime]:
    return [plain(each) for each in frame["at"]]


def _said(
    frame: pd.DataFrame, column: str, words: Callable[[Any], str], zone: ZoneInfo
) -> list[str]:
    rows = zip(frame[column], frame["at"], strict=True)
    return [f"{words(value)}<br>{when(at, zone)}" for value, at in rows]


def _scaled(quantity: str, values: list[float]) -> tuple[float, str, Callable[[float], str]]:
    largest = max((each for each in values if each == each), default=0.0)
    name, one = unit(quantity, float(largest))
    return one, name, WORDS.get(quantity, seconds)
