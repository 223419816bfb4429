"""What runs hold of workers: decided one after the other, seen by all, kept by who has the run."""

from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial

import pytest
from worlds import chain

from scheduler.cluster import Allocation
from scheduler.documents import cluster_document, workflow_document
from scheduler.errors import StaleEpoch
from scheduler.execution.events import AttemptEnded, AttemptStarted, Observation
from scheduler.planning.planners.heft import Heft
from scheduler.records import Outcome
from scheduler.store import Store
from scheduler.store.holds import Held, Hold
from scheduler.store.intents import Kept
from scheduler.store.leases import Lease

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
PROBLEM = chain()
CLUSTER = PROBLEM.cluster.name


def begun(store: Store, executor: str = "LocalProcesses") -> tuple[int, Lease]:
    run = store.begin_run(
        workflow=workflow_document(PROBLEM.workflow),
        cluster=cluster_document(PROBLEM.cluster),
        objective={},
        forecast=PROBLEM.forecast,
        schedule=Heft().plan(PROBLEM),
        executor=executor,
        label="planned",
        at=NOW,
        holder="first",
    )
    lease = store.lease(f"run:{run}")
    assert lease is not None
    return run, lease


def one(run: int, task: str = "t1", *, wants: bool = False) -> Hold:
    return Hold(run, task, "w1", 1.0, 10**9, "", wants=wants, since=NOW)


def alone(run: int, held: Held) -> Collection[Hold]:
    """Takes the only place there is, if nobody has it."""
    return [] if held.holds else [one(run)]


def test_of_many_runs_that_decide_at_one_time_one_finds_room(store: Store) -> None:
    runs = [begun(store) for _ in range(6)]

    def decide(of: tuple[int, Lease]) -> Collection[Hold]:
        run, lease = of
        return store.hold(run, CLUSTER, partial(alone, run), lease=lease, at=NOW)

    with ThreadPoolExecutor(6) as many:
        found = list(many.map(decide, runs))
    assert sorted(map(len, found)) == [0, 0, 0, 0, 0, 1]


def test_what_a_run_holds_is_what_it_decided_last_as_long_as_it_goes_on(store: Store) -> None:
    (mine, lease), (other, _) = begun(store), begun(store)
    for holds in ([one(mine), one(mine, "t2")], [one(mine, "t2"), one(mine, "t3", wants=True)]):
        store.hold(mine, CLUSTER, lambda _, holds=holds: holds, lease=lease, at=NOW)  # type: ignore[misc]
    seen = store.held_by_others(other, CLUSTER)
    assert seen.holds == (one(mine, "t2"), one(mine, "t3", wants=True))
    assert seen.leases[mine].epoch == lease.epoch
    assert store.held_by_others(mine, CLUSTER).holds == ()
    assert store.held_by_others(other, "elsewhere").holds == ()
    store.end_run(mine, state="succeeded", makespan=1.0, message="", at=NOW)
    assert store.held_by_others(other, CLUSTER).holds == ()


def test_what_a_run_has_begun_counts_though_it_said_nothing(store: Store) -> None:
    (mine, lease), (other, _) = begun(store), begun(store)
    start = AttemptStarted("t1", 1, "w1", 0.0, NOW, Allocation(1.0, 10**9), 1)
    store.keep(mine, Kept([start]), lease=lease, at=NOW)
    assert store.held_by_others(other, CLUSTER).holds == (one(mine),)
    end = AttemptEnded("t1", 1, "w1", 1.0, NOW, Observation(Outcome.SUCCEEDED, 1.0))
    store.keep(mine, Kept([end]), lease=lease, at=NOW)
    assert store.held_by_others(other, CLUSTER).holds == ()


def test_simulated_runs_are_nobodys_neighbours(store: Store) -> None:
    (mine, _), (other, _) = begun(store), begun(store)
    begun(store, "Simulator")
    assert store.neighbours(mine, CLUSTER) == (other,)
    assert store.neighbours(mine, "elsewhere") == ()


def test_who_has_the_run_no_more_holds_nothing_new(store: Store) -> None:
    run, lease = begun(store)
    store.take_lease(lease.name, "second", seen=store.lease(lease.name), at=NOW)
    with pytest.raises(StaleEpoch):
        store.hold(run, CLUSTER, partial(alone, run), lease=lease, at=NOW)
    assert store.held_by_others(run + 1, CLUSTER).holds == ()
