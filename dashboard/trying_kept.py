"""What-if on the screen: what speed costs, and the plans that were kept."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import pandas as pd
import streamlit as st

from dashboard import asking, pictures, session, tables, trying
from dashboard.acts import Acting, Deed
from dashboard.charts_trying import trade
from dashboard.reading import RunView
from dashboard.trying import Change, Tried
from dashboard.trying_form import digest, want
from dashboard.words import NOTHING, ago
from scheduler.errors import InvalidInput
from scheduler.store import Store
from scheduler.store.drafts import Draft

SHOWN = 10  # plans that were kept, beside the trades
TRADES = 0  # the curve of the best trades in the picture
UNITS = {"makespan": "duration", "promise P90": "duration"}


def of_run(view: RunView) -> tuple[int, datetime]:
    """What tells runs apart, for what is kept of them."""
    return view.summary.id, view.summary.started


def front(store: Store, view: RunView, change: Change, after: Tried) -> None:
    """Cost against makespan to click on, where workers have prices."""
    st.subheader("What speed costs", anchor=False)
    if not any(each.price for each in after.problem.cluster.workers):
        st.write("No worker has a price: set prices above to weigh cost against makespan.")
        return
    if not st.toggle("Draw plans of which none is both shorter and cheaper", key="draw-front"):
        return
    base = trying.untraded(change)
    with st.spinner("Weighing cost against makespan"):
        points = _points(store.url, view, base)
    if not points:
        st.write("No plan that was found keeps every limit.")
        return
    frame = pd.DataFrame(
        {"name": f"trade {i + 1}", "makespan": each.measures.makespan,
         "cost": each.measures.cost, "late tasks": len(each.measures.late)}
        for i, each in enumerate(points)
    )  # fmt: skip
    drafts = store.drafts(run=view.summary.id)[:SHOWN]
    others = [("this plan", after.figures())]
    others += [(each.name, dict(each.figures)) for each in drafts]
    beside = pd.DataFrame(
        {"name": name[:40], "makespan": found["makespan"], "cost": found["cost"]}
        for name, found in others
    )
    key = f"front-{view.summary.id}-{digest(base)}"
    trades = [trying.objective_change(base, each.objective) for each in points]

    def take(row: int) -> None:
        want(trades[row])

    def clicked() -> None:
        found = taken(st.session_state[key]["selection"]["points"], trades, drafts)
        if isinstance(found, Change):
            want(found)
        elif found is not None:
            _load(drafts, drafts.index(found))

    left, right = st.columns((3, 2), gap="medium")
    with left:
        pictures.show(
            trade(
                frame, beside, session.colours(), chosen=_place(trades, change),
                currency=session.currency(),
            ),
            key=key, on_select=clicked,
            alt="Cost against makespan; the table beside it says the same.",
        )  # fmt: skip
        st.caption("Click on a trade or a plan that was kept, or select a row, to have it planned "
                   "above.")  # fmt: skip
    with right:
        tables.show(
            frame,
            key=f"{key}-table",
            alt="Cost against makespan",
            units=UNITS,
            on_row=take,
        )


def taken(
    points: Sequence[Mapping[str, Any]], trades: Sequence[Change], drafts: Sequence[Draft]
) -> Change | Draft | None:
    """What the points of the picture that are clicked on stand for: a trade, or a kept plan.

    The first beside the trades is the plan that is shown: it is there already.
    """
    for each in points[:1]:
        place = int(each["point_index"])
        if each["curve_number"] == TRADES:
            return trades[place]
        return drafts[place - 1] if place else None
    return None


def _place(trades: Sequence[Change], change: Change) -> int | None:
    return trades.index(change) if change in trades else None


@st.cache_resource(show_spinner=False, max_entries=8, hash_funcs={RunView: of_run, Change: repr})
def _points(url: str, view: RunView, change: Change) -> Any:  # noqa: ARG001  part of the key
    return trying.front(trying.changed(view.plan, change))


def kept(store: Store, view: RunView, after: Tried | None) -> None:
    """The plans that were kept of this run, beside the one that is shown."""
    drafts = store.drafts(run=view.summary.id)
    st.subheader("Plans that were kept", anchor=False)
    if not drafts:
        st.write("None yet. Keep a plan to set it beside others.")
        return
    now = [] if after is None else [_row("(this plan)", after.figures(), NOTHING, "", "")]
    moment = session.now()
    rows = [
        _row(each.name, each.figures, _sentence(each), each.by, ago(each.at, moment))
        for each in drafts
    ]
    st.caption("Select a row to have that plan made again above.")
    tables.show(
        pd.DataFrame(now + rows), key=f"drafts-{view.summary.id}", alt="Plans that were kept",
        units=UNITS,
        on_row=lambda row: _load(drafts, row - len(now)),
    )  # fmt: skip
    names = {str(each.id): f"{each.name} ({each.by})" for each in drafts}
    asking.act(
        "Forget a plan", _forget, key="forget-plan", reason=asking.NONE,
        icon=":material/delete:", confirm="Forget it",
        fields=lambda form: st.selectbox(
            "Plan", list(names), key=f"{form}-which", format_func=names.__getitem__
        ),
    )  # fmt: skip


def _row(name: str, figures: Any, what: str, by: str, kept: str) -> dict[str, Any]:
    shown = ("makespan", "promise P90", "cost", "late tasks", "workers")
    found = {each: figures.get(each) for each in shown}
    return {"plan": name, **found, "changed": what, "by": by, "kept": kept}


def _sentence(draft: Draft) -> str:
    try:
        told = trying.change_from(draft.change).sentences(session.currency())
    except InvalidInput:
        return "of another release"
    return ", ".join((*told, f"by {draft.planner}"))


def _load(drafts: Sequence[Draft], row: int) -> None:
    if row >= 0:
        session.choose("change", json.dumps(dict(drafts[row].change), separators=(",", ":")))


def _forget(who: Acting, _: str, which: Any) -> Deed:
    number = int(which)
    return who.do(
        "forget plan", f"plan {number}", words=f"Plan {number} is forgotten",
        deed=lambda: who.store.drop_draft(number),
    )  # fmt: skip
