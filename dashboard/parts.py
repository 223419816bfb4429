"""Pieces that several screens show."""

from collections.abc import Sequence

import streamlit as st

from dashboard import frames
from dashboard.reading import RunView
from dashboard.words import NOTHING, cores, plain, seconds, size, still
from scheduler.planning.feasibility import Violation
from scheduler.planning.schedule import Placement
from scheduler.store.values import Attempt

COLOURS = {"succeeded": "green", "running": "blue", "failed": "red", "given up": "violet"}


def kept_or_broken(found: Sequence[Violation] | None) -> str:
    """How many rules a plan breaks, as a tile shows it."""
    return "unknown" if found is None else str(len(found)) if found else "none"


def state_badge(state: str) -> None:
    """A state as a coloured word."""
    st.badge(state, color=COLOURS.get(state, "gray"))  # type: ignore[arg-type]


def task_card(view: RunView, task: str | None) -> None:
    """What is known of one task of a run, with the way to its decision."""
    if task is None or task not in view.plan.workflow.index:
        st.write("Click one in the picture, or select a row in the table.")
        return
    known, tries = view.plan.workflow.task(task), view.tries.get(task, ())
    placed = view.plan.schedule.by_task.get(task)
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f"**{plain(task)}**", width="content")
            state_badge(frames.states(view)[task])
            if task in view.plan.critical:
                st.badge("critical path", color="orange")
        pairs("Kind", known.kind, "Waits for", _listed(view.plan.workflow.predecessors(task)))
        pairs("Planned", _planned(placed), "Actual", _actual(tries[-1] if tries else None))
        pairs("Attempts", str(len(tries)), "Memory", _memory(tries[-1] if tries else None, placed))
        if reason := view.given_up.get(task) or _message(tries):
            st.text(reason)
        where = {"run": str(view.summary.id), "task": task}
        with st.container(horizontal=True):
            st.page_link(
                "screens/task.py", label="All of this task", icon=":material/task_alt:",
                query_params=where,
            )  # fmt: skip
            st.page_link(
                "screens/decisions.py", label="Why this worker?", icon=":material/alt_route:",
                query_params=where,
            )  # fmt: skip


def pairs(*named: str) -> None:
    """Names and values in turn, in columns: the names small, the values plain text."""
    found = list(zip(named[::2], named[1::2], strict=True))
    for column, (name, value) in zip(st.columns(len(found)), found, strict=True):
        with column, st.container(gap=None):
            st.caption(name)
            st.text(still(value))


def _planned(placed: Placement | None) -> str:
    if placed is None:
        return NOTHING
    return f"{placed.worker}, {seconds(placed.start)} to {seconds(placed.end)}"


def _actual(last: Attempt | None) -> str:
    if last is None:
        return "not started"
    end = "now" if last.end is None else seconds(last.end)
    return f"{last.worker}, {seconds(last.start)} to {end}"


def _memory(last: Attempt | None, placed: Placement | None) -> str:
    held = last or placed
    if held is None:
        return NOTHING
    peak = last.observation.peak_memory if last and last.observation else None
    used = f"{size(peak)} of " if peak is not None else ""
    return f"{used}{size(held.allocation.memory)} reserved, {cores(held.allocation.cores)}"


def _message(tries: Sequence[Attempt]) -> str:
    said = [each.observation.message for each in tries if each.observation]
    return next((each for each in reversed(said) if each), "")


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:4])
    return (f"{shown} and {len(names) - 4} more" if len(names) > 4 else shown) or "nothing"
