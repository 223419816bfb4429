"""The loop that carries a schedule out: the same for every executor."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from typing import TYPE_CHECKING

from scheduler.errors import AllotError, StaleEpoch, StoreAway
from scheduler.execution.charge import Answer, Charge, Step
from scheduler.execution.dispatch import Dispatch
from scheduler.execution.events import (
    AttemptEnded,
    AttemptStarted,
    Event,
    GiveUp,
    Instruction,
    PlanChanged,
    Start,
    Stop,
    TaskGivenUp,
)
from scheduler.execution.recovery import found, settled, unfinished

if TYPE_CHECKING:
    from scheduler.execution.executors.base import People, Replan, Session

LOOK = 0.5  # seconds of real time between two looks at what people say


class Loop:
    """One run on its way: what the session tells goes to the dispatch, and back as starts.

    `real` says that attempts take real time, in which people may say something. `stops` are still
    to be carried out for whoever had the run before.
    """

    def __init__(
        self,
        session: "Session",
        dispatch: Dispatch,
        charge: Charge,
        *,
        real: bool,
        replan: "Replan | None" = None,
        people: "People | None" = None,
        stops: Sequence[Stop] = (),
    ) -> None:
        self._session, self._dispatch, self._charge = session, dispatch, charge
        self._real, self._replan, self._people, self._stops = real, replan, people, stops

    def steps(self) -> Iterator[Step]:
        """What happens, step by step; what a step says has started begins after it.

        Ends when every task is over, when all that is left waits for people, or when they stop it.
        """
        with _let_go_when_lost(self._session):
            yield from self._step(tuple(self._recalled()), stops=self._stops)
            while not self._dispatch.done and not self._stopped():
                idle = self._dispatch.stuck and not self._session.missing()
                if idle and (self._dispatch.unknown or self._left_to_people()):
                    return
                news = self._session.wait(self._wake())
                yield from self._step(news, replan=self._replan)

    def _left_to_people(self) -> bool:
        """Nothing that is left goes on by itself: waits a while, or leaves it to people."""
        if self._people is None or not self._dispatch.held_by_people:
            raise AllotError(
                "The run cannot go on: no task runs, and none that is left can start. The "
                "schedule keeps a rule that the run does not; plan again from here."
            )
        if self._people.waited_enough():
            return True
        if not self._real:
            self._people.rest()
        return False

    def _step(
        self,
        news: Sequence[Event],
        *,
        replan: "Replan | None" = None,
        stops: Iterable[Stop] = (),
    ) -> Iterator[Step]:
        """Takes in what happened and decides what follows; begins that once it is kept."""
        events, answer = list[Event](), None
        tasks, stops = self._dispatch.problem.workflow, list(stops)
        for each in chain((settled(each, tasks) for each in news), self._said()):
            follows = self._dispatch.handle(each)
            stops += [stop for stop in follows if isinstance(stop, Stop)]
            events += [each, *self._as_events(follows)]
        stopping = self._people is not None and self._people.stopping
        if replan is not None and not (stopping or self._dispatch.done):
            ended = [each for each in news if isinstance(each, AttemptEnded)]
            now, missing = self._session.now(), self._session.missing()
            answer = replan.after(self._dispatch, ended, missing, now)
        if answer is not None:
            events.append(self._followed(answer))
            for each in self._taken_in():
                self._dispatch.handle(each)
                events.append(each)
        if not stopping:
            events += self._as_events(self._admitted(self._dispatch.due(self._session.now())))
        if not (events or stops):
            return
        step = Step(tuple(events), answer)
        yield step
        for start in step.starts:
            self._session.start(_as_start(start))
        for stop in stops:
            if self._dispatch.tasks[stop.task].running:
                self._session.stop(stop)

    def _admitted(self, follows: Sequence[Instruction]) -> Sequence[Instruction]:
        """Without the starts for which others leave no room; those are due again."""
        if self._people is None:
            return follows
        starts = [each for each in follows if isinstance(each, Start)]
        out = self._people.crowded_out(starts, self._dispatch)
        if not out:
            return follows
        self._dispatch.take_back(out)
        return [each for each in follows if not isinstance(each, Start) or each.task not in out]

    def _recalled(self) -> Iterator[Event]:
        """What became of the attempts that ran when the run was last heard of."""
        begun = unfinished(self._charge.history)
        if not begun:
            return
        fates = self._session.recall([_as_start(each) for each in begun])
        for start, fate in zip(begun, fates, strict=True):
            yield from found(
                start,
                fate,
                epoch=self._charge.epoch,
                at=self._session.now(),
                time=self._session.clock(),
            )

    def _said(self) -> Iterator[Event]:
        if self._people is not None:
            now, time = self._session.now(), self._session.clock()
            yield from self._people.said(self._dispatch, now, time)

    def _taken_in(self) -> Iterator[Event]:
        if self._people is not None:
            now, time = self._session.now(), self._session.clock()
            yield from self._people.taken_in(self._dispatch, now, time)

    def _stopped(self) -> bool:
        """Whether people have stopped the run, and nothing is left that it would wait for."""
        if self._people is None or not self._people.stopping:
            return False
        if self._people.leaving:
            self._session.let_go()
            return True
        return not self._dispatch.running(self._session.now())

    def _wake(self) -> float | None:
        now = self._session.now()
        moments = [
            self._dispatch.wake_at(now),
            None if self._replan is None else self._replan.wake_at(self._dispatch, now),
            None if self._people is None else self._people.wake_at(now),
            now + LOOK if self._real and self._people is not None else None,
        ]
        return min((each for each in moments if each is not None), default=None)

    def _followed(self, answer: Answer) -> PlanChanged:
        self._session.follow(answer.problem)
        self._dispatch.replace(answer.problem, answer.schedule)
        return PlanChanged(
            at=self._session.now(),
            time=self._session.clock(),
            reasons=answer.reasons,
            moved=answer.moved,
            changes=answer.changes,
            before=answer.before,
            ends=answer.ends,
        )

    def _as_events(self, instructions: Sequence[Instruction]) -> Iterator[Event]:
        """Instructions as what they will have been once they are carried out."""
        if not instructions:
            return
        at, time = self._session.now(), self._session.clock()
        for each in instructions:
            if isinstance(each, Start):
                yield AttemptStarted(
                    each.task,
                    each.attempt,
                    each.worker,
                    at,
                    time,
                    each.allocation,
                    self._charge.epoch,
                )
            elif isinstance(each, GiveUp):
                yield TaskGivenUp(each.task, at, time, each.reason)


def _as_start(event: AttemptStarted) -> Start:
    return Start(event.task, event.attempt, event.worker, event.allocation, event.epoch)


@contextmanager
def _let_go_when_lost(session: "Session") -> Iterator[None]:
    """What runs belongs to whoever takes the run over: it is not ended with this session."""
    try:
        yield
    except (StaleEpoch, StoreAway):
        session.let_go()
        raise
