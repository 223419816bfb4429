"""Drift: where observation left the forecast, since when, and which sources are believed."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import pandas as pd
import streamlit as st

from dashboard import acts_of_learning as acts
from dashboard import (
    asking,
    charts_learning,
    living,
    pictures,
    run_choice,
    session,
    tables,
    watching,
)
from dashboard.acts import Acting, Deed
from dashboard.people import ADMIN
from dashboard.reading import RunView
from dashboard.words import ago, count
from scheduler.store import Store
from scheduler.store.records import ON_HOLD, TRUSTED
from scheduler.store.values import Drift, LogSource

TITLE, ICON, SECTION, PLACE = "Drift", ":material/trending_up:", "Learn", 3

STATES = {"open": "Open", "acknowledged": "Acknowledged", "learned": "Learned", "all": "All"}
POINTS = 2000  # attempts that a chart shows
RUNS, MOST_TASKS = 6, 3000  # runs whose forecasts are drawn, and tasks of one that is
OWN = "(runs of Allot)"


def draw() -> None:
    """What drifted, one drift over time, and the sources of records."""
    store = session.store()
    living.on_change(lambda: store.mark("drifts", "sources"))
    found, sources = store.drifts(limit=500), _sources(store)
    if not found and not sources:
        session.nothing_yet(
            "There is nothing to watch yet.",
            "Once there are records and a network that forecasts, each round of the learner looks "
            "whether what is observed still is what was forecast.",
            ("allot ingest LOGS", "allot train", "allot agent"),
        )
        return
    _tiles(found, sources)
    _drifts(store, found)
    _sources_shown(sources)


def _tiles(found: Sequence[Drift], sources: Sequence[LogSource]) -> None:
    waiting = [each for each in found if each.state == "open"]
    held = [each for each in sources if each.state == ON_HOLD]
    worst = max((max(e.effect, 1 / e.effect) for e in waiting if e.effect > 0), default=None)
    tiles = st.columns(4)
    for tile, label, value, detail in (
        (tiles[0], "Open drifts", f"{len(waiting):,}", "settled by the next champion, or by you"),
        (tiles[1], "Furthest from the forecast", f"{worst:.2f} times" if worst else "none",
         "more or less than expected"),
        (tiles[2], "Records in their drifts", f"{sum(e.records for e in waiting):,}", "of open"),
        (tiles[3], "Sources on hold", f"{len(held):,}", f"of {count(len(sources), 'source')}"),
    ):  # fmt: skip
        with tile, st.container(border=True, height="stretch", gap="xsmall"):
            st.metric(label, value)
            st.caption(detail)


def _drifts(store: Store, every: Sequence[Drift]) -> None:
    st.subheader("Drifts", anchor=False)
    if not every:
        st.success("Forecasts are as good as ever.", icon=":material/check_circle:")
        return
    state = session.choose_one("Shown", list(STATES), "drift-state", shown=STATES.__getitem__)
    found = [each for each in every if state in ("all", each.state)]
    if not found:
        st.write("None of these.")
        return
    st.caption("Select a row to see it over time.")
    tables.show(
        watching.drifts(found), key=f"drifts-{state}", alt="Drifts", height=330,
        units={"since": "time", "found": "time"},
        on_row=lambda row: session.choose("drift", str(found[row].id)),
    )  # fmt: skip
    ids = {str(each.id): each for each in found}
    chosen = ids.get(session.chosen("drift") or "", found[0])
    session.choose("drift", str(chosen.id))
    left, right = st.columns((5, 3), gap="medium")
    with left:
        _one(store, chosen)
    with right:
        st.markdown("**Where**")
        st.caption("How many times what was expected, or the inverse where it is less.")
        pictures.show(
            charts_learning.cells(watching.cells(found), session.colours()), key="drift-cells",
            alt="How far kinds on workers have drifted; the table says the same.",
        )  # fmt: skip
    waiting = [each for each in found if each.state == "open"]
    asking.act(
        "Acknowledge", partial(_acknowledge, chosen), key="acknowledge",
        icon=":material/done:", confirm="It needs nobody any more",
        disabled="" if waiting else "No open drift is shown.",
        explain="The forecast stays as it is; a new network learns from the records all the same.",
        fields=lambda form: st.multiselect(
            "Drifts", [each.id for each in waiting], key=f"{form}-which",
            default=[chosen.id] if chosen in waiting else [],
            format_func={e.id: f"{e.id}: {watching.place_of(e)}" for e in waiting}.__getitem__,
        ),
    )  # fmt: skip


def _acknowledge(chosen: Drift, who: Acting, reason: str, which: Any) -> Deed:
    return acts.acknowledge(who, list(which) or [chosen.id], reason)


def _one(store: Store, drift: Drift) -> None:
    st.markdown(f"**Drift {drift.id}**")
    st.text(watching.sentence(drift, session.zone()))
    seen = store.seen(drift.target, kind=drift.kind, worker=drift.worker, limit=POINTS)
    if not seen:
        st.write("Its records have no times, or have gone.")
        return
    if len(seen) == POINTS:
        st.caption(f"The newest {POINTS:,} attempts.")
    colours = session.colours()
    if drift.target == watching.FAILURE:
        frame = watching.failures(seen)
        figure = charts_learning.failing(frame, colours, since=drift.since, zone=session.zone())
    else:
        frame = watching.observed(seen)
        told = watching.forecasts(_runs(store), drift)
        figure = charts_learning.drifting(
            frame, told, drift.target, colours, since=drift.since,
            levels=watching.levels(seen, drift.since), zone=session.zone(),
        )  # fmt: skip
        if not len(told):
            st.caption("No run that the store keeps had forecasts of these attempts.")
    pictures.show(figure, key="drift-over-time", alt="Attempts over time; the table tells them.")
    with st.expander("The same as a table"):
        units = {"value": drift.target, "share": "share", "at": "time"}
        tables.show(frame.iloc[::-1], key=f"seen-{drift.id}", units=units, height=320)


def _runs(store: Store) -> list[RunView]:
    """The newest runs, as far as they are small enough to be looked through."""
    newest = store.runs(now=session.now(), limit=RUNS)
    return [run_choice.view(store, each) for each in newest if each.tasks <= MOST_TASKS]


def _url(store: Store) -> str:
    return store.url


def _sources(store: Store) -> tuple[LogSource, ...]:
    judged = tuple(sorted(store.judged_sources().items()))
    newest = store.newest_record()
    return _known_sources(store, newest // max(1, 10 ** (len(str(newest)) - 3)), judged)


@st.cache_data(show_spinner=False, max_entries=4, hash_funcs={Store: _url})
def _known_sources(
    store: Store, newest: int, judged: tuple[tuple[str, str], ...]  # noqa: ARG001  of the key
) -> tuple[LogSource, ...]:  # fmt: skip
    return store.sources()


def _sources_shown(sources: Sequence[LogSource]) -> None:
    st.subheader("Sources of records", anchor=False)
    if not sources:
        st.write("No record has come in yet.")
        return
    moment = session.now()
    st.caption(
        "What a source on hold says is kept, and not learned from. The learner puts one on hold "
        "that contradicts all others; people have the last word."
    )
    frame = pd.DataFrame(
        {"source": each.name or OWN, "records": each.records, "state": each.state, "by": each.by,
         "reason": each.reason, "judged": ago(each.at, moment) if each.at else ""}
        for each in sources
    )  # fmt: skip
    tables.show(frame, key="sources", alt="Sources of records", height=320)
    named = [each.name for each in sources if each.name]
    states = {each.name: each.state for each in sources}
    with st.container(horizontal=True):
        for label, state, icon in (
            ("Trust a source", TRUSTED, ":material/verified:"),
            ("Put a source on hold", ON_HOLD, ":material/front_hand:"),
        ):
            others = [each for each in named if states[each] != state]
            asking.act(
                label, partial(_judge, state), key=f"judge-{state.replace(' ', '-')}", role=ADMIN,
                reason=asking.NEEDED, icon=icon,
                disabled="" if others else f"No other source is not {state} already.",
                fields=partial(_which, others, states),
            )  # fmt: skip


def _which(others: Sequence[str], states: Mapping[str, str], form: str) -> Any:
    return st.selectbox(
        "Source", others, key=f"{form}-which", format_func=lambda name: f"{name} ({states[name]})"
    )


def _judge(state: str, who: Acting, reason: str, which: Any) -> Deed:
    return acts.judge(who, str(which), state, reason)


draw()
