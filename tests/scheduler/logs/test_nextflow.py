"""Nextflow traces, on made-up rows."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from log_samples import refusal, source, taken

from scheduler.errors import UnreadableLog
from scheduler.logs.nextflow import Nextflow
from scheduler.records import Outcome, TaskRecord

TRACE = Nextflow()
RAW = {
    "task_id": "7",
    "hash": "ab/cdef01",
    "process": "SORT",
    "tag": "s1",
    "name": "SORT (s1)",
    "status": "COMPLETED",
    "exit": "0",
    "cpus": "2",
    "time": "14400000",
    "memory": "1073741824",
    "attempt": "1",
    "submit": "1767607872345",
    "start": "1767607873000",
    "complete": "1767607875500",
    "duration": "3155",
    "realtime": "2500",
    "%cpu": "150.0",
    "peak_rss": "4096",
    "rss": "4000",
    "rchar": "10",
    "wchar": "20",
    "hostname": "box-1",
}
MEASUREMENTS = {
    "machine": "box-1", "label": "small", "workflow": "assembly", "task": "sort",
    "workflowinputsize": "1000", "taskinputsize": "500", "numbersequences": "7",
    "realtime": "2500", "%cpu": "50.0", "peak_rss": "4096", "cpus": "6", "memory": "8192",
}  # fmt: skip


def trace(rows: list[dict[str, str]], tmp_path: Path, mark: str = "\t") -> Path:
    path = tmp_path / "trace.txt"
    lines = [mark.join(rows[0]), *(mark.join(each.values()) for each in rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def one(row: dict[str, str], tmp_path: Path, zone: str = "UTC", mark: str = "\t") -> TaskRecord:
    (found,) = taken(TRACE, trace([row], tmp_path, mark), zone)
    return found


@pytest.mark.parametrize("mark", ["\t", ","])
def test_raw_values_are_milliseconds_and_bytes(tmp_path: Path, mark: str) -> None:
    assert one(RAW, tmp_path, mark=mark) == TaskRecord(
        run="sample",
        workflow="trace",
        task="SORT (s1) [ab/cdef01]",
        kind="SORT",
        worker="box-1",
        outcome=Outcome.SUCCEEDED,
        attempt=1,
        submitted=datetime(2026, 1, 5, 10, 11, 12, 345000, UTC),
        started=datetime(2026, 1, 5, 10, 11, 13, tzinfo=UTC),
        ended=datetime(2026, 1, 5, 10, 11, 15, 500000, UTC),
        duration=2.5,
        peak_memory=4096,
        cpu=1.5,
        requested_cores=2,
        requested_memory=1073741824,
        time_limit=14400,
        exit_code=0,
        measured={"rss": 4000, "rchar": 10, "wchar": 20},
    )


def test_a_table_of_measurements_tells_machine_workflow_and_sizes(tmp_path: Path) -> None:
    assert one(MEASUREMENTS, tmp_path, mark=",") == TaskRecord(
        run="sample",
        workflow="assembly",
        task="sort (small, 1000)",
        kind="sort",
        worker="box-1",
        outcome=Outcome.SUCCEEDED,
        duration=2.5,
        peak_memory=4096,
        cpu=0.5,
        requested_cores=6,
        requested_memory=8192,
        sizes={"workflowinputsize": 1000, "taskinputsize": 500, "numbersequences": 7},
    )


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("912ms", 0.912),
        ("5.8s", 5.8),
        ("1m", 60),
        ("1h 2m 3s", 3723),
        ("2d 1h", 176400),
        ("250", 0.25),
    ],
)
def test_a_span_may_have_units(text: str, seconds: float, tmp_path: Path) -> None:
    assert one(RAW | {"realtime": text}, tmp_path).duration == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("17 B", 17),
        ("4.5 KB", 4608),
        ("1 MB", 1 << 20),
        ("1.5 GB", 3 << 29),
        ("2 TB", 1 << 41),
        ("9", 9),
    ],
)
def test_a_size_may_have_units_of_1024(text: str, size: int, tmp_path: Path) -> None:
    assert one(RAW | {"peak_rss": text}, tmp_path).peak_memory == size


@pytest.mark.parametrize(
    ("column", "field"), [("realtime", "duration"), ("peak_rss", "peak_memory"), ("%cpu", "cpu")]
)
@pytest.mark.parametrize("text", ["0", "-", ""])
def test_a_zero_below_resolution_was_not_observed(
    column: str, field: str, text: str, tmp_path: Path
) -> None:
    assert getattr(one(RAW | {column: text}, tmp_path), field) is None


def test_duration_includes_the_queue_and_is_never_taken(tmp_path: Path) -> None:
    assert one(RAW | {"duration": "999999"}, tmp_path).duration == 2.5


def test_a_failed_row_keeps_what_was_not_observed_open(tmp_path: Path) -> None:
    missing = {"realtime": "-", "%cpu": "-", "peak_rss": "-", "rchar": "-", "complete": "-"}
    found = one(RAW | missing | {"status": "FAILED", "exit": "137"}, tmp_path)
    assert (found.outcome, found.exit_code) == (Outcome.FAILED, 137)
    assert (found.duration, found.cpu, found.peak_memory, found.ended) == (None, None, None, None)


def test_an_exit_code_that_was_never_found_is_open(tmp_path: Path) -> None:
    assert one(RAW | {"status": "ABORTED", "exit": "2147483647"}, tmp_path).exit_code is None


@pytest.mark.parametrize(
    "column",
    ["realtime", "duration", "%cpu", "peak_rss", "memory", "time", "cpus", "rchar", "rss", "wchar"],
)
@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("-163", "must not be negative"),
        ("-0.1", "must not be negative"),
        ("NaN", "must be finite"),
        ("inf", "must be finite"),
        ("-Infinity", "must be finite"),
        ("1e999", "must be finite"),
        ("plenty", "must be a number"),
        ("5 parsecs", "must be a number"),
    ],
)
def test_a_number_that_breaks_a_rule_is_refused_by_its_column(
    column: str, text: str, rule: str, tmp_path: Path
) -> None:
    found = refusal(TRACE, trace([RAW | {column: text}], tmp_path))
    assert (found.line, found.field, found.rule) == (2, column, rule)


@pytest.mark.parametrize("status", ["NEW", "SUBMITTED", "RUNNING", "CACHED", "DONE"])
def test_what_is_no_attempt_that_ended_in_this_run_is_refused(status: str, tmp_path: Path) -> None:
    found = refusal(TRACE, trace([RAW | {"status": status}], tmp_path))
    assert (found.field, found.value) == ("status", repr(status))


@pytest.mark.parametrize("text", ["soon", "2026-13-01 00:00:00", "9" * 30])
def test_a_time_that_is_none_is_refused(text: str, tmp_path: Path) -> None:
    assert refusal(TRACE, trace([RAW | {"start": text}], tmp_path)).field == "start"


def test_an_attempt_that_ends_before_it_starts_is_refused(tmp_path: Path) -> None:
    assert refusal(TRACE, trace([RAW | {"complete": "1767607872000"}], tmp_path)).field == "ended"


def test_local_times_are_those_of_the_sources_zone(tmp_path: Path) -> None:
    local = {"submit": "2026-07-01 12:00:00.500", "start": "-", "complete": "-"}
    found = one(RAW | local, tmp_path, "Europe/Berlin")
    assert found.submitted == datetime(2026, 7, 1, 10, 0, 0, 500000, UTC)


def test_an_attempt_across_the_hour_that_comes_twice_keeps_its_order(tmp_path: Path) -> None:
    local = {
        "submit": "2026-10-25 02:40:00", "start": "2026-10-25 02:50:00",
        "complete": "2026-10-25 02:10:00",
    }  # fmt: skip
    found = one(RAW | local, tmp_path, "Europe/Berlin")
    assert found.started == datetime(2026, 10, 25, 0, 50, tzinfo=UTC)
    assert found.ended == datetime(2026, 10, 25, 1, 10, tzinfo=UTC)


def test_the_default_layout_has_its_kind_in_the_name(tmp_path: Path) -> None:
    row = {
        "task_id": "7", "hash": "ab/12cd34", "native_id": "4711", "name": "ALIGN (s1 (x))",
        "status": "COMPLETED", "exit": "0", "submit": "2026-01-05 10:11:12.345",
        "duration": "6.1s", "realtime": "912ms", "%cpu": "97.5%", "peak_rss": "4.2 MB",
        "peak_vmem": "8.0 MB", "rchar": "1.1 MB", "wchar": "0",
    }  # fmt: skip
    path = trace([row], tmp_path)
    assert TRACE.recognises(path, path.read_text(encoding="utf-8"))
    found = one(row, tmp_path)
    assert (found.kind, found.duration, found.worker) == ("ALIGN", 0.912, None)


def test_two_tasks_with_one_name_stay_apart(tmp_path: Path) -> None:
    rows = [RAW, RAW | {"task_id": "8", "hash": "00/000001"}]
    assert len({each.task for each in taken(TRACE, trace(rows, tmp_path))}) == 2


def test_a_trace_of_a_run_that_began_nothing_has_nothing_to_take(tmp_path: Path) -> None:
    path = tmp_path / "trace.txt"
    path.write_text("\t".join(RAW) + "\n", encoding="utf-8")
    with pytest.raises(UnreadableLog, match="no rows below it"):
        list(TRACE.read(source(path)))


def test_a_quote_in_a_trace_is_a_letter(tmp_path: Path) -> None:
    assert one(RAW | {"process": '"LEFT"'}, tmp_path).kind == '"LEFT"'
