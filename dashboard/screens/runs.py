"""Runs: every run, found by what it is and how it stands, and steered many at a time."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import streamlit as st

from dashboard import asking, filters, kept, living, session, tables
from dashboard.acts import Acting, Deed
from dashboard.operating import PERIODS, RunLine, frame
from dashboard.words import count, listed, seconds, still
from scheduler.store import Store
from scheduler.store.summaries import RunsWanted

TITLE, ICON, SECTION, PLACE = "Runs", ":material/list_alt:", "Operate", 1

PAGE = 25
STATES = ("running", "waiting", "lost", "succeeded", "failed", "interrupted")
TOLD = {
    "all": "All times", "hour": "Last hour", "day": "Last 24 hours", "week": "Last 7 days",
    "month": "Last 30 days",
}  # fmt: skip
COLUMNS = (
    "run", "workflow", "label", "state", "done", "late", "took", "planned", "started", "questions",
    "owner", "tasks", "given up", "failed tries", "after deadline", "planner",
)  # fmt: skip
# From milliseconds to days in one column: no one unit fits.
UNITS: dict[str, tables.Unit] = {
    "done": "bar", **dict.fromkeys(("late", "took", "planned", "after deadline"), seconds)
}  # fmt: skip
OVER = "What is chosen is over: nothing can be asked of it."
MORE = {
    "retry": " What was given up is tried again, and what waits for it.",
    "cancel": " What runs of it is stopped.",
    "pause": " Nothing more begins; what runs goes on to its end.",
    "resume": " What was paused goes on; what was cut off, too, from where it stood.",
}
HELD = "runs.held"  # the runs of the page as long as some are chosen: rows must not move then


def draw() -> None:
    """Filters, then a page of runs that redraws itself as they go on."""
    store = session.store()
    living.on_change(lambda: store.mark("events", "questions", "requests", "runs"))
    if not store.run_workflows(limit=1) and not store.submissions(limit=1):
        session.nothing_yet(
            "No workflow has been run yet.",
            "A run appears here as soon as it is planned, before its first task starts.",
            ("allot demo", "allot run WORKFLOW --cluster CLUSTER"),
        )
        return
    _queue(store)
    wanted, long = _wanted(store)
    living.live(lambda: _page(store, wanted, long), every=_every(store, long))


def _every(store: Store, long: timedelta | None) -> float | None:
    """Seconds until what only time changes is drawn: what goes on, and what becomes too old."""
    states = store.run_states(now=session.now())
    going = states.get("running", 0) + states.get("waiting", 0)
    return living.SLOWLY if going or long is not None else None


def _queue(store: Store) -> None:
    waiting = store.submissions()
    if not waiting:
        return
    with st.expander(f"Left to the agent and not begun: {count(len(waiting), 'workflow')}"):
        for each in waiting[:20]:
            with st.container(horizontal=True, vertical_alignment="center"):
                st.text(
                    f"Request {each.request}: {still(each.workflow)}, "
                    f"{count(each.tasks, 'task')}, for {still(each.owner)}, "
                    f"priority {each.priority}"
                )
                asking.act(
                    "Withdraw", _withdrawn(each.request), key=f"withdraw-{each.request}",
                    icon=":material/undo:",
                )  # fmt: skip
        if len(waiting) > 20:
            st.caption(f"The first 20 of {len(waiting)}.")


def _withdrawn(request: int) -> Callable[[Acting, str, object], Deed]:
    return lambda who, reason, _: who.withdraw(request, reason=reason)


def _wanted(store: Store) -> tuple[RunsWanted, timedelta | None]:
    first, second, third, fourth, fifth = st.columns((3, 3, 3, 2, 2), vertical_alignment="bottom")
    with first:
        text = _text("Find", "find", "Name or label")
    with second:
        states = filters.several("States", STATES, "states")
    with third:
        workflows = filters.several("Workflows", store.run_workflows(), "workflows")
    with fourth:
        owners = filters.several("Owners", store.run_owners(), "owners")
    with fifth:
        period = session.pick("Started", list(PERIODS), "period", shown=TOLD.__getitem__)
    return RunsWanted(states, workflows, owners, text=text), PERIODS[period]


def _text(label: str, name: str, hint: str) -> str:
    """A text that lives in the address, as the selection does."""
    key = f"text.{name}"
    st.session_state[key] = session.chosen(name) or ""

    def took() -> None:
        session.choose(name, str(st.session_state[key]).strip() or None)

    found = st.text_input(label, key=key, placeholder=hint, on_change=took, max_chars=100)
    return str(found).strip()


def _page(store: Store, asked: RunsWanted, long: timedelta | None) -> None:
    moment = session.now()
    wanted = asked if long is None else replace(asked, since=moment - long)
    total = store.count_runs(wanted, now=moment)
    if not total:
        st.info("No run is as asked for; take a filter away.", icon=":material/filter_alt_off:")
        return
    number = _number(total)
    where = (asked, long, number)
    held = st.session_state.get(HELD)
    if held is not None and held[0] == where:
        runs = store.runs_of(held[1], now=moment)
    else:
        runs = store.find_runs(wanted, now=moment, limit=PAGE, offset=(number - 1) * PAGE)
    lines = kept.lines(store, runs)
    chosen = _table(lines, moment, where)
    _said(total, number, lines)
    _acts(chosen)


def _number(total: int) -> int:
    pages = -(-total // PAGE)
    if pages == 1:
        return 1
    return int(st.pagination(pages, key="runs-page"))


def _said(total: int, number: int, lines: Sequence[RunLine]) -> None:
    first = (number - 1) * PAGE + 1
    late = sum(1 for each in lines if (each.late(session.now()) or 0) > 0)
    st.caption(
        f"{first:,} to {first + len(lines) - 1:,} of {count(total, 'run')}, newest first · "
        f"{late} on this page later than first planned · choose rows to act on them"
    )


def _table(lines: Sequence[RunLine], moment: datetime, where: object) -> tuple[RunLine, ...]:
    found = frame(lines, moment)
    ids = [each.run.id for each in lines]

    def took() -> None:
        rows = st.session_state["runs-table"]["selection"]["rows"]
        st.session_state[HELD] = (where, ids) if rows else None

    values, config = tables.prepared(found[list(COLUMNS)], UNITS)
    picked = st.dataframe(
        values, key="runs-table", hide_index=True, column_config=config, on_select=took,
        selection_mode="multi-row", placeholder="—", alt="Runs and how far they are",
    )  # fmt: skip
    rows = picked["selection"]["rows"]
    return tuple(lines[each] for each in rows if each < len(lines))


def _acts(chosen: Sequence[RunLine]) -> None:
    going = [each.run.id for each in chosen if each.goes_on]
    cut = [each.run.id for each in chosen if each.cut_off]
    named = listed([f"#{each.run.id}" for each in chosen], 6)
    none = "Choose rows first." if not chosen else ""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{count(len(chosen), 'run')} chosen**", width="content")
        _open(chosen)
        for label, action, icon in (
            ("Pause", "pause", ":material/pause:"), ("Resume", "resume", ":material/play_arrow:"),
            ("Retry", "retry", ":material/replay:"),
            ("Cancel", "cancel", ":material/cancel:"),
        ):  # fmt: skip
            can = [*going, *cut] if action == "resume" else going
            asking.act(
                label, _steered(action, can), key=f"runs-{action}", icon=icon,
                disabled=none or ("" if can else OVER),
                explain=f"{label} {listed([f'#{run}' for run in can], 6)}.{MORE.get(action, '')}",
                confirm=f"{label} {count(len(can), 'run')}",
            )  # fmt: skip
        asking.act(
            "Run again", _again([each.run.id for each in chosen]), key="runs-again",
            icon=":material/restart_alt:", disabled=none,
            explain=f"Leaves the workflows of {named} to the agent once more.",
        )  # fmt: skip
    lost = [each.run.id for each in chosen if each.run.state == "lost"]
    if cut or lost:
        st.caption(
            "What was cut off goes on from where it stood: the agent does so with a lost run by "
            "itself, with others when they are resumed. Without an agent:"
        )
        st.code(f"allot run --resume {[*cut, *lost][0]}", language="bash")


def _open(chosen: Sequence[RunLine]) -> None:
    if len(chosen) != 1:
        return
    run = str(chosen[0].run.id)
    for screen, label, icon in (
        ("schedule", "Schedule", ":material/view_timeline:"),
        ("task", "Tasks", ":material/task_alt:"),
    ):
        st.page_link(f"screens/{screen}.py", label=label, icon=icon, query_params={"run": run})


def _steered(action: str, runs: Sequence[int]) -> Callable[[Acting, str, object], tuple[Deed, ...]]:
    def do(who: Acting, reason: str, _: object) -> tuple[Deed, ...]:
        return asking.each(
            runs, lambda run: f"Run {run}", lambda run: who.steer(run, action, reason=reason)
        )

    return do


def _again(runs: Sequence[int]) -> Callable[[Acting, str, object], tuple[Deed, ...]]:
    def do(who: Acting, reason: str, _: object) -> tuple[Deed, ...]:
        return asking.each(
            runs, lambda run: f"Run {run}", lambda run: who.again(run, reason=reason)
        )

    return do


draw()
