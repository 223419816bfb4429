"""What was decided before it begins, kept with what has happened: all of a step, or nothing."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection
from sqlmodel import SQLModel

from scheduler.cluster import Allocation
from scheduler.errors import StoreError
from scheduler.execution.events import (
    AttemptEnded,
    AttemptStarted,
    AttemptUnknown,
    Decision,
    Event,
    TaskDecided,
)
from scheduler.logs.base import Refused
from scheduler.records import TaskRecord
from scheduler.store.base import Part
from scheduler.store.leases import Lease, demand
from scheduler.store.plans import NewPlan, add_plan
from scheduler.store.questions import add_question
from scheduler.store.records import add_observed
from scheduler.store.runs import RUN, add_events

INTENT = SQLModel.metadata.tables["intent"]
OPEN, ENDED, UNKNOWN, DECIDED = "open", "ended", "unknown", "decided"
_AFTER = {AttemptEnded: ENDED, AttemptUnknown: UNKNOWN, TaskDecided: DECIDED}
_KEY = ("run_id", "task", "attempt")
_VALUES = ("epoch", "worker", "cores", "memory", "at", "time", "state")


@dataclass(frozen=True)
class Intent:
    """An attempt that somebody in charge had decided on before anything of it began.

    `state` is open, ended, unknown, or decided by people.
    """

    task: str
    attempt: int
    epoch: int
    worker: str
    allocation: Allocation
    at: float
    state: str


@dataclass(frozen=True)
class Kept:
    """What is kept of a run at one time: events in order, and what belongs to them.

    `plans` are those of the events that changed the plan, one each, in order. Of the steps that
    have a `number` each is kept once, however often it is tried: they count from 1 on.
    """

    events: Sequence[Event]
    plans: Sequence[NewPlan] = ()
    records: Sequence[TaskRecord] = ()
    refused: Sequence[Refused] = ()
    number: int | None = None


class IntentRows(Part):
    """The part of the store that keeps a run while it goes on."""

    def keep(self, run: int, kept: Kept, *, lease: Lease, at: datetime) -> None:
        """Keeps what happened and what is about to begin, in one transaction.

        Raises StaleEpoch, and keeps nothing, where somebody else has taken the run over. After
        StoreAway nobody knows whether it was kept: to be tried again with the same number.
        """
        with self._writing() as connection:
            demand(connection, lease, at)
            if not _is_next(connection, run, kept.number, at):
                return
            add_events(connection, run, kept.events, at=at)
            _note_intents(connection, run, kept.events)
            for plan in kept.plans:
                add_plan(connection, run, plan)
            add_observed(
                connection, f"run {run}", records=kept.records, refused=kept.refused, at=at
            )
            for each in kept.events:
                if isinstance(each, AttemptUnknown):
                    _ask(connection, run, each, at)

    def intents(self, run: int, *, state: str | None = None) -> tuple[Intent, ...]:
        """What was decided on in a run, in order of the time."""
        query = sa.select(INTENT).where(INTENT.c.run_id == run).order_by(INTENT.c.at, INTENT.c.task)
        if state is not None:
            query = query.where(INTENT.c.state == state)
        with self._reading() as connection:
            return tuple(
                Intent(
                    row["task"],
                    row["attempt"],
                    row["epoch"],
                    row["worker"],
                    Allocation(row["cores"], row["memory"]),
                    row["at"],
                    row["state"],
                )
                for row in connection.execute(query).mappings()
            )


def _is_next(connection: Connection, run: int, number: int | None, at: datetime) -> bool:
    """Counts a step; False where just this one is kept already.

    Whoever demands the lease waits for all that was begun in its epoch: what is not kept now never
    will be.
    """
    same, values = RUN.c.id == run, {"heartbeat": at}
    if number is None:
        connection.execute(RUN.update().where(same).values(values))
        return True
    counted = RUN.update().where(same, RUN.c.steps == number - 1).values(values | {"steps": number})
    if connection.execute(counted).rowcount:
        return True
    found = connection.execute(sa.select(RUN.c.steps).where(same)).scalar_one()
    if found != number:
        raise StoreError(f"Step {number} of run {run} cannot follow step {found}; resume the run.")
    return False


def _note_intents(connection: Connection, run: int, events: Iterable[Event]) -> None:
    """New intents, and new states of old ones; those that end at once are written once."""
    fresh: dict[tuple[str, int], dict[str, Any]] = {}
    later: dict[tuple[str, int], dict[str, Any]] = {}
    for each in events:
        if isinstance(each, AttemptStarted):
            fresh[each.task, each.attempt] = _row(run, each)
        elif isinstance(each, AttemptEnded | AttemptUnknown | TaskDecided):
            where, state = (each.task, each.attempt), _AFTER[type(each)]
            if where in fresh:
                fresh[where]["state"] = state
            else:
                later[where] = {"t": each.task, "a": each.attempt, "s": state}
    if fresh:
        connection.execute(_upsert(connection), list(fresh.values()))
    if later:
        same = (INTENT.c.run_id == run) & (INTENT.c.task == sa.bindparam("t"))
        same &= INTENT.c.attempt == sa.bindparam("a")
        changed = INTENT.update().where(same).values(state=sa.bindparam("s"))
        connection.execute(changed, list(later.values()))


def _upsert(connection: Connection) -> Any:
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    query = dialect.insert(INTENT)
    again = {name: query.excluded[name] for name in _VALUES}
    return query.on_conflict_do_update(index_elements=_KEY, set_=again)


def _row(run: int, event: AttemptStarted) -> dict[str, Any]:
    return {
        "run_id": run,
        "task": event.task,
        "attempt": event.attempt,
        "epoch": event.epoch,
        "worker": event.worker,
        "cores": event.allocation.cores,
        "memory": event.allocation.memory,
        "at": event.at,
        "time": event.time,
        "state": OPEN,
    }


def _ask(connection: Connection, run: int, event: AttemptUnknown, at: datetime) -> None:
    add_question(
        connection,
        "unknown",
        event.task,
        run=run,
        answers=[each.value for each in Decision],
        reasons=[
            f"What became of attempt {event.attempt} of {event.task!r} on {event.worker!r} cannot "
            f"be found out: {event.why}."
        ],
        details={"attempt": event.attempt, "worker": event.worker},
        at=at,
    )
