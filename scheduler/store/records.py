"""Observed attempts, refused lines, and the files that they came from."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection, RowMapping
from sqlmodel import SQLModel

from scheduler.logs.base import Refused
from scheduler.records import Outcome, TaskRecord
from scheduler.store.base import Part
from scheduler.store.tables import RecordRow
from scheduler.store.values import Ingest, KindSummary, Quarantined

RECORD = SQLModel.metadata.tables["record"]
QUARANTINE = SQLModel.metadata.tables["quarantine"]
INGEST = SQLModel.metadata.tables["ingest"]
SOURCE = SQLModel.metadata.tables["source"]
TRUSTED, ON_HOLD = "trusted", "on hold"
_FIELDS = tuple(name for name in RecordRow.model_fields if name not in ("id", "key", "source"))


class RecordRows(Part):
    """The part of the store that keeps what logs said."""

    def add_records(self, keyed: Sequence[tuple[str, TaskRecord]], source: str) -> int:
        """Keeps records under their content keys; returns how many were new."""
        return self._insert_new(RECORD, _record_rows(keyed, source))

    def known_keys(self, keys: Sequence[str]) -> frozenset[str]:
        """Those of the keys under which a record is kept."""
        found: set[str] = set()
        with self._reading() as connection:
            for first in range(0, len(keys), 500):
                some = RECORD.c.key.in_(keys[first : first + 500])
                found.update(connection.execute(sa.select(RECORD.c.key).where(some)).scalars())
        return frozenset(found)

    def quarantine(self, refused: Sequence[Refused], source: str, *, at: datetime) -> int:
        """Keeps refused lines; returns how many were new. The same line is kept once."""
        return self._insert_new(QUARANTINE, _refused_rows(refused, source, at))

    def note_ingest(
        self,
        *,
        file: str,
        format: str,
        read: int,
        accepted: int,
        duplicates: int,
        quarantined: int,
        at: datetime,
        run: str = "",
        header: str = "",
    ) -> None:
        """Notes what became of the lines of one file, and what its lines are read with."""
        row = {
            "file": file,
            "format": format,
            "read": read,
            "accepted": accepted,
            "duplicates": duplicates,
            "quarantined": quarantined,
            "at": at,
            "run": run,
            "header": header,
        }
        with self._writing() as connection:
            connection.execute(INGEST.insert(), row)

    def newest_record(self) -> int:
        """The number of the record that arrived last; 0 where there is none."""
        with self._reading() as connection:
            return connection.execute(sa.select(sa.func.max(RECORD.c.id))).scalar() or 0

    def records(
        self,
        *,
        kind: str | None = None,
        run: str | None = None,
        through: int | None = None,
        trusted: bool = False,
    ) -> Iterator[TaskRecord]:
        """Every record, oldest first; those without a time come in the order they arrived.

        With `through` only those that had arrived when that one was the newest; with `trusted`
        without those of sources that are on hold.
        """
        query = sa.select(RECORD).order_by(
            sa.func.coalesce(RECORD.c.ended, RECORD.c.started), RECORD.c.id
        )
        if kind is not None:
            query = query.where(RECORD.c.kind == kind)
        if run is not None:
            query = query.where(RECORD.c.run == run)
        if through is not None:
            query = query.where(RECORD.c.id <= through)
        if trusted:
            query = query.where(_trusted())
        with self._reading() as connection:
            for row in connection.execution_options(yield_per=5000).execute(query).mappings():
                yield record_of(row)

    def record_count(self, *, through: int | None = None, trusted: bool = False) -> int:
        """How many attempts are known; `through` and `trusted` as in `records`."""
        query = sa.select(sa.func.count()).select_from(RECORD)
        if through is not None:
            query = query.where(RECORD.c.id <= through)
        if trusted:
            query = query.where(_trusted())
        with self._reading() as connection:
            return connection.execute(query).scalar_one()

    def kinds(self) -> tuple[KindSummary, ...]:
        """Each kind on each worker, summed up by the database."""
        good = sa.case((RECORD.c.outcome == Outcome.SUCCEEDED.value, 1), else_=0)

        def mean(column: Any) -> Any:
            return sa.func.avg(sa.case((good == 1, column)))

        query = (
            sa.select(
                RECORD.c.kind,
                RECORD.c.worker,
                sa.func.count(),
                sa.func.sum(good),
                mean(RECORD.c.duration),
                mean(RECORD.c.peak_memory),
                mean(RECORD.c.cpu),
            )
            .group_by(RECORD.c.kind, RECORD.c.worker)
            .order_by(RECORD.c.kind, RECORD.c.worker)
        )
        with self._reading() as connection:
            return tuple(KindSummary(*row) for row in connection.execute(query))

    def quarantined(
        self, *, state: str | None = None, limit: int = 1000, offset: int = 0
    ) -> tuple[Quarantined, ...]:
        """Refused lines, newest first: all, or those that are open, mended or put aside."""
        query = sa.select(QUARANTINE).order_by(QUARANTINE.c.id.desc()).limit(limit).offset(offset)
        if state is not None:
            query = query.where(QUARANTINE.c.state == state)
        with self._reading() as connection:
            return tuple(quarantined_of(row) for row in connection.execute(query).mappings())

    def quarantine_count(self, *, state: str | None = None) -> int:
        """How many refused lines are kept: all, or those in this state."""
        query = sa.select(sa.func.count()).select_from(QUARANTINE)
        if state is not None:
            query = query.where(QUARANTINE.c.state == state)
        with self._reading() as connection:
            return connection.execute(query).scalar_one()

    def ingests(self, *, limit: int = 200) -> tuple[Ingest, ...]:
        """The files that were read, newest first."""
        names = [each.name for each in fields(Ingest)]
        query = (
            sa.select(*(INGEST.c[name] for name in names)).order_by(INGEST.c.id.desc()).limit(limit)
        )
        with self._reading() as connection:
            return tuple(Ingest(*row) for row in connection.execute(query))

    def _insert_new(self, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> int:
        with self._writing() as connection:
            return _insert(connection, table, rows)


def add_observed(
    connection: Connection,
    source: str,
    *,
    records: Sequence[TaskRecord],
    refused: Sequence[Refused],
    at: datetime,
) -> None:
    """Keeps what attempts of a run were observed to take, in a transaction that keeps more."""
    keyed = [(each.key(), each) for each in records]
    _insert(connection, RECORD, _record_rows(keyed, source))
    _insert(connection, QUARANTINE, _refused_rows(refused, source, at))


def add_record(connection: Connection, keyed: tuple[str, TaskRecord], source: str) -> bool:
    """Keeps one record, in a transaction that keeps more; whether it is new."""
    return bool(_insert(connection, RECORD, _record_rows([keyed], source)))


def _insert(connection: Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> int:
    if not rows:
        return 0
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    query = dialect.insert(table).on_conflict_do_nothing().returning(table.c.id)
    return len(connection.execute(query, list(rows)).all())


def _record_rows(keyed: Sequence[tuple[str, TaskRecord]], source: str) -> list[dict[str, Any]]:
    return [{"key": key, "source": source, **_as_row(record)} for key, record in keyed]


def _refused_rows(refused: Sequence[Refused], source: str, at: datetime) -> list[dict[str, Any]]:
    return [
        {
            "key": _line_key(source, each),
            "at": at,
            "file": each.file,
            "line": each.line,
            "field": each.field,
            "rule": each.rule,
            "value": each.value,
            "raw": each.raw,
            "state": "open",
        }
        for each in refused
    ]


def _trusted() -> Any:
    """Not of a source on hold."""
    held = sa.select(SOURCE.c.name).where(SOURCE.c.state == ON_HOLD)
    return RECORD.c.source.not_in(held)


def _as_row(record: TaskRecord) -> dict[str, Any]:
    row = {name: getattr(record, name) for name in _FIELDS}
    return row | {
        "outcome": record.outcome.value,
        "sizes": dict(record.sizes),
        "measured": dict(record.measured),
        "predecessors": list(record.predecessors),
    }


def record_of(row: RowMapping) -> TaskRecord:
    """The record in a row."""
    values = {name: row[name] for name in _FIELDS}
    values |= {"outcome": Outcome(row["outcome"]), "predecessors": tuple(row["predecessors"])}
    return TaskRecord(**values)


def quarantined_of(row: RowMapping) -> Quarantined:
    """The refused line in a row."""
    refused = Refused(row["file"], row["line"], row["field"], row["rule"], row["value"], row["raw"])
    return Quarantined(row["id"], refused, row["at"], row["state"])


def _line_key(source: str, refused: Refused) -> str:
    text = "\n".join(
        (source, refused.file, str(refused.line), refused.field, refused.rule, refused.raw)
    )
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
