"""Who did what to what, and why; and the requests of people that runs take up."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlmodel import SQLModel

import scheduler.store.tables  # noqa: F401  fills the metadata
from scheduler.execution.events import Action, Controlled, Event
from scheduler.numbers import counted
from scheduler.store.base import Part
from scheduler.store.values import Request

AUDIT = SQLModel.metadata.tables["audit"]
REQUEST = SQLModel.metadata.tables["request"]
CONTROL = "control"  # the kind of requests that ask something of one run
_AUDITED = ("id", "at", "by", "action", "subject", "reason", "details")
_ASKED = ("id", "kind", "payload", "state", "by", "at", "answer")


@dataclass(frozen=True)
class Audit:
    """One thing that somebody did: `by` whom, what, to which `subject` ("run 3", "w1"), and why."""

    id: int
    at: datetime
    by: str
    action: str
    subject: str
    reason: str
    details: Mapping[str, Any]


class AuditRows(Part):
    """The part of the store that keeps who did what."""

    def audit(
        self,
        action: str,
        subject: str,
        *,
        by: str,
        at: datetime,
        reason: str = "",
        details: Mapping[str, Any] | None = None,
    ) -> int:
        """Keeps what somebody did; nothing ever changes or deletes it."""
        row = _row(action, subject, by=by, at=at, reason=reason, details=details or {})
        with self._writing() as connection:
            return int(connection.execute(AUDIT.insert().returning(AUDIT.c.id), row).scalar_one())

    def audits(
        self, *, action: str | None = None, subject: str | None = None, limit: int = 200
    ) -> tuple[Audit, ...]:
        """What was done, newest first."""
        columns = (AUDIT.c[name] for name in _AUDITED)
        query = sa.select(*columns).order_by(AUDIT.c.id.desc()).limit(limit)
        for name, value in (("action", action), ("subject", subject)):
            if value is not None:
                query = query.where(AUDIT.c[name] == value)
        with self._reading() as connection:
            return tuple(Audit(*row) for row in connection.execute(query))

    def waiting_requests(self, kind: str) -> tuple[Request, ...]:
        """The requests of a kind that nobody has taken up yet, oldest first."""
        columns = (REQUEST.c[name] for name in _ASKED)
        query = sa.select(*columns).where(REQUEST.c.state == "open", REQUEST.c.kind == kind)
        with self._reading() as connection:
            return tuple(Request(*row) for row in connection.execute(query.order_by(REQUEST.c.id)))

    def request(self, number: int) -> Request | None:
        """One request; None where there is none of that number."""
        columns = (REQUEST.c[name] for name in _ASKED)
        with self._reading() as connection:
            query = sa.select(*columns).where(REQUEST.c.id == number)
            row = connection.execute(query).one_or_none()
        return None if row is None else Request(*row)


def add_audit(
    connection: Connection,
    action: str,
    subject: str,
    *,
    by: str,
    at: datetime,
    reason: str,
    details: Mapping[str, Any],
) -> None:
    """Keeps what somebody did, in a transaction that keeps more."""
    row = _row(action, subject, by=by, at=at, reason=reason, details=details)
    connection.execute(AUDIT.insert(), row)


def settle(connection: Connection, run: int, events: Sequence[Event], *, at: datetime) -> None:
    """Answers the requests that these events carry out, and audits them, with the events."""
    for event in events:
        if not isinstance(event, Controlled):
            continue
        words = done(event)
        if event.request:
            answered = {"state": "done", "answer": words, "handled": at}
            connection.execute(
                REQUEST.update().where(REQUEST.c.id == event.request).values(answered)
            )
        details = {"tasks": list(event.tasks), "worker": event.worker, "words": words}
        row = _row(
            event.action.value,
            f"run {run}",
            by=event.by,
            at=at,
            reason=event.reason,
            details={**details, "priority": event.priority},
        )
        connection.execute(AUDIT.insert(), row)


def done(event: Controlled) -> str:
    """What was carried out, in words."""
    tasks, there = event.tasks, event.worker
    named = ", ".join(tasks[:3]) + (f" and {len(tasks) - 3} more" if len(tasks) > 3 else "")
    what = f"{counted(len(tasks), 'task')} ({named})" if tasks else "the whole run"
    sentences = {
        Action.CANCEL: f"cancelled: {what}; what runs of it is stopped",
        Action.PAUSE: "paused: nothing more begins",
        Action.RESUME: f"{there} takes tasks again" if there else "the run goes on",
        Action.DRAIN: f"{there} takes nothing more; what runs there goes on to its end",
        Action.REMOVE: f"{there} is removed; what ran there is stopped and runs elsewhere",
        Action.RETRY: f"tried again: {what if tasks else 'all that was given up'}",
        Action.REASSIGN: f"{what}: to run on {there} and no other",
        Action.PRIORITY: f"{what}: priority {event.priority}",
        Action.WITHHOLD: f"{what}: waits for people",
        Action.ALLOW: f"{what}: may start",
        Action.ADD: f"{there} is planned with from now on",
        Action.CHANGE: f"{there} is planned with the cores and memory asked for from now on",
    }
    return sentences[event.action]


def _row(
    action: str, subject: str, *, by: str, at: datetime, reason: str, details: Mapping[str, Any]
) -> dict[str, Any]:
    return {
        "action": action,
        "subject": subject,
        "by": by,
        "at": at,
        "reason": reason,
        "details": dict(details),
    }
