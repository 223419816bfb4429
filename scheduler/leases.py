"""Holding leases, and watching those of others: whether a holder lives, told without its clock."""

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime

from scheduler.errors import AllotError
from scheduler.processes import Identity
from scheduler.store import Store
from scheduler.store.leases import Lease

PATIENCE = 15.0  # seconds without a sign of life after which a holder counts as dead
BEAT = 3.0  # seconds between two signs of life


@dataclass
class Watch:
    """Who has given no sign of life for `patience` seconds, by the clock of whoever watches.

    Clocks of two machines are never compared: only how long a lease has stood unchanged here.
    """

    patience: float = PATIENCE
    _since: dict[str, tuple[int, int, float]] = field(default_factory=dict)

    def dead(self, lease: Lease, now: float) -> bool:
        """Whether nobody holds it, its holder is gone, or has been silent for too long.

        `now` is of a clock that is never set, in seconds.
        """
        if lease.free or gone(lease.holder):
            return True
        epoch, beats, since = self._since.get(lease.name, (-1, -1, now))
        if (epoch, beats) != (lease.epoch, lease.beats):
            since = now
        self._since[lease.name] = (lease.epoch, lease.beats, since)
        return now - since >= self.patience

    def forget(self) -> None:
        """Gives everybody the whole time again, because nobody could be watched."""
        self._since.clear()


def this_holder() -> str:
    """This process, as leases name it."""
    return json.dumps(vars(Identity.here()), sort_keys=True)


def gone(holder: str) -> bool:
    """Whether the holder was a process of this machine that lives no more; else nobody knows."""
    with suppress(ValueError, KeyError, TypeError):  # not a process: only its silence tells
        identity = Identity.read(json.loads(holder))
        return identity.local and not identity.lives
    return False


def take(
    store: Store,
    name: str,
    *,
    watch: Watch,
    monotonic: Callable[[], float],
    sleep: Callable[[float], None],
    at: Callable[[], datetime],
) -> Lease:
    """Takes a lease, waiting until its holder is known to be dead where it gives no sign of life.

    Raises AllotError where the holder lives, or somebody else was faster.
    """
    seen = first = store.lease(name)
    while seen is not None and not watch.dead(seen, monotonic()):
        if first is not None and (seen.epoch, seen.beats) != (first.epoch, first.beats):
            raise AllotError(
                f"{name} is in the charge of somebody who lives ({shown(seen.holder)}); wait for "
                "its end, or stop it there."
            )
        sleep(min(1.0, watch.patience / 4))
        seen = store.lease(name)
    taken = store.take_lease(name, this_holder(), seen=seen, at=at())
    if taken is None:
        raise AllotError(f"{name} was taken over by somebody else just now.")
    return taken


def shown(holder: str) -> str:
    """A holder in words."""
    try:
        identity = Identity.read(json.loads(holder))
    except (ValueError, KeyError, TypeError):
        return holder
    return f"process {identity.pid} on {identity.host}"
