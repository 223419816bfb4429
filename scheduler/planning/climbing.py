"""The search of large plans on shared workers: one plan on each of two threads, annealed.

Where there are many tasks, crossing two plans seldom helps either; moving what holds the end back
does. The result depends on the problem, the seed and the number of evaluations alone; time can
only stop it between rounds.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from scheduler.planning.capacity_search import Arrays, never, value_of
from scheduler.planning.flat import Flat
from scheduler.planning.kernels.climbing import Climber, climbed, slackened
from scheduler.planning.packing import packed, room_for

ISLANDS = 2
LEGS = 20  # meetings of the islands in the whole of a search
HOT, COLD = 2.0, 0.04  # temperatures at the beginning and the end, in makespans by task
ROUND = 100_000  # tasks placed in a round by an island


class Climbing:
    """A search that can be stopped, told of a plan found elsewhere, and gone on with."""

    def __init__(self, flat: Flat, start: Sequence[Arrays], *, seed: int) -> None:
        self.flat = flat
        ranked = sorted(start, key=lambda each: value_of(flat, each))
        self.known = ranked[0]
        self.islands = [
            _Island(flat, ranked[min(i, len(ranked) - 1)], seed=seed, number=i)
            for i in range(ISLANDS)
        ]
        self.hot = HOT * float(self.known.end.max()) / len(flat.row)

    @property
    def best(self) -> Arrays:
        """The best plan seen, those that were told included."""
        found = min(self.islands, key=lambda each: each.value).best
        return min(self.known, found, key=lambda each: value_of(self.flat, each))

    def take(self, plan: Arrays) -> None:
        """Goes on from a plan found elsewhere where that is better."""
        self.known = min(self.known, plan, key=lambda each: value_of(self.flat, each))
        behind = max(self.islands, key=lambda each: each.value)
        if value_of(self.flat, plan) < behind.value:
            behind.follow(plan)

    def go(
        self,
        *,
        evaluations: int,
        stop: Callable[[], bool] = never,
        enough: float = -np.inf,
        done: Callable[[], float] | None = None,
    ) -> None:
        """Goes on for so many more evaluations, or until told to stop, or a makespan is enough.

        Three schedules are evaluated for each change. The temperature falls with `done`, the share
        of the search that is over (0 to 1); without it, with the evaluations of this call.
        """
        begun, limit = self._count, enough * (1 + 1e-9)
        each = max(1, ROUND // len(self.flat.row))
        part = done or (lambda: (self._count - begun) / max(evaluations, 1))
        met = int(part() * LEGS)
        with ThreadPoolExecutor(ISLANDS) as threads:
            while (left := begun + evaluations - self._count) > 0 and not stop():
                heat = self.hot * (COLD / HOT) ** min(1.0, part())
                rounds = max(1, min(each, left // (3 * ISLANDS)))
                ended = threads.map(
                    lambda one, r=rounds, h=heat: one.climb(r, h, limit), self.islands
                )
                if any(list(ended)):
                    break
                if int(part() * LEGS) > met:
                    met = int(part() * LEGS)
                    self.take(min(self.islands, key=lambda one: one.value).best)

    @property
    def _count(self) -> int:
        return sum(one.count for one in self.islands)


class _Island:
    """One plan that changes, and the best it has been."""

    def __init__(self, flat: Flat, plan: Arrays, *, seed: int, number: int) -> None:
        self.flat, (self.fore, self.back) = flat, packed(flat)
        self.room, self.place, self.count = room_for(self.fore), np.argsort(flat.order), 0
        n = len(flat.row)
        bits = np.random.SeedSequence([seed, number, n]).generate_state(1, np.uint64) | np.uint64(1)
        self.climber = Climber(
            order=np.zeros(n, np.int64),
            worker=np.zeros(n, np.int64),
            start=np.zeros(n),
            end=np.zeros(n),
            slack=np.zeros(n),
            best_worker=np.zeros(n, np.int64),
            best_start=np.zeros(n),
            best_end=np.zeros(n),
            value=np.full(2, np.inf),
            bits=bits,
        )
        self.follow(plan)

    @property
    def value(self) -> float:
        """What the best plan is worth: less is better."""
        return float(self.climber.value[1])

    @property
    def best(self) -> Arrays:
        """The best plan seen."""
        climber = self.climber
        return Arrays(
            climber.best_worker.copy(), climber.best_start.copy(), climber.best_end.copy()
        )

    def follow(self, plan: Arrays) -> None:
        """Goes on from this plan, justified."""
        climber = self.climber
        climber.order[:] = np.lexsort((self.place, plan.start))
        climber.worker[:] = plan.worker
        climber.start[:], climber.end[:] = plan.start, plan.end
        climber.value[0] = slackened(
            self.flat, self.fore, self.back, self.room,
            climber.order, climber.worker, climber.start, climber.end, climber.slack, np.inf,
        )  # fmt: skip
        if climber.value[0] < climber.value[1]:
            climber.value[1] = climber.value[0]
            climber.best_worker[:] = climber.worker
            climber.best_start[:], climber.best_end[:] = climber.start, climber.end

    def climb(self, rounds: int, heat: float, enough: float) -> bool:
        """So many changes at one temperature; whether a makespan of `enough` was reached."""
        climbed(self.flat, self.fore, self.back, self.room, self.climber, rounds, heat, enough)
        self.count += 3 * rounds
        return bool(self.climber.best_end.max() <= enough)
