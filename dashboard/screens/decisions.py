"""Decisions: why a task runs where it runs, and what people decide about it."""

from collections.abc import Callable
from datetime import datetime

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from dashboard import asking, charts, frames, kept, living, pictures, run_choice, session, tables
from dashboard.acts import Acting, Deed, decides
from dashboard.asking import NEEDED
from dashboard.bounds import bounds, nearest, records
from dashboard.plan_choice import by_plan
from dashboard.reading import RunView
from dashboard.theme import Palette
from dashboard.words import (
    NOTHING,
    clipped,
    count,
    exactly,
    listed,
    plain,
    seconds,
    share,
    step_of,
    still,
)
from scheduler.asked import GOES_ON
from scheduler.errors import AllotError
from scheduler.forecast import QUANTITIES
from scheduler.governor import policy_in_force
from scheduler.planning.explain import Cause, Explanation, reasons
from scheduler.planning.schedule import Placement
from scheduler.policy import policy_from
from scheduler.records import Outcome
from scheduler.store import Store
from scheduler.store.questions import Question

TITLE, ICON, SECTION, PLACE = "Decisions", ":material/alt_route:", "Operate", 4

MEASURED = {"duration": "duration", "memory": "peak_memory", "cpu": "cpu"}
NAMES = {"duration": "Duration", "memory": "Peak memory", "cpu": "Cores in use"}


LARGE = 2000  # tasks above which alternatives are not planned in full
ASKED, ALIKE = 20, 12  # questions and past attempts that are shown at most
OVER = "The run is over: nothing can be asked of it."


def draw() -> None:
    """What people have to decide, then the decision about one task of one run."""
    store = session.store()
    living.on_change(lambda: store.mark("questions"))
    _questions(store)
    found = run_choice.pick_task(store)
    if found is None:
        return
    first, task = found
    run = first.summary
    if run.ended is None:
        living.on_change(lambda: store.mark_of(run.id, task))
    view = by_plan(store, first, task)
    placed = view.plan.schedule.by_task.get(task)
    _headline(view, task, placed)
    _override(view, task)
    _why(view, task)
    _bounds(store, view, task)
    _beliefs(view, task, placed)
    _gates(view, task, placed)


def _questions(store: Store) -> None:
    """Everything that is open, each answered here."""
    found = store.questions(state="open", limit=ASKED + 1)
    if not found:
        return
    st.subheader("People decide", anchor=False)
    if len(found) > ASKED:
        st.caption(f"The newest {ASKED}; the command allot questions shows all.")
    for each in found[:ASKED]:
        with st.container(border=True, gap="xxsmall"):
            _question(each)


def _question(question: Question) -> None:
    run = "" if question.run is None else f" · run {question.run}"
    st.text(f"Question {question.id} · {question.kind}{run} · {clipped(question.subject, 200)}")
    for reason in question.reasons[:5]:
        st.text(clipped(reason, 400))
    if tasks := question.details.get("tasks"):
        st.text(f"It holds back {count(len(tasks), 'task')}: {listed(tasks, 5)}")
    with st.container(horizontal=True, vertical_alignment="center"):
        for answer in question.answers:
            asking.act(
                plain(answer.capitalize()), _answered(question.id, answer),
                key=f"question-{question.id}-{answer}", role=decides(question.kind),
            )  # fmt: skip
        if question.run is not None:
            st.page_link(
                "screens/schedule.py", label="The run", icon=":material/view_timeline:",
                query_params={"run": str(question.run)},
            )  # fmt: skip


def _answered(question: int, answer: str) -> Callable[[Acting, str, object], Deed]:
    return lambda who, reason, _: who.decide(question, answer, reason=reason)


def _override(view: RunView, task: str) -> None:
    run, workers = view.summary.id, list(view.plan.cluster.index)
    asking.act(
        "Override", lambda who, reason, worker: who.steer(
            run, "reassign", reason=reason, tasks=(task,), worker=worker
        ),
        key="decision-override", icon=":material/move_down:", reason=NEEDED,
        disabled="" if view.summary.state in GOES_ON else OVER,
        fields=lambda form: st.selectbox("To the worker", workers, key=f"{form}-worker"),
        explain="The plan is wrong: the task is to run there and nowhere else. Later plans learn "
        "from it.",
    )  # fmt: skip


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
        explained = _explained(view, view.summary.id, view.summary.started, view.plan.number, task)
    except AllotError as error:
        st.info("The plan of this run cannot be explained.", icon=":material/info:")
        st.text(str(error))
        return
    told = exactly(step_of(explained.amounts()))
    said = explained.sentences(told)
    why = len(said) - len(explained.earlier)
    left, right = st.columns((3, 2), gap="medium")
    with left, st.container(border=True, gap="xxsmall"):
        for sentence in said[:why]:
            st.text(still(sentence))
    with right:
        tables.show(
            _alternatives(explained), key="alternatives", alt="What each worker would mean",
            units=dict.fromkeys(("start", "end", "ends later"), told),
        )  # fmt: skip
    st.markdown("**What would make it start earlier**")
    with st.container(border=True, gap="xxsmall"):
        for sentence in said[why:] or (_nothing(explained),):
            st.text(still(sentence))
        if len(explained.chain) > 1:
            st.text(still(f"The chain: {_chain(explained)}"))


def _nothing(explained: Explanation) -> str:
    if explained.wait.cause is Cause.NOTHING:
        return "Nothing: it starts with the run."
    return "No one thing alone; the chain says what waits for what."


def _chain(explained: Explanation) -> str:
    links = [f"{each.task} ({each.cause})" for each in explained.chain[:8]]
    more = len(explained.chain) - 8
    return " ← ".join(links) + (f" and {count(more, 'link')} more" if more > 0 else "")


def _bounds(store: Store, view: RunView, task: str) -> None:
    known, plan = view.plan.workflow.task(task), view.plan
    policy = policy_from(policy_in_force(store))
    found = list(bounds(known, plan.cluster, plan.objective, policy, currency=session.currency()))
    left, right = st.columns((2, 3), gap="medium")
    with left:
        st.subheader("Limits that it had to keep", anchor=False)
        with st.container(border=True, gap="xxsmall"):
            for sentence in found or ("No limit but the sizes of its workers concerns it.",):
                st.text(still(sentence))
    with right:
        st.subheader("Similar past attempts", anchor=False)
        alike = nearest(known.sizes, store.similar_records(known.kind))[:ALIKE]
        if not alike:
            st.write("The store knows no attempt of this kind.")
            return
        tables.show(records(alike), key="alike", alt="Past attempts of this kind", height=300)


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
    found = [each for each in kept.kinds(session.store()) if each.kind == kind]
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
    pictures.show(figure, key=key)


def _observed(view: RunView, task: str, quantity: str) -> dict[str, float]:
    """What was measured, by worker, of attempts that succeeded."""
    found: dict[str, float] = {}
    for each in view.tries.get(task, ()):
        seen = each.observation
        if seen is not None and seen.outcome is Outcome.SUCCEEDED:
            value = getattr(seen, MEASURED[quantity])
            found |= {each.worker: value} if value is not None else {}
    return found


def _number(view: RunView) -> int:
    return view.summary.id


@st.cache_resource(show_spinner="Explaining", max_entries=64, hash_funcs={RunView: _number})
def _explained(
    view: RunView, run: int, started: datetime, plan: int, task: str  # noqa: ARG001  of the key
) -> Explanation:  # fmt: skip
    large = len(view.plan.workflow) > LARGE
    return reasons(view.plan.problem, view.plan.schedule, task, replanned=0 if large else 3)


draw()
