"""Questions that are put to people, and what they decided."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping
from sqlmodel import SQLModel

import scheduler.store.tables  # noqa: F401  fills the metadata
from scheduler.errors import InvalidInput, NotFound
from scheduler.store.base import Part

QUESTION = SQLModel.metadata.tables["question"]
OPEN = "open"


@dataclass(frozen=True)
class Question:
    """What people are asked to decide. `state` is open, or the answer that was given.

    `kind` is the sort of question (`unknown`: what became of an attempt), `subject` what it is
    about, `answers` what may be answered. `by`, `reason` and `decided` are of the answer.
    """

    id: int
    kind: str
    subject: str
    run: int | None
    reasons: tuple[str, ...]
    details: Mapping[str, Any]
    state: str
    at: datetime
    decided: datetime | None
    by: str
    reason: str

    @property
    def answers(self) -> tuple[str, ...]:
        """What may be answered."""
        return tuple(self.details.get("answers", ()))


class QuestionRows(Part):
    """The part of the store that keeps what is put to people."""

    def put_question(
        self,
        kind: str,
        subject: str,
        *,
        answers: Sequence[str],
        reasons: Sequence[str],
        at: datetime,
        run: int | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> int:
        """Asks people to choose one of the answers; returns the question's number."""
        with self._writing() as connection:
            return add_question(
                connection,
                kind,
                subject,
                answers=answers,
                reasons=reasons,
                at=at,
                run=run,
                details=details,
            )

    def questions(
        self,
        *,
        state: str | None = None,
        kind: str | None = None,
        run: int | None = None,
        limit: int | None = 200,
    ) -> tuple[Question, ...]:
        """What people were asked, newest first; all of it without a limit."""
        query = sa.select(QUESTION).order_by(QUESTION.c.id.desc()).limit(limit)
        for name, value in (("state", state), ("kind", kind), ("run_id", run)):
            if value is not None:
                query = query.where(QUESTION.c[name] == value)
        with self._reading() as connection:
            return tuple(_question(row) for row in connection.execute(query).mappings())

    def question(self, number: int) -> Question:
        """One question; NotFound when there is none with this number."""
        with self._reading() as connection:
            query = sa.select(QUESTION).where(QUESTION.c.id == number)
            row = connection.execute(query).mappings().one_or_none()
        if row is None:
            raise NotFound(f"There is no question {number} in this store.")
        return _question(row)

    def decide(self, number: int, answer: str, *, by: str, reason: str, at: datetime) -> Question:
        """Answers a question, once: refuses another answer than those asked for, and a second."""
        asked = self.question(number)
        if answer not in asked.answers:
            known = ", ".join(map(repr, asked.answers))
            raise InvalidInput(f"Question {number} can be answered by {known}, found {answer!r}.")
        changed = {"state": answer, "by": by, "reason": reason, "decided": at}
        with self._writing() as connection:
            still_open = QUESTION.update().where(QUESTION.c.id == number, QUESTION.c.state == OPEN)
            first = bool(connection.execute(still_open.values(changed)).rowcount)
        found = self.question(number)
        if not first:
            told = f"{found.state!r} by {found.by}"
            raise InvalidInput(f"Question {number} was answered before: {told}.")
        return found


def add_question(
    connection: Connection,
    kind: str,
    subject: str,
    *,
    answers: Sequence[str],
    reasons: Sequence[str],
    at: datetime,
    run: int | None = None,
    details: Mapping[str, Any] | None = None,
) -> int:
    """Puts a question, in a transaction that keeps more."""
    row = {
        "kind": kind,
        "subject": subject,
        "run_id": run,
        "reasons": list(reasons),
        "details": {**(details or {}), "answers": list(answers)},
        "state": OPEN,
        "at": at,
        "by": "",
        "reason": "",
    }
    asked = QUESTION.insert().returning(QUESTION.c.id)
    return int(connection.execute(asked, row).scalar_one())


def _question(row: RowMapping) -> Question:
    return Question(
        row["id"],
        row["kind"],
        row["subject"],
        row["run_id"],
        tuple(row["reasons"]),
        row["details"],
        row["state"],
        row["at"],
        row["decided"],
        row["by"],
        row["reason"],
    )
