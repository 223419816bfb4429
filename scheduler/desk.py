"""What people say to one run while it goes on, as the store keeps it."""

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import datetime

from scheduler.execution.dispatch import Dispatch
from scheduler.execution.events import Decision, Event, Start, TaskDecided
from scheduler.execution.executors.base import People
from scheduler.outlasting import Outlast
from scheduler.rooms import AGAIN, Rooms
from scheduler.store import Store
from scheduler.store.questions import OPEN
from scheduler.store.runs import lease_of

LOOK = 0.5  # seconds of real time between two looks


class Desk(People):
    """The people around one run: what they decided of unknown attempts, and whether it is to stop.

    `stop` tells since when the run is to stop, by the clock of `seconds`; it then waits for what
    runs, `grace` seconds at most. `others` are asked too. Where `outlast` is given, nobody is
    asked before the store is there: what people have forbidden is not begun while it is away.
    Where nothing goes on before people speak, the run is left to them after `waits` seconds.
    `rooms` are what other runs leave of the workers.
    """

    def __init__(
        self,
        store: Store,
        run: int,
        *,
        seconds: Callable[[], float],
        stop: Callable[[], float | None] = lambda: None,
        grace: float = 0.0,
        waits: float = math.inf,
        rooms: Rooms | None = None,
        others: Sequence[People] = (),
        outlast: Outlast | None = None,
    ) -> None:
        self._store, self._run, self._others = store, run, others
        self._seconds, self._stop, self._grace = seconds, stop, grace
        self._outlast = outlast
        self._rooms = rooms
        self._waits, self._idle = waits, math.inf  # since when nothing goes on
        self._looked = -LOOK
        self._dispatch: Dispatch | None = None

    def said(self, dispatch: Dispatch, now: float, time: datetime) -> Iterator[Event]:
        """What was decided of attempts that are unknown, and what others say."""
        self._dispatch = dispatch
        if not dispatch.stuck:
            self._idle = math.inf
        if self._outlast is not None and (self._others or dispatch.unknown):
            self._outlast(lambda: self._store.lease(lease_of(self._run)))
        for each in self._others:
            yield from each.said(dispatch, now, time)
        if dispatch.unknown and self._seconds() - self._looked >= LOOK:
            self._looked = self._seconds()
            yield from self._decided(dispatch, now, time)

    def taken_in(self, dispatch: Dispatch, now: float, time: datetime) -> Iterator[Event]:
        """What others had asked for that the plan does now."""
        for each in self._others:
            yield from each.taken_in(dispatch, now, time)

    def rest(self) -> None:
        """As long as the others do."""
        for each in self._others:
            each.rest()

    def crowded_out(self, starts: Sequence[Start], dispatch: Dispatch) -> Collection[str]:
        """The tasks among these for which other runs leave no room now."""
        if self._rooms is None:
            return ()
        rooms = self._rooms
        if self._outlast is None:
            return rooms.crowded_out(starts, dispatch)
        return self._outlast(lambda: rooms.crowded_out(starts, dispatch))

    def wake_at(self, now: float) -> float | None:
        """Soon, while other runs keep tasks waiting."""
        return now + AGAIN if self._rooms is not None and self._rooms.wanting else None

    def waited_enough(self) -> bool:
        """Whether nothing has gone on for so long that the run is left to people."""
        now = self._seconds()
        self._idle = min(self._idle, now)
        return now - self._idle >= self._waits

    @property
    def waiting(self) -> bool:
        """Whether all that was left when it was last asked waits for people."""
        return self._dispatch is not None and self._dispatch.stuck and not self.stopping

    @property
    def stopping(self) -> bool:
        """Whether somebody has asked it to stop."""
        return self._stop() is not None or any(each.stopping for each in self._others)

    @property
    def leaving(self) -> bool:
        """Whether it was asked to stop too long ago to wait for what runs."""
        since = self._stop()
        long = since is not None and self._seconds() - since >= self._grace
        return long or any(each.leaving for each in self._others)

    @property
    def left(self) -> tuple[str, ...]:
        """The tasks that were not over when it was last asked."""
        tasks = {} if self._dispatch is None else self._dispatch.tasks
        return tuple(name for name, task in tasks.items() if not task.over)

    @property
    def unknown(self) -> tuple[str, ...]:
        """Those of them that wait for people."""
        return () if self._dispatch is None else self._dispatch.unknown

    def _decided(self, dispatch: Dispatch, now: float, time: datetime) -> Iterable[Event]:
        asked = self._store.questions(kind="unknown", run=self._run, limit=None)
        for question in reversed(asked):
            task, attempt = question.subject, question.details["attempt"]
            held = dispatch.tasks[task]
            if question.state == OPEN or not (held.unknown and held.attempt == attempt):
                continue
            decision = Decision(question.state)
            yield TaskDecided(task, attempt, now, time, decision, question.by, question.reason)
