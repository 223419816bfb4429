"""Figures of what workers hold, over time: pure functions of frames and colours."""

from collections.abc import Sequence
from datetime import datetime

import pandas as pd
import plotly.graph_objects as go

from dashboard.charts import spelt, styled
from dashboard.theme import Palette

ROW, HEAD = 26, 92  # pixels of one worker, and of what is above and below


def load_map(frame: pd.DataFrame, times: Sequence[datetime], colours: Palette) -> go.Figure:
    """The share of each worker's cores in use (rows) over time (columns), as a heatmap."""
    figure = go.Figure(
        go.Heatmap(
            z=frame.to_numpy(), x=list(times), y=spelt(frame.index), zmin=0, zmax=1, xgap=1, ygap=2,
            colorscale=_scale(colours),
            hovertemplate="%{y}, from %{x|%d %b %H:%M}: %{z:.0%} of its cores<extra></extra>",
            colorbar={"tickformat": ".0%", "thickness": 10, "outlinewidth": 0, "len": 0.95},
        )
    )  # fmt: skip
    figure.update_yaxes(autorange="reversed", showgrid=False)
    figure.update_xaxes(showgrid=False)
    return styled(figure, colours, height=HEAD + ROW * max(len(frame), 2))


def _scale(colours: Palette) -> list[tuple[float, str]]:
    last = len(colours.scale) - 1
    return [(i / last, colour) for i, colour in enumerate(colours.scale)]
