"""What runs hold of workers that other runs share: all of one decision, or nothing."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlmodel import SQLModel

import scheduler.store.tables  # noqa: F401  fills the metadata
from scheduler.store.base import Part
from scheduler.store.intents import INTENT, OPEN
from scheduler.store.leases import LEASE, Lease, demand
from scheduler.store.runs import LEASE_OF_RUN, RUN

HOLD = SQLModel.metadata.tables["hold"]
SIMULATED = "Simulator"  # the executor of runs that take nothing of any worker
_COLUMNS = ("run_id", "task", "worker", "cores", "memory", "owner", "wants", "since")


@dataclass(frozen=True)
class Hold:
    """What a task holds of a worker since when, or `wants` of it and does not get yet."""

    run: int
    task: str
    worker: str
    cores: float
    memory: int
    owner: str
    wants: bool
    since: datetime


@dataclass(frozen=True)
class Held:
    """What other runs that go on hold of a cluster, and who has each of them in charge."""

    holds: tuple[Hold, ...]
    leases: Mapping[int, Lease]


class HoldRows(Part):
    """The part of the store that keeps what runs hold of workers."""

    def neighbours(self, run: int, cluster: str) -> tuple[int, ...]:
        """The other runs that go on for real on the cluster of this name."""
        query = sa.select(RUN.c.id).where(*_beside(run, cluster)).order_by(RUN.c.id)
        with self._reading() as connection:
            return tuple(connection.execute(query).scalars())

    def held_by_others(self, run: int, cluster: str) -> Held:
        """What the neighbours of a run hold of the cluster, and want of it.

        All that they have begun counts, whether they said so or believed to be alone.
        """
        with self._reading() as connection:
            return _held(connection, run, cluster)

    def hold(
        self,
        run: int,
        cluster: str,
        decide: Callable[[Held], Collection[Hold]],
        *,
        lease: Lease,
        at: datetime,
    ) -> Collection[Hold]:
        """Has a run hold what is decided from what others hold, in place of what it held before.

        Of all who decide at one time each sees what the one before has taken. Raises StaleEpoch,
        and changes nothing, where somebody else has the run.
        """
        with self._writing() as connection:
            if connection.dialect.name == "postgresql":  # SQLite has one writer at a time anyway
                connection.execute(sa.text("LOCK TABLE hold IN SHARE ROW EXCLUSIVE MODE"))
            demand(connection, lease, at)
            mine = decide(_held(connection, run, cluster))
            connection.execute(HOLD.delete().where(HOLD.c.run_id == run))
            if mine:
                connection.execute(HOLD.insert(), [_row(cluster, each) for each in mine])
        return mine


def _held(connection: Connection, run: int, cluster: str) -> Held:
    said = sa.select(*(HOLD.c[name] for name in _COLUMNS)).join(RUN, RUN.c.id == HOLD.c.run_id)
    holds = {}
    for run_id, task, worker, cores, memory, since in connection.execute(_begun(run, cluster)):
        holds[run_id, task] = Hold(
            run_id, task, worker, cores, memory, owner="", wants=False, since=since
        )
    for row in connection.execute(said.where(*_beside(run, cluster))):
        each = Hold(*row)
        if not (each.wants and (each.run, each.task) in holds):
            holds[each.run, each.task] = each
    found = tuple(holds[each] for each in sorted(holds))
    return Held(found, _leases(connection, sorted({each.run for each in found})))


def _begun(run: int, cluster: str) -> sa.Select[Any]:
    columns = ("run_id", "task", "worker", "cores", "memory", "time")
    query = sa.select(*(INTENT.c[name] for name in columns))
    joined = query.join(RUN, RUN.c.id == INTENT.c.run_id)
    return joined.where(INTENT.c.state == OPEN, *_beside(run, cluster))


def _beside(run: int, cluster: str) -> tuple[sa.ColumnElement[bool], ...]:
    there = RUN.c.cluster_document["name"].as_string() == cluster
    real = RUN.c.executor != SIMULATED
    return RUN.c.state == "running", RUN.c.id != run, real, there


def _leases(connection: Connection, runs: Sequence[int]) -> dict[int, Lease]:
    if not runs:
        return {}
    names = {f"{LEASE_OF_RUN}{run}": run for run in runs}
    query = sa.select(LEASE).where(LEASE.c.name.in_(names))
    rows = connection.execute(query).mappings()
    return {names[row["name"]]: Lease(**row) for row in rows}


def _row(cluster: str, hold: Hold) -> dict[str, Any]:
    row = {name: getattr(hold, name) for name in _COLUMNS[1:]}
    return row | {"run_id": hold.run, "cluster": cluster}
