"""What an executor may say, and what it may be told."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from scheduler.cluster import Allocation
from scheduler.records import Outcome


@dataclass(frozen=True)
class Observation:
    """What was measured of one attempt: seconds, bytes, mean cores; None where not measured."""

    outcome: Outcome
    duration: float | None = None
    peak_memory: float | None = None
    cpu: float | None = None
    exit_code: int | None = None
    message: str = ""
    measured: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class AttemptStarted:
    """An attempt begins. `at` is seconds since the run began, `time` the clock's time (UTC).

    `epoch` says in whose charge. One that had not begun when another took the run over begins
    again under the same number, in the epoch of that one.
    """

    task: str
    attempt: int
    worker: str
    at: float
    time: datetime
    allocation: Allocation
    epoch: int = 0


@dataclass(frozen=True)
class AttemptEnded:
    """An attempt is over, well or not."""

    task: str
    attempt: int
    worker: str
    at: float
    time: datetime
    observation: Observation


@dataclass(frozen=True)
class TaskGivenUp:
    """No attempt is left, or a predecessor was given up: the task will not run."""

    task: str
    at: float
    time: datetime
    reason: str


@dataclass(frozen=True)
class PlanChanged:
    """What had not begun was planned anew: why, how many tasks moved, and in words which.

    `ends` is when the run is now planned to end, `before` when it would have without the change.
    """

    at: float
    time: datetime
    reasons: tuple[str, ...]
    moved: int
    changes: tuple[str, ...]
    before: float
    ends: float


@dataclass(frozen=True)
class AttemptUnknown:
    """Nobody can find out what became of an attempt: its task waits for people to decide."""

    task: str
    attempt: int
    worker: str
    at: float
    time: datetime
    why: str


class Decision(StrEnum):
    """What people may decide of a task of which nobody knows what became."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    AGAIN = "start again"


@dataclass(frozen=True)
class TaskDecided:
    """Somebody has decided what counts of an attempt that was unknown.

    Succeeded: what waits for the task goes on. Failed: the task is given up. Start again: it gets
    another attempt, also beyond `max_attempts`.
    """

    task: str
    attempt: int
    at: float
    time: datetime
    decision: Decision
    by: str
    reason: str


Event = AttemptStarted | AttemptEnded | TaskGivenUp | PlanChanged | AttemptUnknown | TaskDecided


@dataclass(frozen=True)
class Start:
    """Begin this attempt now; `epoch` says in whose charge."""

    task: str
    attempt: int
    worker: str
    allocation: Allocation
    epoch: int = 0


@dataclass(frozen=True)
class GiveUp:
    """This task will not run; say so."""

    task: str
    reason: str


Instruction = Start | GiveUp
