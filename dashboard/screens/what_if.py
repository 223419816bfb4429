"""What-if: a run's workflow planned otherwise, before and after side by side."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any
from uuid import uuid4
from zlib import crc32

import pandas as pd
import streamlit as st

from dashboard import asking, pictures, session, tables, trying
from dashboard.acts import Acting, Deed
from dashboard.charts_trying import trade
from dashboard.components.gantt import gantt
from dashboard.components.packing import PLANNED, chart
from dashboard.reading import RunView
from dashboard.trying import ALL, QUICK, SLOW, Change, Tried
from dashboard.words import NOTHING, ago, count, money, plain, seconds, share
from scheduler.documents import cluster_document
from scheduler.errors import AllotError, Infeasible, InvalidInput
from scheduler.planning.objective import AIMS
from scheduler.service import RUN
from scheduler.store import Store
from scheduler.store.drafts import Draft

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
UNITS = {"makespan": "duration", "promise P90": "duration"}
ON_THE_WAY = ("running", "waiting")


def _of(view: RunView) -> tuple[int, datetime]:
    return view.summary.id, view.summary.started


def draw() -> None:
    """What to change, what would come of it, what speed costs, and the plans that were kept."""
    store = session.store()
    view = session.pick_run(store)
    if view is None:
        return
    st.caption(
        f"Planned anew on the forecast of this run ({plain(view.plan.forecast.source)}); nothing "
        "here touches the run until somebody asks for it."
    )
    change = _wanted()
    _form(view, change)
    try:
        before, after = _both(view, change)
    except Infeasible as error:
        st.warning("No plan is possible with this.", icon=":material/block:")
        for why in error.reasons[:5]:
            st.text(why)
        _kept(store, view, None)
        return
    except AllotError as error:
        st.warning("This cannot be planned.", icon=":material/block:")
        st.text(str(error))
        _kept(store, view, None)
        return
    _outcome(view, change, before, after)
    _acts(view, change, after)
    _front(store, view, change, after)
    _kept(store, view, after)


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


def _want(change: Change) -> None:
    found = change.plain()
    bare = not found.keys() - {"planner"} and change.planner == QUICK[0]
    session.choose("change", None if bare else json.dumps(found, separators=(",", ":")))


def _digest(change: Change) -> str:
    """Other changes are asked in other widgets, so that each shows what it is about."""
    return f"{crc32(json.dumps(change.plain(), sort_keys=True).encode()):08x}"


def _form(view: RunView, change: Change) -> None:
    plan, key = view.plan, f"{view.summary.id}-{_digest(change)}"
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
                "Cost at most, money", min_value=0.0, key=f"budget-{key}", placeholder="no limit",
                value=plan.objective.budget if change.budget is None else change.budget,
            )  # fmt: skip
        with st.expander("Prices, priorities and deadlines one by one"):
            prices, asked = _tables(view, change, key)
        done = st.form_submit_button("Plan it", type="primary", icon=":material/play_arrow:")
    if change != Change() and st.button("Start over", key="start-over", icon=":material/undo:"):
        _want(Change())
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
    _want(found)
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
                "price": st.column_config.NumberColumn("Money for an hour", min_value=0.0),
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


def _both(view: RunView, change: Change) -> tuple[Tried, Tried]:
    """Before: planned anew with nothing changed, so that a change of planner counts as none."""
    with st.spinner("Planning"):
        planner = change.planner
        before = _tried(session.store().url, view, Change(planner=planner))
        return before, _tried(session.store().url, view, change) if change.asks else before


@st.cache_resource(show_spinner=False, max_entries=24, hash_funcs={RunView: _of, Change: repr})
def _tried(url: str, view: RunView, change: Change) -> Tried:  # noqa: ARG001  part of the key
    found = trying.tried(trying.changed(view.plan, change), change.planner)
    found.figures()  # what takes long is done once
    return found


def _outcome(view: RunView, change: Change, before: Tried, after: Tried) -> None:
    st.subheader("Before and after", anchor=False)
    told = change.sentences()
    st.text(f"If: {', '.join(told)}." if told else "Nothing is changed yet.")
    was, now = before.figures(), after.figures()
    tiles = st.columns(4)
    for tile, name in zip(tiles, ("makespan", "promise P90", "cost", "late tasks"), strict=True):
        title, words = FIGURES[name]
        tile.metric(
            title, NOTHING if now[name] is None else words(now[name]), _delta(was, now, name),
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


@st.cache_resource(show_spinner=False, max_entries=8, hash_funcs={RunView: _of})
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


def _acts(view: RunView, change: Change, after: Tried) -> None:
    st.subheader("Use it", anchor=False)
    nothing = "" if change.asks or change.planner != QUICK[0] else "Nothing is changed yet."
    with st.container(horizontal=True):
        asking.act(
            "Keep this plan", partial(_keep, view, change, after), key="keep", reason=asking.NONE,
            icon=":material/bookmark_add:", confirm="Keep it",
            fields=lambda form: st.text_input(
                "Name", key=f"{form}-name", max_chars=80, placeholder="two more large workers"
            ),
        )  # fmt: skip
        asking.act(
            "Run the workflow so", partial(_run, view, change, after), key="run-so",
            icon=":material/send:", confirm="Leave it to the agent",
            disabled=nothing or ("The plan breaks limits." if after.broken else ""),
            explain="A new run of the same workflow, with the changed workers, priorities, "
            "deadlines and aims, is left to the agent, which plans it on the newest forecast.",
        )  # fmt: skip
        asking.act(
            "Ask this run for it", partial(_steer, view, change, after), key="steer-so",
            icon=":material/tune:", confirm="Ask the run",
            disabled=_why_not_steered(view, change),
            explain="Workers that are left out take no more tasks, those added join, priorities "
            "change; the run plans itself again. Prices, deadlines and aims stay as they are.",
        )  # fmt: skip


def _keep(view: RunView, change: Change, after: Tried, who: Acting, _: str, name: Any) -> Deed:
    named = str(name or "").strip() or ", ".join(change.sentences())[:80] or "as it is"
    run = view.summary.id
    return who.do(
        "keep plan", f"run {run}", words=f"The plan {named!r} is kept",
        deed=lambda: who.store.keep_draft(
            named, run=run, change=change.plain(), planner=change.planner,
            figures=after.figures(), by=who.who.name, at=who.at,
        ),
    )  # fmt: skip


def _run(view: RunView, change: Change, after: Tried, who: Acting, reason: str, _: Any) -> Deed:
    _, how = who.store.run_how(view.summary.id)
    payload = {
        "token": uuid4().hex, **trying.documents(after.problem), "owner": who.who.name,
        "priority": 0, "how": {**how, "planner": change.planner},
    }  # fmt: skip
    words = f"run the workflow of run {view.summary.id} with {', '.join(change.sentences())}"
    return who.ask(RUN, payload, subject=f"run {view.summary.id}", words=words, reason=reason)


def _steer(
    view: RunView, change: Change, after: Tried, who: Acting, reason: str, _: Any
) -> Sequence[Deed]:
    run, known = view.summary.id, view.plan.cluster.index
    deeds = [who.steer(run, "drain", worker=each, reason=reason) for each in change.removed]
    deeds += [
        who.steer(run, "add", worker=each["name"], document=each, reason=reason)
        for each in cluster_document(after.problem.cluster)["workers"]
        if each["name"] not in known
    ]
    by_priority: dict[int, list[str]] = {}
    for task in after.problem.workflow.tasks:
        if task.priority != view.plan.workflow.task(task.id).priority:
            by_priority.setdefault(task.priority, []).append(task.id)
    deeds += [
        who.steer(run, "priority", tasks=tuple(tasks), priority=value, reason=reason)
        for value, tasks in by_priority.items()
    ]
    return deeds


def _why_not_steered(view: RunView, change: Change) -> str:
    if view.summary.state not in ON_THE_WAY:
        return f"The run is over ({view.summary.state})."
    if not (change.removed or change.copies or change.priorities):
        return "Only workers and priorities can be changed in a run that goes on."
    return ""


def _front(store: Store, view: RunView, change: Change, after: Tried) -> None:
    st.subheader("What speed costs", anchor=False)
    if not any(each.price for each in after.problem.cluster.workers):
        st.write("No worker has a price: set prices above to weigh cost against makespan.")
        return
    if not st.toggle("Draw plans of which none is both shorter and cheaper", key="draw-front"):
        return
    with st.spinner("Weighing cost against makespan"):
        points = _points(store.url, view, change)
    if not points:
        st.write("No plan that was found keeps every limit.")
        return
    frame = pd.DataFrame(
        {"name": f"trade {i + 1}", "makespan": each.measures.makespan,
         "cost": each.measures.cost, "late tasks": len(each.measures.late)}
        for i, each in enumerate(points)
    )  # fmt: skip
    others = [("this plan", after.figures())]
    others += [(each.name, dict(each.figures)) for each in store.drafts(run=view.summary.id)[:10]]
    beside = pd.DataFrame(
        {"name": name[:40], "makespan": found["makespan"], "cost": found["cost"]}
        for name, found in others
    )
    digest = f"{view.summary.id}-{_digest(change)}"

    def take(row: int) -> None:
        _want(trying.objective_change(change, points[row].objective))

    def clicked() -> None:
        found = st.session_state[f"front-{digest}"]["selection"]["points"]
        rows = [each["point_index"] for each in found if each["curve_number"] == 0]
        if rows:
            take(rows[0])

    left, right = st.columns((3, 2), gap="medium")
    with left:
        pictures.show(
            trade(frame, beside, session.colours()), key=f"front-{digest}", on_select=clicked,
            alt="Cost against makespan; the table beside it says the same.",
        )  # fmt: skip
        st.caption("Click on a trade, or select its row, to have it planned above.")
    with right:
        tables.show(
            frame,
            key=f"front-table-{digest}",
            alt="Cost against makespan",
            units=UNITS,
            on_row=take,
        )


@st.cache_resource(show_spinner=False, max_entries=8, hash_funcs={RunView: _of, Change: repr})
def _points(url: str, view: RunView, change: Change) -> Any:  # noqa: ARG001  part of the key
    return trying.front(trying.changed(view.plan, change))


def _kept(store: Store, view: RunView, after: Tried | None) -> None:
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
        told = trying.change_from(draft.change).sentences()
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


draw()
