"""Nextflow traces: `trace.txt` and tables derived from it, with raw or with human units.

Bare numbers are milliseconds and bytes, as `trace.raw = true` writes them; numbers with a unit are
as Nextflow prints them (1024 bytes to the KB). A `-` was not observed, and a zero in `realtime`,
`peak_rss` or `%cpu` lies below what Nextflow could resolve, so it was not observed either.
"""

import csv
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

from scheduler.errors import InvalidRecord
from scheduler.logs.base import LogFormat, Refused, Source
from scheduler.logs.parsing import number, utc_time, whole_number
from scheduler.logs.reading import header, stem, table, take
from scheduler.records import Outcome, TaskRecord

_NAMES = frozenset({"process", "task", "name"})
_OBSERVED = frozenset({"realtime", "peak_rss", "%cpu", "native_id"})
_ENDED = {"COMPLETED": Outcome.SUCCEEDED, "FAILED": Outcome.FAILED, "ABORTED": Outcome.CANCELLED}
_NOT_ENDED = frozenset({"NEW", "SUBMITTED", "RUNNING"})
_NO_EXIT_CODE = "2147483647"  # what Nextflow writes when the exit file was never found
_KNOWN_BEFORE = (
    "numbersequences",
    "taskinputsize",
    "taskinputsizeuncompressed",
    "workflowinputsize",
    "workflowinputuncompressed",
)
_MEASURED = (
    "rchar",
    "wchar",
    "syscr",
    "syscw",
    "read_bytes",
    "write_bytes",
    "vol_ctxt",
    "inv_ctxt",
    "rss",
    "vmem",
    "peak_vmem",
)
_SECONDS = {"ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_UNITS = ("B", "KB", "MB", "GB", "TB", "PB", "EB")
_BYTES: dict[str, int] = {unit: 1024**power for power, unit in enumerate(_UNITS)}
_SPAN = re.compile(r"(\d{1,15}(?:\.\d+)?)\s*(ms|s|m|h|d)", re.ASCII)
_SIZE = re.compile(r"(\d{1,15}(?:\.\d+)?)\s*([KMGTPE]?B)", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Nextflow(LogFormat):
    """One record for each attempt that has ended. Unfinished and cached tasks are refused."""

    title = "Nextflow trace"
    headed = True

    def recognises(self, path: Path, head: str) -> bool:
        """A header that names the process and at least one thing that Nextflow observes."""
        del path
        columns = set(header(head))
        return bool(columns & _NAMES and columns & _OBSERVED) and "outcome" not in columns

    def read(self, source: Source) -> Iterator[TaskRecord | Refused]:
        """Each row as a record. Nextflow quotes nothing where tabs part the cells."""
        for row in table(source, tab_quoting=csv.QUOTE_NONE):
            if isinstance(row, Refused):
                yield row
            else:
                yield take(source, row.line, row.raw, partial(_record, row.cells, source))


def _record(cells: Mapping[str, str], source: Source) -> TaskRecord:
    given = {name: text.strip() for name, text in cells.items() if text.strip() not in ("", "-")}
    submitted, started, ended = _times(given, source.timezone)
    _seconds(given, "duration")  # includes the queue, so it is only checked
    return TaskRecord(
        run=source.run,
        workflow=given.get("workflow", stem(source.path)),
        task=_task(given),
        kind=_kind(given),
        worker=given.get("hostname", given.get("machine")),
        outcome=_outcome(given),
        attempt=whole_number("attempt", given.get("attempt", "1")),
        submitted=submitted,
        started=started,
        ended=ended,
        duration=_seconds(given, "realtime") or None,
        peak_memory=_bytes(given, "peak_rss") or None,
        cpu=_cores_in_use(given),
        requested_cores=_count(given, "cpus"),
        requested_memory=_bytes(given, "memory"),
        time_limit=_seconds(given, "time"),
        exit_code=_exit_code(given),
        sizes=_numbers(given, _KNOWN_BEFORE),
        measured=_numbers(given, _MEASURED),
    )


def _kind(given: Mapping[str, str]) -> str:
    for column in ("process", "task", "name"):
        if column in given:
            return given[column].split(" (", maxsplit=1)[0]  # without the tag
    raise InvalidRecord("process", "must be given", "")


def _task(given: Mapping[str, str]) -> str:
    """What tells one task of a run from the others: several may share a name."""
    marks = [given[column] for column in ("tag", "label", "workflowinputsize") if column in given]
    kind = _kind(given)
    name = given.get("name", f"{kind} ({', '.join(marks)})" if marks else kind)
    mark = given.get("hash", given.get("task_id"))
    return f"{name} [{mark}]" if mark else name


def _outcome(given: Mapping[str, str]) -> Outcome:
    status = given.get("status", "COMPLETED")
    if status in _NOT_ENDED:
        raise InvalidRecord("status", "must be that of an attempt that has ended", status)
    if status == "CACHED":
        rule = "must be that of an attempt of this run (the run that executed it has its record)"
        raise InvalidRecord("status", rule, status)
    if status not in _ENDED:
        raise InvalidRecord("status", f"must be one of {', '.join(_ENDED)}", status)
    return _ENDED[status]


def _times(given: Mapping[str, str], zone: ZoneInfo) -> tuple[datetime | None, ...]:
    found: list[datetime | None] = []
    latest: datetime | None = None
    for column in ("submit", "start", "complete"):
        time = _time(given, column, zone, latest)
        found.append(time)
        latest = time or latest
    return tuple(found)


def _time(
    given: Mapping[str, str], column: str, zone: ZoneInfo, not_before: datetime | None
) -> datetime | None:
    if (text := given.get(column)) is None:
        return None
    if not text.isdecimal():
        return utc_time(column, text, zone, not_before=not_before)
    try:
        return _EPOCH + timedelta(milliseconds=number(column, text))
    except OverflowError:
        raise InvalidRecord(column, "must be milliseconds since 1970", text) from None


def _seconds(given: Mapping[str, str], column: str) -> float | None:
    if (text := given.get(column)) is None:
        return None
    spans = _SPAN.findall(text)
    if spans and not _SPAN.sub("", text).strip():
        return sum(float(count) * _SECONDS[unit] for count, unit in spans)
    return number(column, text) / 1000


def _bytes(given: Mapping[str, str], column: str) -> float | None:
    if (text := given.get(column)) is None:
        return None
    if match := _SIZE.fullmatch(text):
        return round(float(match[1]) * _BYTES[match[2]])
    return number(column, text)


def _count(given: Mapping[str, str], column: str) -> float | None:
    return number(column, given[column]) if column in given else None


def _cores_in_use(given: Mapping[str, str]) -> float | None:
    """Nextflow counts a busy core as 100 %."""
    if (text := given.get("%cpu")) is None:
        return None
    return number("%cpu", text.removesuffix("%")) / 100 or None


def _exit_code(given: Mapping[str, str]) -> int | None:
    text = given.get("exit", _NO_EXIT_CODE)
    return None if text == _NO_EXIT_CODE else whole_number("exit", text)


def _numbers(given: Mapping[str, str], columns: tuple[str, ...]) -> dict[str, float]:
    found = {column: _bytes(given, column) for column in columns}
    return {column: value for column, value in found.items() if value is not None}
