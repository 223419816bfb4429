"""Where observation left the forecast, and which sources of logs are trusted."""

import re
from collections.abc import Collection, Iterator
from datetime import datetime

import sqlalchemy as sa
from sqlmodel import SQLModel

import scheduler.store.tables  # noqa: F401  fills the metadata
from scheduler.errors import InvalidInput, NotFound
from scheduler.records import TaskRecord
from scheduler.store.audits import add_audit
from scheduler.store.base import Part
from scheduler.store.records import ON_HOLD, TRUSTED, record_of
from scheduler.store.values import Drift, LogSource

_SAID = {TRUSTED: "trust", ON_HOLD: "hold"}
DRIFT = SQLModel.metadata.tables["drift"]
SOURCE = SQLModel.metadata.tables["source"]
RECORD = SQLModel.metadata.tables["record"]
INGEST = SQLModel.metadata.tables["ingest"]
OWN = re.compile(r"run \d+")  # the source of attempts that Allot carried out itself
_DRIFT = ("target", "kind", "worker", "effect", "records", "evidence", "version", "since", "found")


class DriftRows(Part):
    """The part of the store that keeps what the loop found out about records."""

    def note_drift(self, drift: Drift) -> int:
        """Keeps a drift; returns its number."""
        row = {name: getattr(drift, name) for name in _DRIFT} | {"state": drift.state}
        with self._writing() as connection:
            return int(connection.execute(DRIFT.insert().returning(DRIFT.c.id), row).scalar_one())

    def settle_drifts(self, drifts: Collection[int], *, state: str) -> None:
        """Notes what became of drifts: learned, or acknowledged by a person.

        Raises NotFound for a number that is not known, and then changes none.
        """
        with self._writing() as connection:
            some = DRIFT.c.id.in_(list(drifts))
            known = set(connection.execute(sa.select(DRIFT.c.id).where(some)).scalars())
            if missing := sorted(set(drifts) - known):
                raise NotFound(f"There is no drift {missing[0]} in the store; see: allot drift")
            connection.execute(DRIFT.update().where(some).values(state=state))

    def drifts(self, *, state: str | None = None, limit: int = 200) -> tuple[Drift, ...]:
        """Drifts, the last found first."""
        query = sa.select(DRIFT).order_by(DRIFT.c.id.desc()).limit(limit)
        if state is not None:
            query = query.where(DRIFT.c.state == state)
        with self._reading() as connection:
            return tuple(
                Drift(**{name: row[name] for name in _DRIFT}, state=row["state"], id=row["id"])
                for row in connection.execute(query).mappings()
            )

    def sources(self) -> tuple[LogSource, ...]:
        """Where records came from, in the order in which they first did.

        The attempts of Allot's own runs are one source, without a name.
        """
        counted = (
            sa.select(RECORD.c.source, sa.func.count(), sa.func.min(RECORD.c.id))
            .group_by(RECORD.c.source)
            .order_by(sa.func.min(RECORD.c.id))
        )
        with self._reading() as connection:
            files = set(connection.execute(sa.select(INGEST.c.file).distinct()).scalars())
            said = {row["name"]: row for row in connection.execute(sa.select(SOURCE)).mappings()}
            found = connection.execute(counted).all()
        merged: dict[str, tuple[int, int]] = {}
        for source, count, first in found:
            name = "" if source not in files and OWN.fullmatch(source) else source
            known, earliest = merged.get(name, (0, first))
            merged[name] = (known + count, earliest)
        return tuple(_source(name, *each, said.get(name)) for name, each in merged.items())

    def judged_sources(self) -> dict[str, str]:
        """The states of sources on which somebody has decided."""
        query = sa.select(SOURCE.c.name, SOURCE.c.state)
        with self._reading() as connection:
            return {row.name: row.state for row in connection.execute(query)}

    def judge_source(self, name: str, *, state: str, reason: str, by: str, at: datetime) -> None:
        """Says whether a source is trusted or on hold, audited; NotFound for one without records.

        Allot's own runs cannot be judged: InvalidInput.
        """
        if not name:
            raise InvalidInput("What Allot's own runs observed is always trusted.")
        if not any(each.name == name for each in self.sources()):
            raise NotFound(f"No record came from {name!r}; `allot sources` lists where they do.")
        row = {"name": name, "state": state, "reason": reason, "by": by, "at": at}
        with self._writing() as connection:
            connection.execute(SOURCE.delete().where(SOURCE.c.name == name))
            connection.execute(SOURCE.insert(), row)
            details = {"words": f"{name} is {state}"}
            add_audit(
                connection,
                _SAID.get(state, state),
                name,
                by=by,
                at=at,
                reason=reason,
                details=details,
            )

    def sourced_records(self, *, after: int = 0) -> Iterator[tuple[int, str, TaskRecord]]:
        """Every record with its number and source, oldest first; those that arrived `after`."""
        query = (
            sa.select(RECORD)
            .where(RECORD.c.id > after)
            .order_by(sa.func.coalesce(RECORD.c.ended, RECORD.c.started), RECORD.c.id)
        )
        with self._reading() as connection:
            for row in connection.execution_options(yield_per=5000).execute(query).mappings():
                yield row["id"], row["source"], record_of(row)


def _source(name: str, count: int, first: int, row: sa.RowMapping | None) -> LogSource:
    if row is None:
        return LogSource(name, count, first)
    return LogSource(name, count, first, row["state"], row["reason"], row["by"], row["at"])
