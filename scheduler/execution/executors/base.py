"""The seam for executors: who carries out a schedule, and says what happens."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import datetime

from scheduler.errors import AllotError
from scheduler.execution.dispatch import Dispatch
from scheduler.execution.events import (
    AttemptEnded,
    AttemptStarted,
    Event,
    GiveUp,
    Instruction,
    Start,
    TaskGivenUp,
)
from scheduler.planning.problem import Problem
from scheduler.planning.schedule import Schedule

Replan = Callable[[Dispatch, Sequence[AttemptEnded], float], tuple[Problem, Schedule] | None]
"""Asked after attempts have ended, with the moment: another schedule and its problem, or None.

`dispatch.happened(moment)` is what `Problem.fixed` wants to know.
"""


class Session(ABC):
    """One run while it is carried out. Times are seconds since it began."""

    @abstractmethod
    def now(self) -> float:
        """Seconds since the run began."""

    @abstractmethod
    def clock(self) -> datetime:
        """The same moment by the clock, in UTC."""

    @abstractmethod
    def start(self, instruction: Start) -> None:
        """Begins an attempt; returns at once."""

    @abstractmethod
    def wait(self, until: float | None) -> Sequence[AttemptEnded]:
        """The next attempts that ended; none when `until` came first."""

    @abstractmethod
    def transfer(self, size: float, source: str, target: str) -> float:
        """Seconds that the dispatch must leave for bytes to travel between workers."""


class Executor(ABC):
    """Carries out schedules. Every executor runs the same loop; only sessions differ."""

    @property
    def records(self) -> bool:
        """Whether what it observes is news, to be recorded and learned from."""
        return True

    @abstractmethod
    def open(self, problem: Problem) -> AbstractContextManager[Session]:
        """Makes ready for one run; leaving the block ends all that still runs."""

    def run(
        self, problem: Problem, schedule: Schedule, *, replan: Replan | None = None
    ) -> Iterator[Event]:
        """Each event as it happens, until every task has succeeded or was given up.

        A task starts after its predecessors have succeeded, and succeeds at most once. `replan` may
        replace the schedule after every event; what runs goes on. Raises AllotError where nothing
        runs, and nothing that could be waited for would change that.
        """
        with self.open(problem) as session:
            dispatch = Dispatch(problem, schedule, transfer=session.transfer)
            yield from _carried_out(session, dispatch.due(session.now()))
            while not dispatch.done:
                if dispatch.stuck:
                    raise AllotError(
                        "The run cannot go on: no task runs, and none that is left can start. The "
                        "schedule keeps a rule that the run does not; plan again from here."
                    )
                news = session.wait(dispatch.wake_at(session.now()))
                for ended in news:
                    yield ended
                    yield from _carried_out(session, dispatch.handle(ended))
                if news and replan is not None and not dispatch.done:
                    answer = replan(dispatch, news, session.now())
                    if answer is not None:
                        dispatch.replace(*answer)
                yield from _carried_out(session, dispatch.due(session.now()))


def _carried_out(session: Session, instructions: Sequence[Instruction]) -> Iterator[Event]:
    for each in instructions:
        at, time = session.now(), session.clock()
        match each:
            case Start():
                session.start(each)
                yield AttemptStarted(
                    each.task, each.attempt, each.worker, at, time, each.allocation
                )
            case GiveUp():
                yield TaskGivenUp(each.task, at, time, each.reason)
