"""The seam for executors: who carries out a schedule, and says what happens."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Generator, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import datetime

from scheduler.errors import AllotError
from scheduler.execution.charge import NEW, Charge, Step
from scheduler.execution.charge import Answer as Answer
from scheduler.execution.dispatch import Dispatch
from scheduler.execution.events import AttemptEnded, AttemptUnknown, Event, Start, Stop
from scheduler.execution.fates import Fate, Unknown
from scheduler.execution.loop import Loop
from scheduler.execution.recovery import restored
from scheduler.planning.problem import Problem
from scheduler.planning.schedule import Schedule


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


class People(ABC):
    """What people say to one run while it goes on."""

    @abstractmethod
    def said(self, dispatch: Dispatch, now: float, time: datetime) -> Iterable[Event]:
        """What they have decided or asked since the last time, as events for the dispatch.

        The dispatch has handled each of them before it is asked for the next. `now` is seconds
        since the run began, `time` the same moment by the clock.
        """

    def taken_in(
        self,
        dispatch: Dispatch,  # noqa: ARG002  a default
        now: float,  # noqa: ARG002
        time: datetime,  # noqa: ARG002
    ) -> Iterable[Event]:
        """What was asked for that is in the plan followed from now on; kept together with it."""
        return ()

    def wake_at(self, now: float) -> float | None:  # noqa: ARG002  a default
        """When to ask though nothing has ended; None where the usual looks will do."""
        return None

    def rest(self) -> None:  # noqa: B027  a default
        """Waits a little for people, where time is simulated and nothing else is to be done."""

    def crowded_out(
        self,
        starts: Sequence[Start],  # noqa: ARG002  a default
        dispatch: Dispatch,  # noqa: ARG002
    ) -> Collection[str]:
        """The tasks among these that may not start yet, because others hold their workers.

        Asked in every step, also without starts; of a gang all tasks or none. The dispatch has
        these starts among what runs.
        """
        return ()

    def waited_enough(self) -> bool:
        """Whether a run ends for now in which nothing goes on before people speak.

        Asked again and again while that is so.
        """
        return False

    @property
    def stopping(self) -> bool:
        """Whether nothing may begin any more: the run ends, for now, when nothing runs."""
        return False

    @property
    def leaving(self) -> bool:
        """Whether a run that is stopping no longer waits for what runs."""
        return False


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
    def wait(self, until: float | None) -> Sequence[AttemptEnded | AttemptUnknown]:
        """The next attempts that ended; none when `until` came first.

        Unknown is one of a kept run that may have had its effects or not, and nobody can find out.
        """

    @abstractmethod
    def transfer(self, size: float, source: str, target: str) -> float:
        """Seconds that the dispatch must leave for bytes to travel between workers."""

    @abstractmethod
    def follow(self, problem: Problem) -> None:
        """Goes on with this problem, which may have other workers or more tasks."""

    def missing(self) -> frozenset[str]:
        """The workers that are not there at this moment."""
        return frozenset()

    def stop(self, instruction: Stop) -> None:
        """Ends an attempt, whatever it does; returns at once, `wait` tells of its end."""
        raise AllotError(
            f"This executor cannot stop attempts; that of {instruction.task!r} goes on to its end."
        )

    def recall(self, begun: Sequence[Start]) -> Sequence[Fate]:
        """What became of attempts that somebody began or was about to begin, who is gone since.

        Asked once, before anything else. `begun` says in which epoch each was to begin; none is
        of the epoch of this session. Where nothing else is said, nobody can know.
        """
        why = "whoever had begun it is gone, and its executor keeps no account of it"
        return [Unknown(why)] * len(begun)

    def let_go(self) -> None:  # noqa: B027  a default
        """Leaves what runs to whoever takes the run over: leaving the block then ends nothing.

        What cannot outlive this process ends with it.
        """


class Executor(ABC):
    """Carries out schedules. Every executor runs the same loop; only sessions differ."""

    @property
    def records(self) -> bool:
        """Whether what it observes is news, to be recorded and learned from."""
        return True

    @property
    def real(self) -> bool:
        """Whether attempts have effects and take time: nothing begins before it is kept."""
        return True

    @abstractmethod
    def open(self, problem: Problem, charge: Charge = NEW) -> AbstractContextManager[Session]:
        """Makes ready for one run; leaving the block ends all that still runs.

        `charge` tells which run it is, in which epoch its attempts begin, and how long ago the run
        began: the session's clock goes on from there.
        """

    def steps(
        self,
        problem: Problem,
        schedule: Schedule,
        *,
        replan: Replan | None = None,
        people: People | None = None,
        charge: Charge = NEW,
    ) -> Generator[Step, None, None]:
        """What happens, step by step, until every task has succeeded or was given up.

        Whoever keeps the run does so before it asks for the next step: attempts begin then. A task
        starts after its predecessors have succeeded, and succeeds at most once. `replan` may
        replace the schedule after every event and when it wished to be asked; what runs goes on.
        Ends earlier where all that is left waits for people. Raises AllotError where nothing runs,
        and nothing that could be waited for would change it; a worker that is missing may come
        back.
        """
        now = next(
            (each.problem for each in reversed(charge.history) if isinstance(each, Answer)), problem
        )
        with self.open(now, charge) as session:
            dispatch, stops = restored(problem, schedule, charge.history, transfer=session.transfer)
            loop = Loop(
                session,
                dispatch,
                charge,
                real=self.real,
                replan=replan,
                people=people,
                stops=stops,
            )
            yield from loop.steps()

    def run(
        self, problem: Problem, schedule: Schedule, *, replan: Replan | None = None
    ) -> Iterator[Event]:
        """Each event as it happens, of a run that nobody keeps."""
        for step in self.steps(problem, schedule, replan=replan):
            yield from step.events
