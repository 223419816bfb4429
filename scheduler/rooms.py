"""What runs leave one another of the workers that they share, and who is next.

A start of one run takes what the others hold as taken. What finds no room is wanted, and what is
wanted goes before later wishes on its worker: so small tasks do not starve a gang or a large one,
which gets its workers though nobody holds them for it meanwhile. First comes whose owner holds the
fewest cores of the cluster, then who has wanted for longest: an order that all runs agree on, so
none waits for another in a circle. An owner who holds a core waits for as long as others come who
hold none.

A run without neighbours writes nothing down: what it begins is in the store anyway, and it looks
for them twice a second only. Who comes to others therefore begins nothing for a second, until all
that they had decided before they could see it is there too.
"""

import math
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from scheduler.execution.dispatch import Dispatch
from scheduler.execution.events import Start
from scheduler.execution.holding import LEEWAY
from scheduler.leases import Watch
from scheduler.planning.problem import Problem
from scheduler.store import Store
from scheduler.store.holds import Held, Hold
from scheduler.store.leases import Lease

AGAIN = 0.1  # seconds after which a run asks again that others keep waiting
ORPHANED = 60.0  # seconds that attempts count whose run nobody has in charge
SETTLING = 1.0  # seconds that a run begins nothing which has come to others
Amounts = tuple[float, int]


@dataclass(frozen=True)
class Limits:
    """What there is: cores and bytes by worker, and the cores that owners may hold at a time."""

    workers: Mapping[str, Amounts]
    quotas: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, problem: Problem) -> "Limits":
        """Those of a problem."""
        workers = {each.name: (each.cores, each.memory) for each in problem.cluster.workers}
        return cls(workers, problem.objective.quotas)


def admitted(
    asked: Iterable[Sequence[Hold]], mine: Iterable[Hold], others: Iterable[Hold], limits: Limits
) -> tuple[list[Hold], list[Hold]]:
    """Of these blocks of starts those that may begin, and those that lack room.

    All of a block or none. Each in its turn among all that is wanted, whatever the order in which
    it is asked: a run that let its own later wishes go first would wait for others that wait for
    its earlier ones. `mine` are the run's own holds, `others` those of other runs, with what
    they want. What finds no room lets nothing of its own run past it on its workers. What is in
    neither answer has room, and an owner who holds too much already.
    """
    theirs = list(others)
    held = [*mine, *(each for each in theirs if not each.wants)]
    owners = _cores(held)
    before = sorted((each for each in theirs if each.wants), key=lambda each: _turn(each, owners))
    taken, shut = list(held), set[str]()
    begin, wait = list[Hold](), list[Hold]()
    turns = [(min(_turn(each, owners) for each in block), block) for block in asked]
    for turn, block in sorted(turns, key=lambda each: each[0]):
        workers = {each.worker for each in block}
        first = [each for each in before if each.worker in workers and _turn(each, owners) < turn]
        room = not workers & shut and _fits([*taken, *first, *block], workers, limits)
        if not room:
            wait += block
            shut |= workers
        elif _within([*taken, *block], limits.quotas):
            begin += block
            taken += block
    return begin, wait


def _turn(hold: Hold, owners: Mapping[str, float]) -> tuple[float, datetime, int]:
    return owners.get(hold.owner, 0.0), hold.since, hold.run


def _cores(holds: Iterable[Hold]) -> Mapping[str, float]:
    found = Counter[str]()
    for each in holds:
        found[each.owner] += each.cores  # type: ignore[assignment]
    return found


def _fits(holds: Iterable[Hold], workers: Collection[str], limits: Limits) -> bool:
    cores, memory = dict.fromkeys(workers, 0.0), dict.fromkeys(workers, 0)
    for each in holds:
        if each.worker in cores:
            cores[each.worker] += each.cores
            memory[each.worker] += each.memory
    return all(
        cores[each] <= limits.workers[each][0] * (1 + LEEWAY[0])
        and memory[each] <= limits.workers[each][1]
        for each in workers
    )


def _within(holds: Iterable[Hold], quotas: Mapping[str, float]) -> bool:
    held = _cores(holds) if quotas else {}
    return all(held.get(each, 0.0) <= most * (1 + LEEWAY[0]) for each, most in quotas.items())


@dataclass
class Rooms:
    """The room of one run on workers that other runs of the store share.

    `seconds` is a clock that is never set, `clock` gives aware times. What a run holds whose holder
    is gone counts for a minute more, in which it is taken over or nobody does it.
    """

    store: Store
    run: int
    lease: Lease
    seconds: Callable[[], float]
    clock: Callable[[], datetime]
    watch: Watch = field(default_factory=Watch)
    _kept: frozenset[Hold] = frozenset()
    _alone: bool = False
    _looked: float = -math.inf
    _settled: float | None = None
    _out: frozenset[str] = frozenset()
    _orphaned: dict[int, float] = field(default_factory=dict)

    @property
    def wanting(self) -> bool:
        """Whether others keep a task waiting."""
        return bool(self._out)

    def crowded_out(self, starts: Sequence[Start], dispatch: Dispatch) -> frozenset[str]:
        """The tasks of starts for which there is no room; what the others are is held from now on.

        The dispatch has the starts among what is in flight.
        """
        new = {each.task for each in starts}
        mine = [self._hold(each, dispatch) for each in dispatch.in_flight if each not in new]
        if not new and (self._alone or self._kept == frozenset(mine)):
            self._out = frozenset()
            return self._out
        cluster = dispatch.problem.cluster.name
        if self._without_neighbours(cluster):
            return self._out
        if new and self._settling():
            self._out = frozenset(new)
            return self._out
        asked = _blocks([self._hold(each.task, dispatch) for each in starts], dispatch.problem)
        limits = Limits.of(dispatch.problem)

        def decide(held: Held) -> frozenset[Hold]:
            begin, wait = admitted(asked, mine, self._counted(held), limits)
            wanted = (replace(each, wants=True) for each in wait)
            return frozenset((*mine, *begin, *wanted))

        found = decide(self.store.held_by_others(self.run, cluster))
        if found != self._kept:
            self._keep(cluster, decide)
        self._out = frozenset(new) - {each.task for each in self._kept if not each.wants}
        return self._out

    def _without_neighbours(self, cluster: str) -> bool:
        """Whether nobody else is there; then nothing has to be said, and what was is taken back."""
        now = self.seconds()
        if self._alone and now - self._looked < SETTLING / 2:
            return True
        self._alone, self._looked = not self.store.neighbours(self.run, cluster), now
        if self._alone:
            self._out, self._settled = frozenset(), -SETTLING
            if self._kept:
                self._keep(cluster, lambda _: frozenset())
        return self._alone

    def _settling(self) -> bool:
        now = self.seconds()
        self._settled = now if self._settled is None else self._settled
        return now - self._settled < SETTLING

    def _keep(self, cluster: str, decide: Callable[[Held], Collection[Hold]]) -> None:
        at = self.clock()
        self._kept = frozenset(self.store.hold(self.run, cluster, decide, lease=self.lease, at=at))

    def _hold(self, name: str, dispatch: Dispatch) -> Hold:
        task, owner = dispatch.tasks[name], dispatch.problem.workflow.task(name).owner
        amounts = task.allocation.cores, task.allocation.memory
        known = (each.since for each in self._kept if each.task == name)
        since = next(known, None) or self.clock()
        return Hold(self.run, name, task.worker, *amounts, owner, wants=False, since=since)

    def _counted(self, held: Held) -> list[Hold]:
        """What others hold and want, but for what nobody will go on with."""
        now, found = self.seconds(), list[Hold]()
        for each in held.holds:
            lease = held.leases.get(each.run)
            if lease is not None and not self.watch.dead(lease, now):
                self._orphaned.pop(each.run, None)
                found.append(each)
            elif not each.wants:
                since = self._orphaned.setdefault(each.run, now)
                found += [each] if now - since < ORPHANED else []
        return found


def _blocks(holds: Sequence[Hold], problem: Problem) -> Collection[Sequence[Hold]]:
    """Those of a gang together, all others alone, in the order in which they came."""
    blocks: dict[str, list[Hold]] = {}
    for each in holds:
        gang = problem.workflow.task(each.task).gang
        joint = f"gang {gang}" if gang in problem.workflow.gangs else f"task {each.task}"
        blocks.setdefault(joint, []).append(each)
    return blocks.values()
