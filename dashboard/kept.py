"""What is read once for all viewers because it cannot change any more, and what is not."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import streamlit as st

from dashboard import operating
from dashboard.operating import Held, RunLine, deadline_of, run_lines
from dashboard.reading import Plan
from dashboard.reading import plan_numbered as plan_numbered_of
from scheduler.cluster import Worker
from scheduler.documents import cluster_from
from scheduler.planning.schedule import Placement
from scheduler.store import Store
from scheduler.store.values import KindSummary, RunSummary

A_WHILE = 600.0  # seconds for which sums over all records are kept
Changes = int | datetime  # what tells one plan of a run from a later one
FEW = 1000  # records of which each new one is seen at once; of more, each new hundredth


def held(store: Store, run: RunSummary, moment: datetime) -> Held:
    """What the attempts of a run held; of one that is over it is read once."""
    if run.ended is not None:
        return _held(store, run.id, run.started, run.ended)
    goes_on = run.state == "running"
    return operating.held(store.uses_of(run.id), run.started, now=moment, goes_on=goes_on)


def workers(store: Store, run: RunSummary) -> tuple[Worker, ...]:
    """The workers of a run, as its newest plan knows them."""
    return _workers(store, run.id, run.started, _changes(store, run))


def plan(store: Store, run: RunSummary) -> tuple[Placement, ...]:
    """Where and when the tasks of a run are to run by its newest plan."""
    return _plan(store, run.id, run.started, _changes(store, run))


def changed_placements(store: Store, run: RunSummary) -> tuple[Mapping[str, Placement], ...]:
    """What each change of a run's plan placed otherwise, by task."""
    return _placements(store, run.id, run.started, _changes(store, run))


def plan_numbered(store: Store, run: RunSummary, number: int) -> Plan:
    """One plan of a run: zero is the first, each change of the plan makes the next."""
    return _numbered(store, run.id, run.started, number)


def lines(store: Store, runs: tuple[RunSummary, ...]) -> tuple[RunLine, ...]:
    """These runs with how far they are."""
    return run_lines(store, runs, {each.id: _deadline(store, each.id, each.started)
                                   for each in runs})  # fmt: skip


def kinds(store: Store) -> tuple[KindSummary, ...]:
    """What is known of each kind on each worker; of many records without the very newest."""
    newest = store.newest_record()
    step = max(1, 10 ** (len(str(newest)) - 3)) if newest > FEW else 1
    return _kinds(store, newest // step)


def _changes(store: Store, run: RunSummary) -> Changes:
    """How often the plan of a run that goes on has changed; of one that is over, when it ended.

    One that was cut off may go on, and end again.
    """
    return run.ended or store.count_events(run.id, "plan_changed")


def _url(opened: Store) -> str:
    return opened.url


# Times are part of the keys: a store that was deleted and made anew has other runs.
@st.cache_resource(show_spinner=False, max_entries=500, hash_funcs={Store: _url})
def _held(opened: Store, run: int, started: datetime, ended: datetime) -> Held:
    return operating.held(opened.uses_of(run), started, now=ended, goes_on=False)


@st.cache_resource(show_spinner=False, max_entries=500, hash_funcs={Store: _url})
def _workers(opened: Store, run: int, started: datetime, changes: Changes) -> tuple[Worker, ...]:  # noqa: ARG001
    document = opened.run_cluster(run)
    for each in opened.run_plans(run) if changes else ():
        document = each.cluster or document
    return cluster_from(document).workers


@st.cache_resource(show_spinner=False, max_entries=64, hash_funcs={Store: _url})
def _plan(opened: Store, run: int, started: datetime, changes: Changes) -> tuple[Placement, ...]:  # noqa: ARG001
    return operating.current_plan(opened, run)


@st.cache_resource(show_spinner=False, max_entries=64, hash_funcs={Store: _url})
def _placements(
    opened: Store, run: int, started: datetime, changes: Changes  # noqa: ARG001  of the key
) -> tuple[Mapping[str, Placement], ...]:  # fmt: skip
    return tuple(
        {one.task: one for one in each.placements} for each in opened.run_plans(run) if changes
    )


@st.cache_resource(show_spinner=False, max_entries=32, hash_funcs={Store: _url})
def _numbered(opened: Store, run: int, started: datetime, number: int) -> Plan:  # noqa: ARG001
    return plan_numbered_of(opened, run, number)


@st.cache_data(show_spinner=False, max_entries=2000, hash_funcs={Store: _url})
def _deadline(opened: Store, run: int, started: datetime) -> Any:  # noqa: ARG001
    return deadline_of(opened.run_documents(run)[0])


@st.cache_resource(show_spinner=False, max_entries=8, ttl=A_WHILE, hash_funcs={Store: _url})
def _kinds(opened: Store, newest: int) -> tuple[KindSummary, ...]:  # noqa: ARG001
    return opened.kinds()
