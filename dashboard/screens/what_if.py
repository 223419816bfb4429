"""What-if: a run's workflow planned otherwise, before and after side by side."""

import json
from typing import Any

import pandas as pd
import streamlit as st

from dashboard import living, run_choice, session, tables, trying
from dashboard.reading import RunView
from dashboard.trying import Change, Tried
from dashboard.trying_acts import acts
from dashboard.trying_compared import compared
from dashboard.trying_form import form
from dashboard.trying_kept import front, kept
from dashboard.trying_shown import FIGURES, change_of, drawn, of_the_run, picture, planned, word
from dashboard.words import NOTHING, count, plain, share, still
from scheduler.errors import AllotError, Infeasible, InvalidInput

TITLE, ICON, SECTION, PLACE = "What-if", ":material/rule_settings:", "Operate", 7


def draw() -> None:
    """What to change, what would come of it, what speed costs, and the plans that were kept."""
    store = session.store()
    living.on_change(lambda: store.mark("drafts"))
    view = run_choice.pick_run(store)
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
        compared(store, view, change, None)
        return
    except AllotError as error:
        st.warning("This cannot be planned.", icon=":material/block:")
        st.text(str(error))
        kept(store, view, None)
        compared(store, view, change, None)
        return
    _outcome(view, change, before, after)
    acts(view, change, after)
    front(store, view, change, after)
    kept(store, view, after)
    compared(store, view, change, after)


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
        before = planned(view, Change(planner=planner))
        return before, planned(view, change) if change.asks else before


def _outcome(view: RunView, change: Change, before: Tried, after: Tried) -> None:
    st.subheader("Before and after", anchor=False)
    told = change.sentences(session.currency())
    st.text(still(f"If: {', '.join(told)}.") if told else "Nothing is changed yet.")
    was, now = before.figures(), after.figures()
    tiles = st.columns(4)
    for tile, name in zip(tiles, ("makespan", "promise P90", "cost", "late tasks"), strict=True):
        title, words = FIGURES[name]
        tile.metric(
            title, _unsure(now) if now[name] is None else words(now[name]),
            change_of(name, was[name], now[name]),
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
            picture(view, drawn(view, found), key)
    with st.expander("Every figure, and the plan of the run"):
        stored = of_the_run(view).figures()
        rows = [
            {"figure": title, "plan of the run": word(name, stored[name]),
             "before": word(name, was[name]), "after": word(name, now[name])}
            for name, (title, _) in FIGURES.items()
        ]  # fmt: skip
        tables.show(pd.DataFrame(rows), key="figures", alt="Before and after in figures")
        st.caption(
            f"{count(trying.moved(before.schedule, after.schedule), 'task')} would run on another "
            "worker than before. A promise is what many runs on paper come to, with durations, "
            "memory and failures drawn from the forecast."
        )


def _unsure(now: dict[str, Any]) -> str:
    """Instead of a time that is kept often enough: how often there is one at all."""
    complete = now["chance to complete"]
    return NOTHING if complete is None else f"only {share(complete)} complete"


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


draw()
