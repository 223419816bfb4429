"""Runs: what was planned with which beliefs, and what the executor said."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray
from sqlalchemy.engine import Connection, RowMapping
from sqlmodel import SQLModel

import scheduler.store.tables  # noqa: F401  fills the metadata
from scheduler.cluster import Allocation
from scheduler.errors import NotFound, StoreError
from scheduler.execution.events import (
    Action,
    AttemptEnded,
    AttemptStarted,
    AttemptUnknown,
    Controlled,
    Decision,
    Event,
    Observation,
    PlanChanged,
    TaskDecided,
    TaskGivenUp,
)
from scheduler.forecast import Forecast
from scheduler.masking import masked
from scheduler.planning.schedule import Placement, Schedule
from scheduler.records import Outcome
from scheduler.store.audits import settle
from scheduler.store.base import Part, state_now
from scheduler.store.leases import LEASE, Lease, bound, demand
from scheduler.store.outputs import add_outputs
from scheduler.store.values import Attempt, RunSummary

RUN = SQLModel.metadata.tables["run"]
PLACEMENT = SQLModel.metadata.tables["placement"]
EVENT = SQLModel.metadata.tables["event"]
LEASE_OF_RUN = "run:"
_SUMMARY = (
    "id",
    "workflow",
    "label",
    "state",
    "planner",
    "executor",
    "predictor",
    "tasks",
    "planned_makespan",
    "lower_bound",
    "makespan",
    "started",
    "ended",
    "message",
    "owner",
)


def lease_of(run: int) -> str:
    """The name of the lease of a run."""
    return f"{LEASE_OF_RUN}{run}"


class RunRows(Part):
    """The part of the store that keeps runs."""

    def begin_run(
        self,
        *,
        workflow: Mapping[str, Any],
        cluster: Mapping[str, Any],
        objective: Mapping[str, Any],
        forecast: Forecast,
        schedule: Schedule,
        executor: str,
        label: str,
        at: datetime,
        token: str = "",
        how: Mapping[str, Any] | None = None,
        holder: str = "",
        owner: str = "",
    ) -> int:
        """Notes a run before anything of it starts; `workflow` and `cluster` are documents.

        `token` is a name that no other run has, `how` what is needed to go on with it after a
        crash, `owner` for whom it is done. The `holder`, where one is named, has the run's lease
        from the first moment.
        """
        row = {
            "workflow": workflow["name"],
            "label": label,
            "state": "running",
            "planner": schedule.planner,
            "executor": executor,
            "predictor": forecast.source,
            "tasks": len(schedule.placements),
            "planned_makespan": schedule.makespan,
            "lower_bound": schedule.lower_bound,
            "started": at,
            "heartbeat": at,
            "message": "",
            "workflow_document": dict(workflow),
            "cluster_document": dict(cluster),
            "objective": dict(objective),
            "forecast": packed(forecast),
            "token": token,
            "how": dict(how or {}),
            "steps": 0,
            "owner": owner,
        }
        with self._writing() as connection:
            bound(connection)
            run = int(connection.execute(RUN.insert().returning(RUN.c.id), row).scalar_one())
            connection.execute(
                PLACEMENT.insert(), [_placement_row(run, each) for each in schedule.placements]
            )
            if holder:
                lease = {"name": lease_of(run), "holder": holder, "epoch": 1, "beats": 0, "at": at}
                connection.execute(LEASE.insert(), lease)
        return run

    def append_events(self, run: int, events: Sequence[Event], *, at: datetime) -> None:
        """Keeps what the executor said; `at` is also the run's heartbeat."""
        with self._writing() as connection:
            add_events(connection, run, events, at=at)
            connection.execute(RUN.update().where(RUN.c.id == run).values(heartbeat=at))

    def begin_again(self, run: int, *, lease: Lease, at: datetime) -> int:
        """Notes that a run goes on, in the charge of this lease's holder.

        Returns how many steps of it are kept.
        """
        goes_on = {"state": "running", "ended": None, "makespan": None, "heartbeat": at}
        with self._writing() as connection:
            demand(connection, lease, at)
            begun = RUN.update().where(RUN.c.id == run).values(goes_on).returning(RUN.c.steps)
            return int(connection.execute(begun).scalar_one())

    def beat_run(self, lease: Lease, *, at: datetime) -> None:
        """A sign of life of a run; raises StaleEpoch once somebody else has its lease."""
        run = int(lease.name.removeprefix(LEASE_OF_RUN))
        with self._writing() as connection:
            demand(connection, lease, at)
            connection.execute(RUN.update().where(RUN.c.id == run).values(heartbeat=at))

    def end_run(
        self,
        run: int,
        *,
        state: str,
        makespan: float | None,
        message: str,
        at: datetime,
        lease: Lease | None = None,
    ) -> None:
        """Notes how a run ended: succeeded, failed or interrupted; or that it waits.

        With a `lease` that is given back with it; raises StaleEpoch where it is held no more. One
        that is left `running` is for whoever takes the lease next; one that is `waiting` waits for
        people.
        """
        over = state not in ("running", "waiting")
        values = {
            "state": state,
            "makespan": makespan,
            "message": masked(message),
            "ended": at if over else None,
            "heartbeat": at,
        }
        with self._writing() as connection:
            if lease is not None:
                demand(connection, lease, at, holder="")
            connection.execute(RUN.update().where(RUN.c.id == run).values(values))

    def runs(self, *, now: datetime, limit: int | None = 200) -> tuple[RunSummary, ...]:
        """Runs, newest first."""
        query = (
            sa.select(*(RUN.c[name] for name in _SUMMARY), RUN.c.heartbeat)
            .order_by(RUN.c.id.desc())
            .limit(limit)
        )
        with self._reading() as connection:
            return tuple(_summary(row, now) for row in connection.execute(query).mappings())

    def run(self, run: int, *, now: datetime) -> RunSummary:
        """One run; NotFound when there is none with this id."""
        columns = [RUN.c[name] for name in _SUMMARY]
        return _summary(self._one(run, *columns, RUN.c.heartbeat), now)

    def run_documents(self, run: int) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
        """The documents of a run's workflow, cluster and objective."""
        row = self._one(run, RUN.c.workflow_document, RUN.c.cluster_document, RUN.c.objective)
        return row["workflow_document"], row["cluster_document"], row["objective"]

    def run_how(self, run: int) -> tuple[str, dict[str, Any]]:
        """A run's token, and what is needed to go on with it."""
        row = self._one(run, RUN.c.token, RUN.c.how)
        return row["token"], row["how"]

    def run_of(self, token: str) -> int | None:
        """The run that has this token, if there is one."""
        with self._reading() as connection:
            return connection.execute(sa.select(RUN.c.id).where(RUN.c.token == token)).scalar()

    def count_events(self, run: int, sort: str) -> int:
        """How many events of one sort (`decided`, `ended`, ...) a run has."""
        mine = (EVENT.c.run_id == run) & (EVENT.c.type == sort)
        query = sa.select(sa.func.count()).select_from(EVENT).where(mine)
        with self._reading() as connection:
            return connection.execute(query).scalar_one()

    def unfinished_runs(self) -> tuple[tuple[int, str], ...]:
        """The runs that have not ended, oldest first, with their states: running or waiting."""
        query = sa.select(RUN.c.id, RUN.c.state).where(RUN.c.state.in_(("running", "waiting")))
        with self._reading() as connection:
            return tuple(
                (row.id, row.state) for row in connection.execute(query.order_by(RUN.c.id))
            )

    def run_forecast(self, run: int) -> Forecast:
        """What was believed when the run was planned."""
        return unpacked(self._one(run, RUN.c.forecast)["forecast"])

    def run_schedule(self, run: int) -> Schedule:
        """What was planned."""
        head = self._one(run, RUN.c.planner, RUN.c.lower_bound)
        query = (
            sa.select(PLACEMENT)
            .where(PLACEMENT.c.run_id == run)
            .order_by(PLACEMENT.c.start, PLACEMENT.c.task)
        )
        with self._reading() as connection:
            rows = connection.execute(query).mappings().all()
        return Schedule(
            tuple(_placement(row) for row in rows), head["planner"], head["lower_bound"]
        )

    def run_attempts(self, run: int) -> tuple[Attempt, ...]:
        """Every attempt of a run, in order of its start."""
        attempts: dict[tuple[str, int], Attempt] = {}
        for row in self._events(run):
            where = (row["task"], row["attempt"])
            if row["type"] == "started":
                attempts[where] = _started(row)
            elif row["type"] == "ended":
                attempts[where] = _ended(attempts[where], row)
            elif row["type"] == "decided" and row["details"]["decision"] == Decision.SUCCEEDED:
                attempts[where] = _taken_as_succeeded(attempts[where], row)
        return tuple(attempts.values())

    def run_given_up(self, run: int) -> dict[str, str]:
        """The tasks of a run that will not run, with the reasons."""
        begun = (
            sa.select(EVENT.c.task, sa.func.max(EVENT.c.id).label("last"))
            .where(EVENT.c.run_id == run, EVENT.c.type == "started")
            .group_by(EVENT.c.task)
            .subquery()
        )
        query = (
            sa.select(EVENT.c.task, EVENT.c.details)
            .join(begun, begun.c.task == EVENT.c.task, isouter=True)
            .where(EVENT.c.run_id == run, EVENT.c.type == "given_up")
            .where(sa.or_(begun.c.last.is_(None), EVENT.c.id > begun.c.last))  # else tried again
            .order_by(EVENT.c.id)
        )
        with self._reading() as connection:
            rows = connection.execute(query).all()
        return {task: details["reason"] for task, details in rows}

    def run_changes(self, run: int) -> tuple[PlanChanged, ...]:
        """How the plan was changed while the run went on, in order."""
        return tuple(map(_plan_changed, self._events(run, EVENT.c.type == "plan_changed")))

    def run_events(self, run: int) -> tuple[Event, ...]:
        """All that has happened in a run, in order."""
        return tuple(_event(row) for row in self._events(run))

    def _events(self, run: int, *only: sa.ColumnElement[bool]) -> Sequence[RowMapping]:
        query = sa.select(EVENT).where(EVENT.c.run_id == run, *only).order_by(EVENT.c.id)
        with self._reading() as connection:
            return connection.execute(query).mappings().all()

    def _one(self, run: int, *columns: Any) -> RowMapping:
        with self._reading() as connection:
            row = (
                connection.execute(sa.select(*columns).where(RUN.c.id == run))
                .mappings()
                .one_or_none()
            )
        if row is None:
            raise NotFound(f"There is no run {run} in this store.")
        return row


_ARRAYS = ("duration", "memory", "cpu", "failure", "affinity")


def packed(forecast: Forecast) -> bytes:
    """A forecast as bytes: plain compressed arrays, nothing that could run on loading."""
    forecast = forecast.by_task()
    arrays: dict[str, Any] = {name: getattr(forecast, name) for name in _ARRAYS}
    if forecast.allocations is not None:
        arrays["allocations"] = forecast.allocations
    arrays |= {f"gates.{target}": gate for target, gate in forecast.gates.items()}
    arrays |= {
        name: np.array(getattr(forecast, name), dtype=str)
        for name in ("tasks", "workers", "experts")
    }
    arrays |= {"quantiles": np.array(forecast.quantiles), "source": np.array(forecast.source)}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def unpacked(data: bytes) -> Forecast:
    """The forecast that `packed` wrote."""
    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        names = {name: tuple(map(str, arrays[name])) for name in ("tasks", "workers", "experts")}
        return Forecast(
            tasks=names["tasks"],
            workers=names["workers"],
            experts=names["experts"],
            **{name: arrays[name] for name in _ARRAYS},
            quantiles=tuple(map(float, arrays["quantiles"])),
            source=str(arrays["source"]),
            allocations=_allocations(arrays["allocations"], len(names["workers"]))
            if "allocations" in arrays.files
            else None,
            gates={
                name.removeprefix("gates."): arrays[name]
                for name in arrays.files
                if name.startswith("gates.")
            },
        )


def _allocations(kept: NDArray[np.float64], workers: int) -> NDArray[np.float64]:
    """By task and worker; once they were kept by task alone."""
    return np.repeat(kept[:, None], workers, axis=1) if kept.ndim == 2 else kept


def _summary(row: RowMapping, now: datetime) -> RunSummary:
    values = {name: row[name] for name in _SUMMARY}
    return RunSummary(**values | {"state": state_now(row["state"], row["heartbeat"], now)})


def _placement_row(run: int, each: Placement) -> dict[str, Any]:
    return {
        "run_id": run,
        "task": each.task,
        "worker": each.worker,
        "start": each.start,
        "end": each.end,
        "cores": each.allocation.cores,
        "memory": each.allocation.memory,
    }


def _placement(row: RowMapping) -> Placement:
    return Placement(
        row["task"],
        row["worker"],
        row["start"],
        row["end"],
        Allocation(row["cores"], row["memory"]),
    )


def add_events(connection: Connection, run: int, events: Sequence[Event], *, at: datetime) -> None:
    """Keeps what happened, in a transaction that keeps more."""
    if events:
        connection.execute(EVENT.insert(), [_event_row(run, each) for each in events])
        add_outputs(connection, run, events)
        settle(connection, run, events, at=at)


def _event_row(run: int, event: Event) -> dict[str, Any]:
    row: dict[str, Any] = {
        "run_id": run,
        "task": "" if isinstance(event, PlanChanged | Controlled) else event.task,
        "attempt": 0,
        "worker": "",
        "at": event.at,
        "time": event.time,
    }
    match event:
        case AttemptStarted():
            return row | {
                "type": "started",
                "attempt": event.attempt,
                "worker": event.worker,
                "details": {
                    "cores": event.allocation.cores,
                    "memory": event.allocation.memory,
                    "epoch": event.epoch,
                },
            }
        case AttemptEnded():
            return row | {
                "type": "ended",
                "attempt": event.attempt,
                "worker": event.worker,
                "details": _observation_details(event.observation),
            }
        case TaskGivenUp():
            return row | {"type": "given_up", "details": {"reason": event.reason}}
        case PlanChanged():
            told = {name: getattr(event, name) for name in _TOLD}
            return row | {"type": "plan_changed", "details": told}
        case AttemptUnknown():
            return row | {
                "type": "unknown",
                "attempt": event.attempt,
                "worker": event.worker,
                "details": {"why": event.why},
            }
        case TaskDecided():
            told = {"decision": event.decision.value, "by": event.by, "reason": event.reason}
            return row | {"type": "decided", "attempt": event.attempt, "details": told}
        case Controlled():
            told = {name: getattr(event, name) for name in _ASKED}
            return row | {"type": "controlled", "worker": event.worker, "details": told}


def _observation_details(seen: Observation) -> dict[str, Any]:
    details = {name: getattr(seen, name) for name in _SEEN}
    return details | {"outcome": seen.outcome.value, "measured": dict(seen.measured)}


_ASKED = ("action", "by", "reason", "tasks", "priority", "request")
_SEEN = ("duration", "peak_memory", "cpu", "exit_code", "message")
_TOLD = ("reasons", "moved", "changes", "before", "ends")


def _plan_changed(row: RowMapping) -> PlanChanged:
    details = row["details"]
    return PlanChanged(
        at=row["at"],
        time=row["time"],
        reasons=tuple(details["reasons"]),
        moved=details["moved"],
        changes=tuple(details["changes"]),
        before=details["before"],
        ends=details["ends"],
    )


def _event(row: RowMapping) -> Event:
    where, when = (row["task"], row["attempt"], row["worker"]), (row["at"], row["time"])
    details = row["details"]
    match row["type"]:
        case "started":
            return AttemptStarted(*where, *when, _allocation(row), details.get("epoch", 0))
        case "ended":
            return AttemptEnded(*where, *when, _observation(row))
        case "unknown":
            return AttemptUnknown(*where, *when, details["why"])
        case "given_up":
            return TaskGivenUp(row["task"], *when, details["reason"])
        case "decided":
            decision = Decision(details["decision"])
            return TaskDecided(*where[:2], *when, decision, details["by"], details["reason"])
        case "plan_changed":
            return _plan_changed(row)
        case "controlled":
            action, tasks = Action(details["action"]), tuple(details["tasks"])
            by, reason = details["by"], details["reason"]
            last = (row["worker"], details["priority"], details.get("request", 0))
            return Controlled(action, *when, by, reason, tasks, *last)
    raise StoreError(f"Event {row['id']} is of a sort that this release does not know.")


def _allocation(row: RowMapping) -> Allocation:
    return Allocation(row["details"]["cores"], row["details"]["memory"])


def _observation(row: RowMapping) -> Observation:
    return Observation(**row["details"] | {"outcome": Outcome(row["details"]["outcome"])})


def _started(row: RowMapping) -> Attempt:
    return Attempt(
        row["task"],
        row["attempt"],
        row["worker"],
        row["at"],
        row["time"],
        _allocation(row),
    )


def _taken_as_succeeded(begun: Attempt, row: RowMapping) -> Attempt:
    told = f"{row['details']['by']} decided so: {row['details']['reason']}"
    return replace(begun, end=row["at"], observation=Observation(Outcome.SUCCEEDED, message=told))


def _ended(begun: Attempt, row: RowMapping) -> Attempt:
    return Attempt(
        begun.task,
        begun.attempt,
        begun.worker,
        begun.start,
        begun.started,
        begun.allocation,
        row["at"],
        _observation(row),
    )
