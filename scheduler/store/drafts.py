"""Plans that people tried and kept beside a run, to compare them; none of them is in force."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import SQLModel

import scheduler.store.tables  # noqa: F401  fills the metadata
from scheduler.errors import NotFound
from scheduler.store.base import Part

DRAFT = SQLModel.metadata.tables["draft"]
_COLUMNS = ("id", "name", "run", "by", "at", "change", "planner", "figures")


@dataclass(frozen=True)
class Draft:
    """A plan that somebody kept: what was to be otherwise than in its run, and what it came to.

    `change` leads to the plan again, `figures` are what was shown of it.
    """

    id: int
    name: str
    run: int
    by: str
    at: datetime
    change: Mapping[str, Any]
    planner: str
    figures: Mapping[str, Any]


class DraftRows(Part):
    """The part of the store that keeps plans to compare."""

    def keep_draft(
        self,
        name: str,
        *,
        run: int,
        change: Mapping[str, Any],
        planner: str,
        figures: Mapping[str, Any],
        by: str,
        at: datetime,
    ) -> int:
        """Keeps a plan; returns its number."""
        row = {
            "name": name,
            "run_id": run,
            "by": by,
            "at": at,
            "change": dict(change),
            "planner": planner,
            "figures": dict(figures),
        }
        with self._writing() as connection:
            return int(connection.execute(DRAFT.insert().returning(DRAFT.c.id), row).scalar_one())

    def drafts(self, *, run: int | None = None, limit: int = 200) -> tuple[Draft, ...]:
        """Plans that were kept, newest first."""
        columns = (DRAFT.c["run_id" if name == "run" else name] for name in _COLUMNS)
        query = sa.select(*columns).order_by(DRAFT.c.id.desc()).limit(limit)
        if run is not None:
            query = query.where(DRAFT.c.run_id == run)
        with self._reading() as connection:
            return tuple(Draft(*row) for row in connection.execute(query))

    def drop_draft(self, draft: int) -> None:
        """Forgets a plan; NotFound when there is none of that number."""
        with self._writing() as connection:
            found = connection.execute(DRAFT.delete().where(DRAFT.c.id == draft)).rowcount
        if not found:
            raise NotFound(f"There is no kept plan {draft} in the store.")
