"""How far what is kept has come, cheaply enough to be asked for every moment."""

from collections.abc import Callable, Mapping
from typing import Any

import sqlalchemy as sa
from sqlmodel import SQLModel

import scheduler.store.tables  # noqa: F401  fills the metadata
from scheduler.store.base import Part

_TABLES = SQLModel.metadata.tables


def _last(table: str) -> Any:
    """The number of the newest row: what is only ever added is another then."""
    return sa.select(sa.func.max(_TABLES[table].c.id)).scalar_subquery()


def _in(table: str, state: str) -> Any:
    """How many are in a state, looked up in the index of states."""
    found = sa.select(sa.func.count()).select_from(_TABLES[table])
    return found.where(_TABLES[table].c.state == state).scalar_subquery()


def _alias(name: str) -> Any:
    alias = _TABLES["alias"]
    return sa.select(alias.c.version).where(alias.c.name == name).scalar_subquery()


def _all(table: str) -> Any:
    return sa.select(sa.func.count()).select_from(_TABLES[table]).scalar_subquery()


def _epoch() -> Any:
    """The newest epoch of the newest training."""
    metric = _TABLES["metric"]
    found = sa.select(sa.func.max(metric.c.epoch))
    return found.where(metric.c.training_id == _last("training")).scalar_subquery()


def _judged() -> Any:
    return sa.select(sa.func.max(_TABLES["source"].c.at)).scalar_subquery()


PARTS: Mapping[str, Callable[[], tuple[Any, ...]]] = {
    "aliases": lambda: tuple(map(_alias, ("champion", "challenger", "previous"))),
    "audits": lambda: (_last("audit"),),
    "drafts": lambda: (_last("draft"), _all("draft")),
    "drifts": lambda: (_last("drift"), _in("drift", "open"), _in("drift", "acknowledged")),
    "events": lambda: (_last("event"),),
    "ingests": lambda: (_last("ingest"),),
    "metrics": lambda: (_epoch(),),
    "networks": lambda: (_all("version"),),
    "promotions": lambda: (_last("promotion"),),
    "questions": lambda: (_last("question"), _in("question", "open")),
    "records": lambda: (_last("record"),),
    "refused": lambda: (_last("quarantine"),),
    "requests": lambda: (_last("request"), _in("request", "open")),
    "runs": lambda: (_last("run"), _in("run", "running"), _in("run", "waiting")),
    "sources": lambda: (_all("source"), _judged()),
    "trainings": lambda: (_last("training"), _in("training", "running")),
}


class MarkRows(Part):
    """The part of the store that says whether anything is new."""

    def mark(self, *parts: str) -> tuple[object, ...]:
        """How far these PARTS are: another answer as soon as anything of them has changed.

        It is looked up in one query, at the ends of indexes and in small tables; what people do
        to rows that are there already shows in `audits`.
        """
        query = sa.select(*(each for part in parts for each in PARTS[part]()))
        with self._reading() as connection:
            return tuple(connection.execute(query).one())
