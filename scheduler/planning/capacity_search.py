"""The search where several tasks share a worker or a pool: below the planners, above the kernels.

Islands of plans breed on threads of their own and now and then meet. The result depends on the
problem, the seed and the number of evaluations alone; time can only stop it between rounds.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from scheduler.planning.flat import Flat, Floats, Ints
from scheduler.planning.kernels.graph import longest_after
from scheduler.planning.kernels.lists import list_schedule
from scheduler.planning.kernels.serial import Serial, decoded
from scheduler.planning.kernels.serial_search import (
    COUNT,
    FILLED,
    SIZE,
    Crowd,
    evolved,
    justified,
    valued,
)
from scheduler.planning.listing import NO_BIAS
from scheduler.planning.packing import packed, room_for
from scheduler.planning.problem import Problem
from scheduler.planning.ranking import by_upward_rank

ISLANDS = 2
APART = 64  # rounds between two meetings of the islands: together too soon, they grow alike
SMALLEST, LARGEST = 40, 2000  # places in a crowd, at first and at most
HELD = 4_000_000  # tasks in all plans of a crowd at most
ROUND = 3000  # evaluations of an island in a round, for one hundred tasks


class Arrays(NamedTuple):
    """A whole plan: the worker (index), start and end (seconds) of each task, n each."""

    worker: Ints
    start: Floats
    end: Floats


def never() -> bool:
    """Nothing stops the search but its evaluations."""
    return False


def improved(
    flat: Flat,
    start: Sequence[Arrays],
    *,
    evaluations: int,
    seed: int,
    stop: Callable[[], bool] = never,
    enough: float = -np.inf,
) -> Arrays:
    """The best plan found from these: never worse in value than the best of them.

    `start` holds feasible plans, at least one. `evaluations` counts decoded schedules, three for
    each plan bred. `stop` is asked between rounds. A makespan of `enough` or less ends the search
    where the makespan is the only aim: give it a lower bound.
    """
    breeding = Breeding(flat, start, seed=seed)
    breeding.go(evaluations=evaluations, stop=stop, enough=enough)
    return breeding.best


class Breeding:
    """A search that can be stopped, told of a plan found elsewhere, and gone on with."""

    def __init__(self, flat: Flat, start: Sequence[Arrays], *, seed: int) -> None:
        self.islands = [Island(flat, seed=seed, number=i) for i in range(ISLANDS)]
        self.each = max(300, ROUND * 100 // len(flat.row))
        self.rounds = 0
        for i, plan in enumerate(start):
            for island in self.islands if i == 0 else [self.islands[i % ISLANDS]]:
                island.take(plan)

    @property
    def best(self) -> Arrays:
        """The best plan seen on any island."""
        return min(self.islands, key=lambda island: island.value).best

    def take(self, plan: Arrays) -> None:
        """Lets one island know a plan from elsewhere."""
        self.islands[self.rounds % ISLANDS].take(plan)

    def go(
        self, *, evaluations: int, stop: Callable[[], bool] = never, enough: float = -np.inf
    ) -> None:
        """Breeds for so many more evaluations, or until told to stop, or a makespan is enough."""
        until = self._count + evaluations
        with ThreadPoolExecutor(ISLANDS) as threads:
            while (left := until - self._count) > 0 and not stop():
                share = min(self.each, max(3, left // ISLANDS))
                done = threads.map(lambda one, n=share: one.breed(n, enough), self.islands)
                if any(list(done)):
                    break
                self.rounds += 1
                if self.rounds % APART == 0:
                    _meet(self.islands)

    @property
    def _count(self) -> int:
        return sum(one.count for one in self.islands)


def from_lists(problem: Problem) -> list[Arrays]:
    """The plans of two lists, to start from: the most urgent first, and first come first served."""
    flat, order = problem.flat, by_upward_rank(problem)
    urgent = list_schedule(flat, order, NO_BIAS, 1.0, True)
    queued = list_schedule(flat, problem.topological, NO_BIAS, 0.0, False)
    return [Arrays(*each) for each in (urgent, queued) if (each[0] >= 0).all()]


class Decoder:
    """Turns workers and an order into plans, and moves the tasks of a plan as late as they go."""

    def __init__(self, flat: Flat) -> None:
        self.flat, (self.fore, self.back) = flat, packed(flat)
        self.room, self.place = room_for(self.fore), np.argsort(flat.order)

    def earliest(self, worker: Ints, start: Floats) -> Arrays:
        """Every task as early as it goes, in the order of these starts, then justified."""
        n = len(self.place)
        order = np.lexsort((self.place, start)).astype(np.int64)
        worker, begin, end = worker.astype(np.int64), np.zeros(n), np.zeros(n)
        justified(self.flat, self.fore, self.back, self.room, order, worker, begin, end)
        return Arrays(worker, begin, end)

    def latest(self, plan: Arrays) -> Floats:
        """The latest start of each task at the same makespan, all of them moved at once, n."""
        last = float(plan.end.max())
        order = np.lexsort((-self.place, last - plan.end)).astype(np.int64)
        begin, end = np.zeros(len(order)), np.zeros(len(order))
        decoded(self.back, self.room, order, plan.worker.copy(), last, begin, end)
        late: Floats = np.maximum(last - end, plan.start)  # but for rounding never earlier
        return late


def value_of(flat: Flat, plan: Arrays) -> float:
    """What the search minimises: the weighted aims, with a little of the mean end."""
    return float(valued(flat, plan.worker, plan.start, plan.end))


class Island:
    """One crowd of plans, bred by one thread."""

    def __init__(self, flat: Flat, *, seed: int, number: int) -> None:
        self.flat, (self.fore, self.back) = flat, packed(flat)
        self.room = room_for(self.fore)
        self.crowd = _crowd(flat, self.fore, seed=seed, number=number)
        self.place = np.argsort(flat.order)
        self.alone = only_makespan(flat)

    @property
    def count(self) -> int:
        """Schedules evaluated so far."""
        return int(self.crowd.state[COUNT])

    @property
    def value(self) -> float:
        """What the best plan is worth: less is better."""
        return float(self.crowd.best_value[0])

    @property
    def best(self) -> Arrays:
        """The best plan seen."""
        crowd = self.crowd
        return Arrays(crowd.best_worker.copy(), crowd.best_start.copy(), crowd.best_end.copy())

    def take(self, plan: Arrays) -> None:
        """Adds a plan to the crowd, justified; it also counts as seen as it is."""
        order = np.lexsort((self.place, plan.start)).astype(np.int64)
        self._remember(plan)
        flat, fore, back = self.flat, self.fore, self.back
        worker, start, end = plan.worker.astype(np.int64), plan.start.copy(), plan.end.copy()
        value = float(justified(flat, fore, back, self.room, order, worker, start, end))
        self._remember(Arrays(worker, start, end))
        crowd, place = self.crowd, int(self.crowd.state[FILLED])
        size = int(crowd.state[SIZE])
        if place < size:
            crowd.state[FILLED] += 1
        else:
            place = int(np.argmax(crowd.value[:size]))
        crowd.value[place], crowd.lists[place] = value, order
        crowd.workers[place], crowd.starts[place] = worker, start

    def breed(self, evaluations: int, enough: float) -> bool:
        """Goes on for so many evaluations; whether a makespan of `enough` was reached."""
        limit = enough * (1 + 1e-9) if self.alone else -np.inf
        flat, fore, back = self.flat, self.fore, self.back
        return bool(evolved(flat, fore, back, self.room, self.crowd, evaluations, limit))

    def _remember(self, plan: Arrays) -> None:
        crowd = self.crowd
        value = float(valued(self.flat, plan.worker, plan.start, plan.end))
        if value < crowd.best_value[0]:
            crowd.best_value[:] = value, plan.end.max()
            crowd.best_worker[:] = plan.worker
            crowd.best_start[:], crowd.best_end[:] = plan.start, plan.end


def _meet(islands: Sequence[Island]) -> None:
    """The best plan of all becomes a member of every island that has none as good."""
    best = min(islands, key=lambda island: island.value)
    for each in islands:
        if each.value > best.value + 1e-9:
            each.take(best.best)


def only_makespan(flat: Flat) -> bool:
    """Whether the makespan is all that counts, and nothing limits but what plans always keep."""
    aims = flat.aims
    others = aims.tardiness or aims.flow or aims.cost or aims.energy or aims.fairness
    limits = aims.budget < np.inf or (aims.hard_deadlines and np.isfinite(flat.deadline).any())
    return not (others or limits)


def _crowd(flat: Flat, fore: Serial, *, seed: int, number: int) -> Crowd:
    n = len(flat.row)
    size = int(np.clip(HELD // n, SMALLEST, LARGEST))
    able = np.isfinite(fore.duration)
    mean = np.where(able, fore.duration, 0.0).sum(axis=1) / able.sum(axis=1)
    backwards = flat.order[::-1].copy()
    delay = np.zeros(len(flat.after_task))
    bits = np.random.SeedSequence([seed, number]).generate_state(1, np.uint64) | np.uint64(1)
    return Crowd(
        lists=np.zeros((size, n), dtype=np.int64),
        workers=np.zeros((size, n), dtype=np.int64),
        starts=np.zeros((size, n)),
        value=np.full(size, np.inf),
        best_worker=np.zeros(n, dtype=np.int64),
        best_start=np.zeros(n),
        best_end=np.zeros(n),
        best_value=np.full(2, np.inf),
        urgency=longest_after(backwards, flat.after_start, flat.after_task, delay, mean),
        load=_load(fore, mean),
        bits=bits,
        state=np.array([0, 0, 0, 0, SMALLEST]),
    )


def _load(fore: Serial, mean: Floats) -> Floats:
    """Work of each task as a share of all that there is of what it takes, n."""
    share: Floats = fore.cores / fore.worker_cores.sum() * fore.bounded.max()
    if len(fore.limit):
        share = share + (fore.need / np.maximum(fore.limit, 1e-9)).sum(axis=1)
    return (share + 1e-6) * mean
