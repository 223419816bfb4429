"""The seam for executors: who carries out a schedule, and says what happens."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime

from scheduler.errors import AllotError
from scheduler.execution.dispatch import Dispatch
from scheduler.execution.events import (
    AttemptEnded,
    AttemptStarted,
    Event,
    GiveUp,
    Instruction,
    PlanChanged,
    Start,
    TaskGivenUp,
)
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


class Replan(ABC):
    """Asked while one run goes on whether to follow another schedule."""

    @abstractmethod
    def after(
        self, dispatch: Dispatch, news: Sequence[AttemptEnded], missing: frozenset[str], now: float
    ) -> Answer | None:
        """Another schedule after these attempts have ended, with these workers missing, or None.

        `dispatch.happened(now)` is what `Problem.fixed` wants to know. The problem may have other
        workers or more tasks than before.
        """

    def wake_at(self, dispatch: Dispatch, now: float) -> float | None:  # noqa: ARG002  a default
        """When to ask though nothing has ended; None for never."""
        return None


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

    @abstractmethod
    def follow(self, problem: Problem) -> None:
        """Goes on with this problem, which may have other workers or more tasks."""

    def missing(self) -> frozenset[str]:
        """The workers that are not there at this moment."""
        return frozenset()


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
        replace the schedule after every event and when it wished to be asked; what runs goes on.
        Raises AllotError where nothing runs, and nothing that could be waited for would change
        it; a worker that is missing may come back.
        """
        with self.open(problem) as session:
            dispatch = Dispatch(problem, schedule, transfer=session.transfer)
            yield from _carried_out(session, dispatch.due(session.now()))
            while not dispatch.done:
                if dispatch.stuck and not session.missing():
                    raise AllotError(
                        "The run cannot go on: no task runs, and none that is left can start. The "
                        "schedule keeps a rule that the run does not; plan again from here."
                    )
                news = session.wait(_wake(session.now(), dispatch, replan))
                for ended in news:
                    yield ended
                    yield from _carried_out(session, dispatch.handle(ended))
                if replan is not None and not dispatch.done:
                    answer = replan.after(dispatch, news, session.missing(), session.now())
                    if answer is not None:
                        yield _followed(session, dispatch, answer)
                yield from _carried_out(session, dispatch.due(session.now()))


def _wake(now: float, dispatch: Dispatch, replan: Replan | None) -> float | None:
    moments = [dispatch.wake_at(now), None if replan is None else replan.wake_at(dispatch, now)]
    return min((each for each in moments if each is not None), default=None)


def _followed(session: Session, dispatch: Dispatch, answer: Answer) -> PlanChanged:
    session.follow(answer.problem)
    dispatch.replace(answer.problem, answer.schedule)
    return PlanChanged(
        at=session.now(),
        time=session.clock(),
        reasons=answer.reasons,
        moved=answer.moved,
        changes=answer.changes,
        before=answer.before,
        ends=answer.ends,
    )


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
