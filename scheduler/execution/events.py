"""What an executor may say, and what it may be told."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from scheduler.cluster import Allocation
from scheduler.records import Outcome


@dataclass(frozen=True)
class Output:
    """What an attempt wrote to one stream, masked: its beginning and its end.

    `left_out` counts the bytes between them that are not kept.
    """

    stream: str
    text: str
    left_out: int = 0


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
    outputs: tuple[Output, ...] = ()


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


class Action(StrEnum):
    """What people, or their policies, may ask of a run while it goes on."""

    CANCEL = "cancel"  # these tasks, or all; what runs of them is stopped
    PAUSE = "pause"  # nothing more begins
    RESUME = "resume"  # the run, or `worker`, goes on
    DRAIN = "drain"  # nothing more begins on `worker`
    REMOVE = "remove"  # the same, and what runs there is stopped and starts again elsewhere
    RETRY = "retry"  # these tasks were given up, and are tried again with all that waits for them
    REASSIGN = "reassign"  # these tasks run on `worker` and no other
    PRIORITY = "priority"  # these tasks, or all, have this `priority`
    WITHHOLD = "withhold"  # these tasks, or all, wait until they are allowed
    ALLOW = "allow"  # they wait no longer
    ADD = "add"  # `worker` is in the plan from now on
    CHANGE = "change"  # so are other cores or memory of `worker`


@dataclass(frozen=True)
class Controlled:
    """What was asked of the run is carried out. No `tasks` are all of them.

    `request` is the number of the request that asked for it; 0 where a policy did.
    """

    action: Action
    at: float
    time: datetime
    by: str
    reason: str
    tasks: tuple[str, ...] = ()
    worker: str = ""
    priority: int = 0
    request: int = 0


Event = (
    AttemptStarted
    | AttemptEnded
    | TaskGivenUp
    | PlanChanged
    | AttemptUnknown
    | TaskDecided
    | Controlled
)


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


@dataclass(frozen=True)
class Stop:
    """End this attempt now, whatever it does; its end is told like any other."""

    task: str
    attempt: int
    worker: str


Instruction = Start | GiveUp | Stop
