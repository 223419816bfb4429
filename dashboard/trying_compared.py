"""What-if on the screen: two plans side by side, of those that were kept and the one shown."""

from collections.abc import Mapping
from dataclasses import replace

import pandas as pd
import streamlit as st

from dashboard import filters, session, tables, trying
from dashboard.reading import RunView
from dashboard.trying import Change, Tried
from dashboard.trying_shown import FIGURES, change_of, drawn, of_the_run, picture, planned, word
from dashboard.words import clipped, count, plain, seconds
from scheduler.errors import AllotError
from scheduler.planning.schedule import Placement
from scheduler.store import Store
from scheduler.store.drafts import Draft

NOW, RUN = "this", "run"
SAME = 1e-6  # share by which a plan that is made again may be another


def compared(store: Store, view: RunView, change: Change, after: Tried | None) -> None:
    """Two plans of one run in figures, as bars on one axis, and task by task."""
    drafts = {str(each.id): each for each in store.drafts(run=view.summary.id)}
    if not drafts or not filters.yes("Set two plans side by side", "compare"):
        return
    names = {each: f"{draft.name} ({draft.by})" for each, draft in drafts.items()}
    names |= {NOW: "This plan"} if after is not None else {}
    names |= {RUN: "The plan of the run"}
    options, newest = list(names), next(iter(drafts))
    second = next((each for each in drafts if each != newest), NOW if after is not None else RUN)
    left, right = st.columns(2)
    with left:
        one = session.pick("A", options, "plan-a", shown=names.__getitem__, default=newest)
    with right:
        other = session.pick("B", options, "plan-b", shown=names.__getitem__, default=second)
    try:
        with st.spinner("Planning"):
            found = [_made(view, each, drafts, after) for each in (one, other)]
    except AllotError as error:
        st.warning("One of them cannot be planned any more.", icon=":material/block:")
        st.text(str(error))
        return
    changes = [_change(each, drafts, change) for each in (one, other)]
    _figures(found[0], found[1])
    bars = [drawn(view, each) for each in found]
    end = max(each.end for each in bars)
    for column, letter, name, made, told, picked in zip(
        st.columns(2, gap="medium"), "AB", (one, other), bars, changes, found, strict=True
    ):
        with column:
            st.markdown(f"**{letter}: {plain(clipped(names[name], 80))}**")
            st.caption(plain(told))
            _since(drafts.get(name), picked)
            picture(view, replace(made, end=end), f"compared-{letter.lower()}")
    _tasks(view, found[0], found[1])


def _made(view: RunView, name: str, drafts: Mapping[str, Draft], after: Tried | None) -> Tried:
    if name == NOW and after is not None:
        return after
    if name == RUN:
        return of_the_run(view)
    return planned(view, trying.change_from(drafts[name].change))


def _change(name: str, drafts: Mapping[str, Draft], change: Change) -> str:
    if name == RUN:
        return "as the run began"
    asked = change if name == NOW else trying.change_from(drafts[name].change)
    return ", ".join((*asked.sentences(session.currency()), f"by {asked.planner}"))


def _since(draft: Draft | None, made: Tried) -> None:
    """Says where a plan is not the one that was kept: planners may have learned since."""
    before = None if draft is None else draft.figures.get("makespan")
    now = made.schedule.makespan
    if before is not None and abs(before - now) > SAME * max(before, now):
        st.caption(f"Made again now; when it was kept it ended after {seconds(before)}.")


def _figures(one: Tried, other: Tried) -> None:
    a, b = one.figures(), other.figures()
    rows = [
        {"figure": title, "A": word(name, a[name]), "B": word(name, b[name]),
         "B against A": change_of(name, a[name], b[name]) or "the same"}
        for name, (title, _) in FIGURES.items()
    ]  # fmt: skip
    tables.show(pd.DataFrame(rows), key="compared-figures", alt="Two plans in figures")


def _tasks(view: RunView, one: Tried, other: Tried) -> None:
    """What is not the same in both, task by task."""
    frame = differences(one, other)
    moved = trying.moved(one.schedule, other.schedule)
    st.caption(
        f"{count(len(frame), 'task')} of {len(view.plan.workflow):,} have another place or time; "
        f"{count(moved, 'task')} another worker. Select a row to select the task everywhere."
    )
    if len(frame):
        units = {"start in A": "duration", "start in B": "duration"}
        tables.show(
            frame, key="compared-tasks", height=330, alt="Where two plans differ", units=units,
            on_row=lambda row: session.choose("task", str(frame["task"].iloc[row])),
        )  # fmt: skip


def differences(one: Tried, other: Tried) -> pd.DataFrame:
    """A row for each task that has another worker or another time in the other plan."""
    kinds = {each.id: each.kind for each in one.problem.workflow.tasks}
    a, b = one.schedule.by_task, other.schedule.by_task
    rows = [
        {"task": task, "kind": kinds.get(task, ""), "worker in A": a[task].worker,
         "worker in B": b[task].worker, "start in A": a[task].start, "start in B": b[task].start,
         "ends later": b[task].end - a[task].end}
        for task in a
        if task in b and _other(a[task], b[task])
    ]  # fmt: skip
    return pd.DataFrame(rows)


def _other(one: Placement, other: Placement) -> bool:
    same = abs(one.start - other.start) <= SAME and abs(one.end - other.end) <= SAME
    return one.worker != other.worker or not same
