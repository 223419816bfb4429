"""What-if: a run's workflow planned otherwise, before and after side by side."""

import json
from dataclasses import replace
from typing import Any

import pandas as pd
import streamlit as st

from dashboard import session, tables, trying
from dashboard.components.gantt import gantt
from dashboard.components.packing import PLANNED, chart
from dashboard.reading import RunView
from dashboard.trying import Change, Tried
from dashboard.trying_acts import acts
from dashboard.trying_form import form
from dashboard.trying_kept import front, kept, of_run
from dashboard.words import NOTHING, count, money, plain, seconds, share
from scheduler.errors import AllotError, Infeasible, InvalidInput

TITLE, ICON, SECTION, PLACE = "What-if", ":material/rule_settings:", "Operate", 7

FIGURES = {
    "makespan": ("Makespan", seconds), "promise P50": ("Ends by, as likely as not", seconds),
    "promise P90": ("Ends by, 9 times of 10", seconds),
    "chance to complete": ("Chance that nothing is given up", share), "cost": ("Cost", money),
    "energy": ("Energy", lambda joules: f"{joules / 3.6e6:.3g} kWh"),
    "late tasks": ("Late tasks", lambda found: f"{found:,}"), "tardiness": ("Tardiness", seconds),
    "workers": ("Workers in use", lambda found: f"{found:,}"),
    "rules broken": ("Limits broken", lambda found: f"{found:,}"),
}  # fmt: skip


def draw() -> None:
    """What to change, what would come of it, what speed costs, and the plans that were kept."""
    store = session.store()
    view = session.pick_run(store)
    if view is None:
        return
    st.caption(
        "The whole workflow is planned anew, from its start, on the forecast of this run "
        f"({plain(view.plan.forecast.source)}); nothing here touches the run until somebody asks."
    )
    change = _wanted()
    form(view, change)
    try:
        before, after = _both(view, change)
    except Infeasible as error:
        st.warning("No plan is possible with this.", icon=":material/block:")
        for why in error.reasons[:5]:
            st.text(why)
        kept(store, view, None)
        return
    except AllotError as error:
        st.warning("This cannot be planned.", icon=":material/block:")
        st.text(str(error))
        kept(store, view, None)
        return
    _outcome(view, change, before, after)
    acts(view, change, after)
    front(store, view, change, after)
    kept(store, view, after)


def _wanted() -> Change:
    """The change in the address; none where it cannot be understood, which is said."""
    if (text := session.chosen("change")) is None:
        return Change()
    try:
        return trying.change_from(json.loads(text))
    except (ValueError, InvalidInput) as error:
        st.warning("The change in the address cannot be understood.", icon=":material/link_off:")
        st.text(str(error))
        return Change()


def _both(view: RunView, change: Change) -> tuple[Tried, Tried]:
    """Before: planned anew with nothing changed, so that a change of planner counts as none."""
    with st.spinner("Planning"):
        planner = change.planner
        before = _tried(session.store().url, view, Change(planner=planner))
        return before, _tried(session.store().url, view, change) if change.asks else before


@st.cache_resource(show_spinner=False, max_entries=8, hash_funcs={RunView: of_run, Change: repr})
def _tried(url: str, view: RunView, change: Change) -> Tried:  # noqa: ARG001  part of the key
    found = trying.tried(trying.changed(view.plan, change), change.planner)
    found.figures()  # what takes long is done once
    return found


def _outcome(view: RunView, change: Change, before: Tried, after: Tried) -> None:
    st.subheader("Before and after", anchor=False)
    told = change.sentences(session.currency())
    st.text(f"If: {', '.join(told)}." if told else "Nothing is changed yet.")
    was, now = before.figures(), after.figures()
    tiles = st.columns(4)
    for tile, name in zip(tiles, ("makespan", "promise P90", "cost", "late tasks"), strict=True):
        title, words = FIGURES[name]
        tile.metric(
            title, _unsure(now) if now[name] is None else words(now[name]), _delta(was, now, name),
            delta_color="inverse", border=True, height="stretch",
        )  # fmt: skip
    _say_limits(after)
    left, right = st.columns(2, gap="medium")
    same = f"planned by {change.planner} with nothing changed"
    for column, found, title, key in (
        (left, before, f"Before: {same}", "before"),
        (right, after, "After: with the changes", "after"),
    ):
        with column:
            st.markdown(f"**{plain(title)}**")
            _gantt(view, found, key)
    with st.expander("Every figure, and the plan of the run"):
        stored = _stored(view).figures()
        rows = [
            {"figure": title, "plan of the run": _word(stored[name], words),
             "before": _word(was[name], words), "after": _word(now[name], words)}
            for name, (title, words) in FIGURES.items()
        ]  # fmt: skip
        tables.show(pd.DataFrame(rows), key="figures", alt="Before and after in figures")
        st.caption(
            f"{count(trying.moved(before.schedule, after.schedule), 'task')} would run on another "
            "worker than before. A promise is what many runs on paper come to, with durations, "
            "memory and failures drawn from the forecast."
        )


def _delta(was: dict[str, Any], now: dict[str, Any], name: str) -> str | None:
    if was[name] is None or now[name] is None or was[name] == now[name]:
        return None
    by = now[name] - was[name]
    return f"{'-' if by < 0 else '+'}{FIGURES[name][1](abs(by))}"


def _unsure(now: dict[str, Any]) -> str:
    """Instead of a time that is kept often enough: how often there is one at all."""
    complete = now["chance to complete"]
    return NOTHING if complete is None else f"only {share(complete)} complete"


def _word(value: Any, words: Any) -> str:
    return NOTHING if value is None else str(words(value))


def _say_limits(found: Tried) -> None:
    if not found.broken:
        return
    st.warning(
        f"This plan breaks {count(len(found.broken), 'limit')}; the planner search may find one "
        "that does not, or loosen a limit.",
        icon=":material/warning:",
    )
    for each in found.broken[:3]:
        st.text(each.message)


def _stored(view: RunView) -> Tried:
    return _of_run(session.store().url, view)


@st.cache_resource(show_spinner=False, max_entries=8, hash_funcs={RunView: of_run})
def _of_run(url: str, view: RunView) -> Tried:  # noqa: ARG001  part of the key
    found = Tried(view.plan.problem, view.plan.schedule)
    found.figures()
    return found


def _gantt(view: RunView, found: Tried, key: str) -> None:
    shown = RunView(replace(view.summary, makespan=None), found.as_plan(), (), {})
    gantt(
        chart(shown, now=0.0, layers=(PLANNED,)), key=f"what-if-{key}-{view.summary.id}",
        selected=session.chosen("task"), on_click=lambda task: session.choose("task", task),
    )  # fmt: skip


draw()
