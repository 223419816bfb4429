"""What-if on the screen: what is to be otherwise, filled in."""

import json
from zlib import crc32

import pandas as pd
import streamlit as st

from dashboard import session, trying
from dashboard.reading import RunView
from dashboard.trying import ALL, QUICK, SLOW, Change
from dashboard.words import unit_of
from scheduler.planning.objective import AIMS


def want(change: Change) -> None:
    """Has a change made: it stands in the address then."""
    found = change.plain()
    bare = not found.keys() - {"planner"} and change.planner == QUICK[0]
    session.choose("change", None if bare else json.dumps(found, separators=(",", ":")))


def digest(change: Change) -> str:
    """Other changes are asked in other widgets, so that each shows what it is about."""
    return f"{crc32(json.dumps(change.plain(), sort_keys=True).encode()):08x}"


def form(view: RunView, change: Change) -> None:
    """The form, filled with the change that is shown; it leads to another one."""
    plan, key = view.plan, f"{view.summary.id}-{digest(change)}"
    names = list(plan.cluster.index)
    with st.form(f"change-{key}", border=True):
        left, middle, right = st.columns((3, 3, 2), gap="medium")
        with left:
            removed = st.multiselect(
                "Leave out workers", names, default=[e for e in change.removed if e in names],
                key=f"removed-{key}", placeholder="none",
            )  # fmt: skip
            more = [each for each, n in change.copies.items() if n and each in names]
            copied = st.multiselect(
                "Add workers like", names, default=more, key=f"copied-{key}", placeholder="none"
            )
            most = max(change.copies.values(), default=1) or 1
            copies = st.number_input(
                "How many of each", 1, trying.MOST_COPIES, most, key=f"n-{key}"
            )
        with middle:
            deadline = st.number_input(
                "Every task due after, seconds", min_value=0.0, value=change.deadlines.get(ALL),
                key=f"due-{key}", placeholder="as it is",
            )  # fmt: skip
            hard = st.toggle(
                "Deadlines must be kept", key=f"hard-{key}",
                value=plan.objective.hard_deadlines if change.hard is None else change.hard,
            )  # fmt: skip
            level = change.quantile or plan.objective.duration_quantile
            quantile = st.slider(
                "Durations planned at the quantile", 0.05, 0.95, level, 0.05, key=f"level-{key}",
                help="0.5 plans with what is as likely as not; more is more careful.",
            )  # fmt: skip
        with right:
            offered = [*QUICK, *SLOW]
            planner = st.selectbox(
                "Planner", offered, key=f"planner-{key}",
                index=offered.index(change.planner) if change.planner in offered else 0,
            )  # fmt: skip
            weights = change.aims or {n: w for n, w in plan.objective.weights.items() if w}
            aims = st.multiselect("Aims", AIMS, default=list(weights), key=f"aims-{key}")
            budget = st.number_input(
                unit_of("Cost at most", session.currency()), min_value=0.0, key=f"budget-{key}",
                placeholder="no limit",
                value=plan.objective.budget if change.budget is None else change.budget,
            )  # fmt: skip
        with st.expander("Prices, priorities and deadlines one by one"):
            prices, asked = _tables(view, change, key)
        done = st.form_submit_button("Plan it", type="primary", icon=":material/play_arrow:")
    if change != Change() and st.button("Start over", key="start-over", icon=":material/undo:"):
        want(Change())
        st.rerun()
    if not done:
        return
    own = plan.objective
    lone = {name: weights.get(name, 1.0) for name in aims}
    found = Change(
        removed=tuple(removed), copies=dict.fromkeys(copied, int(copies)), prices=prices,
        priorities=asked[0], deadlines=asked[1] | ({} if deadline is None else {ALL: deadline}),
        quantile=None if abs(quantile - own.duration_quantile) < 1e-9 else quantile,
        aims={} if lone == {n: w for n, w in own.weights.items() if w} else lone,
        budget=None if budget == own.budget else budget,
        hard=None if hard == own.hard_deadlines else hard, planner=planner,
    )  # fmt: skip
    want(found)
    st.rerun()


def _tables(
    view: RunView, change: Change, key: str
) -> tuple[dict[str, float], tuple[dict[str, int], dict[str, float]]]:
    left, right = st.columns(2, gap="medium")
    own = {each.name: each.price for each in view.plan.cluster.workers}
    frame = pd.DataFrame(
        {"worker": list(own), "price": [change.prices.get(name, own[name]) for name in own]}
    )
    with left:
        shown = st.data_editor(
            frame, key=f"prices-{key}", hide_index=True, disabled=["worker"], height=250,
            column_config={
                "worker": st.column_config.TextColumn("Worker"),
                "price": st.column_config.NumberColumn(
                    unit_of("Price an hour", session.currency()), min_value=0.0
                ),
            },
        )  # fmt: skip
    prices = dict(zip(shown["worker"], shown["price"].astype(float), strict=True))
    named = dict.fromkeys((*change.priorities, *change.deadlines))
    rows = pd.DataFrame(
        {
            "of": pd.Series([each for each in named if each != ALL or ALL in change.priorities],
                            dtype=str),
        }
    )  # fmt: skip
    rows["priority"] = pd.array([change.priorities.get(each) for each in rows["of"]], dtype="Int64")
    rows["deadline"] = pd.array(
        [None if each == ALL else change.deadlines.get(each) for each in rows["of"]],
        dtype="Float64",
    )
    with right:
        said = st.data_editor(
            rows, key=f"asked-{key}", hide_index=True, num_rows="dynamic", height=250,
            column_config={
                "of": st.column_config.TextColumn("Task, kind, or * for all", required=True),
                "priority": st.column_config.NumberColumn("Priority", step=1),
                "deadline": st.column_config.NumberColumn("Due after, seconds", min_value=0.0),
            },
        )  # fmt: skip
    said = said[said["of"].notna()].set_index("of")
    priorities = {str(name): int(value) for name, value in said["priority"].dropna().items()}
    deadlines = {str(name): float(value) for name, value in said["deadline"].dropna().items()}
    return {n: p for n, p in prices.items() if p != own[n]}, (priorities, deadlines)
