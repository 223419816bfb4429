"""The search where each worker runs one task at a time and no transfer takes time: job shops.

Two islands, each with a few good plans that differ. A plan between two of them is improved by tabu
search and takes the place of a worse one (after Gonzalez, Vela and Varela, "Scatter search with
path relinking for the flexible job shop scheduling problem", 2015, with means of orders for paths).
The result depends on the problem, the seed and the number of evaluations alone; time can only end
it earlier.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from scheduler.planning.aiming import Start
from scheduler.planning.capacity_search import Arrays, never
from scheduler.planning.flat import Flat
from scheduler.planning.kernels.search import Board, Plan, copy, makespan
from scheduler.planning.kernels.tabu import COUNT, SINCE, Aside, blended, seek, timed, unlike
from scheduler.planning.searching import (
    board_of,
    duplicate,
    one_at_a_time,
    only_makespan,
    plan_of,
)

ISLANDS = 2
LARGEST = 2000  # tasks: a move looks at all of a longest way, and each costs a pass over the plan
APART = 32  # legs between two meetings of the islands
LEG = 4_000_000  # evaluations of a leg times tasks: time can end the search after each
PATIENCE = 2000  # moves without a gain, after which another plan is begun with
POOL = 12  # good plans that an island keeps
ALIKE = 0.1  # share of tasks that must differ between two of them
STALE = 4  # times POOL: plans that bring nothing new, after which an island starts afresh
STRANGE = 0.3  # share of tasks that get any worker in the first plans
VANISHING = 1e-15  # share of the latest time below which adding a duration may change nothing


def suits(flat: Flat) -> bool:
    """Whether this search is for the problem: one task at a time, makespan, no transfers.

    Every task must take time that can be seen: only then do times tell what closes no circle.
    """
    still = len(flat.worker_cores) == 1 or not (flat.latency > 0 or flat.before_bytes.any())
    free = int((flat.fixed_worker < 0).sum())
    usual = still and 0 < free <= LARGEST and only_makespan(flat) and one_at_a_time(flat)
    return usual and _lasting(flat)


def _lasting(flat: Flat) -> bool:
    """Whether the shortest task is long enough to be seen beside the latest time of any plan."""
    able = np.isfinite(flat.duration)
    longest = np.where(able, flat.duration, 0.0).max(axis=1)[flat.row].sum()
    latest = longest + max(flat.now, flat.release.max(), flat.fixed_end.max())
    return bool(flat.duration[able].min() > VANISHING * latest)


class Tabu:
    """A search that can be stopped, told of a plan found elsewhere, and gone on with."""

    def __init__(self, flat: Flat, begin: Sequence[Start], *, seed: int) -> None:
        self.flat, self.free = flat, np.flatnonzero(flat.fixed_worker < 0)
        self.start = min(begin, key=lambda each: each.score)
        self.board = board_of(flat, self.free)
        ranked = sorted(begin, key=lambda each: each.score)
        plans = [plan_of(flat, self.board, self.free, each) for each in ranked]
        self.islands = [Island(self.board, plans, number=i, seed=seed) for i in range(ISLANDS)]
        self.legs = 0

    @property
    def best(self) -> Arrays:
        """The best plan seen: never longer than the best to begin with."""
        flat, free, start = self.flat, self.free, self.start
        found = min(self.islands, key=lambda each: each.shortest).best
        if makespan(self.board, found) >= start.end[free].max():
            return Arrays(start.worker, start.start, start.end)
        plan = Arrays(flat.fixed_worker.copy(), flat.fixed_start.copy(), flat.fixed_end.copy())
        plan.worker[free], plan.end[free] = found.worker, found.end
        plan.start[free] = found.end - found.took
        return plan

    def take(self, plan: Arrays) -> None:
        """Lets one island know a plan from elsewhere."""
        order = np.lexsort((np.argsort(self.flat.order), plan.start))
        begin = Start(order, *plan, float(plan.end.max()))
        self.islands[self.legs % ISLANDS].learn(plan_of(self.flat, self.board, self.free, begin))

    def go(
        self,
        *,
        evaluations: int,
        stop: Callable[[], bool] = never,
        enough: float = -np.inf,
        threads: int = ISLANDS,
    ) -> None:
        """Goes on for so many more evaluations, or until told to stop, or a makespan is enough.

        An evaluation is a task taken out of a plan. `threads` changes nothing but the time.
        """
        leg, limit = max(1, LEG // self.free.size), enough * (1 + 1e-9)
        with ThreadPoolExecutor(max(1, min(threads, ISLANDS))) as pool:
            while evaluations > 0 and not stop():
                each = max(1, min(leg, evaluations // ISLANDS))
                if any(list(pool.map(lambda island, n=each: island.go(n, limit), self.islands))):
                    break
                evaluations -= each * ISLANDS
                self.legs += 1
                if self.legs % APART == 0:
                    _meet(self.islands)


def _meet(islands: Sequence["Island"]) -> None:
    """The best plan of all becomes known on every island."""
    leader = min(islands, key=lambda each: each.shortest)
    for island in islands:
        if island.shortest > leader.shortest:
            island.learn(leader.best)


class Island:
    """Good plans that differ, the one that is being changed, and the best of all so far."""

    def __init__(self, board: Board, plans: Sequence[Plan], *, number: int, seed: int) -> None:
        n, m = board.duration.shape
        self.board, self.number = board, number
        self.rng = np.random.default_rng([seed, number])
        self.aside = _aside(n, m, self.rng)
        for each in plans:
            timed(board, each, self.aside.wait)
        self.plans = plans
        self.plan = duplicate(plans[number % len(plans)])
        self.local, self.best = duplicate(self.plan), duplicate(plans[0])
        self.shortest = float(makespan(board, self.best))
        self.pool: list[tuple[float, Plan]] = []
        self.begun, self.idle = 1, 0

    def go(self, evaluations: int, enough: float) -> bool:
        """Goes on for about so many evaluations; whether a makespan was `enough` or less."""
        state = self.aside.state
        until = state[COUNT] + evaluations
        while (left := int(until - state[COUNT])) > 0 and self.shortest > enough:
            value = float(
                seek(self.board, self.plan, self.local, self.aside, left, PATIENCE, enough)
            )
            if value < self.shortest:
                self.shortest = value
                copy(self.local, self.best)
            if state[SINCE] >= PATIENCE:
                self.idle = 0 if self._keep(value, duplicate(self.local)) else self.idle + 1
                self._begin_another()
        return self.shortest <= enough

    def learn(self, plan: Plan) -> None:
        """Takes a plan from elsewhere among the good ones."""
        timed(self.board, plan, self.aside.wait)
        value = float(makespan(self.board, plan))
        if value < self.shortest:
            self.shortest = value
            copy(plan, self.best)
        self._keep(value, duplicate(plan))

    def _begin_another(self) -> None:
        if self.idle > STALE * POOL:
            self.pool, self.idle = [min(self.pool, key=lambda each: each[0])], 0
        if len(self.pool) < POOL:
            one = other = self.plans[(self.number + self.begun) % len(self.plans)]
            share, strange = 0.0, STRANGE
            self.begun += 1
        else:
            first, second = self.rng.choice(len(self.pool), 2, replace=False)
            one, other = self.pool[first][1], self.pool[second][1]
            share, strange = self.rng.uniform(0.3, 0.7), 0.0
        blended(self.board, one, other, self.plan, self.aside, share, strange)
        copy(self.plan, self.local)
        self.aside.until[:] = 0
        self.aside.state[SINCE] = 0

    def _keep(self, value: float, plan: Plan) -> bool:
        """Whether the plan is new: near to a good one it replaces that, else the worst of all."""
        near = [i for i, (_, each) in enumerate(self.pool) if unlike(each, plan) < self._unlike]
        if not near and len(self.pool) < POOL:
            self.pool.append((value, plan))
            return True
        out = max(near or range(len(self.pool)), key=lambda i: self.pool[i][0])
        gain = value < self.pool[out][0]
        if gain or (not near and value == self.pool[out][0]):
            self.pool[out] = (value, plan)
        for i in sorted((i for i in near if i != out), reverse=True):
            if gain:
                del self.pool[i]
        return gain

    @property
    def _unlike(self) -> int:
        return max(1, int(ALIKE * self.plan.worker.size))


def _aside(n: int, m: int, rng: np.random.Generator) -> Aside:
    return Aside(
        end=np.zeros(n),
        rest=np.zeros(n),
        stale=np.zeros(n, np.int8),
        wait=np.zeros(n, np.int32),
        path=np.zeros(n, np.int32),
        until=np.zeros((n, m), np.int64),
        state=np.zeros(3, np.int64),
        bits=rng.integers(1, 1 << 63, 1).astype(np.uint64),
    )
