"""The words of an explanation: what a start waits for, where else, and what would help."""

from dataclasses import dataclass
from enum import StrEnum

SAME = 1e-6  # seconds: nearer moments are one


class Cause(StrEnum):
    """What the start of a task waits for."""

    NOTHING = "nothing"  # it starts with the run
    PREDECESSOR = "predecessor"  # the bytes of `tasks` arrive just then
    CORES = "cores"  # `tasks` hold cores of the worker until then
    MEMORY = "memory"  # `tasks` hold memory of the worker until then
    POOL = "pool"  # `tasks` hold what it needs of a pool until then
    RELEASE = "release"  # it may not start before
    CLOSED = "closed"  # the worker runs nothing until then
    NOW = "now"  # it starts as soon as time allows: what is before now is over
    HAPPENED = "happened"  # it has begun already
    WORKER = "worker"  # `tasks` hold the worker until then (in a chain)
    GANG = "gang"  # all of its gang start together: `tasks` of it can start no earlier
    CHOICE = "choice"  # nothing holds it back: the plan lets it wait


@dataclass(frozen=True)
class Wait:
    """What the start waits for: the tasks that end, and the seconds their bytes then travel.

    `earliest` is when the task could start on its worker, everything else staying as planned.
    """

    cause: Cause
    tasks: tuple[str, ...]
    transfer: float
    earliest: float


@dataclass(frozen=True)
class Alternative:
    """Another worker: when the task would run there, all other placements staying; or why not.

    `later` is seconds after the planned end, below zero where the alternative would end sooner.
    Of the best few `longer` and `worse` are by how much the makespan (seconds) and the score of the
    whole plan would grow were the task held there and all the rest planned again.
    """

    worker: str
    start: float | None = None
    end: float | None = None
    later: float | None = None
    refusal: str | None = None
    longer: float | None = None
    worse: float | None = None


class Lever(StrEnum):
    """What could be otherwise, so that a task starts earlier; each by an amount."""

    ENDS = "ends"  # `of`, a task, ends so many seconds sooner
    RELEASED = "released"  # the task itself is released so many seconds sooner
    FEWER_CORES = "fewer_cores"  # the task itself needs so many cores less
    LESS_MEMORY = "less_memory"  # the task itself needs so many bytes less
    MORE_CORES = "more_cores"  # `of`, its worker, has so many cores more
    MORE_MEMORY = "more_memory"  # `of`, its worker, has so many bytes more
    MORE_POOL = "more_pool"  # there is so much more of the pool `of`
    OPEN = "open"  # `of`, its worker, has no closed windows


@dataclass(frozen=True)
class Earlier:
    """With this one thing otherwise the task could start at `start`, all others as planned."""

    lever: Lever
    of: str
    amount: float
    start: float
