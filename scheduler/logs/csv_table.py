"""Allot's own table: one record a row, columns named as the fields of a record.

Numbers known before the start stand in columns `sizes.NAME`, those measured by the attempt in
`measured.NAME`; predecessors are a JSON list. An empty cell was not observed.
"""

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields
from functools import partial
from pathlib import Path

from scheduler.errors import InvalidRecord, UnreadableLog
from scheduler.logs.base import LogFormat, Refused, Source
from scheduler.logs.parsing import number, strict_json, utc_time, whole_number
from scheduler.logs.reading import Row, header, table, take
from scheduler.records import TaskRecord, as_plain, from_plain

_FIELDS = tuple(each.name for each in fields(TaskRecord))
_MAPPINGS = ("sizes", "measured")
_TIMES = ("submitted", "started", "ended")
_WHOLE = ("attempt", "exit_code")
_TEXTS = ("run", "task", "kind", "outcome", "worker", "workflow")
_NEEDED = ("task", "kind", "outcome")


class CsvTable(LogFormat):
    """Cells are parted by commas, semicolons or tabs. Without a run, the source's run is meant."""

    title = "Allot table (CSV or TSV)"
    headed = True

    def recognises(self, path: Path, head: str) -> bool:
        """A header with at least two of the columns that every record needs."""
        del path
        return len(set(_NEEDED) & set(header(head))) > 1

    def read(self, source: Source) -> Iterator[TaskRecord | Refused]:
        """Each row as a record."""
        checked = False
        for row in table(source):
            if isinstance(row, Refused):
                yield row
                continue
            if not checked:
                _check_columns(source.path, row.cells)
                checked = True
            yield take(source, row.line, row.raw, partial(_record, row, source))


def written(records: Sequence[TaskRecord]) -> Iterator[str]:
    """The records as lines of CSV below their header, each with its line end."""
    plain = [as_plain(each) for each in records]
    used = {name for each in plain for name in each} - set(_MAPPINGS)
    columns = [name for name in _FIELDS if name in used]
    columns += sorted(
        {f"{name}.{key}" for each in plain for name in _MAPPINGS for key in _keys(each, name)}
    )
    yield _line(columns)
    for each in plain:
        yield _line([_cell(each, column) for column in columns])


def _record(row: Row, source: Source) -> TaskRecord:
    given = {column: text for column, text in row.cells.items() if text != ""}
    values: dict[str, object] = {"run": source.run}
    values |= {name: _value(name, text, source) for name, text in given.items() if name in _FIELDS}
    for mapping in _MAPPINGS:
        start = f"{mapping}."
        columns = [column for column in given if column.startswith(start)]
        values[mapping] = {each.removeprefix(start): number(each, given[each]) for each in columns}
    return from_plain(values)


def _value(name: str, text: str, source: Source) -> object:
    if name in _TEXTS:
        return text
    if name in _TIMES:
        return utc_time(name, text, source.timezone)
    if name == "predecessors":
        try:
            return strict_json(text)
        except InvalidRecord:
            raise InvalidRecord(name, "must be a JSON list of task ids", text) from None
    read: Callable[[str, str], float] = whole_number if name in _WHOLE else number
    return read(name, text)


def _check_columns(path: Path, columns: Mapping[str, str]) -> None:
    if missing := [name for name in _NEEDED if name not in columns]:
        raise UnreadableLog(
            f"{path}: a table of records needs the column {', '.join(map(repr, missing))}."
        )
    for column in columns:
        name, dot, _ = column.partition(".")
        if name not in _FIELDS or (name in _MAPPINGS) != bool(dot):
            raise UnreadableLog(
                f"{path}: {column!r} is not a field of a record. Name a number known before the "
                f"start 'sizes.{column}', a measured one 'measured.{column}', or take it out."
            )


def _keys(plain: Mapping[str, object], name: str) -> list[str]:
    mapping = plain.get(name, {})
    return list(mapping) if isinstance(mapping, Mapping) else []


def _cell(plain: Mapping[str, object], column: str) -> object:
    name, dot, key = column.partition(".")
    value = plain.get(name)
    if dot and isinstance(value, Mapping):
        return value.get(key)
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list) else value


def _line(cells: Sequence[object]) -> str:
    text = io.StringIO()
    csv.writer(text).writerow(["" if cell is None else cell for cell in cells])
    return text.getvalue()
