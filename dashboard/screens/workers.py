"""Workers: what each holds now and held before, what it costs and fails, and whether it is open."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from dashboard import asking, charts_loads, kept, living, operating, pictures, session, tables
from dashboard.acts import Acting, Deed
from dashboard.operating import PERIODS, Held
from dashboard.theme import Palette
from dashboard.words import NOTHING, listed, unit_of
from scheduler.cluster import Worker
from scheduler.documents import cluster_document, cluster_from
from scheduler.execution.events import Action, Controlled
from scheduler.store import Store
from scheduler.store.values import RunSummary

TITLE, ICON, SECTION, PLACE = "Workers", ":material/dns:", "Operate", 5

COLUMNS = 48  # of the picture of the load
DRAWN, RUNS = 40, 200  # workers in the picture and runs that are read, at most
TOLD = {
    "hour": "Last hour", "day": "Last 24 hours", "week": "Last 7 days", "month": "Last 30 days",
    "all": "All times",
}  # fmt: skip
UNITS = {"busy": "bar", "memory in use": "memory", "price an hour": "money"}
CLOSED = {"closed from": "time", "to": "time"}
NO_RUN = "No run goes on: workers are closed, opened, added and changed in runs."
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Seen:
    """A worker as the newest run knows it, and the runs that go on and have it."""

    worker: Worker
    runs: tuple[int, ...]
    drained: bool
    closed: tuple[tuple[datetime, datetime], ...]


def draw() -> None:
    """Every worker of the runs in a period; it redraws itself while one of them goes on."""
    store = session.store()
    living.on_change(lambda: store.mark("events", "runs"))
    if not store.run_workflows(limit=1):
        session.nothing_yet(
            "No worker is known yet.",
            "Workers are those of the clusters that runs are planned on.",
            ("allot demo", "allot run WORKFLOW --cluster CLUSTER"),
        )
        return
    options = [each for each in TOLD if _runs(store, each)] or ["all"]
    usual = next(each for each in ("day", "week", "month", "all", *options) if each in options)
    left, _ = st.columns((1, 3))
    with left:
        period = _period(options, usual)
    going = any(not over for _, over in _runs(store, period))
    living.live(lambda: _workers(store, period), every=living.SLOWLY if going else None)


def _period(options: Sequence[str], usual: str) -> str:
    return session.pick(
        "Period", options, "period-of-workers", shown=TOLD.__getitem__, default=usual
    )


def _since(period: str) -> datetime:
    long = PERIODS[period]
    return EPOCH if long is None else session.now() - long


def _runs(store: Store, period: str) -> tuple[tuple[int, bool], ...]:
    return store.runs_since(_since(period))


def _workers(store: Store, period: str) -> None:
    moment, found = session.now(), _runs(store, period)
    ids = [run for run, _ in found[:RUNS]]
    runs = store.runs_of(ids, now=moment)
    if len(found) > RUNS:
        st.caption(f"The newest {RUNS} of {len(found):,} runs of this time.")
    held = operating.together([kept.held(store, run, moment) for run in runs])
    seen = _seen(store, runs)
    since = max(_since(period).timestamp(), float(held.start.min(initial=moment.timestamp())))
    going = any(run.ended is None for run in runs)
    until = moment.timestamp() if going else float(held.end.max(initial=since + 1.0))
    frame = _frame(seen, held, since, until)
    _tiles(frame)
    chosen = _table(frame)
    _acts(seen, chosen, [run.id for run in runs if run.state == "running"])
    as_of = (until // living.SLOWLY,) if going else (until, len(held.start))
    cores = {name: each.worker.cores for name, each in seen.items()}
    _history((store.url, period, *as_of), cores, held, (since, until))
    _calendar(seen)


def _frame(seen: Mapping[str, Seen], held: Held, since: float, until: float) -> pd.DataFrame:
    rows = []
    for name, each in seen.items():
        mine = held.of(held.worker == name).within(since, until)
        now = mine.of(mine.open)
        long = np.clip(mine.end, since, until) - np.clip(mine.start, since, until)
        spent, worker = float((long * mine.cores).sum()), each.worker
        rows.append(
            {
                "worker": name, "is": _is(each, now), "cores in use": float(now.cores.sum()),
                "cores": worker.cores, "memory in use": float(now.memory.sum()),
                "memory": float(worker.memory),
                "busy": spent / (worker.cores * (until - since)),
                "attempts": len(mine.start), "failed": int(mine.failed.sum()),
                "failure": float(mine.failed.mean()) if len(mine.start) else None,
                "price an hour": worker.price,
                "money": worker.price / 3600 / worker.cores * spent,
                "skills": ", ".join(sorted(worker.skills)),
                "runs": ", ".join(f"#{run}" for run in each.runs),
            }
        )  # fmt: skip
    return pd.DataFrame.from_records(rows)


def _is(seen: Seen, now: Held) -> str:
    if not seen.runs:
        return "in no run"
    if seen.drained:
        return "closed"
    return "busy" if len(now.start) else "idle"


def _tiles(frame: pd.DataFrame) -> None:
    states, tiles = frame["is"].value_counts(), st.columns(5)
    tiles[0].metric("Workers", len(frame), border=True)
    tiles[1].metric("Busy now", int(states.get("busy", 0)), border=True)
    tiles[2].metric("Idle now", int(states.get("idle", 0)), border=True)
    tiles[3].metric("Closed", int(states.get("closed", 0)), border=True)
    tiles[4].metric("Failed attempts", int(frame["failed"].sum()), border=True)


def _table(frame: pd.DataFrame) -> tuple[str, ...]:
    st.caption("Choose rows to close, open or remove workers.")
    values, config = tables.prepared(frame, UNITS)
    picked = st.dataframe(
        values, key="workers-table", hide_index=True, column_config=config, on_select="rerun",
        selection_mode="multi-row", placeholder=NOTHING, alt="Each worker's load and failures",
    )  # fmt: skip
    rows = picked["selection"]["rows"]
    return tuple(str(frame["worker"].iloc[each]) for each in rows if each < len(frame))


def _acts(seen: Mapping[str, Seen], chosen: Sequence[str], running: Sequence[int]) -> None:
    where = [(run, name) for name in chosen for run in seen[name].runs]
    why = NO_RUN if not running else "" if chosen else "Choose workers first."
    why = why or ("" if where else "No run that goes on has what is chosen.")
    named = listed(chosen, 5)

    def steer(action: str) -> Callable[[Acting, str, object], tuple[Deed, ...]]:
        return lambda who, reason, _: asking.each(
            where, lambda one: f"{one[1]}, run {one[0]}",
            lambda one: who.steer(one[0], action, reason=reason, worker=one[1]),
        )  # fmt: skip

    with st.container(horizontal=True, vertical_alignment="center"):
        asking.act(
            "Close", steer("drain"), key="workers-close", icon=":material/block:", disabled=why,
            explain=f"{named}: nothing more begins there; what runs goes on to its end.",
        )  # fmt: skip
        asking.act(
            "Open", steer("resume"), key="workers-open", icon=":material/check_circle:",
            disabled=why, explain=f"{named}: takes tasks again.",
        )  # fmt: skip
        asking.act(
            "Remove", steer("remove"), key="workers-remove", icon=":material/delete:",
            disabled=why, explain=f"{named}: what runs there is stopped and runs elsewhere.",
        )  # fmt: skip
        first = seen[chosen[0]].worker if len(chosen) == 1 else None
        asking.act(
            "Change", _sized("change", first), key="workers-change", icon=":material/tune:",
            disabled=why or ("" if first else "Choose one worker."),
            fields=lambda form: _fields(form, running, first),
            explain="Other cores or memory, as soon as its attempts leave room for that.",
        )  # fmt: skip
        asking.act(
            "Add a worker", _sized("add", None), key="workers-add", icon=":material/add:",
            disabled="" if running else NO_RUN, fields=lambda form: _fields(form, running, None),
            explain="It joins the runs and is planned with at once.",
        )  # fmt: skip


Fields = tuple[Sequence[int], str, float, float, float, str]


def _fields(form: str, running: Collection[int], known: Worker | None) -> Fields:
    """What a worker is: the runs, its name, cores, memory (GB), price and skills."""
    runs = st.multiselect("In the runs", list(running), default=list(running), key=f"{form}-runs")
    name = known.name if known else st.text_input("Name", key=f"{form}-name", max_chars=200)
    number = st.number_input("Cores", min_value=0.1, value=known.cores if known else 4.0,
                             key=f"{form}-cores")  # fmt: skip
    memory = st.number_input("Memory, GB", min_value=0.001, key=f"{form}-memory",
                             value=known.memory / 1e9 if known else 8.0)  # fmt: skip
    if known is not None:
        return runs, name, float(number), float(memory), known.price, ""
    price = st.number_input(
        unit_of("Price an hour", session.currency()), min_value=0.0, value=0.0, key=f"{form}-price"
    )
    skills = st.text_input("Skills, with commas", key=f"{form}-skills", max_chars=500)
    return runs, str(name).strip(), float(number), float(memory), float(price), str(skills)


def _sized(action: str, known: Worker | None) -> Callable[[Acting, str, Fields], tuple[Deed, ...]]:
    def do(who: Acting, reason: str, given: Fields) -> tuple[Deed, ...]:
        runs, name, cores, memory, price, skills = given
        document: dict[str, Any] = {
            "name": name, "cores": cores, "memory": round(memory * 1e9), "price": price,
            "skills": [each.strip() for each in skills.split(",") if each.strip()],
        }  # fmt: skip
        if known is not None:
            document["skills"] = sorted(known.skills)
        whole = {"allot": "cluster/1", "name": "asked", "workers": [document]}
        (checked,) = cluster_document(cluster_from(whole))["workers"]
        return asking.each(
            runs, lambda run: f"Run {run}",
            lambda run: who.steer(run, action, reason=reason, worker=name, document=checked),
        )  # fmt: skip

    return do


def _history(
    shown: tuple[Any, ...], cores: Mapping[str, float], held: Held, span: tuple[float, float]
) -> None:
    st.subheader("Load", anchor=False)
    if not len(held.start):
        st.write("No attempt began in this time.")
        return
    if len(cores) > DRAWN:
        st.caption(f"The {DRAWN} busiest of {len(cores):,} workers; the table above has all.")
    st.caption("Mean share of its cores that attempts held.")
    figure = _picture((*shown, *cores), session.colours(), session.zone().key, cores, held, span)
    pictures.show(figure, key="load-map", alt="Load of each worker; the table above has the mean.")


@st.cache_resource(show_spinner=False, max_entries=16, hash_funcs={Palette: repr})
def _picture(
    shown: tuple[Any, ...], colours: Palette, zone: str,  # noqa: ARG001  of the key
    _cores: Mapping[str, float], _held: Held, _span: tuple[float, float],
) -> go.Figure:  # fmt: skip
    """The load over time, drawn once for all viewers, and a few seconds old at most.

    All of it moves with the time, and browsers take longer to draw it than the rest of the screen.
    """
    edges = np.linspace(*_span, COLUMNS + 1)
    frame = operating.load(_held, _cores, edges)
    order = frame.mean(axis=1).sort_values(ascending=False).index
    times = [datetime.fromtimestamp(each, UTC) for each in edges[:-1]]
    busiest = frame.loc[order[:DRAWN]].sort_index()
    return charts_loads.load_map(busiest, times, colours, ZoneInfo(zone))


def _calendar(seen: Mapping[str, Seen]) -> None:
    rows = [
        {"worker": name, "closed from": begin, "to": end}
        for name, each in seen.items()
        for begin, end in each.closed
    ]
    if rows:
        st.subheader("Closed windows of runs that go on", anchor=False)
        tables.show(
            pd.DataFrame(rows), key="calendar", alt="When workers run nothing", units=CLOSED
        )


def _seen(store: Store, runs: Sequence[RunSummary]) -> dict[str, Seen]:
    """Every worker of the runs, as the newest that has it knows it; those that go on first."""
    found: dict[str, Seen] = {}
    for run in sorted(runs, key=lambda each: (each.ended is not None, -each.id)):
        drained = _drained(store, run.id) if run.state == "running" else frozenset()
        for worker in kept.workers(store, run):
            old = found.get(worker.name)
            goes_on = (run.id,) if run.state in ("running", "waiting", "lost") else ()
            closed = tuple(
                (run.started + timedelta(seconds=a), run.started + timedelta(seconds=b))
                for a, b in worker.closed
                if goes_on and b < 1e9
            )
            found[worker.name] = Seen(
                old.worker if old else worker, (*(old.runs if old else ()), *goes_on),
                (old.drained if old else False) or worker.name in drained,
                (*(old.closed if old else ()), *closed),
            )  # fmt: skip
    return dict(sorted(found.items()))


def _drained(store: Store, run: int) -> frozenset[str]:
    closed: set[str] = set()
    for each in store.steering_of(run):
        if isinstance(each, Controlled) and each.worker:
            if each.action in (Action.DRAIN, Action.REMOVE):
                closed.add(each.worker)
            elif each.action is Action.RESUME:
                closed.discard(each.worker)
    return frozenset(closed)


draw()
