"""What is watched from day to day: the audit, what new records tell, what was seen of a kind."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import SQLModel

import scheduler.store.tables  # noqa: F401  fills the metadata
from scheduler.records import Outcome
from scheduler.store.audits import AUDIT, Audit
from scheduler.store.base import Part

RECORD = SQLModel.metadata.tables["record"]
NEWEST = 200_000  # records among which a single kind is looked for
_AUDITED = ("id", "at", "by", "action", "subject", "reason", "details")
_MEASURED = {"duration": "duration", "memory": "peak_memory", "cpu": "cpu"}


@dataclass(frozen=True)
class AuditsWanted:
    """Which audits are asked for; what is empty leaves all in.

    `subject` is the whole subject, `text` is looked for in subjects and reasons, in any case
    (SQLite: a to z). `since` and `until` bound when it was done.
    """

    by: frozenset[str] = frozenset()
    actions: frozenset[str] = frozenset()
    subject: str = ""
    text: str = ""
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True)
class Arrived:
    """What newer records say of a kind on a worker, beside what older ones said.

    `new` and `known` count attempts, `failed` those of the new that did not succeed; durations are
    means over attempts that succeeded (seconds), None without any.
    """

    kind: str
    worker: str | None
    new: int
    failed: int
    duration: float | None
    known: int
    duration_before: float | None


@dataclass(frozen=True)
class Seen:
    """One attempt as a record tells of it: when it was known, and the value that was observed."""

    at: datetime
    value: float | None
    succeeded: bool


class WatchingRows(Part):
    """The part of the store that answers those who watch it."""

    def find_audits(
        self, wanted: AuditsWanted, *, limit: int = 200, offset: int = 0
    ) -> tuple[Audit, ...]:
        """What was done, newest first."""
        columns = (AUDIT.c[name] for name in _AUDITED)
        query = sa.select(*columns).where(_wanted(wanted)).order_by(AUDIT.c.id.desc())
        with self._reading() as connection:
            rows = connection.execute(query.limit(limit).offset(offset))
            return tuple(Audit(*row) for row in rows)

    def count_audits(self, wanted: AuditsWanted) -> int:
        """How many there are of these."""
        query = sa.select(sa.func.count()).select_from(AUDIT).where(_wanted(wanted))
        with self._reading() as connection:
            return connection.execute(query).scalar_one()

    def audited(self) -> Mapping[str, tuple[str, ...]]:
        """Who did something (`by`), and what was done (`action`), each once, in order."""
        with self._reading() as connection:
            return {
                name: tuple(
                    connection.execute(
                        sa.select(AUDIT.c[name]).distinct().order_by(AUDIT.c[name])
                    ).scalars()
                )
                for name in ("by", "action")
            }

    def arrived(self, *, after: int, through: int | None = None) -> tuple[Arrived, ...]:
        """What the records after that one (by number) say, the kinds with most of them first.

        `through` is the last that counts as new. Of the older ones the newest are looked at.
        """
        new = RECORD.c.id > after
        new = new if through is None else new & (RECORD.c.id <= through)
        old = (RECORD.c.id <= after) & (RECORD.c.id > after - NEWEST)
        with self._reading() as connection:
            found = {row[:2]: row for row in connection.execute(_summed(new))}
            kinds = {kind for kind, _ in found}
            some = old & RECORD.c.kind.in_(sorted(kinds)[:500])
            before = {row[:2]: row for row in connection.execute(_summed(some))} if kinds else {}
        told = [
            Arrived(
                kind,
                worker,
                row[2],
                row[2] - row[3],
                row[4],
                before[kind, worker][2] if (kind, worker) in before else 0,
                before[kind, worker][4] if (kind, worker) in before else None,
            )
            for (kind, worker), row in found.items()
        ]
        return tuple(sorted(told, key=lambda each: (-each.new, each.kind, each.worker or "")))

    def seen(
        self, quantity: str, *, kind: str = "", worker: str = "", limit: int = 2000
    ) -> tuple[Seen, ...]:
        """The newest attempts of a kind on a worker (of all where empty), oldest first.

        `quantity` is duration, memory or cpu; of another one there are outcomes without values.
        Only attempts with a time, and among the newest records.
        """
        time = sa.func.coalesce(RECORD.c.ended, RECORD.c.started)
        column = _MEASURED.get(quantity)
        value = RECORD.c[column] if column else sa.null()
        newest = sa.select(sa.func.max(RECORD.c.id)).scalar_subquery()
        query = sa.select(RECORD.c.ended, RECORD.c.started, value, RECORD.c.outcome)
        query = query.where(time.is_not(None), RECORD.c.id > newest - NEWEST)
        for name, wanted in (("kind", kind), ("worker", worker)):
            query = query.where(RECORD.c[name] == wanted) if wanted else query
        query = query.order_by(time.desc(), RECORD.c.id.desc()).limit(limit)
        with self._reading() as connection:
            rows = connection.execute(query).all()
        return tuple(
            Seen(ended or started, found, outcome == Outcome.SUCCEEDED.value)
            for ended, started, found, outcome in reversed(rows)
        )


def _wanted(wanted: AuditsWanted) -> sa.ColumnElement[bool]:
    every: list[sa.ColumnElement[bool]] = [sa.true()]
    for name, some in (("by", wanted.by), ("action", wanted.actions)):
        every += [AUDIT.c[name].in_(sorted(some))] if some else []
    every += [AUDIT.c.subject == wanted.subject] if wanted.subject else []
    every += [AUDIT.c.at >= wanted.since] if wanted.since else []
    every += [AUDIT.c.at < wanted.until] if wanted.until else []
    if wanted.text:
        names = ("subject", "reason")
        every.append(sa.or_(*(AUDIT.c[n].icontains(wanted.text, autoescape=True) for n in names)))
    return sa.and_(*every)


def _summed(which: sa.ColumnElement[bool]) -> Any:
    good = sa.case((RECORD.c.outcome == Outcome.SUCCEEDED.value, 1), else_=0)
    mean = sa.func.avg(sa.case((good == 1, RECORD.c.duration)))
    columns = RECORD.c.kind, RECORD.c.worker
    query = sa.select(*columns, sa.func.count(), sa.func.sum(good), mean)
    return query.where(which).group_by(*columns)
