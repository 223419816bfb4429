"""What operators ask of many runs at once: found, counted and summed up by the database."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import SQLModel

import scheduler.store.tables  # noqa: F401  fills the metadata
from scheduler.errors import NotFound
from scheduler.execution.events import Event
from scheduler.records import Outcome, TaskRecord
from scheduler.store.base import SILENCE, Part
from scheduler.store.records import RECORD, record_of
from scheduler.store.runs import _SUMMARY, EVENT, RUN, _event, _summary
from scheduler.store.values import RunSummary

REQUEST = SQLModel.metadata.tables["request"]
INTENT = SQLModel.metadata.tables["intent"]
QUESTION = SQLModel.metadata.tables["question"]
LOST, RUNNING = "lost", "running"


@dataclass(frozen=True)
class RunsWanted:
    """Which runs are asked for; what is empty leaves all in.

    `text` is looked for in the names of workflows and in labels, in any case (SQLite: a to z).
    `since` and `until` bound when runs started.
    """

    states: frozenset[str] = frozenset()
    workflows: frozenset[str] = frozenset()
    owners: frozenset[str] = frozenset()
    text: str = ""
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True)
class Progress:
    """How far a run is: its tasks that succeeded, those given up, tries that failed, that run."""

    succeeded: int = 0
    given_up: int = 0
    failed: int = 0
    running: int = 0
    questions: int = 0


@dataclass(frozen=True)
class Mark:
    """How far a run is: another one as soon as anything more is kept of it.

    `event` is the number of its newest event, zero where there is none.
    """

    event: int
    state: str


@dataclass(frozen=True)
class Submission:
    """A workflow that was left to the agent and that nobody has begun yet."""

    request: int
    workflow: str
    tasks: int
    owner: str
    priority: int
    at: datetime


@dataclass(frozen=True)
class Use:
    """What one attempt held of a worker, in seconds since its run began; `end` None: it runs.

    `outcome` is empty as long as it has none.
    """

    task: str
    worker: str
    start: float
    end: float | None
    cores: float
    memory: float
    outcome: str


class SummaryRows(Part):
    """The part of the store that sums up what others keep."""

    def find_runs(
        self, wanted: RunsWanted, *, now: datetime, limit: int, offset: int = 0
    ) -> tuple[RunSummary, ...]:
        """The runs that are asked for, newest first."""
        columns = [RUN.c[name] for name in (*_SUMMARY, "heartbeat")]
        query = sa.select(*columns).where(*_conditions(wanted, now)).order_by(RUN.c.id.desc())
        with self._reading() as connection:
            rows = connection.execute(query.limit(limit).offset(offset)).mappings()
            return tuple(_summary(row, now) for row in rows)

    def runs_of(self, runs: Sequence[int], *, now: datetime) -> tuple[RunSummary, ...]:
        """These runs, in this order; those that there are."""
        columns = [RUN.c[name] for name in (*_SUMMARY, "heartbeat")]
        query = sa.select(*columns).where(RUN.c.id.in_(list(runs)))
        with self._reading() as connection:
            rows = connection.execute(query).mappings()
            found = {row["id"]: _summary(row, now) for row in rows}
        return tuple(found[each] for each in runs if each in found)

    def count_runs(self, wanted: RunsWanted, *, now: datetime) -> int:
        """How many runs are asked for."""
        query = sa.select(sa.func.count()).select_from(RUN).where(*_conditions(wanted, now))
        with self._reading() as connection:
            return connection.execute(query).scalar_one()

    def run_states(self, *, now: datetime, since: datetime | None = None) -> dict[str, int]:
        """How many runs there are in each state, of those that began since."""
        silent = sa.and_(RUN.c.state == RUNNING, RUN.c.heartbeat < now - SILENCE)
        state = sa.case((silent, LOST), else_=RUN.c.state).label("state")
        query = sa.select(state, sa.func.count()).group_by(state)
        if since is not None:
            query = query.where(RUN.c.started >= since)
        with self._reading() as connection:
            return {row[0]: row[1] for row in connection.execute(query)}

    def run_workflows(self, *, limit: int = 500) -> tuple[str, ...]:
        """The names of workflows that were run, those run last first."""
        last = sa.func.max(RUN.c.id)
        query = sa.select(RUN.c.workflow).group_by(RUN.c.workflow).order_by(last.desc())
        with self._reading() as connection:
            return tuple(connection.execute(query.limit(limit)).scalars())

    def run_owners(self) -> tuple[str, ...]:
        """For whom runs are done, by name."""
        query = sa.select(RUN.c.owner).where(RUN.c.owner != "").distinct().order_by(RUN.c.owner)
        with self._reading() as connection:
            return tuple(connection.execute(query).scalars())

    def owners_of(self, runs: Collection[int]) -> dict[int, str]:
        """For whom these runs are done; those of which nobody said so are not in it."""
        query = sa.select(RUN.c.id, RUN.c.owner).where(RUN.c.id.in_(list(runs)), RUN.c.owner != "")
        with self._reading() as connection:
            return {row.id: row.owner for row in connection.execute(query)}

    def mark_of(self, run: int, task: str | None = None) -> Mark:
        """How far what is kept of a run is, cheaply enough to be asked for every moment.

        With a task, only what concerns it counts: its own events, and changes of the plan. Raises
        NotFound where there is no such run.
        """
        mine = EVENT.c.run_id == run
        if task is not None:
            mine &= sa.or_(EVENT.c.task == task, EVENT.c.type == "plan_changed")
        event = sa.select(sa.func.max(EVENT.c.id)).where(mine).scalar_subquery()
        query = sa.select(RUN.c.state, event.label("event"))
        with self._reading() as connection:
            found = connection.execute(query.where(RUN.c.id == run)).one_or_none()
        if found is None:
            raise NotFound(f"There is no run {run} in this store.")
        return Mark(found.event or 0, found.state)

    def progress_of(self, runs: Collection[int]) -> dict[int, Progress]:
        """How far runs are; each of them is in the answer."""
        outcome = EVENT.c.details["outcome"].as_string()
        good = sa.and_(EVENT.c.type == "ended", outcome == Outcome.SUCCEEDED.value)
        bad = sa.and_(EVENT.c.type == "ended", outcome != Outcome.SUCCEEDED.value)
        taken = sa.and_(
            EVENT.c.type == "decided", EVENT.c.details["decision"].as_string() == "succeeded"
        )
        sorts = ("started", "ended", "given_up", "unknown", "decided")
        query = (
            sa.select(
                EVENT.c.run_id,
                _count(sa.or_(good, taken)),
                _count(EVENT.c.type == "given_up"),
                _count(bad),
                _count(EVENT.c.type == "started") - _count(EVENT.c.type.in_(("ended", "unknown"))),
            )
            .where(EVENT.c.run_id.in_(list(runs)), EVENT.c.type.in_(sorts))
            .group_by(EVENT.c.run_id)
        )
        asked = (
            sa.select(QUESTION.c.run_id, sa.func.count())
            .where(QUESTION.c.run_id.in_(list(runs)), QUESTION.c.state == "open")
            .group_by(QUESTION.c.run_id)
        )
        with self._reading() as connection:
            rows = {row[0]: row[1:] for row in connection.execute(query)}
            questions = {row[0]: row[1] for row in connection.execute(asked)}
        sums = {each: tuple(map(int, rows.get(each, (0, 0, 0, 0)))) for each in runs}
        return {
            each: Progress(good, lost, bad, goes, questions.get(each, 0))
            for each, (good, lost, bad, goes) in sums.items()
        }

    def planned_ends(self, runs: Collection[int]) -> dict[int, float]:
        """When runs are now planned to end, in seconds since they began, where that changed."""
        mine = sa.and_(EVENT.c.run_id.in_(list(runs)), EVENT.c.type == "plan_changed")
        last = sa.select(sa.func.max(EVENT.c.id)).where(mine).group_by(EVENT.c.run_id)
        query = sa.select(EVENT.c.run_id, EVENT.c.details["ends"].as_float())
        with self._reading() as connection:
            return {row[0]: row[1] for row in connection.execute(query.where(EVENT.c.id.in_(last)))}

    def submissions(self, *, limit: int = 200) -> tuple[Submission, ...]:
        """What waits for the agent, in the order in which it takes it up."""
        asked = REQUEST.c.payload
        query = (
            sa.select(
                REQUEST.c.id,
                asked["workflow"]["name"].as_string(),
                sa.func.json_array_length(asked["workflow"]["tasks"]),
                REQUEST.c.by,
                sa.func.coalesce(asked["priority"].as_integer(), 0).label("priority"),
                REQUEST.c.at,
            )
            .where(REQUEST.c.state == "open", REQUEST.c.kind == "run")
            .order_by(sa.text("priority DESC"), REQUEST.c.id)
            .limit(limit)
        )
        with self._reading() as connection:
            return tuple(Submission(*row) for row in connection.execute(query))

    def uses_of(self, run: int) -> tuple[Use, ...]:
        """What each attempt of a run held, in order of its start."""
        sort, told = EVENT.c.type, EVENT.c.details
        begun, over = sort == "started", sort.in_(("ended", "unknown"))
        start = _one(begun, EVENT.c.at).label("start")
        query = (
            sa.select(
                EVENT.c.task,
                EVENT.c.worker,
                start,
                _one(over, EVENT.c.at),
                _one(begun, told["cores"].as_float()),
                _one(begun, told["memory"].as_float()),
                sa.func.coalesce(_one(sort == "ended", told["outcome"].as_string()), ""),
            )
            .where(EVENT.c.run_id == run, sort.in_(("started", "ended", "unknown")))
            .group_by(EVENT.c.task, EVENT.c.attempt, EVENT.c.worker)
            .having(start.is_not(None))
            .order_by(start)
        )
        with self._reading() as connection:
            return tuple(Use(*row) for row in connection.execute(query))

    def runs_since(self, since: datetime) -> tuple[tuple[int, bool], ...]:
        """The runs that were heard of since, newest first, each with whether it is over."""
        query = sa.select(RUN.c.id, RUN.c.ended).where(RUN.c.heartbeat >= since)
        with self._reading() as connection:
            rows = connection.execute(query.order_by(RUN.c.id.desc()))
            return tuple((row.id, row.ended is not None) for row in rows)

    def run_cluster(self, run: int) -> Mapping[str, Any]:
        """The document of a run's cluster, alone."""
        with self._reading() as connection:
            query = sa.select(RUN.c.cluster_document).where(RUN.c.id == run)
            found: Mapping[str, Any] = connection.execute(query).scalar_one()
        return found

    def steering_of(self, run: int) -> tuple[Event, ...]:
        """What was asked of a run, how its plan changed, and what people decided, in order."""
        sorts = EVENT.c.type.in_(("controlled", "plan_changed", "decided", "unknown"))
        query = sa.select(EVENT).where(EVENT.c.run_id == run, sorts).order_by(EVENT.c.id)
        with self._reading() as connection:
            return tuple(_event(row) for row in connection.execute(query).mappings())

    def similar_records(self, kind: str, *, limit: int = 200) -> tuple[TaskRecord, ...]:
        """The newest records of a kind, newest first."""
        query = sa.select(RECORD).where(RECORD.c.kind == kind).order_by(RECORD.c.id.desc())
        with self._reading() as connection:
            rows = connection.execute(query.limit(limit)).mappings()
            return tuple(record_of(row) for row in rows)


def _conditions(wanted: RunsWanted, now: datetime) -> list[Any]:
    found: list[Any] = []
    if wanted.states:
        found.append(sa.or_(*(_in_state(each, now) for each in sorted(wanted.states))))
    if wanted.workflows:
        found.append(RUN.c.workflow.in_(sorted(wanted.workflows)))
    if wanted.owners:
        found.append(RUN.c.owner.in_(sorted(wanted.owners)))
    if text := wanted.text.strip():
        names = (RUN.c.workflow, RUN.c.label)
        found.append(sa.or_(*(each.icontains(text, autoescape=True) for each in names)))
    if wanted.since is not None:
        found.append(RUN.c.started >= wanted.since)
    if wanted.until is not None:
        found.append(RUN.c.started < wanted.until)
    return found


def _in_state(state: str, now: datetime) -> Any:
    if state == LOST:
        return sa.and_(RUN.c.state == RUNNING, RUN.c.heartbeat < now - SILENCE)
    if state == RUNNING:
        return sa.and_(RUN.c.state == RUNNING, RUN.c.heartbeat >= now - SILENCE)
    return RUN.c.state == state


def _count(condition: Any) -> Any:
    return sa.func.sum(sa.case((condition, 1), else_=0))


def _one(condition: Any, value: Any) -> Any:
    """The value of the row of a group for which this holds."""
    return sa.func.max(sa.case((condition, value)))
