"""What those who watch the store ask of it."""

from datetime import UTC, datetime, timedelta

import pytest

from scheduler.records import Outcome, TaskRecord
from scheduler.store import Store
from scheduler.store.watching import AuditsWanted

NOW = datetime(2026, 5, 4, 9, tzinfo=UTC)


def record(i: int, kind: str, worker: str, seconds: float, *, fails: bool = False) -> TaskRecord:
    ended = NOW + timedelta(minutes=i)
    return TaskRecord(
        run="r", task=f"t{i}", kind=kind, worker=worker, duration=seconds,
        outcome=Outcome.FAILED if fails else Outcome.SUCCEEDED,
        started=ended - timedelta(seconds=seconds), ended=ended,
    )  # fmt: skip


def keep(store: Store, *records: TaskRecord) -> int:
    store.add_records([(each.key(), each) for each in records], "a.csv")
    return store.newest_record()


@pytest.fixture
def audited(store: Store) -> Store:
    for i, (by, action, subject, reason) in enumerate(
        [("ann", "cancel", "run 1", "wrong input"), ("bob", "pause", "run 1", "100% full"),
         ("ann", "mend", "refused line 4", "a Sign"), ("ann", "cancel", "run 12", "")]
    ):  # fmt: skip
        store.audit(action, subject, by=by, at=NOW + timedelta(hours=i), reason=reason)
    return store


@pytest.mark.parametrize(
    ("wanted", "found"),
    [({}, [4, 3, 2, 1]), ({"by": frozenset({"bob"})}, [2]),
     ({"actions": frozenset({"cancel", "mend"})}, [4, 3, 1]), ({"subject": "run 1"}, [2, 1]),
     ({"text": "SIGN"}, [3]), ({"text": "100%"}, [2]), ({"text": "_"}, []),
     ({"since": NOW + timedelta(hours=1)}, [4, 3, 2]),
     ({"until": NOW + timedelta(hours=1)}, [1])],
)  # fmt: skip
def test_audits_are_found_by_who_what_and_when(audited: Store, wanted, found) -> None:  # type: ignore[no-untyped-def]
    asked = AuditsWanted(**wanted)
    assert [each.id for each in audited.find_audits(asked)] == found
    assert audited.count_audits(asked) == len(found)


def test_audits_are_given_page_by_page(audited: Store) -> None:
    page = audited.find_audits(AuditsWanted(), limit=2, offset=1)
    assert [each.id for each in page] == [3, 2]


def test_who_did_something_is_listed_once(audited: Store) -> None:
    assert audited.audited() == {"by": ("ann", "bob"), "action": ("cancel", "mend", "pause")}


def test_new_records_are_set_beside_what_was_known(store: Store) -> None:
    before = keep(store, *(record(i, "sort", "w1", 2.0) for i in range(3)))
    keep(
        store, record(10, "sort", "w1", 6.0), record(11, "sort", "w1", 8.0),
        record(12, "sort", "w1", 99.0, fails=True), record(13, "align", "w2", 1.0),
    )  # fmt: skip
    sort, align = store.arrived(after=before)
    assert (sort.kind, sort.worker, sort.new, sort.failed, sort.known) == ("sort", "w1", 3, 1, 3)
    assert (sort.duration, sort.duration_before) == (7.0, 2.0)
    assert (align.kind, align.known, align.duration_before) == ("align", 0, None)
    assert store.arrived(after=store.newest_record()) == ()
    assert [each.new for each in store.arrived(after=0, through=before)] == [3]


def test_attempts_of_a_kind_are_seen_in_the_order_of_time(store: Store) -> None:
    keep(
        store, record(2, "sort", "w1", 4.0), record(1, "sort", "w1", 3.0),
        record(3, "sort", "w2", 5.0, fails=True), record(4, "align", "w1", 6.0),
    )  # fmt: skip
    assert [each.value for each in store.seen("duration", kind="sort")] == [3.0, 4.0, 5.0]
    assert [each.value for each in store.seen("duration", worker="w1")] == [3.0, 4.0, 6.0]
    assert [each.value for each in store.seen("duration", kind="sort", limit=2)] == [4.0, 5.0]
    told = store.seen("failure", kind="sort", worker="w2")
    assert [(each.value, each.succeeded, each.at) for each in told] == [
        (None, False, NOW + timedelta(minutes=3))
    ]
    assert store.seen("memory", kind="nothing") == ()
