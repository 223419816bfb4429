"""Decisions: why a task runs where it runs."""

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from dashboard import charts, frames, session, tables
from dashboard.reading import RunView
from dashboard.theme import Palette
from dashboard.words import NOTHING, plain, seconds, share
from scheduler.errors import AllotError
from scheduler.forecast import QUANTITIES
from scheduler.planning.explain import Explanation, reasons
from scheduler.planning.schedule import Placement
from scheduler.records import Outcome

TITLE, ICON, SECTION, PLACE = "Decisions", ":material/alt_route:", "Operate", 4

MEASURED = {"duration": "duration", "memory": "peak_memory", "cpu": "cpu"}
NAMES = {"duration": "Duration", "memory": "Peak memory", "cpu": "Cores in use"}


def draw() -> None:
    """The decision about one task of one run."""
    left, right = st.columns(2)
    with left:
        view = session.pick_run(session.store())
    if view is None:
        return
    kind = {each.id: each.kind for each in view.plan.workflow.tasks}
    with right:
        task = session.pick("Task", list(kind), "task", shown=lambda each: f"{each} · {kind[each]}")
    placed = view.plan.schedule.by_task.get(task)
    _headline(view, task, placed)
    _why(view, task)
    _beliefs(view, task, placed)
    _gates(view, task, placed)


def _headline(view: RunView, task: str, placed: Placement | None) -> None:
    row = view.plan.forecast.tasks.index(task)
    tiles = st.columns(5)
    tiles[0].metric("Chosen worker", plain(placed.worker) if placed else NOTHING, border=True)
    start = seconds(placed.start) if placed else NOTHING
    tiles[1].metric("Planned start", start, border=True)
    if placed is None:
        return
    column = view.plan.forecast.workers.index(placed.worker)
    tiles[2].metric("Planned duration", seconds(placed.end - placed.start), border=True)
    tiles[3].metric(
        "Observed duration",
        seconds(_observed(view, task, "duration").get(placed.worker)),
        border=True,
    )
    risk = share(float(view.plan.forecast.failure[row, column]))
    tiles[4].metric("Failure risk there", risk, border=True)


def _why(view: RunView, task: str) -> None:
    st.subheader("Why there, and why then", anchor=False)
    try:
        explained = reasons(view.plan.problem, view.plan.schedule, task)
    except AllotError as error:
        st.info("The plan of this run cannot be explained.", icon=":material/info:")
        st.text(str(error))
        return
    left, right = st.columns((3, 2), gap="medium")
    with left, st.container(border=True, gap="xxsmall"):
        for sentence in explained.sentences():
            st.text(sentence)
    with right:
        tables.show(_alternatives(explained), key="alternatives", alt="What each worker would mean")


def _alternatives(explained: Explanation) -> pd.DataFrame:
    here = explained.placement
    rows = [
        {"worker": here.worker, "start": here.start, "end": here.end, "late": 0.0, "note": "chosen"}
    ]
    rows += [
        {"worker": each.worker, "start": each.start, "end": each.end, "late": each.later,
         "note": each.refusal or ""}
        for each in explained.alternatives
    ]  # fmt: skip
    return pd.DataFrame(rows).rename(columns={"late": "ends later"})


def _beliefs(view: RunView, task: str, placed: Placement | None) -> None:
    forecast, colours = view.plan.forecast, session.colours()
    frame = frames.forecast_by_worker(forecast, task)
    chosen = placed.worker if placed else None
    st.subheader("Forecast by worker", anchor=False)
    low, high = (frames.level_name(forecast.quantiles[each]) for each in (0, -1))
    st.caption(
        f"Made by {plain(forecast.source)} before the start. Bars reach from {low} to {high}; the "
        "dot is the median, the diamond what was observed. The chosen worker is coloured. Affinity "
        "is the probability that a worker is the right one."
    )
    for column, quantity in zip(st.columns(3), QUANTITIES, strict=True):
        with column:
            st.markdown(f"**{NAMES[quantity]}**")
            figure = charts.quantiles(
                frame, quantity, colours, chosen=chosen, levels=forecast.quantiles,
                observed=_observed(view, task, quantity),
            )  # fmt: skip
            _chart(figure, f"forecast-{quantity}")
    left, right, last = st.columns(3)
    for column, name, title in (
        (left, "failure", "Probability of failure"),
        (right, "affinity", "Affinity"),
    ):
        with column:
            st.markdown(f"**{title}**")
            _chart(charts.shares(frame, name, colours, chosen=chosen), f"forecast-{name}")
    with last:
        st.markdown("**Attempts of this kind so far**")
        _history(view.plan.workflow.task(task).kind)
    tables.show(frame, key="forecast", alt="The forecast by worker")


def _history(kind: str) -> None:
    found = [each for each in session.store().kinds() if each.kind == kind]
    if not found:
        st.write("The store knows no record of this kind.")
        return
    tables.show(
        frames.kinds(found), key="history-of-kind", alt="Attempts of this kind by worker",
        columns=("worker", "attempts", "failed", "duration"), height=180,
    )  # fmt: skip


def _gates(view: RunView, task: str, placed: Placement | None) -> None:
    forecast, colours = view.plan.forecast, session.colours()
    st.subheader("Which experts spoke", anchor=False)
    if not forecast.gates:
        st.write(
            "This forecast has no gates: it came from the history of each kind, or from a network "
            "that shares nothing or everything."
        )
        return
    left, right = st.columns((1, 3), gap="medium")
    with left:
        worker = session.pick(
            "On worker", list(forecast.workers), "worker", default=placed.worker if placed else None
        )
        st.caption(
            "The weight of each expert in the prediction of each target, for this task there."
        )
    weights = frames.gates(forecast, task, worker)
    with right:
        _heatmap(weights, colours)
    with st.expander("The same as a table"):
        named = weights.rename_axis("target").reset_index()
        tables.show(named, key="gates", units=dict.fromkeys(weights.columns, "share"))


def _heatmap(weights: pd.DataFrame, colours: Palette) -> None:
    _chart(charts.gate_weights(weights, colours), "gate-weights")


def _chart(figure: go.Figure, key: str) -> None:
    st.plotly_chart(
        figure, key=key, theme=None, config={"displayModeBar": False},
        alt="The table below says the same.",
    )  # fmt: skip


def _observed(view: RunView, task: str, quantity: str) -> dict[str, float]:
    """What was measured, by worker, of attempts that succeeded."""
    found: dict[str, float] = {}
    for each in view.tries.get(task, ()):
        seen = each.observation
        if seen is not None and seen.outcome is Outcome.SUCCEEDED:
            value = getattr(seen, MEASURED[quantity])
            found |= {each.worker: value} if value is not None else {}
    return found


draw()
