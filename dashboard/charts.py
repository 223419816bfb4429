"""Figures: pure functions of frames and colours. Each has a table beside it."""

from collections.abc import Callable, Mapping, Sequence
from math import ceil, isfinite

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from dashboard.frames import level_name
from dashboard.theme import Palette, ink, shade
from dashboard.words import cores, seconds, share, size

SCALES = {"duration": (("h", 3600.0, 7200.0), ("min", 60.0, 180.0), ("s", 1.0, 0.5),
                       ("ms", 1e-3, 0.0)),
          "memory": (("TB", 1e12, 1e12), ("GB", 1e9, 1e9), ("MB", 1e6, 1e6), ("kB", 1e3, 0.0)),
          "cpu": (("cores", 1.0, 0.0),)}  # fmt: skip
WORDS = {"duration": seconds, "memory": size, "cpu": cores}
FONT, FAMILY = 13, "Source Sans, sans-serif"
_PANEL, _HEAD, _SPACE = 215, 90, 66  # pixels of a small chart, the space above and between


def unit(quantity: str, largest: float) -> tuple[str, float]:
    """The unit for an axis of this quantity that reaches so far, and its size in SI."""
    for name, one, least in SCALES[quantity]:
        if largest >= least:
            return name, one
    return "", 1.0


def quantiles(
    frame: pd.DataFrame,
    quantity: str,
    colours: Palette,
    *,
    chosen: str | None,
    levels: Sequence[float],
    observed: Mapping[str, float],
) -> go.Figure:
    """What was believed of one quantity on each worker: a bar from the lowest to the highest level.

    The median is a dot; what was observed on a worker is a diamond. The chosen worker stands out.
    """
    low, high = (f"{quantity} {level_name(each)}" for each in (levels[0], levels[-1]))
    middle = f"{quantity} {level_name(levels[len(levels) // 2])}"
    name, one = unit(quantity, max(float(frame[high].max()), *observed.values(), 0.0))
    words, figure = WORDS[quantity], go.Figure()
    first, last = level_name(levels[0]), level_name(levels[-1])
    marked = [worker == chosen for worker in frame["worker"]]
    told = [
        f"{first} {words(a)}, median {words(b)}, {last} {words(c)}"
        for a, b, c in zip(frame[low], frame[middle], frame[high], strict=True)
    ]
    figure.add_bar(
        y=spelt(frame["worker"]), x=(frame[high] - frame[low]) / one, base=frame[low] / one,
        orientation="h", width=0.42, customdata=told, hovertemplate="%{customdata}<extra></extra>",
        marker_color=[_marked(colours, each) for each in marked],
        marker_line_width=0,
    )  # fmt: skip
    figure.add_scatter(
        y=spelt(frame["worker"]), x=frame[middle] / one, mode="markers", customdata=told,
        hovertemplate="%{customdata}<extra></extra>",
        marker={"size": 11, "color": colours.text,
                "line": {"color": colours.background, "width": 1.5}},
    )  # fmt: skip
    for worker, value in observed.items():
        figure.add_scatter(
            y=spelt([worker]), x=[value / one], mode="markers", customdata=[words(value)],
            hovertemplate="observed %{customdata}<extra></extra>",
            marker={"size": 13, "symbol": "diamond", "color": colours.states["retrying"],
                    "line": {"color": colours.background, "width": 1.5}},
        )  # fmt: skip
    figure.update_xaxes(title_text=name, rangemode="tozero")
    figure.update_yaxes(autorange="reversed")
    return styled(figure, colours, height=_tall(len(frame)))


def shares(frame: pd.DataFrame, column: str, colours: Palette, *, chosen: str | None) -> go.Figure:
    """A probability for each worker, as bars from zero; the chosen worker stands out."""
    found = [share(each) for each in frame[column]]
    figure = go.Figure(
        go.Bar(
            y=spelt(frame["worker"]), x=frame[column], orientation="h", width=0.42, text=found,
            textposition="outside", cliponaxis=False, hovertemplate="%{y}: %{text}<extra></extra>",
            marker_color=[_marked(colours, each == chosen) for each in frame["worker"]],
        )
    )  # fmt: skip
    most = max(float(frame[column].max()), 0.01)
    figure.update_xaxes(range=[0, most * 1.3], tickformat=".0%" if most > 0.05 else ".1%")
    figure.update_yaxes(autorange="reversed")
    return styled(figure, colours, height=_tall(len(frame)))


def gate_weights(frame: pd.DataFrame, colours: Palette) -> go.Figure:
    """The weight of each expert in each target as a heatmap with the numbers in it."""
    figure = go.Figure(
        go.Heatmap(
            z=frame.to_numpy(), x=spelt(frame.columns), y=spelt(frame.index), zmin=0, zmax=1,
            colorscale=stops(colours.scale), xgap=2, ygap=2,
            hovertemplate="%{y}: %{x} %{z:.1%}<extra></extra>",
            colorbar={"tickformat": ".0%", "thickness": 10, "outlinewidth": 0, "len": 0.9},
        )
    )  # fmt: skip
    written(figure, colours.scale, "{:.0%}".format)
    figure.update_yaxes(autorange="reversed")
    return styled(figure, colours, height=70 + 42 * len(frame))


def curves(
    frame: pd.DataFrame, names: Sequence[str], colours: Palette, *, percent: bool = False
) -> go.Figure:
    """One small chart for each target; in each, a line by epoch for each of the named metrics."""
    shown = frame[frame["name"].isin(names)]
    targets = sorted(shown["target"].unique(), key=target_order)
    across = min(3, len(targets)) or 1
    down = ceil(len(targets) / across) or 1
    figure = make_subplots(
        rows=down, cols=across, subplot_titles=spelt(targets) or None, horizontal_spacing=0.07,
        vertical_spacing=_SPACE / (_HEAD + _PANEL * down),
    )  # fmt: skip
    for place, target in enumerate(targets):
        for i, name in enumerate(names):
            line = shown[(shown["target"] == target) & (shown["name"] == name)]
            if line.empty:
                continue
            figure.add_scatter(
                row=place // across + 1, col=place % across + 1, x=line["epoch"], y=line["value"],
                name=label(name), legendgroup=name, mode="lines" if len(line) > 1 else "markers",
                showlegend=not any(each.name == label(name) for each in figure.data),
                line={"color": colours.kinds[i % len(colours.kinds)], "width": 2.2,
                      "dash": "dash" if "baseline" in name else "solid"},
                hovertemplate=f"{label(name)} %{{y:.4~g}}<extra></extra>",
            )  # fmt: skip
    figure.update_layout(hovermode="x unified")
    figure.update_xaxes(tickformat="d")
    figure.update_xaxes(title_text="epoch", row=down)
    if percent:
        figure.update_yaxes(tickformat=".0%")
    return styled(figure, colours, height=_HEAD + _PANEL * down, legend=True, titles=True)


def stacked(frame: pd.DataFrame, prefix: str, colours: Palette) -> go.Figure:
    """How the numbers `prefix.0`, `prefix.1`, ... of each target share one, epoch by epoch."""
    shown = frame[frame["name"].str.startswith(f"{prefix}.")]
    targets = sorted(shown["target"].unique(), key=target_order)
    across = min(3, len(targets)) or 1
    down = ceil(len(targets) / across) or 1
    figure = make_subplots(
        rows=down, cols=across, subplot_titles=spelt(targets) or None, horizontal_spacing=0.07,
        vertical_spacing=_SPACE / (_HEAD + _PANEL * down),
    )  # fmt: skip
    experts = sorted(shown["name"].unique(), key=expert_order)
    for place, target in enumerate(targets):
        for i, name in enumerate(experts):
            line = shown[(shown["target"] == target) & (shown["name"] == name)]
            colour = colours.kinds[i % len(colours.kinds)]
            figure.add_scatter(
                row=place // across + 1, col=place % across + 1, x=line["epoch"], y=line["value"],
                stackgroup=target, name=spelt([expert(name.removeprefix(prefix + "."))])[0],
                legendgroup=name, showlegend=place == 0,
                mode="lines" if len(line) > 1 else "markers",
                line={"width": 0.8, "color": colour}, fillcolor=_faint(colour),
                hovertemplate="%{y:.1%}",
            )  # fmt: skip
    figure.update_yaxes(range=[0, 1], tickformat=".0%")
    figure.update_xaxes(tickformat="d")
    figure.update_xaxes(title_text="epoch", row=down)
    figure.update_layout(hovermode="x unified")
    return styled(figure, colours, height=_HEAD + _PANEL * down, legend=True, titles=True)


def agreement(frame: pd.DataFrame, prefix: str, colours: Palette) -> go.Figure:
    """The numbers `prefix.OTHER` of each target in the last epoch: a symmetric matrix."""
    shown = frame[frame["name"].str.startswith(f"{prefix}.")]
    last = shown[shown["epoch"] == shown["epoch"].max()]
    others = last["name"].str.removeprefix(f"{prefix}.")
    found = {(a, b): v for a, b, v in zip(last["target"], others, last["value"], strict=True)}
    names = sorted({*last["target"], *others}, key=target_order)
    both = found | {(b, a): v for (a, b), v in found.items()}
    matrix = [[1.0 if a == b else both.get((a, b)) for b in names] for a in names]
    scale = (colours.failed, colours.panel, colours.primary)
    figure = go.Figure(
        go.Heatmap(
            z=matrix, x=spelt(names), y=spelt(names), zmin=-1, zmax=1, xgap=2, ygap=2,
            colorscale=stops(scale), hovertemplate="%{y} and %{x}: %{z:.3f}<extra></extra>",
            colorbar={"thickness": 10, "outlinewidth": 0, "len": 0.9},
        )
    )  # fmt: skip
    written(figure, scale, "{:.2f}".format)
    figure.update_yaxes(autorange="reversed")
    return styled(figure, colours, height=90 + 42 * len(names))


def plan_and_outcome(frame: pd.DataFrame, colours: Palette) -> go.Figure:
    """Planned, realised and least possible makespan of the newest runs, oldest first."""
    recent = frame.head(12).iloc[::-1]
    longest = recent[["planned", "realised", "bound"]].astype(float).max().max()
    name, one = unit("duration", float(longest))
    runs = [f"#{each}" for each in recent["run"]]
    figure = go.Figure()
    for column, title, colour in (
        ("planned", "planned", colours.scale[3]),
        ("realised", "realised", colours.primary),
    ):
        values = recent[column].astype(float)
        figure.add_bar(
            x=runs, y=values / one, name=title, marker_color=colour, marker_line_width=0,
            customdata=[seconds(each) for each in values],
            hovertemplate=f"%{{x}} {title} %{{customdata}}<extra></extra>",
        )  # fmt: skip
    figure.add_scatter(
        x=runs, y=recent["bound"].astype(float) / one, name="lower bound", mode="markers",
        marker={"symbol": "line-ew", "size": 22,
                "line": {"width": 2.5, "color": colours.states["retrying"]}},
        customdata=[seconds(each) for each in recent["bound"]],
        hovertemplate="%{x} lower bound %{customdata}<extra></extra>",
    )  # fmt: skip
    figure.update_yaxes(title_text=name, rangemode="tozero")
    figure.update_xaxes(type="category")
    figure.update_layout(barmode="group", bargap=0.35)
    return styled(figure, colours, height=300, legend=True)


def attempts_by_kind(frame: pd.DataFrame, colours: Palette, *, most: int = 12) -> go.Figure:
    """Attempts of each kind, those that failed apart; the most frequent kinds."""
    total = frame.groupby("kind", sort=False)[["attempts", "failed"]].sum()
    total = total.sort_values("attempts", ascending=False).head(most)
    fine = total["attempts"] - total["failed"]
    figure = go.Figure()
    for title, values, colour in (
        ("succeeded", fine, colours.primary),
        ("did not", total["failed"], colours.failed),
    ):
        figure.add_bar(
            y=spelt(total.index), x=values, name=title, orientation="h", marker_color=colour,
            marker_line_width=0, hovertemplate=f"%{{y}}: %{{x:,}} {title}<extra></extra>",
        )  # fmt: skip
    figure.update_layout(barmode="stack", bargap=0.35)
    figure.update_yaxes(autorange="reversed")
    figure.update_xaxes(title_text="attempts")
    return styled(figure, colours, height=max(300, 90 + 24 * len(total)), legend=True)


def label(name: str) -> str:
    """A metric's name as a legend shows it."""
    words = {"loss": "training loss", "baseline_error": "naive baseline"}
    return words.get(name, name.replace("_", " "))


def spelt(found: Sequence[str] | pd.Index | pd.Series) -> list[str]:
    """Names from outside: plotly takes some HTML in text, so its two signs are spelt out."""
    return [str(each).replace("&", "&amp;").replace("<", "&lt;") for each in found]


def stops(scale: Sequence[str]) -> list[tuple[float, str]]:
    """A scale as plotly takes it: its colours at equal distances."""
    return [(each / (len(scale) - 1), colour) for each, colour in enumerate(scale)]


def written(figure: go.Figure, scale: Sequence[str], say: Callable[[float], str]) -> None:
    """Writes the numbers of a heatmap into its cells, each in the ink that is read best there.

    Plotly's own choice of letters cannot be read on the middle of a scale.
    """
    heat = figure.data[0]
    low, high = heat.zmin, heat.zmax
    cells = [
        (x, y, float(value))
        for y, row in zip(heat.y, heat.z, strict=True)
        for x, value in zip(heat.x, row, strict=True)
        if value is not None and isfinite(value)
    ]
    figure.add_scatter(
        x=[x for x, _, _ in cells], y=[y for _, y, _ in cells], mode="text", hoverinfo="skip",
        text=[say(value) for _, _, value in cells], showlegend=False,
        textfont={"size": FONT, "color": [
            ink(shade(scale, (value - low) / ((high - low) or 1))) for _, _, value in cells
        ]},
    )  # fmt: skip


def target_order(target: str) -> tuple[int, str]:
    """A key that brings targets into the order in which people think of them."""
    known = ("duration", "memory", "cpu", "failure", "assignment", "all")
    return known.index(target) if target in known else len(known), target


def expert(name: str) -> str:
    """An expert's name as people read it; older networks numbered theirs."""
    return f"expert {name}" if name.isdecimal() else name


def expert_order(name: str) -> tuple[bool, str, int]:
    """A key that brings experts into the order of their network: by number, a target's own last."""
    words, _, number = name.rpartition(".")[2].rpartition(" ")
    if not number.isdecimal():
        return True, name, 0
    return False, words, int(number)


def _marked(colours: Palette, chosen: bool) -> str:
    return colours.primary if chosen else colours.states["waiting"]


def _faint(colour: str) -> str:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.55)"


def _tall(workers: int) -> int:
    return 84 + 34 * max(workers, 2)


def styled(
    figure: go.Figure,
    colours: Palette,
    *,
    height: int,
    legend: bool = False,
    titles: bool = False,
) -> go.Figure:
    figure.update_layout(
        height=height, margin={"l": 8, "r": 12, "t": 10 + 26 * legend + 26 * titles, "b": 8},
        paper_bgcolor="rgba(0,0,0,0)", plot_bgcolor="rgba(0,0,0,0)", showlegend=legend,
        font={"size": FONT, "color": colours.text, "family": FAMILY},
        legend={"orientation": "h", "y": 1, "yref": "container", "yanchor": "top", "x": 0,
                "font": {"color": colours.text, "size": FONT}},
        hoverlabel={"bgcolor": colours.panel, "font": {"color": colours.text, "size": FONT},
                    "bordercolor": colours.line},
    )  # fmt: skip
    axis = {
        "gridcolor": colours.line, "zerolinecolor": colours.line, "automargin": True,
        "tickfont": {"color": colours.muted, "size": 12},
        "title_font": {"color": colours.muted, "size": 12}, "title_standoff": 6,
    }  # fmt: skip
    figure.update_xaxes(**axis)
    figure.update_yaxes(**axis)
    figure.update_annotations(font={"size": FONT, "color": colours.text})
    return figure
