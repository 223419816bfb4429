"""All runs of a window of time on the screen: what is on each worker, when, and for whom."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import streamlit as st

from dashboard import filters, fleet, frames, living, periods, run_choice, session, tables
from dashboard.arrays import RUNNING, Floats
from dashboard.components import fleet_packing, gantt
from dashboard.components.fleet_packing import BOTH, COMING, DONE, FleetChart, FleetWanted
from dashboard.fleet import LIVES, MOST_RUNS, Fleet, Shelf
from dashboard.parts import task_card
from dashboard.periods import AROUND, Period
from dashboard.words import NOTHING, count, listed, plain
from scheduler.store import Store
from scheduler.store.values import RunSummary

SPAN, BETWEEN, WITHIN, OWN = "span", "between", "within", "own"
FIELDS = ("fleet-from", "fleet-to")
LAYERS = {
    "both": ("Done and to come", BOTH),
    "actual": ("Done so far", (DONE,)),
    "planned": ("To come", (COMING,)),
}
COLOUR = {"run": "Colour by run", "state": "Colour by state", "kind": "Colour by kind"}
LATE = (
    "Tasks that end, or will, after their deadline. The schedule of one run also knows the P90 of "
    "its plan."
)
LONGEST = timedelta(days=400)
FEW, LARGE = 5000, 30.0  # bars beyond which what is the same is drawn anew only so often, seconds
MANY = "bars of all runs"


def draw(store: Store) -> None:
    """What the runs of the window have on the workers; anew as soon as anything happens."""
    living.on_change(lambda: store.mark("runs"))
    period = _period(store)
    if period is None:
        session.nothing_yet(
            "No workflow has been run yet.",
            "What runs, and what is planned, appears here as soon as there is a plan.",
            ("allot demo", "allot run WORKFLOW --cluster CLUSTER"),
        )
        return
    name, fixed = period
    goes_on = fixed is None or fixed.until >= session.now() or _living(store, fixed)

    def part() -> None:
        _window(store, fixed or periods.around(name, session.now()))

    every = LARGE if st.session_state.get(MANY, 0) > FEW else living.SLOWLY
    living.live_while(
        part, (lambda: store.mark("events", "requests")) if goes_on else None, every=every
    )


def _living(store: Store, period: Period) -> bool:
    return any(each.state in LIVES for each in _runs(store, period))


def _runs(store: Store, period: Period, limit: int = MOST_RUNS + 1) -> tuple[RunSummary, ...]:
    return store.runs_within(period.since, period.until, now=session.now(), limit=limit)


def _period(store: Store) -> tuple[str, Period | None] | None:
    """What of time is shown: by its name, or from one moment to another; None without any run."""
    newest = store.runs(now=session.now(), limit=1)
    if not newest:
        return None
    own = periods.read(session.chosen(BETWEEN)) or _of_run(newest[0])
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = session.pick("Time", [*AROUND, OWN], SPAN, shown=_title, default=_usual(store))
        if name == OWN:
            _between(own)
        shown = own if name == OWN else periods.around(name, session.now())
        for label, by, icon in (
            ("Earlier", -0.5, ":material/chevron_left:"), ("Later", 0.5, ":material/chevron_right:")
        ):  # fmt: skip
            st.button(
                label, key=f"fleet-{label}", icon=icon, on_click=_go, args=(shown.moved(by),),
                width="content",
            )  # fmt: skip
        st.button(
            "Now", key="fleet-now", on_click=_to_now, width="content", icon=":material/today:",
            disabled=name == "now",
        )  # fmt: skip
    return (name, own) if name == OWN else (name, None)


def _usual(store: Store) -> str:
    """The narrowest of AROUND in which there is a run; else the time of the newest one."""
    if session.chosen(SPAN) is not None:
        return OWN
    there = (each for each in AROUND if _runs(store, periods.around(each, session.now()), 1))
    return next(there, OWN)


def _of_run(run: RunSummary) -> Period:
    took = timedelta(seconds=max(run.makespan or 0.0, run.planned_makespan, 60.0))
    return Period(run.started - took * 0.1, run.started + took * 1.1)


def _between(own: Period) -> None:
    """Two fields, in the viewer's zone, whose moments stand in the address."""
    zone = session.zone()
    session.choose(BETWEEN, own.written())
    for label, moment, key in zip(("From", "To"), (own.since, own.until), FIELDS, strict=True):
        st.session_state[key] = moment.astimezone(zone).replace(tzinfo=None, microsecond=0)
        st.datetime_input(label, key=key, on_change=_took, step=timedelta(minutes=1))


def _took() -> None:
    zone = session.zone()
    moments = [st.session_state[key] for key in FIELDS]
    if any(each is None for each in moments):
        return
    since, until = (each.replace(tzinfo=zone).astimezone(UTC) for each in moments)
    if until <= since:
        until = since + timedelta(hours=1)
    _go(Period(since, min(until, since + LONGEST)))


def _go(period: Period) -> None:
    session.choose(BETWEEN, period.written())
    session.choose(SPAN, OWN)
    session.choose(WITHIN, None)


def _to_now() -> None:
    session.choose(SPAN, "now")
    session.choose(WITHIN, None)


def _title(name: str) -> str:
    return AROUND[name][0] if name in AROUND else "From … to …"


def _window(store: Store, period: Period) -> None:
    moment, runs = session.now(), _runs(store, period)
    cut = len(runs) > MOST_RUNS
    found = fleet.joined(
        fleet.read(store, _shelf(store.url), runs[:MOST_RUNS]),
        since=period.since, until=period.until, now=moment,
    )  # fmt: skip
    _say(store, found, period, cut=cut)
    st.session_state[MANY] = len(found.bars.start)
    if not found.names:
        return
    _tiles(found)
    asked = _asked(found)
    drawn = _timeline(store, found, asked)
    left, right = st.columns((1, 2), gap="medium")
    with left:
        st.subheader("Selected task", anchor=False)
        _selected(store, found)
    with right:
        _lists(found, drawn, asked)


@st.cache_resource(show_spinner=False, max_entries=4)
def _shelf(url: str) -> Shelf:  # noqa: ARG001  of each store one
    return Shelf()


def _say(store: Store, found: Fleet, period: Period, *, cut: bool) -> None:
    between = f"{session.when(period.since)} to {session.when(period.until)}"
    waiting = len(store.submissions(limit=100))
    more = f" · left to the agent and without a plan yet: {count(waiting, 'workflow')}"
    st.caption(between + more * bool(waiting))
    if cut or found.left_out:
        some = f"the newest {MOST_RUNS} runs" if cut else "as many runs as can be shown"
        left = f" {count(found.left_out, 'run')} with too many bars are left out." * bool(
            found.left_out
        )
        st.warning(f"Not all of this time: {some}.{left} Choose less time to see the others.",
                   icon=":material/content_cut:")  # fmt: skip
    if not found.names:
        st.info("Nothing ran, runs or is planned in this time.", icon=":material/event_busy:")
        for run in store.runs(now=session.now(), limit=1):
            if st.button("Go to the newest run", key="fleet-newest"):
                _go(_of_run(run))
                st.rerun()


def _tiles(found: Fleet) -> None:
    coming, states = found.to_come, [frames.STATES[each] for each in found.state.tolist()]
    going = sum(run.state in LIVES for run in found.runs)
    busy = len(set(found.bars.worker[found.bars.state == RUNNING].tolist())) if going else 0
    late = int(fleet_packing.late(found).sum())
    for_ = sorted({each for each in found.owners if each})
    with st.container(horizontal=True):
        for label, value, note in (
            ("Runs", f"{len(found.runs):,}", f"{going:,} go on"),
            ("Tasks", f"{len(found.names):,}", f"{states.count('running'):,} run now"),
            ("To come", f"{int(coming.sum()):,}", None),
            ("Workers busy now", f"{busy:,} of {len(found.workers):,}", None),
            ("After their deadline", f"{late:,}", None),
            (
                "For",
                f"{len(for_):,}" if for_ else NOTHING,
                plain(listed(for_, 2)) if for_ else None,
            ),
        ):
            st.metric(label, value, note, delta_color="off", delta_arrow="off", border=True,
                      height="stretch", width="stretch")  # fmt: skip


def _asked(found: Fleet) -> FleetWanted:
    """What the filters ask for, all of it in the address."""
    named = {each["id"]: each["name"] for each in fleet_packing.run_names(found)}
    states = [
        name for place, name in enumerate(frames.STATES) if place in set(found.state.tolist())
    ]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        runs = filters.several(
            "Runs", [str(each) for each in named], "runs", shown=lambda each: named[int(each)]
        )
        owners = filters.several("For", sorted({each for each in found.owners if each}), "for",
                                 none="Everybody")  # fmt: skip
        kind = filters.several("Kinds", found.kinds, "kind")
        state = filters.several("States", states, "state")
        worker = filters.several("Workers", found.workers, "on")
        late = filters.yes("Late only", "late", help_=LATE)
    return FleetWanted(runs, owners, kind, state, worker, late)


def _timeline(store: Store, found: Fleet, asked: FleetWanted) -> FleetChart:
    with st.container(horizontal=True, vertical_alignment="center"):
        bars = session.choose_one("Bars", list(LAYERS), "bars", shown=lambda each: LAYERS[each][0])
        lanes = session.choose_one(
            "Lanes", fleet_packing.LANES, "lanes", shown=lambda each: f"By {each}"
        )
        colour = session.choose_one("Colour", list(COLOUR), "colour", shown=COLOUR.__getitem__)
        said = st.empty()
    drawn = fleet_packing.chart(
        found, layers=LAYERS[bars][1], lanes=lanes, colour=colour, asked=asked
    )
    here = _place(found)
    near = _near(store, found, here)
    many = len(drawn.tasks)
    whole = count(len(found.names), "task")
    said.caption(whole if many == len(found.names) else f"{count(many, 'task')} of {whole}")
    zero = datetime.fromtimestamp(found.zero, UTC)
    gantt.show(
        fleet_packing.packed(drawn, selected=here, near=near), key="gantt-all-runs",
        on_click=_clicked, window=_within(found),
        on_window=lambda window: _take_window(found, window), clock=(zero, session.zone().key),
    )  # fmt: skip
    return drawn


def _clicked(name: str) -> None:
    run, _, task = name.partition("/")
    session.choose("run", run)
    session.choose("task", task)


def _place(found: Fleet) -> int | None:
    run, task = session.chosen("run"), session.chosen("task")
    if run is None or task is None or not run.isdecimal():
        return None
    return found.place_of(int(run), task)


def _near(store: Store, found: Fleet, here: int | None) -> tuple[Sequence[int], Sequence[int]]:
    """The places of what the selected task waits for, and of what waits for it."""
    if here is None:
        return (), ()
    run, task = found.runs[int(found.run[here])], found.names[here]
    workflow = run_choice.view(store, run).plan.workflow
    if task not in workflow.index:
        return (), ()
    first, last = np.searchsorted(found.run, [found.run[here], found.run[here] + 1]).tolist()
    place = {found.names[k]: k for k in range(first, last)}
    before, after = workflow.predecessors(task), workflow.successors(task)
    return [place[e] for e in before if e in place], [place[e] for e in after if e in place]


def _within(found: Fleet) -> tuple[float, float] | None:
    """The part of the window that somebody took on the chart, in its seconds."""
    taken = periods.read(session.chosen(WITHIN))
    if taken is None:
        return None
    return taken.since.timestamp() - found.zero, taken.until.timestamp() - found.zero


def _take_window(found: Fleet, window: tuple[float, float] | None) -> None:
    if window is None:
        session.choose(WITHIN, None)
        return
    low, high = (datetime.fromtimestamp(round(found.zero + e, 3), UTC) for e in window)
    session.choose(WITHIN, Period(low, max(high, low + timedelta(milliseconds=1))).written())


def _selected(store: Store, found: Fleet) -> None:
    """The task that is selected, with the ways to it and to its run."""
    run, task = session.chosen("run"), session.chosen("task")
    shown = next((each for each in found.runs if str(each.id) == run), None)
    if shown is None:
        st.write("Click a bar, or select a row of the tables.")
        return
    st.text(run_choice.run_line(shown, session.now()))
    with st.container(horizontal=True):
        if st.button("The schedule of this run", key="fleet-one", icon=":material/view_timeline:"):
            session.choose("of", None)
            st.rerun()
        st.page_link("screens/graph.py", label="Its graph", icon=":material/account_tree:",
                     query_params={"run": str(shown.id)})  # fmt: skip
    if task is not None and _place(found) is not None:
        task_card(run_choice.view(store, shown), task)


def _lists(found: Fleet, drawn: FleetChart, asked: FleetWanted) -> None:
    workers, runs, tasks = st.tabs(["Workers", "Runs", "Tasks"], key="fleet-tables",
                                   on_change="rerun")  # fmt: skip
    with workers:
        if workers.open:
            tables.show(
                _workers(found, asked), key="fleet-workers", height=420,
                units={"next": "time", "free from": "time"},
                alt="What is on each worker, now and later",
            )  # fmt: skip
    with runs:
        if runs.open:
            frame = _runs_frame(found, drawn)
            tables.show(
                frame, key="fleet-runs", height=420, alt="The runs of this time",
                units={"from": "time", "to": "time"},
                on_row=lambda row: session.choose("run", str(frame["run"].iloc[row])),
            )  # fmt: skip
    with tasks:
        if tasks.open:
            _tasks(found, drawn)


def _workers(found: Fleet, asked: FleetWanted) -> pd.DataFrame:
    """What each worker has now and is to have, and for whom."""
    bars, owners, rows = found.bars, found.owners, []
    run, coming = found.run[bars.task], found.to_come
    going = bars.state == RUNNING
    for place, name in enumerate(found.workers):
        if asked.workers and name not in asked.workers:
            continue
        mine = bars.worker == place
        now, later = mine & going, mine & coming
        size = found.sizes.get(name)
        who = sorted({owners[k] for k in run[now | later].tolist() if owners[k]})
        runs = sorted({found.runs[k].id for k in run[now | later].tolist()})
        first = float(bars.start[later].min()) if later.any() else None
        last = float(bars.end[now | later].max()) if (now | later).any() else None
        rows.append(
            {
                "worker": name, "tasks now": int(now.sum()), "to come": int(later.sum()),
                "for": ", ".join(who), "runs": ", ".join(f"#{each}" for each in runs),
                "next": _clock(found, first), "free from": _clock(found, last),
                "cores in use": float(bars.cores[now].sum()),
                "cores": size.cores if size else None,
                "done": int((mine & ~coming & ~going).sum()),
            }
        )  # fmt: skip
    return pd.DataFrame(rows)


def _runs_frame(found: Fleet, drawn: FleetChart) -> pd.DataFrame:
    run = found.run[drawn.bars.task]
    rows = []
    for place in np.unique(run).tolist():
        each, mine = found.runs[place], run == place
        coming = drawn.bars.attempt[mine] == 0
        rows.append(
            {
                "run": each.id, "workflow": each.workflow, "label": each.label,
                "for": found.owners[place], "state": each.state,
                "tasks": len(np.unique(drawn.bars.task[mine])), "to come": int(coming.sum()),
                "from": _clock(found, float(drawn.bars.start[mine].min())),
                "to": _clock(found, float(drawn.bars.end[mine].max())),
                "workers": len(np.unique(drawn.bars.worker[mine])),
            }
        )  # fmt: skip
    return pd.DataFrame(rows)


def _tasks(found: Fleet, drawn: FleetChart) -> None:
    bars, taken = drawn.bars, _within(found)
    if taken is not None:
        bars = bars.of((bars.start <= taken[1]) & (bars.end >= taken[0]))
    order = np.argsort(bars.start, kind="stable")
    task, run = bars.task[order], found.run[bars.task[order]]
    frame = pd.DataFrame(
        {
            "task": [found.names[k] for k in task.tolist()],
            "run": [found.runs[k].id for k in run.tolist()],
            "workflow": [found.runs[k].workflow for k in run.tolist()],
            "for": [found.owners[k] for k in run.tolist()],
            "kind": [found.kinds[k] for k in found.kind[task].tolist()],
            "state": [frames.STATES[k] for k in found.state[task].tolist()],
            "worker": [found.workers[k] for k in bars.worker[order].tolist()],
            "from": _clocks(found, bars.start[order]), "to": _clocks(found, bars.end[order]),
            "took": np.where(bars.attempt[order] > 0, bars.end[order] - bars.start[order], np.nan),
        }
    )  # fmt: skip
    between = " in the window taken on the chart" if taken else ""
    st.caption(f"{count(len(frame), 'bar')}{between}. Select a row to select the task everywhere.")

    def selected(row: int) -> None:
        session.choose("run", str(frame["run"].iloc[row]))
        session.choose("task", str(frame["task"].iloc[row]))

    tables.show(frame, key="fleet-tasks", height=420, alt="What is done and to come",
                units={"from": "time", "to": "time"}, on_row=selected)  # fmt: skip


def _clock(found: Fleet, at: float | None) -> datetime | None:
    return None if at is None else datetime.fromtimestamp(round(found.zero + at), UTC)


def _clocks(found: Fleet, at: Floats) -> list[datetime]:
    return [datetime.fromtimestamp(each, UTC) for each in (at + found.zero).tolist()]
