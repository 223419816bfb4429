"""What tasks hold while they run: a worker's cores and memory, and shares of pools."""

import heapq
from bisect import bisect_right, insort
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from scheduler.cluster import Allocation
from scheduler.planning.timeline import CLOCK

Amounts = tuple[float, ...]
Turn = tuple[float, int, int]
LEEWAY = (1e-9, 0.0)  # shares of cores or of a pool, as floats that fill it may sum to more; bytes
FINE = 2.0**96  # steps per unit: in whole steps amounts lose nothing when taken and given back


@dataclass
class Held:
    """A task on its way: where it is to run, with what, since when, and what it waits for.

    `rank` is its planned start, `priority` the highest of its own and of all that wait for it. Of
    one that is `unknown` nobody knows what became, and people decide.
    A task is `given_up` when no attempt is left, and `forlorn` when that is so only because another
    was; `cancelled` says who has ended it. `kept` tells that a person has chosen its worker. It has
    `spare` attempts beyond those that its owner allows. `lead` is the first task of its gang, whose
    turn it has; `stopping` tells that it is to end because one of its gang has failed.
    """

    name: str
    row: int
    worker: str
    allocation: Allocation
    rank: float
    priority: int
    waits_for: int
    pools: tuple[tuple[int, float], ...]
    attempt: int = 0
    began: float | None = None
    rests: float = 0.0  # until then it is not tried again
    ended: float | None = None
    given_up: bool = False
    forlorn: bool = False
    cancelled: str = ""
    kept: bool = False
    spare: int = 0
    unknown: bool = False
    lead: int = -1
    stopping: bool = False

    @property
    def over(self) -> bool:
        """Whether it has succeeded or was given up."""
        return self.ended is not None

    @property
    def open(self) -> bool:
        """Whether it has yet to succeed or be given up."""
        return self.ended is None

    @property
    def running(self) -> bool:
        """Whether an attempt runs now."""
        return self.began is not None and self.ended is None

    @property
    def lapse(self) -> float:
        """Until when its place is kept, if nothing of it has begun."""
        return self.rank * (1 + CLOCK)

    @property
    def key(self) -> "Turn":
        """Its turn: by planned start, then as given; those of a gang one after the other."""
        return self.rank, self.row if self.lead < 0 else self.lead, self.row


@dataclass
class Place:
    """Amounts that run out: of a worker (cores and memory) or of a pool.

    `booked` are the tasks that have a place here and no attempt begun, by planned start.
    """

    limits: Amounts
    booked: list[tuple[float, int, Held]] = field(default_factory=list)
    _free: list[int] = field(init=False)  # in steps, the leeway included

    def __post_init__(self) -> None:
        # a pool has one limit, a worker two
        self._free = [
            _steps(limit) + _steps(limit * share)
            for limit, share in zip(self.limits, LEEWAY, strict=False)
        ]

    def fits(self, amounts: Amounts) -> bool:
        """Whether so much is free."""
        return all(_steps(each) <= free for each, free in zip(amounts, self._free, strict=True))

    def take(self, amounts: Amounts, sign: int = 1) -> None:
        """Holds the amounts; with sign -1 gives them back, and all is as if never taken."""
        self._free = [
            free - sign * _steps(each) for free, each in zip(self._free, amounts, strict=True)
        ]

    def book(self, task: Held) -> None:
        """Keeps a place for a task of which nothing has begun."""
        insort(self.booked, (task.lapse, task.row, task))

    def unbook(self, task: Held) -> None:
        """Keeps it no longer."""
        self.booked.remove((task.lapse, task.row, task))

    def booked_between(self, now: float, until: float) -> Iterator[Held]:
        """Whose place lapses after now and before then, soonest first."""
        for at in range(bisect_right(self.booked, now, key=_lapse), len(self.booked)):
            lapse, _, task = self.booked[at]
            if lapse >= until:
                return
            yield task


@dataclass
class WorkerPlace(Place):
    """A worker: its free cores and memory, its closed windows, and its ready tasks in turn."""

    closed: Sequence[tuple[float, float]] = ()
    ready: list[tuple[Turn, Held]] = field(default_factory=list)

    def queue(self, task: Held) -> None:
        """Adds a task that could start."""
        insort(self.ready, (task.key, task))

    def in_turn(self, now: float, *, by_priority: bool) -> Iterator[Held]:
        """The ready tasks: first the late ones, the highest priority first; then as planned.

        Tasks may start while they are told.
        """
        if by_priority:
            tasks = [task for _, task in self.ready]
            late = [task for task in tasks if task.rank < now * (1 - CLOCK)]
            yield from sorted(late, key=lambda each: (-each.priority, *each.key))
            yield from tasks[len(late) :]
            return
        at = 0
        while at < len(self.ready):
            _, task = self.ready[at]
            yield task
            if at < len(self.ready) and self.ready[at][1] is task:
                at += 1

    def opening(self, now: float, lasts: float) -> float:
        """The first moment from now on at which it stays open for so many seconds."""
        moment = now
        for first, last in self.closed:
            over = last <= moment * (1 + CLOCK)
            if not over and first < (moment + lasts) * (1 - CLOCK):
                moment = last
        return moment


@dataclass
class Arrivals:
    """Tasks whose predecessors are over, until their bytes are there."""

    coming: list[tuple[float, int, Held]] = field(default_factory=list)

    def expect(self, task: Held, at: float) -> None:
        """The bytes will all be there at this moment."""
        heapq.heappush(self.coming, (at, task.row, task))

    def by(self, now: float) -> Iterator[Held]:
        """Whose bytes are there by now; each is told once."""
        while self.coming and self.coming[0][0] <= now:
            yield heapq.heappop(self.coming)[2]

    @property
    def next(self) -> float | None:
        """When the next will be there."""
        return self.coming[0][0] if self.coming else None


def _steps(amount: float) -> int:
    return int(amount * FINE)


def _lapse(booking: tuple[float, int, Held]) -> float:
    return booking[0]
