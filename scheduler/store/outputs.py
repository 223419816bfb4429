"""What attempts have written: masked and bounded before it comes here, and searchable."""

from collections.abc import Iterable
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlmodel import SQLModel

import scheduler.store.tables  # noqa: F401  fills the metadata
from scheduler.execution.events import AttemptEnded, Event, Output
from scheduler.store.base import Part

OUTPUT = SQLModel.metadata.tables["output"]


@dataclass(frozen=True)
class AttemptOutput(Output):
    """What one attempt wrote to one stream, `stdout` or `stderr`."""

    task: str = ""
    attempt: int = 1

    def lines_with(self, text: str) -> tuple[tuple[int, str], ...]:
        """The lines that contain a text, in any case, with their numbers from one.

        Numbers are those of what is kept.
        """
        wanted = text.casefold()
        lines = enumerate(self.text.splitlines(), start=1)
        return tuple((number, line) for number, line in lines if wanted in line.casefold())


class OutputRows(Part):
    """The part of the store that keeps what attempts have written."""

    def outputs(
        self, run: int, *, task: str | None = None, text: str | None = None
    ) -> tuple[AttemptOutput, ...]:
        """What the attempts of a run have written, or those of a task, or all with this text.

        Letters count as the same in both cases where the database knows them (SQLite: a to z).
        """
        query = sa.select(OUTPUT).where(OUTPUT.c.run_id == run).order_by(OUTPUT.c.id)
        if task is not None:
            query = query.where(OUTPUT.c.task == task)
        if text:
            query = query.where(OUTPUT.c.text.icontains(text, autoescape=True))
        with self._reading() as connection:
            return tuple(
                AttemptOutput(
                    row["stream"],
                    row["text"],
                    row["left_out"],
                    task=row["task"],
                    attempt=row["attempt"],
                )
                for row in connection.execute(query).mappings()
            )


def add_outputs(connection: Connection, run: int, events: Iterable[Event]) -> None:
    """Keeps what the attempts that ended have written, in a transaction that keeps more."""
    rows = [
        {
            "run_id": run,
            "task": event.task,
            "attempt": event.attempt,
            "stream": each.stream,
            "text": each.text,
            "left_out": each.left_out,
        }
        for event in events
        if isinstance(event, AttemptEnded)
        for each in event.observation.outputs
    ]
    if rows:
        connection.execute(OUTPUT.insert(), rows)
