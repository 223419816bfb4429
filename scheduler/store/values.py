"""What the store gives back: frozen values, no rows."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from scheduler.cluster import Allocation
from scheduler.execution.events import Observation
from scheduler.logs.base import Refused


@dataclass(frozen=True)
class RunSummary:
    """One run in a line. `state` is running, succeeded, failed, interrupted or lost.

    `owner` is for whom it is done, empty where nobody said. A run that says it is running but has
    not been heard of for a while is `lost`.
    """

    id: int
    workflow: str
    label: str
    state: str
    planner: str
    executor: str
    predictor: str
    tasks: int
    planned_makespan: float
    lower_bound: float
    makespan: float | None
    started: datetime
    ended: datetime | None
    message: str
    owner: str = ""


@dataclass(frozen=True)
class Attempt:
    """One try of one task in a run, in seconds since the run began.

    `end` and `observation` are None while it runs (or when its run ended first).
    """

    task: str
    attempt: int
    worker: str
    start: float
    started: datetime
    allocation: Allocation
    end: float | None = None
    observation: Observation | None = None


@dataclass(frozen=True)
class Training:
    """One training. `state` is running, succeeded, failed, interrupted or lost."""

    id: int
    state: str
    sharing: str
    workers: int
    settings: Mapping[str, Any]
    started: datetime
    ended: datetime | None
    version: str | None
    message: str


@dataclass(frozen=True)
class Metric:
    """One number of one epoch: `target` names what is predicted, or `all`."""

    epoch: int
    target: str
    name: str
    value: float


@dataclass(frozen=True)
class ModelVersion:
    """A saved network: what it is, what it scored, and the hash its files must have."""

    id: str
    sharing: str
    created: datetime
    sha256: str
    training: int | None = None
    metrics: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Promotion:
    """One change of an alias; under the alias `refused`, that a version got none."""

    alias: str
    version: str
    replaced: str | None
    reason: str
    by: str
    at: datetime


@dataclass(frozen=True)
class Ingest:
    """One reading of one file."""

    file: str
    format: str
    read: int
    accepted: int
    duplicates: int
    quarantined: int
    at: datetime


@dataclass(frozen=True)
class Quarantined:
    """A refused line and when it was refused. `state` is open, mended or aside."""

    id: int
    refused: Refused
    at: datetime
    state: str = "open"


@dataclass(frozen=True)
class Request:
    """What a person asked for. `state` is open, done or refused."""

    id: int
    kind: str
    payload: Mapping[str, Any]
    state: str
    by: str
    at: datetime
    answer: str


@dataclass(frozen=True)
class KindSummary:
    """What is known of one kind on one worker: attempts, how they ended, and medians' stand-ins.

    `duration`, `peak_memory` and `cpu` are means over succeeded attempts; None without any.
    """

    kind: str
    worker: str | None
    attempts: int
    succeeded: int
    duration: float | None
    peak_memory: float | None
    cpu: float | None


@dataclass(frozen=True)
class Drift:
    """Observation left the forecast of `version`; an empty kind (or worker) means all of them.

    `effect` is how many times what was expected is observed (of failure: the odds), in so many
    `records`; `evidence` is a decimal logarithm. `state` is open, learned or acknowledged.
    """

    target: str
    kind: str
    worker: str
    effect: float
    records: int
    evidence: float
    version: str
    since: datetime
    found: datetime
    state: str = "open"
    id: int = 0


@dataclass(frozen=True)
class LogSource:
    """Where records came from; Allot's own runs have no name.

    `state` is trusted, on hold (its records are kept, and not learned from), or new as long as
    nobody has judged it; `first` is the number of its first record.
    """

    name: str
    records: int
    first: int
    state: str = "new"
    reason: str = ""
    by: str = ""
    at: datetime | None = None
