"""Allot's own JSON lines: one record a line, without what was not observed."""

import json
import re
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

from scheduler.errors import InvalidRecord
from scheduler.logs.base import LogFormat, Refused, Source
from scheduler.logs.parsing import strict_json, utc_time
from scheduler.logs.reading import checked_length, lines, take
from scheduler.records import TaskRecord, as_plain, from_plain

_OURS = re.compile(r'"(run|task|kind|outcome)"\s*:')


class JsonLines(LogFormat):
    """Fields are named as those of a record. A line without a run belongs to the source's run."""

    title = "Allot JSON lines"

    def recognises(self, path: Path, head: str) -> bool:
        """A line that looks like an object with at least two of a record's names."""
        del path
        return any(
            line.lstrip().startswith("{") and len(set(_OURS.findall(line))) > 1
            for line in head.splitlines()
        )

    def read(self, source: Source) -> Iterator[TaskRecord | Refused]:
        """Each line as a record."""
        for number, line in lines(source.path):
            if line.strip():
                yield take(source, number, line, partial(_record, line, source))


def written(records: Iterable[TaskRecord]) -> Iterator[str]:
    """The records as lines, each with its line feed."""
    for each in records:
        yield json.dumps(as_plain(each), ensure_ascii=False) + "\n"


def _record(line: str, source: Source) -> TaskRecord:
    plain = strict_json(checked_length(line))
    if not isinstance(plain, dict):
        raise InvalidRecord("line", "must be a JSON object", line[:100])
    values: dict[str, object] = {"run": source.run, **plain}
    for name in ("submitted", "started", "ended"):
        if isinstance(text := values.get(name), str):
            values[name] = utc_time(name, text, source.timezone)
    return from_plain(values)
