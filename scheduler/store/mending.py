"""Refused lines that people mend or put aside."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import SQLModel

import scheduler.store.tables  # noqa: F401  fills the metadata
from scheduler.errors import InvalidInput, NotFound
from scheduler.records import TaskRecord
from scheduler.store.audits import add_audit
from scheduler.store.base import Part
from scheduler.store.records import add_record, quarantined_of
from scheduler.store.values import Quarantined

QUARANTINE = SQLModel.metadata.tables["quarantine"]
INGEST = SQLModel.metadata.tables["ingest"]
OPEN, MENDED, ASIDE = "open", "mended", "aside"


@dataclass(frozen=True)
class Origin:
    """How a file was read: its format, the run that it stands for, and the header of its table."""

    format: str
    run: str
    header: str


class MendingRows(Part):
    """The part of the store that keeps what became of refused lines."""

    def refused_line(self, number: int) -> Quarantined:
        """One refused line; NotFound when there is none of that number."""
        query = sa.select(QUARANTINE).where(QUARANTINE.c.id == number)
        with self._reading() as connection:
            row = connection.execute(query).mappings().one_or_none()
        if row is None:
            raise NotFound(f"There is no refused line {number} in the store.")
        return quarantined_of(row)

    def origin(self, file: str) -> Origin | None:
        """How a file was last read; None for one that was not."""
        columns = INGEST.c.format, INGEST.c.run, INGEST.c.header
        query = sa.select(*columns).where(INGEST.c.file == file).order_by(INGEST.c.id.desc())
        with self._reading() as connection:
            row = connection.execute(query.limit(1)).one_or_none()
        return None if row is None else Origin(*row)

    def refused_by_rule(self) -> tuple[tuple[str, str, int], ...]:
        """How many open lines broke each rule of each field, the most frequent first."""
        columns = QUARANTINE.c.field, QUARANTINE.c.rule
        query = sa.select(*columns, sa.func.count()).where(QUARANTINE.c.state == OPEN)
        query = query.group_by(*columns).order_by(sa.func.count().desc(), *columns)
        with self._reading() as connection:
            return tuple((row[0], row[1], row[2]) for row in connection.execute(query))

    def mend(
        self,
        number: int,
        record: tuple[str, TaskRecord],
        *,
        text: str,
        by: str,
        reason: str,
        at: datetime,
    ) -> bool:
        """Takes a mended line in, once, as from its own file; whether its record is new.

        `record` has its content key, `text` is the line as mended. All in one transaction, with
        what was and what became of it in the audit. Raises InvalidInput for a line that is settled.
        """
        line = self.refused_line(number)
        with self._writing() as connection:
            _settle(connection, [number], MENDED)
            new = add_record(connection, record, line.refused.file)
            words = "taken in" if new else "it was known already"
            details: dict[str, Any] = {"before": line.refused.raw, "after": text, "words": words}
            details |= {"file": line.refused.file, "line": line.refused.line}
            subject = f"refused line {number}"
            add_audit(connection, "mend", subject, by=by, at=at, reason=reason, details=details)
        return new

    def put_aside(self, numbers: Collection[int], *, by: str, reason: str, at: datetime) -> None:
        """Says that refused lines need nobody any more; raises InvalidInput where one is settled.

        Then none is put aside.
        """
        with self._writing() as connection:
            _settle(connection, sorted(numbers), ASIDE)
            for each in sorted(numbers):
                subject, words = f"refused line {each}", "needs nobody any more"
                details = {"words": words}
                add_audit(
                    connection, "put aside", subject, by=by, at=at, reason=reason, details=details
                )


def _settle(connection: sa.Connection, numbers: list[int], state: str) -> None:
    for first in range(0, len(numbers), 500):
        some = numbers[first : first + 500]
        mine = QUARANTINE.c.id.in_(some) & (QUARANTINE.c.state == OPEN)
        if connection.execute(QUARANTINE.update().where(mine).values(state=state)).rowcount < len(
            some
        ):
            raise InvalidInput(
                f"Of the refused lines {', '.join(map(str, some[:5]))} one was mended or put aside "
                "already; look at what is left."
            )
