"""In whose charge a run is, how far it had come, and what happens in one step of it."""

from dataclasses import dataclass

from scheduler.execution.events import AttemptStarted, Event
from scheduler.planning.problem import Problem
from scheduler.planning.schedule import Schedule


@dataclass(frozen=True)
class Answer:
    """Another schedule to follow, the problem that it solves, and the story for people.

    The fields after the schedule are those of `PlanChanged`.
    """

    problem: Problem
    schedule: Schedule
    reasons: tuple[str, ...] = ()
    moved: int = 0
    changes: tuple[str, ...] = ()
    before: float = 0.0
    ends: float = 0.0


@dataclass(frozen=True)
class Charge:
    """The run that is carried out, and what has happened in it so far.

    `token` is a name that no other run of any store has; empty where nobody keeps the run. `epoch`
    is in which epoch of the run's lease attempts begin. `since` is how many seconds ago the run
    began. `history` holds what has happened, in order; a change of plan is there as its answer.
    """

    token: str = ""
    epoch: int = 0
    since: float = 0.0
    history: tuple[Event | Answer, ...] = ()


NEW = Charge()


@dataclass(frozen=True)
class Step:
    """What happened between two moments at which a run is kept.

    Attempts of which it says that they started begin once the next step is asked for: whoever
    keeps the run does so before. `plan` is what is followed from here on, where that has changed.
    """

    events: tuple[Event, ...]
    plan: Answer | None = None

    @property
    def starts(self) -> tuple[AttemptStarted, ...]:
        """The attempts that are about to begin."""
        return tuple(each for each in self.events if isinstance(each, AttemptStarted))
