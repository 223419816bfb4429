"""Every table of the store, in one schema. Rows never leave this folder."""

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Dialect
from sqlmodel import Field, SQLModel

SQLModel.metadata.naming_convention = {
    "ix": "ix_%(column_0_label)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class UtcTime(sa.types.TypeDecorator[datetime]):
    """Aware UTC times: naive ones are refused on the way in, and none come out."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, _: Dialect) -> datetime | None:
        if value is not None and value.tzinfo is None:
            raise ValueError(f"The store keeps aware times only, found {value!r}.")
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, _: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _time(**options: Any) -> Any:
    return Field(sa_type=UtcTime, **options)


def _json() -> Any:
    return Field(sa_type=sa.JSON, default_factory=dict)


_NOTHING = sa.JSON(none_as_null=True)


class RecordRow(SQLModel, table=True):
    """One observed attempt; `key` is its content key, so nothing is kept twice."""

    __tablename__ = "record"
    id: int | None = Field(default=None, primary_key=True)
    key: str = Field(unique=True, max_length=64)
    run: str = Field(index=True)
    task: str
    kind: str = Field(index=True)
    worker: str | None = Field(default=None, index=True)
    workflow: str | None = None
    attempt: int
    outcome: str = Field(index=True)
    submitted: datetime | None = _time(default=None)
    started: datetime | None = _time(default=None)
    ended: datetime | None = _time(default=None, index=True)
    duration: float | None = None
    peak_memory: float | None = None
    cpu: float | None = None
    requested_cores: float | None = None
    requested_memory: float | None = None
    allocated_memory: float | None = None
    time_limit: float | None = None
    exit_code: int | None = Field(default=None, sa_type=sa.BigInteger)
    sizes: dict[str, Any] = _json()
    measured: dict[str, Any] = _json()
    predecessors: list[str] = Field(sa_type=sa.JSON, default_factory=list)
    source: str = Field(index=True)


class QuarantineRow(SQLModel, table=True):
    """A line that broke a rule, as found."""

    __tablename__ = "quarantine"
    id: int | None = Field(default=None, primary_key=True)
    key: str = Field(unique=True, max_length=64)
    file: str = Field(index=True)
    line: int
    field: str
    rule: str
    value: str
    raw: str
    at: datetime = _time()
    state: str = Field(default="open", index=True)


class IngestRow(SQLModel, table=True):
    """One reading of one file, and what became of its lines."""

    __tablename__ = "ingest"
    id: int | None = Field(default=None, primary_key=True)
    file: str
    format: str
    read: int
    accepted: int
    duplicates: int
    quarantined: int
    at: datetime = _time(index=True)
    run: str = ""
    header: str = ""


class RunRow(SQLModel, table=True):
    """One execution of a workflow: what was planned, with which beliefs, and how it stands."""

    __tablename__ = "run"
    __table_args__ = (
        sa.Index(
            "ix_run_token",
            "token",
            unique=True,
            sqlite_where=sa.text("token <> ''"),
            postgresql_where=sa.text("token <> ''"),
        ),
    )
    id: int | None = Field(default=None, primary_key=True)
    workflow: str = Field(index=True)
    label: str
    state: str = Field(index=True)
    planner: str
    executor: str
    predictor: str
    tasks: int
    planned_makespan: float
    lower_bound: float
    makespan: float | None = None
    started: datetime = _time(index=True)
    ended: datetime | None = _time(default=None)
    heartbeat: datetime = _time()
    message: str = ""
    workflow_document: dict[str, Any] = _json()
    cluster_document: dict[str, Any] = _json()
    objective: dict[str, Any] = _json()
    forecast: bytes
    token: str = ""
    how: dict[str, Any] = _json()
    steps: int = 0
    owner: str = Field(default="", index=True)


class PlacementRow(SQLModel, table=True):
    """One task of a run as planned."""

    __tablename__ = "placement"
    run_id: int = Field(foreign_key="run.id", primary_key=True)
    task: str = Field(primary_key=True)
    worker: str
    start: float
    end: float
    cores: float
    memory: int = Field(sa_type=sa.BigInteger)


class EventRow(SQLModel, table=True):
    """What an executor said, in the order in which it said it."""

    __tablename__ = "event"
    id: int | None = Field(default=None, primary_key=True)
    run_id: int = Field(foreign_key="run.id", index=True)
    type: str
    task: str
    attempt: int
    worker: str
    at: float
    time: datetime = _time()
    details: dict[str, Any] = _json()


class PlanRow(SQLModel, table=True):
    """A plan that took the place of another in a run: what differs from the one before.

    `number` counts the changes of a run's plan. Documents and forecast are there where they are
    others than before.
    """

    __tablename__ = "plan"
    run_id: int = Field(foreign_key="run.id", primary_key=True)
    number: int = Field(primary_key=True)
    planner: str
    lower_bound: float
    placements: list[Any] = Field(sa_type=sa.JSON, default_factory=list)
    workflow_document: dict[str, Any] | None = Field(sa_type=_NOTHING, default=None)
    cluster_document: dict[str, Any] | None = Field(sa_type=_NOTHING, default=None)
    forecast: bytes | None = None


class TrainingRow(SQLModel, table=True):
    """One training of a network."""

    __tablename__ = "training"
    id: int | None = Field(default=None, primary_key=True)
    state: str = Field(index=True)
    sharing: str
    workers: int
    settings: dict[str, Any] = _json()
    started: datetime = _time(index=True)
    ended: datetime | None = _time(default=None)
    heartbeat: datetime = _time()
    version: str | None = None
    message: str = ""


class MetricRow(SQLModel, table=True):
    """One number of one epoch of a training."""

    __tablename__ = "metric"
    training_id: int = Field(foreign_key="training.id", primary_key=True)
    epoch: int = Field(primary_key=True)
    target: str = Field(primary_key=True)
    name: str = Field(primary_key=True)
    value: float


class VersionRow(SQLModel, table=True):
    """A saved network; its files lie beside the store under its id, and must have this hash."""

    __tablename__ = "version"
    id: str = Field(primary_key=True)
    sharing: str
    created: datetime = _time(index=True)
    sha256: str = Field(max_length=64)
    training_id: int | None = Field(default=None, foreign_key="training.id")
    metrics: dict[str, Any] = _json()


class AliasRow(SQLModel, table=True):
    """Which version is champion, challenger and previous."""

    __tablename__ = "alias"
    name: str = Field(primary_key=True)
    version: str = Field(foreign_key="version.id")


class PromotionRow(SQLModel, table=True):
    """Each change of an alias: who, when and why."""

    __tablename__ = "promotion"
    id: int | None = Field(default=None, primary_key=True)
    alias: str
    version: str = Field(foreign_key="version.id")
    replaced: str | None = None
    reason: str
    by: str
    at: datetime = _time(index=True)


class RequestRow(SQLModel, table=True):
    """What a person asks of the agent or the loop, and what came of it."""

    __tablename__ = "request"
    id: int | None = Field(default=None, primary_key=True)
    kind: str
    payload: dict[str, Any] = _json()
    state: str = Field(index=True)
    by: str
    at: datetime = _time()
    handled: datetime | None = _time(default=None)
    answer: str = ""


class LeaseRow(SQLModel, table=True):
    """Who is in charge of what, and since which epoch; the holder raises `beats` while it lives."""

    __tablename__ = "lease"
    name: str = Field(primary_key=True)
    holder: str
    epoch: int
    beats: int
    at: datetime = _time()


class IntentRow(SQLModel, table=True):
    """One attempt that somebody in charge has decided on, noted before anything of it starts."""

    __tablename__ = "intent"
    run_id: int = Field(foreign_key="run.id", primary_key=True)
    task: str = Field(primary_key=True)
    attempt: int = Field(primary_key=True)
    epoch: int
    worker: str
    cores: float
    memory: int = Field(sa_type=sa.BigInteger)
    at: float
    time: datetime = _time()
    state: str = Field(index=True)


class HoldRow(SQLModel, table=True):
    """What a task that runs holds of a worker that other runs may share, or `wants` of it."""

    __tablename__ = "hold"
    run_id: int = Field(foreign_key="run.id", primary_key=True)
    task: str = Field(primary_key=True)
    cluster: str = Field(index=True)
    worker: str
    cores: float
    memory: int = Field(sa_type=sa.BigInteger)
    owner: str
    wants: bool
    since: datetime = _time()


class OutputRow(SQLModel, table=True):
    """What an attempt wrote, masked and bounded."""

    __tablename__ = "output"
    id: int | None = Field(default=None, primary_key=True)
    run_id: int = Field(foreign_key="run.id", index=True)
    task: str
    attempt: int
    stream: str
    text: str
    left_out: int = Field(sa_type=sa.BigInteger)


class QuestionRow(SQLModel, table=True):
    """What is put to people, and what they decided."""

    __tablename__ = "question"
    id: int | None = Field(default=None, primary_key=True)
    kind: str = Field(index=True)
    subject: str = Field(index=True)
    run_id: int | None = Field(default=None, foreign_key="run.id", index=True)
    reasons: list[str] = Field(sa_type=sa.JSON, default_factory=list)
    details: dict[str, Any] = _json()
    state: str = Field(index=True)
    at: datetime = _time()
    decided: datetime | None = _time(default=None)
    by: str = ""
    reason: str = ""


class AuditRow(SQLModel, table=True):
    """Who did what to what, and why."""

    __tablename__ = "audit"
    id: int | None = Field(default=None, primary_key=True)
    at: datetime = _time(index=True)
    by: str
    action: str = Field(index=True)
    subject: str = Field(index=True)
    reason: str = ""
    details: dict[str, Any] = _json()


class DriftRow(SQLModel, table=True):
    """Where observation was found to have left the forecast."""

    __tablename__ = "drift"
    id: int | None = Field(default=None, primary_key=True)
    target: str
    kind: str
    worker: str
    found: datetime = _time(index=True)
    since: datetime = _time()
    effect: float
    records: int
    evidence: float
    version: str
    state: str = Field(index=True)


class SourceRow(SQLModel, table=True):
    """Whether a source of logs is trusted or on hold, and why."""

    __tablename__ = "source"
    name: str = Field(primary_key=True)
    state: str = Field(index=True)
    reason: str
    by: str
    at: datetime = _time()


class DraftRow(SQLModel, table=True):
    """A plan that somebody tried and kept, to compare it."""

    __tablename__ = "draft"
    id: int | None = Field(default=None, primary_key=True)
    name: str
    run_id: int = Field(foreign_key="run.id", index=True)
    by: str
    at: datetime = _time()
    change: dict[str, Any] = _json()
    planner: str
    figures: dict[str, Any] = _json()
