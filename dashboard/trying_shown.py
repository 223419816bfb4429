"""What-if on the screen: a plan that was tried, made once and shown in figures and as bars."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import streamlit as st

from dashboard import session, trying
from dashboard.components.gantt import gantt
from dashboard.components.packing import PLANNED, Chart, chart
from dashboard.reading import RunView
from dashboard.trying import Change, Tried
from dashboard.trying_kept import of_run
from dashboard.words import NOTHING, seconds, share

FIGURES: Mapping[str, tuple[str, Any]] = {
    "makespan": ("Makespan", seconds), "promise P50": ("Ends by, as likely as not", seconds),
    "promise P90": ("Ends by, 9 times of 10", seconds),
    "chance to complete": ("Chance that nothing is given up", share),
    "cost": ("Cost", session.money),
    "energy": ("Energy", lambda joules: f"{joules / 3.6e6:.3g} kWh"),
    "late tasks": ("Late tasks", lambda found: f"{found:,}"), "tardiness": ("Tardiness", seconds),
    "workers": ("Workers in use", lambda found: f"{found:,}"),
    "rules broken": ("Limits broken", lambda found: f"{found:,}"),
}  # fmt: skip


def planned(view: RunView, change: Change) -> Tried:
    """The plan of a run with a change, made once."""
    return _tried(session.store().url, view, change)


def of_the_run(view: RunView) -> Tried:
    """The plan that a run began with."""
    return _of_run(session.store().url, view)


def word(name: str, value: Any) -> str:
    """A figure as it is read; nothing where there is no such number."""
    return NOTHING if value is None else str(FIGURES[name][1](value))


def change_of(name: str, was: Any, now: Any) -> str | None:
    """By how much a figure is another, with its sign; None where it is not, or is not known."""
    if was is None or now is None or was == now:
        return None
    by = now - was
    return f"{'-' if by < 0 else '+'}{word(name, abs(by))}"


def drawn(view: RunView, found: Tried) -> Chart:
    """The bars of a plan."""
    shown = RunView(replace(view.summary, makespan=None), found.as_plan(), (), {})
    return chart(shown, now=0.0, layers=(PLANNED,))


def picture(view: RunView, bars: Chart, key: str) -> None:
    """The bars on the screen; the task that is selected is selected everywhere."""
    gantt(
        bars, key=f"what-if-{key}-{view.summary.id}",
        selected=session.chosen("task"), on_click=lambda task: session.choose("task", task),
    )  # fmt: skip


@st.cache_resource(show_spinner=False, max_entries=8, hash_funcs={RunView: of_run, Change: repr})
def _tried(url: str, view: RunView, change: Change) -> Tried:  # noqa: ARG001  part of the key
    found = trying.tried(trying.changed(view.plan, change), change.planner)
    found.figures()  # what takes long is done once
    return found


@st.cache_resource(show_spinner=False, max_entries=8, hash_funcs={RunView: of_run})
def _of_run(url: str, view: RunView) -> Tried:  # noqa: ARG001  part of the key
    found = Tried(view.plan.problem, view.plan.schedule)
    found.figures()
    return found
