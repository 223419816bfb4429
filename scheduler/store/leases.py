"""Leases: who is in charge of what, and since which epoch."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection
from sqlmodel import SQLModel

import scheduler.store.tables  # noqa: F401  fills the metadata
from scheduler.errors import StaleEpoch
from scheduler.store.base import Part

LEASE = SQLModel.metadata.tables["lease"]


@dataclass(frozen=True)
class Lease:
    """One lease as it was read. `epoch` grows whenever it changes hands, `beats` while it is held.

    A free one has no holder; it is kept, so that no epoch comes twice.
    """

    name: str
    holder: str
    epoch: int
    beats: int
    at: datetime

    @property
    def free(self) -> bool:
        """Whether nobody holds it."""
        return not self.holder


class LeaseRows(Part):
    """The part of the store that keeps leases."""

    def lease(self, name: str) -> Lease | None:
        """How a lease stands; None where nobody has ever held it."""
        with self._reading() as connection:
            query = sa.select(LEASE).where(LEASE.c.name == name)
            row = connection.execute(query).mappings().one_or_none()
        return None if row is None else Lease(**row)

    def leases(self, *, start: str = "") -> tuple[Lease, ...]:
        """All leases whose names start so, in order of their names."""
        query = sa.select(LEASE).where(LEASE.c.name.startswith(start, autoescape=True))
        with self._reading() as connection:
            rows = connection.execute(query.order_by(LEASE.c.name)).mappings()
            return tuple(Lease(**row) for row in rows)

    def take_lease(
        self, name: str, holder: str, *, seen: Lease | None, at: datetime
    ) -> Lease | None:
        """Takes a lease that still stands as it was `seen`; None where it does no more.

        So of all who saw a holder dead, or a lease free, one gets it, and none does once the
        holder has given another sign of life. `seen` is None where there was no such lease.
        """
        taken = Lease(name, holder, 1 if seen is None else seen.epoch + 1, 0, at)
        with self._writing() as connection:
            if seen is None:
                dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
                new = dialect.insert(LEASE).on_conflict_do_nothing().returning(LEASE.c.epoch)
                made = connection.execute(new.values(vars(taken))).scalar()
                return None if made is None else taken
            same = (LEASE.c.epoch == seen.epoch) & (LEASE.c.beats == seen.beats)
            query = LEASE.update().where((LEASE.c.name == name) & same).values(vars(taken))
            return taken if connection.execute(query).rowcount else None

    def beat_lease(self, lease: Lease, *, at: datetime) -> None:
        """A sign of life of the holder; raises StaleEpoch once somebody else has the lease."""
        with self._writing() as connection:
            demand(connection, lease, at)

    def free_lease(self, lease: Lease, *, at: datetime) -> None:
        """Gives a lease back; raises StaleEpoch once somebody else has it."""
        with self._writing() as connection:
            demand(connection, lease, at, holder="")


def demand(
    connection: Connection, lease: Lease, at: datetime, *, holder: str | None = None
) -> None:
    """Refuses to write in a transaction whose lease somebody else has: raises StaleEpoch.

    Until the transaction is over nobody can take the lease; so what it writes was written in its
    epoch. It is a sign of life too. With `holder` the lease is given on.
    """
    changed: dict[str, Any] = {"beats": LEASE.c.beats + 1, "at": at}
    if holder is not None:
        changed["holder"] = holder
    mine = (LEASE.c.name == lease.name) & (LEASE.c.epoch == lease.epoch)
    mine &= LEASE.c.holder == lease.holder
    if not connection.execute(LEASE.update().where(mine).values(changed)).rowcount:
        raise StaleEpoch(
            f"The lease {lease.name!r} is no longer held in epoch {lease.epoch}: somebody else has "
            "taken it over. Nothing was written."
        )
