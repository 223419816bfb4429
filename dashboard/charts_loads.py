"""Figures of what workers hold, over time: pure functions of frames and colours."""

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

import pandas as pd
import plotly.graph_objects as go

from dashboard.charts import spelt, stops, styled
from dashboard.charts_times import plain, zoned
from dashboard.theme import Palette
from dashboard.words import day_and_time

ROW, HEAD = 26, 118  # pixels of one worker, and of what is above and below


def load_map(
    frame: pd.DataFrame, times: Sequence[datetime], colours: Palette, zone: ZoneInfo
) -> go.Figure:
    """The share of each worker's cores in use (rows) over time (columns), as a heatmap."""
    said = [day_and_time(each, zone) for each in times]
    figure = go.Figure(
        go.Heatmap(
            z=frame.to_numpy(), x=[plain(each) for each in times], y=spelt(frame.index),
            zmin=0, zmax=1, xgap=1, ygap=2, colorscale=stops(colours.scale),
            customdata=[said] * len(frame),
            hovertemplate="%{y}, from %{customdata}: %{z:.0%} of its cores<extra></extra>",
            colorbar={"tickformat": ".0%", "thickness": 10, "outlinewidth": 0, "len": 0.95},
        )
    )  # fmt: skip
    figure.update_yaxes(autorange="reversed", showgrid=False)
    figure.update_xaxes(showgrid=False)
    zoned(figure, times, zone)
    return styled(figure, colours, height=HEAD + ROW * max(len(frame), 2))
