"""The search on workers that run one task at a time: below the planners, above the kernels.

Two chains of plans go on side by side, from different starts; after each leg the one that is behind
goes on from the best plan of all. The result depends on the problem, the seed and the number of
evaluations alone; time can only end it earlier, and sets its pace where no number is given.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scheduler.planning.aiming import Start
from scheduler.planning.flat import Flat, Floats, Ints
from scheduler.planning.kernels.search import (
    NOWHERE,
    Board,
    Desk,
    Plan,
    copy,
    makespan,
    settle,
)
from scheduler.planning.kernels.search_anneal import anneal

CHAINS = 2
LEGS = 20  # between two meetings of the chains lies this part of the whole search
HOT, COLD = 0.01, 1e-4  # temperatures at the beginning and the end, as shares of the makespan
MOST = 12  # tasks taken out at a time
BLINK = 0.03
LONGEST = 400_000  # evaluations of a leg times tasks: time can end the search after each leg
FIRST = 50  # evaluations of the leg that tells how fast a chain is


@dataclass(frozen=True)
class Budget:
    """How long to search: so many evaluations in all (None: as many as fit), so many seconds.

    `clock` gives seconds from any moment on.
    """

    evaluations: int | None
    seconds: float
    clock: Callable[[], float]


def one_at_a_time(flat: Flat) -> bool:
    """Whether no two tasks can share a worker, nothing else is shared, and no worker ever closes.

    Then the times of a plan follow from the orders on its workers. What has happened must not
    reach into the future but for what runs now.
    """
    if flat.closed.size or (flat.need.sum(axis=0) > flat.limit).any():
        return False
    if (flat.fixed_start[flat.fixed_worker >= 0] > flat.now).any():
        return False
    for w, room in enumerate(flat.worker_cores):
        able = np.isfinite(flat.duration[flat.row, w]) & (flat.fixed_worker < 0)
        held = np.concatenate([flat.cores[able], flat.fixed_cores[flat.fixed_worker == w]])
        if len(held) > 1 and np.partition(held, 1)[:2].sum() <= room * (1 + 1e-9):
            return False
    return True


def only_makespan(flat: Flat) -> bool:
    """Whether the end of the last task is all that the objective asks about."""
    aims = flat.aims
    others = aims.tardiness or aims.flow or aims.cost or aims.energy or aims.fairness
    limits = aims.budget < np.inf or (aims.hard_deadlines and np.isfinite(flat.deadline).any())
    return not (others or limits)


def searched(
    flat: Flat,
    begin: Sequence[Start],
    *,
    budget: Budget,
    seed: int = 0,
    threads: int = CHAINS,
    enough: float = 0.0,
) -> tuple[Ints, Floats, Floats]:
    """Worker, start and end (n each) of a plan whose makespan is at most that of the best start.

    The problem must be `one_at_a_time` and `only_makespan`. A plan of makespan `enough` ends the
    search: give it a lower bound. At most `threads` chains run at a time; their number changes
    nothing but the time.
    """
    free = np.flatnonzero(flat.fixed_worker < 0)
    best = min(begin, key=lambda each: each.score)
    if not free.size:
        return best.worker, best.start, best.end
    board = board_of(flat, free)
    ranked = sorted(begin, key=lambda each: each.score)
    chains = [
        _Chain(flat, board, free, ranked[min(i, len(ranked) - 1)], seed=seed + i)
        for i in range(CHAINS)
    ]
    _run(chains, budget, threads, enough)
    found = min(chains, key=lambda each: each.shortest).best
    if makespan(board, found) >= best.end[free].max():
        return best.worker, best.start, best.end
    worker, start, end = flat.fixed_worker.copy(), flat.fixed_start.copy(), flat.fixed_end.copy()
    worker[free], end[free], start[free] = found.worker, found.end, found.end - found.took
    return worker, start, end


def _run(chains: Sequence["_Chain"], budget: Budget, threads: int, enough: float) -> None:
    begun, done, count, each = budget.clock(), 0.0, 0, FIRST
    longest = max(1, LONGEST // chains[0].plan.worker.size)
    with ThreadPoolExecutor(max(1, min(threads, len(chains)))) as pool:
        while done < 1.0 and min(chain.shortest for chain in chains) > enough * (1 + 1e-9):
            if budget.evaluations is not None:
                each = max(1, min(longest, budget.evaluations // (LEGS * len(chains))))
            count += each * len(chains)
            after = min(1.0, count / budget.evaluations if budget.evaluations else done + 1 / LEGS)
            for leg in [pool.submit(chain.go, each, done, after) for chain in chains]:
                leg.result()
            passed = budget.clock() - begun
            if passed >= budget.seconds:
                break
            before, done = done, after
            if budget.evaluations is None:
                done = passed / budget.seconds
                speed = count / len(chains) / max(passed, 1e-6)
                each = max(1, int(speed * min(budget.seconds / LEGS, budget.seconds - passed)))
            if int(done * LEGS) > int(before * LEGS):
                _meet(chains)


def _meet(chains: Sequence["_Chain"]) -> None:
    """Who is behind goes on from the best plan of all."""
    leader = min(chains, key=lambda each: each.shortest)
    for chain in chains:
        if chain.shortest > leader.shortest:
            chain.follow(leader)


class _Chain:
    """One plan that changes, the best it has been, and room to work in."""

    def __init__(self, flat: Flat, board: Board, free: Ints, start: Start, *, seed: int) -> None:
        n = free.size
        self.board, self.plan = board, plan_of(flat, board, free, start)
        self.desk = desk_of(n)
        settle(board, self.plan, self.desk)
        self.kept, self.best = duplicate(self.plan), duplicate(self.plan)
        bits = np.random.SeedSequence(seed).generate_state(1, np.uint64)
        self.state: NDArray[np.uint64] = bits | np.uint64(1)
        self.shortest = self.usual = float(makespan(board, self.plan))

    def go(self, rounds: int, done: float, after: float) -> None:
        """So many evaluations, from one part of the search to another (0 to 1)."""
        hot, cold = (self.usual * HOT * (COLD / HOT) ** part for part in (done, after))
        self.shortest = anneal(
            self.board, self.plan, self.kept, self.best, self.desk,
            rounds, hot, cold, MOST, BLINK, self.state,
        )  # fmt: skip

    def follow(self, leader: "_Chain") -> None:
        copy(leader.best, self.plan)
        copy(leader.best, self.best)
        self.shortest = leader.shortest


def desk_of(n: int) -> Desk:
    """Room to work in for n tasks."""
    stale = np.zeros(n + 8 - n % 8, np.int8)
    return Desk(
        mark=np.full(n, NOWHERE, np.int32),
        stale=stale,
        eights=stale.view(np.int64),
        list=np.zeros(n, np.int32),
        path=np.zeros(n, np.int32),
        out=np.zeros(n, np.int32),
        touched=np.zeros(n, np.int32),
        written=np.full(n, NOWHERE, np.int32),
        state=np.zeros(5, np.int64),
    )


def board_of(flat: Flat, free: Ints) -> Board:
    """What the search reads, for the tasks that are still free."""
    n, m = free.size, flat.worker_cores.size
    duration = np.ascontiguousarray(flat.duration[flat.row[free]])
    number = np.full(flat.row.size, NOWHERE, np.int64)
    number[free] = np.arange(n)
    ready = _ready(flat, free)
    into = _among(flat.before_start, flat.before_task, flat.before_bytes, free, number)
    onto = _among(flat.after_start, flat.after_task, flat.after_bytes, free, number)
    return Board(
        duration=duration,
        ready=ready,
        guess=duration.min(axis=1),
        early=ready.min(axis=1),
        into_start=into[0],
        into_task=into[1],
        into_bytes=into[2],
        onto_start=onto[0],
        onto_task=onto[1],
        onto_bytes=onto[2],
        per_byte=flat.per_byte,
        lag=flat.latency * (1.0 - np.eye(m)),
        ends=np.flatnonzero(np.diff(onto[0]) == 0).astype(np.int32),
    )


def _ready(flat: Flat, free: Ints) -> Floats:
    """When each free task could start on each worker for all that has happened, n x m."""
    m = flat.worker_cores.size
    fixed = flat.fixed_worker >= 0
    idle = np.full(m, flat.now if fixed.any() or flat.now else 0.0)
    np.maximum.at(idle, flat.fixed_worker[fixed], flat.fixed_end[fixed])
    ready: Floats = np.ascontiguousarray(np.maximum(flat.release[free, None], idle))
    if not fixed.any():
        return ready
    for row, t in enumerate(free):
        for e in range(flat.before_start[t], flat.before_start[t + 1]):
            p = flat.before_task[e]
            if fixed[p]:
                w = flat.fixed_worker[p]
                travel = flat.before_bytes[e] * flat.per_byte[w] + flat.latency
                travel[w] = 0.0
                ready[row] = np.maximum(ready[row], flat.fixed_end[p] + travel)
    return ready


def _among(
    start: Ints, task: Ints, size: Floats, free: Ints, number: Ints
) -> tuple[NDArray[np.int32], NDArray[np.int32], Floats]:
    """Compressed rows of the dependencies between free tasks."""
    owner = np.repeat(np.arange(len(start) - 1), np.diff(start))
    kept = (number[owner] >= 0) & (number[task] >= 0)
    count = np.bincount(number[owner[kept]], minlength=free.size)
    begin = np.concatenate([[0], np.cumsum(count)]).astype(np.int32)
    return begin, number[task[kept]].astype(np.int32), np.ascontiguousarray(size[kept])


def plan_of(flat: Flat, board: Board, free: Ints, start: Start) -> Plan:
    """The plan with the workers and the orders of a schedule; its times are still to be settled."""
    n, m = board.duration.shape
    rank = np.empty(flat.row.size, np.int64)
    rank[flat.order] = np.arange(flat.row.size)
    worker = start.worker[free]
    order = np.lexsort((rank[free], start.end[free], start.start[free])).astype(np.int32)
    place = np.empty(n, np.int32)
    place[order] = np.arange(n)
    before, after, first = (np.full(size, NOWHERE, np.int32) for size in (n, n, m))
    last = np.full(m, NOWHERE)
    for t in order:
        w = worker[t]
        if last[w] >= 0:
            before[t], after[last[w]] = last[w], t
        else:
            first[w] = t
        last[w] = t
    return Plan(
        worker=worker.astype(np.int32),
        before=before,
        after=after,
        order=order,
        place=place,
        took=board.duration[np.arange(n), worker].copy(),
        end=np.zeros(n),
        rest=np.zeros(n),
        first=first,
    )


def duplicate(plan: Plan) -> Plan:
    """A plan of its own that is equal."""
    return Plan._make(each.copy() for each in plan)
