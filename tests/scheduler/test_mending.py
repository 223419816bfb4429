"""Refused lines, mended and read again."""

from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from scheduler.errors import InvalidInput, NotFound
from scheduler.ingest import ingest
from scheduler.mending import read_again
from scheduler.store import Store
from scheduler.store.mending import Origin
from scheduler.store.values import Quarantined

NOW = datetime(2026, 5, 4, tzinfo=UTC)
HEADER = "task,kind,outcome,duration\n"
BAD = "late,sort,succeeded,-4"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(f"sqlite:///{tmp_path / 'allot.db'}")


def taken_in(store: Store, tmp_path: Path, text: str, name: str = "monday.csv") -> Quarantined:
    (tmp_path / name).write_text(text, encoding="utf-8")
    report = ingest([tmp_path / name], store, now=NOW)
    assert report.quarantined == 1
    return store.quarantined()[0]


def mended(store: Store, line: Quarantined, text: str, **known: str) -> bool:
    origin = store.origin(line.refused.file)
    record = read_again(line.refused, text, origin=origin, timezone=ZoneInfo("UTC"), **known)
    return store.mend(line.id, record, text=text, by="ann", reason="a sign", at=NOW)


def test_a_mended_line_is_read_as_the_rest_of_its_file_was(store: Store, tmp_path: Path) -> None:
    line = taken_in(store, tmp_path, HEADER + "a,sort,succeeded,1\n" + BAD + "\n")
    assert mended(store, line, "late,sort,succeeded,4")
    first, second = sorted(store.records(), key=lambda each: each.task)
    assert (second.task, second.duration, second.run) == ("late", 4.0, first.run)
    assert {each.name: each.records for each in store.sources()} == {line.refused.file: 2}


def test_what_was_and_what_became_of_it_is_audited(store: Store, tmp_path: Path) -> None:
    line = taken_in(store, tmp_path, HEADER + BAD + "\n")
    mended(store, line, "late,sort,succeeded,4")
    (audit,) = store.audits()
    assert (audit.action, audit.by, audit.reason) == ("mend", "ann", "a sign")
    assert audit.details["before"] == BAD
    assert audit.details["after"] == "late,sort,succeeded,4"
    assert (store.quarantine_count(), store.quarantine_count(state="open")) == (1, 0)


def test_a_line_is_mended_once(store: Store, tmp_path: Path) -> None:
    line = taken_in(store, tmp_path, HEADER + BAD + "\n")
    mended(store, line, "late,sort,succeeded,4")
    with pytest.raises(InvalidInput, match="mended or put aside already"):
        mended(store, line, "late,sort,succeeded,5")
    assert [each.duration for each in store.records()] == [4.0]


def test_a_line_that_was_known_is_told_apart(store: Store, tmp_path: Path) -> None:
    line = taken_in(store, tmp_path, HEADER + "late,sort,succeeded,4\n" + BAD + "\n")
    assert not mended(store, line, "late,sort,succeeded,4")
    assert store.record_count() == 1


def test_a_line_that_still_breaks_a_rule_stays(store: Store, tmp_path: Path) -> None:
    line = taken_in(store, tmp_path, HEADER + BAD + "\n")
    with pytest.raises(InvalidInput, match=r"still breaks a rule: duration .* found '?-3"):
        mended(store, line, "late,sort,succeeded,-3")
    assert store.quarantine_count(state="open") == 1


def test_json_lines_need_no_header(store: Store, tmp_path: Path) -> None:
    text = '{"task": "a", "kind": "sort", "outcome": "succeeded", "duration": -1}'
    line = taken_in(store, tmp_path, text + "\n", "monday.jsonl")
    assert mended(store, line, text.replace("-1", "1"))


@pytest.mark.parametrize("text", ["", "a,b,lost,1\nc,d,lost,1"])
def test_one_line_becomes_one_record(store: Store, tmp_path: Path, text: str) -> None:
    line = taken_in(store, tmp_path, HEADER + BAD + "\n")
    with pytest.raises(InvalidInput):
        mended(store, line, text)


def test_a_header_that_nobody_kept_can_be_said(store: Store, tmp_path: Path) -> None:
    line = taken_in(store, tmp_path, HEADER + BAD + "\n")
    old = Origin("csv_table", "", "")
    zone = ZoneInfo("UTC")
    with pytest.raises(InvalidInput, match="header"):
        read_again(line.refused, "late,sort,lost,4", origin=old, timezone=zone)
    _, record = read_again(
        line.refused, "late,sort,lost,4", origin=old, timezone=zone, header=HEADER
    )
    assert (record.task, record.run) == ("late", "monday")


@pytest.mark.parametrize("origin", [None, Origin("wfformat", "r", ""), Origin("gone", "r", "")])
def test_what_cannot_be_read_alone_is_refused(
    store: Store, tmp_path: Path, origin: Origin | None
) -> None:
    line = taken_in(store, tmp_path, HEADER + BAD + "\n")
    with pytest.raises(InvalidInput, match="allot ingest"):
        read_again(line.refused, "x", origin=origin, timezone=ZoneInfo("UTC"))


def test_no_such_line_is_not_found(store: Store) -> None:
    with pytest.raises(NotFound, match="no refused line 7"):
        store.refused_line(7)
