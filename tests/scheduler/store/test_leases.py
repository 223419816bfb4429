"""Leases: one holder at a time, and nothing is written by one that was taken over."""

from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import UTC, datetime
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine
from worlds import chain

from scheduler.cluster import Allocation
from scheduler.documents import cluster_document, workflow_document
from scheduler.errors import StaleEpoch, StoreError
from scheduler.execution.events import (
    AttemptEnded,
    AttemptStarted,
    AttemptUnknown,
    Observation,
    TaskDecided,
)
from scheduler.execution.events import Decision as Decided
from scheduler.planning.planners.heft import Heft
from scheduler.records import Outcome
from scheduler.store import Store, intents
from scheduler.store.intents import Kept
from scheduler.store.leases import Lease

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ROOM = Allocation(1.0, 10**9)


def take(store: Store, holder: str, seen: Lease | None = None) -> Lease:
    lease = store.take_lease("agent", holder, seen=seen, at=NOW)
    assert lease is not None
    return lease


def begun(store: Store) -> tuple[int, Lease]:
    """A run of five tasks, and its lease."""
    problem = chain()
    run = store.begin_run(
        workflow=workflow_document(problem.workflow),
        cluster=cluster_document(problem.cluster),
        objective={},
        forecast=problem.forecast,
        schedule=Heft().plan(problem),
        executor="Simulator",
        label="planned",
        at=NOW,
        holder="first",
    )
    lease = store.lease(f"run:{run}")
    assert lease is not None
    return run, lease


def kept_of(store: Store, run: int) -> tuple[Any, ...]:
    """All that is kept of a run while it goes on."""
    return (
        store.run_events(run),
        store.intents(run),
        store.run_plans(run),
        store.record_count(),
        store.questions(run=run),
        store.run(run, now=NOW).state,
    )


def started(task: str, attempt: int = 1, epoch: int = 1) -> AttemptStarted:
    return AttemptStarted(task, attempt, "w1", 0.0, NOW, ROOM, epoch)


def ended(task: str, attempt: int = 1) -> AttemptEnded:
    return AttemptEnded(task, attempt, "w1", 1.0, NOW, Observation(Outcome.SUCCEEDED, 1.0))


def test_of_many_who_saw_a_lease_free_exactly_one_gets_it(store: Store) -> None:
    store.free_lease(take(store, "first"), at=NOW)
    seen = store.lease("agent")
    with ThreadPoolExecutor(8) as many:
        names = [f"holder {i}" for i in range(8)]
        taken = list(
            many.map(lambda name: store.take_lease("agent", name, seen=seen, at=NOW), names)
        )
    (got,) = [each for each in taken if each is not None]
    assert store.lease("agent") == got


def test_of_many_who_make_a_lease_exactly_one_gets_it(store: Store) -> None:
    with ThreadPoolExecutor(8) as many:
        names = [f"holder {i}" for i in range(8)]
        taken = list(
            many.map(lambda name: store.take_lease("agent", name, seen=None, at=NOW), names)
        )
    assert sum(each is not None for each in taken) == 1


def test_a_holder_that_gave_a_sign_of_life_since_it_was_seen_keeps_its_lease(store: Store) -> None:
    lease = take(store, "first")
    seen = store.lease("agent")
    store.beat_lease(lease, at=NOW)
    assert store.take_lease("agent", "second", seen=seen, at=NOW) is None


def test_epochs_never_come_twice(store: Store) -> None:
    lease, epochs = take(store, "first"), [1]
    for turn in range(4):
        if turn % 2:
            store.free_lease(lease, at=NOW)
        lease = take(store, "first", store.lease("agent"))
        epochs.append(lease.epoch)
    assert epochs == [1, 2, 3, 4, 5]


def test_whoever_was_taken_over_can_neither_beat_nor_free(store: Store) -> None:
    old = take(store, "same name")
    new = take(store, "same name", store.lease("agent"))
    for write in (store.beat_lease, store.free_lease):
        with pytest.raises(StaleEpoch, match="epoch 1"):
            write(old, at=NOW)
    assert store.lease("agent") == new


def test_whoever_has_given_a_lease_back_writes_no_more(store: Store) -> None:
    lease = take(store, "first")
    store.free_lease(lease, at=NOW)
    with pytest.raises(StaleEpoch):
        store.beat_lease(lease, at=NOW)


def test_nothing_of_a_run_is_written_by_whoever_was_taken_over(store: Store) -> None:
    run, old = begun(store)
    store.keep(run, Kept([started("t1")]), lease=old, at=NOW)
    new = store.take_lease(old.name, "second", seen=store.lease(old.name), at=NOW)
    assert new is not None
    before = kept_of(store, run)
    unknown = AttemptUnknown("t1", 1, "w1", 2.0, NOW, "gone")
    for events in ([ended("t1"), started("t2")], [unknown], []):
        with pytest.raises(StaleEpoch):
            store.keep(run, Kept(events), lease=old, at=NOW)
    with pytest.raises(StaleEpoch):
        store.end_run(run, state="failed", makespan=None, message="", at=NOW, lease=old)
    with pytest.raises(StaleEpoch):
        store.begin_again(run, lease=old, at=NOW)
    assert kept_of(store, run) == before


def test_nobody_takes_a_run_over_while_its_holder_writes(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, lease = begun(store)
    add_events = intents.add_events
    with ThreadPoolExecutor(1) as other:
        taking: list[Future[Lease | None]] = []

        def slowly(*args: Any, **more: Any) -> None:
            seen = Lease(lease.name, "first", lease.epoch, lease.beats, NOW)
            taking.append(other.submit(store.take_lease, lease.name, "b", seen=seen, at=NOW))
            wait(taking, timeout=0.3)
            add_events(*args, **more)

        monkeypatch.setattr(intents, "add_events", slowly)
        store.keep(run, Kept([started("t1")]), lease=lease, at=NOW)
        assert taking[0].result() is None


def test_a_step_is_kept_in_one_transaction(store: Store) -> None:
    run, lease = begun(store)
    began: list[object] = []
    note = began.append
    sa.event.listen(Engine, "begin", note)
    try:
        store.keep(run, Kept([started("t1"), ended("t1"), started("t2")]), lease=lease, at=NOW)
    finally:
        sa.event.remove(Engine, "begin", note)
    assert len(began) == 1


def test_a_step_that_is_tried_again_is_kept_once(store: Store) -> None:
    run, lease = begun(store)
    for _ in range(2):
        store.keep(run, Kept([started("t1")], number=1), lease=lease, at=NOW)
    store.keep(run, Kept([started("t2")], number=2), lease=lease, at=NOW)
    assert list(store.run_events(run)) == [started("t1"), started("t2")]
    assert store.begin_again(run, lease=lease, at=NOW) == 2


def test_no_step_is_left_out(store: Store) -> None:
    run, lease = begun(store)
    with pytest.raises(StoreError, match="Step 2 of run 1 cannot follow step 0"):
        store.keep(run, Kept([started("t1")], number=2), lease=lease, at=NOW)
    assert not store.run_events(run)


def test_intents_tell_what_became_of_what_was_decided(store: Store) -> None:
    run, lease = begun(store)
    store.keep(run, Kept([started("t1"), started("t2"), started("t3")]), lease=lease, at=NOW)
    unknown = AttemptUnknown("t2", 1, "w1", 2.0, NOW, "gone")
    store.keep(run, Kept([ended("t1"), unknown, started("t4"), ended("t4")]), lease=lease, at=NOW)
    states = {each.task: each.state for each in store.intents(run)}
    assert states == {"t1": "ended", "t2": "unknown", "t3": "open", "t4": "ended"}
    decided = TaskDecided("t2", 1, 3.0, NOW, Decided.SUCCEEDED, "ann", "looked")
    store.keep(run, Kept([decided, started("t3", epoch=7)]), lease=lease, at=NOW)
    (open_one,) = store.intents(run, state="open")
    assert (open_one.task, open_one.attempt, open_one.epoch) == ("t3", 1, 7)


def test_an_unknown_attempt_is_put_to_people_with_the_same_commit(store: Store) -> None:
    run, lease = begun(store)
    unknown = AttemptUnknown("t1", 1, "w1", 2.0, NOW, "the machine is gone")
    store.keep(run, Kept([started("t1"), unknown]), lease=lease, at=NOW)
    (question,) = store.questions(state="open", run=run)
    assert (question.kind, question.subject, question.details["attempt"]) == ("unknown", "t1", 1)
    assert question.answers == ("succeeded", "failed", "start again")
    assert "the machine is gone" in question.reasons[0]


def test_events_come_out_as_they_went_in(store: Store) -> None:
    run, lease = begun(store)
    events = [
        started("t1", epoch=3),
        AttemptUnknown("t1", 1, "w1", 2.0, NOW, "gone"),
        TaskDecided("t1", 1, 3.0, NOW, Decided.AGAIN, "ann", "looked"),
        started("t1", attempt=2, epoch=4),
        ended("t1", attempt=2),
    ]
    store.keep(run, Kept(events), lease=lease, at=NOW)
    assert list(store.run_events(run)) == events
