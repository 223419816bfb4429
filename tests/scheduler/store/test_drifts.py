"""Drifts and sources in the store."""

from datetime import UTC, datetime
from typing import Any

import pytest

from scheduler.errors import InvalidInput, NotFound
from scheduler.records import Outcome, TaskRecord
from scheduler.store import Store
from scheduler.store.records import ON_HOLD, TRUSTED
from scheduler.store.values import Drift

NOW = datetime(2026, 3, 1, tzinfo=UTC)
SLOW = Drift("duration", "", "beta", 1.5, 80, 6.2, "v1", NOW, NOW)


def record(task: str) -> TaskRecord:
    return TaskRecord(run="r", task=task, kind="sort", outcome=Outcome.SUCCEEDED, duration=1.0)


def add(store: Store, source: str, *tasks: str) -> None:
    store.add_records([(record(each).key(), record(each)) for each in tasks], source)


def judged(store: Store, name: str, state: str) -> None:
    store.judge_source(name, state=state, reason="odd", by="ada", at=NOW)


def test_a_drift_comes_back_as_it_was_with_its_number(store: Store) -> None:
    number = store.note_drift(SLOW)
    (found,) = store.drifts(state="open")
    assert found == Drift(*(getattr(SLOW, name) for name in _FIELDS), id=number)


def test_a_settled_drift_is_not_open(store: Store) -> None:
    number = store.note_drift(SLOW)
    store.settle_drifts([number], state="learned")
    assert store.drifts(state="open") == ()
    assert [each.state for each in store.drifts()] == ["learned"]


def test_an_unknown_drift_settles_none(store: Store) -> None:
    number = store.note_drift(SLOW)
    with pytest.raises(NotFound, match="no drift 99"):
        store.settle_drifts([number, 99], state="learned")
    assert len(store.drifts(state="open")) == 1


def test_records_of_a_source_on_hold_are_kept_and_not_trusted(store: Store) -> None:
    add(store, "a.jsonl", "one", "two")
    add(store, "b.jsonl", "three")
    judged(store, "b.jsonl", ON_HOLD)
    assert store.record_count() == 3
    assert store.record_count(trusted=True) == 2
    assert [each.task for each in store.records(trusted=True)] == ["one", "two"]


def test_what_was_on_hold_and_is_trusted_counts_again(store: Store) -> None:
    add(store, "a.jsonl", "one")
    judged(store, "a.jsonl", ON_HOLD)
    judged(store, "a.jsonl", TRUSTED)
    assert store.record_count(trusted=True) == 1
    (found,) = store.sources()
    assert (found.state, found.by, found.reason, found.records) == (TRUSTED, "ada", "odd", 1)


def test_own_runs_are_one_source_and_cannot_be_judged(store: Store) -> None:
    add(store, "run 1", "one")
    add(store, "run 2", "two")
    (own,) = store.sources()
    assert (own.name, own.records) == ("", 2)
    with pytest.raises(InvalidInput, match="always trusted"):
        judged(store, "", ON_HOLD)


def test_a_file_that_is_called_like_a_run_is_a_source_of_its_own(store: Store) -> None:
    counts: dict[str, Any] = {"read": 1, "accepted": 1, "duplicates": 0, "quarantined": 0}
    add(store, "run 1", "one")
    store.note_ingest(file="run 1", format="jsonl", at=NOW, **counts)
    assert [each.name for each in store.sources()] == ["run 1"]


def test_a_source_without_records_is_refused(store: Store) -> None:
    with pytest.raises(NotFound, match="allot sources"):
        judged(store, "nobody", ON_HOLD)


def test_records_come_with_their_number_and_source(store: Store) -> None:
    add(store, "a.jsonl", "one")
    add(store, "b.jsonl", "two")
    told = [(number, source, each.task) for number, source, each in store.sourced_records()]
    assert told == [(1, "a.jsonl", "one"), (2, "b.jsonl", "two")]
    assert [number for number, _, _ in store.sourced_records(after=1)] == [2]


_FIELDS = (
    "target",
    "kind",
    "worker",
    "effect",
    "records",
    "evidence",
    "version",
    "since",
    "found",
    "state",
)
