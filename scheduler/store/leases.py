"""Leases: who is in charge of what, and since which epoch."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection
from sqlmodel import SQLModel

import scheduler.store.tables  # noqa: F401  fills the metadata
from scheduler.errors import StaleEpoch, StoreAway
from scheduler.store.base import Part

LEASE = SQLModel.metadata.tables["lease"]
LONGEST = 10.0  # seconds that a client may be silent while it has a lease locked


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
        holder has given another sign of life. `seen` is None where there was no such lease. Raises
        StoreAway where somebody has it locked: after a look one may try again.
        """
        taken = Lease(name, holder, 1 if seen is None else seen.epoch + 1, 0, at)
        try:
            with self._writing() as connection:
                bound(connection)
                return taken if _take(connection, taken, seen) else None
        except StoreAway as error:
            raise StoreAway(
                f"The lease {name!r} could not be taken; try again in a while. {error}"
            ) from error

    def beat_lease(self, lease: Lease, *, at: datetime) -> None:
        """A sign of life of the holder; raises StaleEpoch once somebody else has the lease."""
        with self._writing() as connection:
            demand(connection, lease, at)

    def free_lease(self, lease: Lease, *, at: datetime) -> None:
        """Gives a lease back; raises StaleEpoch once somebody else has it."""
        with self._writing() as connection:
            demand(connection, lease, at, holder="")


def _take(connection: Connection, taken: Lease, seen: Lease | None) -> bool:
    if seen is None:
        dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
        new = dialect.insert(LEASE).on_conflict_do_nothing().returning(LEASE.c.epoch)
        return connection.execute(new.values(vars(taken))).scalar() is not None
    same = (LEASE.c.epoch == seen.epoch) & (LEASE.c.beats == seen.beats)
    query = LEASE.update().where((LEASE.c.name == taken.name) & same).values(vars(taken))
    return bool(connection.execute(query).rowcount)


def demand(
    connection: Connection, lease: Lease, at: datetime, *, holder: str | None = None
) -> None:
    """Refuses to write in a transaction whose lease somebody else has: raises StaleEpoch.

    Until the transaction is over nobody can take the lease; so what it writes was written in its
    epoch. It is a sign of life too. With `holder` the lease is given on.
    """
    bound(connection)
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


def bound(connection: Connection) -> None:
    """Bounds how long a transaction waits for locks, and how long it holds some in silence.

    Whoever writes for a lease has its row locked. PostgreSQL cannot tell a client that was frozen
    or cut off from one that takes its time, and would keep the lock for hours: after `LONGEST`
    seconds of silence it ends that client's session, whose transaction has then not been.
    """
    if connection.dialect.name == "postgresql":
        most = f"{LONGEST:g}s"
        connection.execute(
            sa.select(
                sa.func.set_config("lock_timeout", most, True),
                sa.func.set_config("idle_in_transaction_session_timeout", most, True),
            )
        )
