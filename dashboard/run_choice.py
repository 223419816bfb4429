"""Which run, and which of its tasks, a screen shows, read once for all who look at it."""

from collections.abc import Callable
from datetime import datetime

import streamlit as st

from dashboard import living
from dashboard.reading import Plan, RunView, newest_plan, read_plan, read_run
from dashboard.session import nothing_yet, now, pick, store
from dashboard.words import ago, clipped
from scheduler.store import Store
from scheduler.store.summaries import Mark
from scheduler.store.values import RunSummary


def pick_run(opened: Store) -> RunView | None:
    """A select box of the runs, and the chosen one read; None, with advice, when there is none.

    Runs that begin or end come into it by themselves.
    """
    living.on_change(lambda: opened.mark("runs"), waits=False)
    runs = {str(each.id): each for each in opened.runs(now=now())}
    if not runs:
        nothing_yet(
            "No workflow has been run yet.",
            "A run appears here as soon as it is planned, before its first task starts.",
            ("allot demo", "allot run WORKFLOW --cluster CLUSTER"),
        )
        living.on_change(lambda: opened.mark("runs"))
        return None
    moment = now()
    found = pick("Run", list(runs), "run", shown=lambda each: run_line(runs[each], moment))
    return view(opened, runs[found])


def pick_task(opened: Store) -> tuple[RunView, str] | None:
    """A select box of the runs and one of the chosen run's tasks; None where there is no run."""
    left, right = st.columns(2)
    with left:
        view = pick_run(opened)
    if view is None:
        return None
    kind = {each.id: each.kind for each in view.plan.workflow.tasks}
    with right:
        task = pick("Task", list(kind), "task", shown=lambda each: f"{each} · {kind[each]}")
    return view, task


def live_run(draw: Callable[[Store, RunView], None], shown: RunView) -> None:
    """Draws a run, and anew as soon as anything of it is kept; slowly, where nothing is."""
    opened, run, over = store(), shown.summary.id, shown.summary.ended is not None

    def part() -> None:
        draw(opened, view(opened, shown.summary if over else opened.run(run, now=now())))

    living.live_while(part, None if over else lambda: opened.mark_of(run))


def view(opened: Store, run: RunSummary) -> RunView:
    """Everything of a run, read once for as long as nothing of it has changed."""
    if run.ended is not None:
        return _kept_view(opened, run)
    return _living_view(opened, run, opened.mark_of(run.id))


def run_line(run: RunSummary, moment: datetime) -> str:
    """A run in one line of plain text."""
    said = f"#{run.id} · {clipped(run.workflow, 40)} · {run.planner}"
    label = f" ({clipped(run.label, 24)})" if run.label else ""
    return f"{said}{label} · {run.state} · {ago(run.started, moment)}"


def _url(opened: Store) -> str:
    return opened.url


@st.cache_resource(show_spinner=False, max_entries=16, hash_funcs={Store: _url})
def _kept_plan(opened: Store, run: int, started: datetime) -> Plan:  # noqa: ARG001  part of the key
    return read_plan(opened, run)


@st.cache_resource(show_spinner=False, max_entries=16, hash_funcs={Store: _url, RunSummary: repr})
def _kept_view(opened: Store, run: RunSummary) -> RunView:
    return _read_run(opened, run)


@st.cache_resource(
    show_spinner=False, max_entries=8, hash_funcs={Store: _url, RunSummary: repr, Mark: repr}
)
def _living_view(opened: Store, run: RunSummary, mark: Mark) -> RunView:  # noqa: ARG001  the key
    return _read_run(opened, run)


def _read_run(opened: Store, run: RunSummary) -> RunView:
    changes = opened.count_events(run.id, "plan_changed")
    newest = _newest_plan(opened, run.id, run.started, changes) if changes else None
    return read_run(opened, run, _kept_plan(opened, run.id, run.started), newest)


@st.cache_resource(show_spinner=False, max_entries=16, hash_funcs={Store: _url})
def _newest_plan(opened: Store, run: int, started: datetime, changes: int) -> Plan | None:  # noqa: ARG001
    return newest_plan(opened, run, _kept_plan(opened, run, started))
