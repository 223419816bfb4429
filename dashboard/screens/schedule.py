"""Schedule: what was planned and what happened, by worker and time."""

import streamlit as st

from dashboard import frames, session, tables
from dashboard.components.gantt import gantt
from dashboard.components.packing import ACTUAL, PLANNED, actual_bars, chart, planned_bars
from dashboard.parts import kept_or_broken, task_card
from dashboard.reading import RunView
from dashboard.words import NOTHING, plain, seconds, share, when

TITLE, ICON, SECTION, PLACE = "Schedule", ":material/view_timeline:", "Operate", 2

LAYERS = {
    "both": ("Planned and actual", (PLANNED, ACTUAL)),
    "planned": ("Planned", (PLANNED,)),
    "actual": ("Actual", (ACTUAL,)),
}


def draw() -> None:
    """The run that is selected; it redraws itself while the run goes on."""
    store = session.store()
    view = session.pick_run(store)
    if view is not None:
        every = 2.0 if view.running else None
        session.live(lambda: _run(session.view(store, session.again(store, view))), every=every)


def _run(view: RunView) -> None:
    run = view.summary
    st.caption(
        f"Started {when(run.started)} · {plain(run.executor)} · "
        f"forecast by {plain(run.predictor)} · planned by {plain(run.planner)} · {run.state}"
    )
    if run.message:
        st.warning(plain(run.message), icon=":material/info:")
    _numbers(view)
    if view.plan.violations:
        st.error("The plan breaks rules of its problem.", icon=":material/rule:")
        tables.show(frames.broken_rules(view.plan.violations), key="violations")
    _timeline(view)
    left, right = st.columns((2, 3), gap="medium")
    with left:
        st.subheader("Selected task", anchor=False)
        task_card(view, session.chosen("task"))
    with right:
        st.subheader("Workers", anchor=False)
        until = _until(view)
        tables.show(frames.workers(view, until=until), key="workers", alt="Load of each worker")
    _tasks(view)


def _numbers(view: RunView) -> None:
    run, plan = view.summary, view.plan.schedule
    state = list(frames.states(view).values())
    failed = sum(map(frames.failed, view.attempts))
    realised = run.makespan if run.makespan is not None else None
    delta = None if realised is None or not plan.makespan else realised / plan.makespan - 1
    tiles = st.columns(6)
    tiles[0].metric("Planned", seconds(plan.makespan), border=True, height="stretch")
    tiles[1].metric(
        "Realised", seconds(realised), None if delta is None else f"{delta * 100:+.1f} %",
        delta_color="inverse", border=True, height="stretch",
    )  # fmt: skip
    tiles[2].metric("Lower bound", seconds(plan.lower_bound or None), border=True, height="stretch")
    gap = share(plan.gap) if plan.lower_bound > 0 else NOTHING
    tiles[3].metric("Above the bound", gap, border=True, height="stretch")
    succeeded = state.count("succeeded")
    done = f"{succeeded} / {len(state)}" if len(state) < 1000 else share(succeeded / len(state))
    note = f"{failed} failed tries" if failed else None
    tiles[4].metric(
        "Tasks done",
        done,
        note,
        delta_color="inverse",
        delta_arrow="off",
        border=True,
        height="stretch",
    )
    tiles[5].metric(
        "Rules broken", kept_or_broken(view.plan.violations), border=True, height="stretch"
    )


def _timeline(view: RunView) -> None:
    layers = list(LAYERS) if view.attempts else ["planned"]
    bars_of = {PLANNED: planned_bars(view), ACTUAL: actual_bars(view, until=_until(view))}
    wanted = session.choose_one("Bars", layers, "bars", shown=lambda each: LAYERS[each][0])
    bars = [bar for layer in LAYERS[wanted][1] for bar in bars_of[layer]]
    now = _until(view) if view.running else None
    gantt(
        chart(view, bars, now=now), key=f"gantt-{view.summary.id}",
        selected=session.chosen("task"), on_click=lambda task: session.choose("task", task),
    )  # fmt: skip


def _tasks(view: RunView) -> None:
    tasks, attempts = st.tabs(["Tasks", "Attempts"])
    frame = frames.tasks(view)
    with tasks:
        st.caption("Select a row to select the task everywhere.")
        tables.show(
            frame, key="tasks", alt="Every task, planned beside actual", height=420,
            on_row=lambda row: session.choose("task", str(frame["task"].iloc[row])),
            columns=("task", "kind", "state", "planned worker", "worker", "planned start", "start",
                     "planned end", "end", "late", "planned duration", "duration", "share",
                     "attempts", "peak memory", "reserved memory", "critical"),
        )  # fmt: skip
    with attempts:
        if view.attempts:
            tables.show(frames.attempts(view), key="attempts", height=420, alt="Every attempt")
        else:
            st.write("No task has been started yet.")


def _until(view: RunView) -> float:
    if view.running:
        return (session.now() - view.summary.started).total_seconds()
    ends = [each.start if each.end is None else each.end for each in view.attempts]
    return view.summary.makespan or max(ends, default=0.0)


draw()
