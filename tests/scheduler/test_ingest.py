"""Logs into a real store: each record once, nothing lost."""

import gzip
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from log_samples import SAMPLES, sample_of

from scheduler import ingest as ingesting
from scheduler.errors import NotFound
from scheduler.ingest import FileReport, IngestReport, ingest, known_formats
from scheduler.logs import csv_table, jsonl
from scheduler.store import Store

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
HEADER = "task,kind,outcome,duration\n"
ROWS = "".join(f"t{i},sort,succeeded,{i}.5\n" for i in range(20))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(f"sqlite:///{tmp_path / 'store.db'}") as opened:
        yield opened


def log(tmp_path: Path, text: str, name: str = "log.csv") -> Path:
    path = tmp_path / "logs" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def counts(report: IngestReport | FileReport) -> tuple[int, int, int, int]:
    return report.read, report.accepted, report.duplicates, report.quarantined


@pytest.mark.parametrize("name", sorted(known_formats()))
def test_a_log_of_every_format_ends_up_in_the_store(name: str, store: Store) -> None:
    sample = sample_of(name)
    report = ingest([sample.file], store, now=NOW)
    good, bad = len(sample.records), len(sample.refused)
    assert counts(report) == (good + bad, good, 0, bad)
    assert (report.formats, store.record_count(), store.quarantine_count()) == ((name,), good, bad)


@pytest.mark.parametrize("name", sorted(known_formats()))
def test_a_log_ingested_twice_adds_nothing(name: str, store: Store) -> None:
    sample = sample_of(name)
    ingest([sample.file], store, now=NOW)
    report = ingest([sample.file], store, now=NOW)
    good, bad = len(sample.records), len(sample.refused)
    assert counts(report) == (good + bad, 0, good, bad)
    assert (store.record_count(), store.quarantine_count()) == (good, bad)


def test_what_was_read_comes_out_of_the_store(store: Store) -> None:
    sample = sample_of("jsonl")
    ingest([sample.file], store, now=NOW)
    named = [each for each in sample.records if each.run == "monday"]
    assert sorted(each.canonical() for each in store.records(run="monday")) == sorted(
        each.canonical() for each in named
    )


def test_what_the_store_writes_out_adds_nothing_when_it_is_ingested(
    tmp_path: Path, store: Store
) -> None:
    samples = [sample_of(name).file for name in sorted(known_formats())]
    ingest([*samples, log(tmp_path, HEADER + "a,sort,succeeded,1\n" * 3)], store, now=NOW)
    lines = log(tmp_path, "".join(jsonl.written(store.records())), "all.jsonl")
    rows = log(tmp_path, "".join(csv_table.written(list(store.records()))), "all.csv")
    report = ingest([lines, rows], store, now=NOW)
    assert (report.accepted, report.quarantined) == (0, 0)
    assert report.duplicates == 2 * store.record_count()


def test_a_log_that_has_grown_adds_only_its_new_rows(tmp_path: Path, store: Store) -> None:
    path = log(tmp_path, HEADER + ROWS)
    ingest([path], store, now=NOW)
    path.write_text(HEADER + ROWS + "late,sort,failed,3\n", encoding="utf-8")
    assert counts(ingest([path], store, now=NOW)) == (21, 1, 20, 0)


def test_two_equal_rows_of_one_log_are_two_attempts(tmp_path: Path, store: Store) -> None:
    path = log(tmp_path, HEADER + "a,sort,succeeded,1\n" * 3)
    assert counts(ingest([path], store, now=NOW)) == (3, 3, 0, 0)
    assert counts(ingest([path], store, now=NOW)) == (3, 0, 3, 0)


def test_equal_rows_far_apart_are_counted_across_batches(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingesting, "BATCH", 7)
    path = log(tmp_path, HEADER + ROWS + ROWS)
    assert counts(ingest([path], store, now=NOW)) == (40, 40, 0, 0)


def test_a_log_is_the_same_alone_and_inside_a_folder(tmp_path: Path, store: Store) -> None:
    path = log(tmp_path, HEADER + ROWS, "deep/down/log.csv")
    ingest([tmp_path / "logs"], store, now=NOW)
    for again in (path, path.parent, tmp_path):
        assert ingest([again], store, now=NOW).accepted == 0


def test_a_log_is_the_same_compressed_and_in_another_place(tmp_path: Path, store: Store) -> None:
    path = log(tmp_path, HEADER + ROWS)
    ingest([path], store, now=NOW)
    moved = tmp_path / "log.csv.gz"
    moved.write_bytes(gzip.compress(path.read_bytes()))
    assert ingest([moved], store, now=NOW).accepted == 0


def test_logs_of_one_name_in_two_folders_are_two_runs(tmp_path: Path, store: Store) -> None:
    log(tmp_path, HEADER + ROWS, "one/log.csv")
    log(tmp_path, HEADER + "a,sort,succeeded,7\n" + ROWS, "two/log.csv")
    report = ingest([tmp_path / "logs"], store, now=NOW)
    assert counts(report) == (41, 41, 0, 0)
    assert len({each.run for each in store.records()}) == 2


def test_a_folder_is_read_whole_and_what_is_no_log_is_listed(tmp_path: Path, store: Store) -> None:
    shutil.copytree(SAMPLES, tmp_path / "logs")
    log(tmp_path, "# Read me\n", "README.md")
    report = ingest([tmp_path / "logs"], store, now=NOW)
    assert report.formats == tuple(sorted(known_formats()))
    assert {Path(each.file).name for each in report.files if each.skipped} == {
        "README.md",
        *(each.name for each in SAMPLES.glob("*.expected.json")),
    }
    assert report.errors == ()


def test_one_file_that_cannot_be_read_does_not_cost_the_others(
    tmp_path: Path, store: Store
) -> None:
    good, late = log(tmp_path, HEADER + ROWS), log(tmp_path, HEADER + "x,y,lost,1\n", "late.csv")
    wrong = tmp_path / "wrong.csv"
    wrong.write_bytes((HEADER + ROWS).encode() + b"\xe9,sort,failed,1\n")
    paths = [tmp_path / "missing.csv", good, wrong, log(tmp_path, "hello", "note.txt"), late]
    report = ingest(paths, store, now=NOW)
    assert counts(report) == (21, 21, 0, 0)
    assert len(report.errors) == 3


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "is empty"),
        (b"\xff\xfet\x00", "is UTF-16 text"),
        (b"hello\n", "is of no known format, found a file that begins with 'hello"),
        (HEADER.encode(), "has a header and no rows"),
        (HEADER.encode() + b"\xe9,sort,failed,1\n", "must be UTF-8 text"),
    ],
)
def test_a_file_that_was_named_and_is_no_log_is_an_error(
    content: bytes, told: str, tmp_path: Path, store: Store
) -> None:
    path = tmp_path / "some.csv"
    path.write_bytes(content)
    (error,) = ingest([path], store, now=NOW).errors
    assert told in error
    assert store.record_count() == 0


def test_a_log_in_a_folder_that_cannot_be_read_is_an_error_and_not_skipped(
    tmp_path: Path, store: Store
) -> None:
    log(tmp_path, HEADER + ROWS)
    (tmp_path / "logs" / "wide.csv").write_bytes((HEADER + ROWS).encode("utf-16"))
    (error,) = ingest([tmp_path / "logs"], store, now=NOW).errors
    assert "wide.csv" in error


def test_a_folder_without_logs_is_an_error(tmp_path: Path, store: Store) -> None:
    (tmp_path / "nothing").mkdir()
    (error,) = ingest([tmp_path / "nothing"], store, now=NOW).errors
    assert "holds no log" in error


def test_a_refused_line_is_kept_with_all_that_is_known_of_it(tmp_path: Path, store: Store) -> None:
    path = log(tmp_path, HEADER + ROWS + "bad,sort,succeeded,-4\n")
    ingest([path], store, now=NOW)
    (found,) = store.quarantined()
    assert (found.refused.file, found.refused.line) == (path.as_posix(), 22)
    assert (found.refused.field, found.refused.rule) == ("duration", "must not be negative")
    assert (found.refused.value, found.refused.raw) == ("-4", "bad,sort,succeeded,-4")
    assert found.at == NOW


def test_whatever_is_read_is_accepted_known_or_quarantined(tmp_path: Path, store: Store) -> None:
    path = log(tmp_path, HEADER + ROWS)
    ingest([path], store, now=NOW)
    path.write_text(HEADER + ROWS + "new,sort,lost,1\nbad,sort,lost,-1\n", encoding="utf-8")
    report = ingest([path], store, now=NOW)
    assert report.read == report.accepted + report.duplicates + report.quarantined
    assert counts(report) == (22, 1, 20, 1)


def test_each_file_is_noted_in_the_store(tmp_path: Path, store: Store) -> None:
    path = log(tmp_path, HEADER + ROWS)
    ingest([path], store, now=NOW)
    (found,) = store.ingests()
    assert (found.file, found.format, found.read, found.accepted) == (
        path.as_posix(), "csv_table", 20, 20,
    )  # fmt: skip


def test_a_dry_run_says_what_would_happen_and_changes_nothing(tmp_path: Path, store: Store) -> None:
    path = log(tmp_path, HEADER + ROWS)
    ingest([path], store, now=NOW)
    path.write_text(HEADER + ROWS + "new,sort,lost,1\nbad,sort,lost,-1\n", encoding="utf-8")
    report = ingest([path], store, now=NOW, dry_run=True)
    assert counts(report) == (22, 1, 20, 1)
    assert (store.record_count(), store.quarantine_count(), len(store.ingests())) == (20, 0, 1)


def test_a_format_can_be_said(tmp_path: Path, store: Store) -> None:
    path = log(tmp_path, '{"kind": "sort"}\n', "lines.txt")
    report = ingest([path], store, now=NOW, format="jsonl")
    assert counts(report) == (1, 0, 0, 1)


def test_a_format_that_is_said_takes_only_its_files_from_a_folder(
    tmp_path: Path, store: Store
) -> None:
    shutil.copytree(SAMPLES, tmp_path / "logs")
    assert ingest([tmp_path / "logs"], store, now=NOW, format="jsonl").formats == ("jsonl",)


def test_an_unknown_format_is_told_with_the_known_ones(tmp_path: Path, store: Store) -> None:
    with pytest.raises(NotFound, match="jsonl"):
        ingest([log(tmp_path, HEADER)], store, now=NOW, format="punched cards")


def test_times_without_a_zone_are_in_the_zone_given(tmp_path: Path, store: Store) -> None:
    path = log(tmp_path, "task,kind,outcome,started\na,sort,lost,2026-07-01 12:00:00\n")
    ingest([path], store, now=NOW, timezone=ZoneInfo("Asia/Tokyo"))
    (found,) = store.records()
    assert found.started == datetime(2026, 7, 1, 3, tzinfo=UTC)


def test_progress_is_told_by_batch(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingesting, "BATCH", 8)
    path = log(tmp_path, HEADER + ROWS)
    told: list[tuple[str, int]] = []
    ingest([path], store, now=NOW, on_progress=lambda file, read: told.append((file, read)))
    assert told == [(path.as_posix(), each) for each in (8, 16, 20)]
