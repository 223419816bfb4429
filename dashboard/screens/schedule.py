"""Schedule: what was planned and what happened, by worker and time."""

from dataclasses import replace
from typing import Literal

import streamlit as st

from dashboard import filters, fleet_view, frames, run_choice, session, tables, wanted
from dashboard.components.gantt import Window, gantt
from dashboard.components.packing import ACTUAL, BOTH, LANES, PLANNED, Chart, chart
from dashboard.parts import kept_or_broken, task_card
from dashboard.reading import RunView
from dashboard.wanted import Wanted
from dashboard.words import NOTHING, by_frequency, count, plain, seconds, share

TITLE, ICON, SECTION, PLACE = "Schedule", ":material/view_timeline:", "Operate", 2

LAYERS = {
    "both": ("Planned and actual", BOTH),
    "planned": ("Planned", (PLANNED,)),
    "actual": ("Actual", (ACTUAL,)),
}
TIMES = {"since": "Elapsed", "clock": "Time in {}"}
LATE = (
    "Tasks that end, or will, after their deadline or the P90 of their planned end; and those that "
    "have not ended by then."
)


OF = {"one": "One run", "all": "All runs of a time"}


def draw() -> None:
    """The run that is selected, or all runs of a time; drawn anew while something goes on."""
    store = session.store()
    if "run" in st.query_params and "of" not in st.query_params:
        session.choose("of", None)  # a link to a run leads to it, whatever was shown before
    if session.choose_one("Shown", list(OF), "of", shown=OF.__getitem__) == "all":
        session.choose("of", "all")
        fleet_view.draw(store)
        return
    view = run_choice.pick_run(store)
    if view is not None:
        run_choice.live_run(lambda _, found: _run(found), view)


PLANS = {"newest": "Newest plan", "first": "First plan"}


def _run(first: RunView) -> None:
    run = first.summary
    st.caption(
        f"Started {session.when(run.started)} · {plain(run.executor)} · "
        f"forecast by {plain(run.predictor)} · planned by {plain(run.planner)} · {run.state}"
    )
    if run.message:
        st.warning(plain(run.message), icon=":material/info:")
    _numbers(first)
    if first.plan.violations:
        st.error("The plan breaks rules of its problem.", icon=":material/rule:")
        tables.show(frames.broken_rules(first.plan.violations), key="violations")
    view = _by_plan(first)
    asked = _asked(view)
    _timeline(view, asked)
    left, right = st.columns((2, 3), gap="medium")
    with left:
        st.subheader("Selected task", anchor=False)
        task_card(view, session.chosen("task"))
    with right:
        st.subheader("Workers", anchor=False)
        until = _until(view)
        tables.show(frames.workers(view, until=until), key="workers", alt="Load of each worker")
    _tasks(view, asked)


def _by_plan(view: RunView) -> RunView:
    """The run beside the plan that is chosen, where it has been planned again since it began."""
    if view.newest is None:
        return view
    with st.container(horizontal=True, vertical_alignment="center"):
        found = session.choose_one("Plan", list(PLANS), "plan", shown=PLANS.__getitem__)
        ends, before = (each.schedule.makespan for each in (view.newest, view.plan))
        st.caption(
            f"Planned again since it began: to end after {seconds(ends)}, at first "
            f"{seconds(before)}. Late is what is late by the plan that is chosen."
        )
    return view if found == "first" else view.by_newest


def _numbers(view: RunView) -> None:
    run, plan = view.summary, view.plan.schedule
    state = list(frames.states(view).values())
    failed = sum(map(frames.failed, view.attempts))
    realised = run.makespan if run.makespan is not None else None
    delta = None if realised is None or not plan.makespan else realised / plan.makespan - 1
    gap = share(plan.gap) if plan.lower_bound > 0 else NOTHING
    succeeded = state.count("succeeded")
    done = f"{succeeded} / {len(state)}" if len(state) < 1000 else share(succeeded / len(state))
    tiles: tuple[tuple[str, str, str | None], ...] = (
        ("Planned", seconds(plan.makespan), None),
        ("Realised", seconds(realised), None if delta is None else f"{delta * 100:+.1f} %"),
        ("Lower bound", seconds(plan.lower_bound or None), None),
        ("Above the bound", gap, None),
        ("Tasks done", done, count(failed, "failed try", "failed tries") if failed else None),
        ("Rules broken", kept_or_broken(view.plan.violations), None),
    )
    with st.container(horizontal=True):  # narrow screens get more than one line of them
        for label, value, note in tiles:
            arrow: Literal["auto", "off"] = "auto" if label == "Realised" else "off"
            st.metric(
                label, value, note, delta_color="inverse", delta_arrow=arrow, border=True,
                height="stretch", width="stretch",
            )  # fmt: skip


def _asked(view: RunView) -> Wanted:
    """What the filters ask for, all of it in the address."""
    kinds = by_frequency(each.kind for each in view.plan.workflow.tasks)
    states = [each for each in frames.STATES if each in set(frames.states(view).values())]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        kind = filters.several("Kinds", kinds, "kind")
        state = filters.several("States", states, "state")
        worker = filters.several("Workers", view.workers, "on")
        late = filters.yes("Late only", "late", help_=LATE)
    window = wanted.read_window(session.chosen("window"))
    return Wanted(kind, state, worker, late=late, window=window)


def _timeline(view: RunView, asked: Wanted) -> None:
    layers = list(LAYERS) if view.attempts else ["planned"]
    with st.container(horizontal=True, vertical_alignment="center"):
        shown = session.choose_one("Bars", layers, "bars", shown=lambda each: LAYERS[each][0])
        lanes = session.choose_one("Lanes", LANES, "lanes", shown=lambda each: f"By {each}")
        clock = session.choose_one("Time", list(TIMES), "time", shown=_time) == "clock"
        said = st.empty()
    drawn = chart(view, now=_until(view), layers=LAYERS[shown][1], lanes=lanes, asked=asked)
    said.caption(_said(view, drawn, asked))
    gantt(
        drawn, key=f"gantt-{view.summary.id}", selected=session.chosen("task"),
        on_click=lambda task: session.choose("task", task),
        window=asked.window, on_window=_take_window,
        clock=(view.summary.started, session.zone().key) if clock else None,
    )  # fmt: skip


def _time(name: str) -> str:
    return TIMES[name].format(session.zone().key)


def _said(view: RunView, drawn: Chart, asked: Wanted) -> str:
    if replace(asked, window=None).everything:
        return count(len(view.plan.workflow), "task")
    some = drawn.tasks
    return f"{count(some, 'task')} of {len(view.plan.workflow):,}"


def _take_window(window: Window | None) -> None:
    session.choose("window", wanted.written_window(window) if window else None)


def _tasks(view: RunView, asked: Wanted) -> None:
    tasks, attempts = st.tabs(["Tasks", "Attempts"], key="tables", on_change="rerun")
    with tasks:
        if tasks.open:
            _every_task(view, asked)
    with attempts:
        if attempts.open and view.attempts:
            tables.show(frames.attempts(view), key="attempts", height=420, alt="Every attempt")
        elif attempts.open:
            st.write("No task has been started yet.")


def _every_task(view: RunView, asked: Wanted) -> None:
    until = _until(view)
    chosen = wanted.tasks(view, asked, now=until) & wanted.within(view, asked.window, now=until)
    frame = frames.tasks(view)[chosen]
    st.caption(f"{_left(frame.shape[0], asked)} Select a row to select the task everywhere.")
    tables.show(
        frame, key="tasks", alt="Every task, planned beside actual", height=420,
        on_row=lambda row: session.choose("task", str(frame["task"].iloc[row])),
        columns=("task", "kind", "state", "planned worker", "worker", "planned start", "start",
                 "planned end", "end", "late", "planned duration", "duration", "share",
                 "attempts", "peak memory", "reserved memory", "critical"),
    )  # fmt: skip


def _left(found: int, asked: Wanted) -> str:
    if asked.everything:
        return f"{count(found, 'task')}."
    window = asked.window
    between = f" between {seconds(window[0])} and {seconds(window[1])}" if window else ""
    return f"{count(found, 'task')} as filtered{between}."


def _until(view: RunView) -> float:
    if view.running:
        return (session.now() - view.summary.started).total_seconds()
    ends = [each.start if each.end is None else each.end for each in view.attempts]
    return view.summary.makespan or max(ends, default=0.0)


draw()
