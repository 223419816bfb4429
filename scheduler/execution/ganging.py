"""Tasks that start together, as part of a dispatch. No clock, no store.

A gang is in turn when all of its open tasks are ready, and starts when all fit at one time; until
then it holds back what comes after it on each of its workers, so that it does not starve. All its
tasks have one turn, the same on every worker, so that no two gangs wait for each other.
"""

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain

from scheduler.cluster import Allocation
from scheduler.execution.control import Controls
from scheduler.execution.events import Instruction, Start, Stop
from scheduler.execution.holding import LEEWAY, Amounts, Held, Place, WorkerPlace
from scheduler.planning.fellows import places_of
from scheduler.planning.timeline import CLOCK

NEVER = 1e17  # seconds: a worker that opens then is gone


class Gangs(Controls):
    """The part of a dispatch that starts, stops and gives up the tasks of a gang together."""

    _workers: dict[str, WorkerPlace]
    _wake: float

    @abstractmethod
    def _holds(self, task: Held) -> Iterator[tuple[Place, Amounts]]:
        """The worker and the pools of a task, and what it takes of each."""

    @abstractmethod
    def _start(self, task: Held, now: float) -> Start:
        """Begins an attempt."""

    @abstractmethod
    def _seconds(self, task: Held) -> float:
        """What an attempt usually takes on its worker."""

    @abstractmethod
    def _crowded(
        self, place: Place, amounts: Amounts, before: Iterable[tuple[Held, float]]
    ) -> float | None:
        """The first moment of those before it, if all of them do not fit beside the amounts."""

    @abstractmethod
    def _urgent(
        self, place: Place, task: Held, now: float, ends: float
    ) -> Iterator[tuple[Held, float]]:
        """Tasks of higher priority that are ready before the task would end."""

    def _form_gangs(self) -> None:
        gangs = self._problem.workflow.gangs.items()
        self._gangs = {gang: [self._tasks[each] for each in tasks] for gang, tasks in gangs}
        self._come = dict[str, set[str]]()  # who is ready, of gangs that are not in turn yet

    def _open(self, task: Held) -> list[Held]:
        """The tasks of its gang that are not over."""
        gang = self._problem.workflow.tasks[task.row].gang
        return [each for each in self._gangs.get(gang, ()) if each.open]

    def _queue(self, arrived: Iterable[Held], now: float) -> Iterator[Instruction]:
        """Gives each task that is ready its turn; those of a gang when all of them are."""
        for task in arrived:
            gang = self._problem.workflow.tasks[task.row].gang
            if gang not in self._gangs:
                self._workers[task.worker].queue(task)
            elif task.open:
                self._come.setdefault(gang, set()).add(task.name)
        for gang, come in tuple(self._come.items()):
            fellows = [each for each in self._gangs[gang] if each.open]
            if all(each.name in come and not (each.running or each.unknown) for each in fellows):
                del self._come[gang]
                yield from self._gather(fellows, now)

    def _gather(self, fellows: Sequence[Held], now: float) -> Iterator[Instruction]:
        """One turn for all of them, on workers that can hold them at one time."""
        new = [each for each in fellows if each.attempt == 0]
        for each in new:
            for place, _ in self._holds(each):
                place.unbook(each)
        rank = max((each.rank for each in fellows), default=0.0)
        for each in fellows:
            each.rank, each.priority = rank, max(other.priority for other in fellows)
        fits = not fellows or self._fit_idle(fellows) or self._move_together(fellows)
        for each in new:
            for place, _ in self._holds(each):
                place.book(each)
        if not fits:
            why = "the workers that are left cannot hold all of its gang at one time"
            yield from self._give_up(fellows[0], why, now)
            return
        for each in fellows:
            self._workers[each.worker].queue(each)

    def together(self, name: str, worker: str) -> bool:
        """Whether its gang could start with the task on that worker, were all workers idle."""
        fellows = self._open(self._tasks[name])
        if len(fellows) < 2:
            return True
        return self._fit_idle(
            [replace(each, worker=worker) if each.name == name else each for each in fellows]
        )

    def _fit_idle(self, fellows: Sequence[Held]) -> bool:
        own = [each.worker for each in fellows if self._problem.workflow.tasks[each.row].apart]
        idle = {each.name: each for each in self._problem.cluster.workers}
        for worker in {each.worker for each in fellows}:
            held = [each.allocation for each in fellows if each.worker == worker]
            cores = idle[worker].cores * (1 + LEEWAY[0])
            if sum(each.cores for each in held) > cores:
                return False
            if sum(each.memory for each in held) > idle[worker].memory:
                return False
        return len(set(own)) == len(own)

    def _move_together(self, fellows: Sequence[Held]) -> bool:
        """Puts them where all fit, each with the memory that it has come to need."""
        problem = self._problem
        rows = [each.row for each in fellows]
        least = [each.allocation.memory if each.attempt else 0 for each in fellows]
        found = places_of(problem.flat, problem.workflow.tasks, rows, least)
        if found is None:
            return False
        for each, column, memory in zip(fellows, found.worker, found.memory, strict=True):
            each.worker = problem.cluster.workers[column].name
            each.allocation = Allocation(each.allocation.cores, memory)
        return True

    def _start_together(
        self, task: Held, now: float, claimed: set[int], stopped: set[str]
    ) -> Iterator[Start]:
        """All starts of a gang that is in turn, or none; `stopped` workers let nothing past it."""
        fellows = self._open(task)
        workers = {each.worker for each in fellows}
        if any(each.running or each.name in self._withheld for each in fellows):
            return
        if workers & self._drained:
            return
        opens = self._opening(fellows, now)
        if opens > now:
            self._wake = min(self._wake, opens)
            return
        joint = list(self._jointly(fellows))
        rooms = [each for each in joint if isinstance(each[0], WorkerPlace)]
        shares = [each for each in joint if not isinstance(each[0], WorkerPlace)]
        if workers & stopped or any(not place.fits(amounts) for place, amounts, _ in rooms):
            stopped |= workers
            return
        pools = {pool for each in fellows for pool, _ in each.pools}
        if pools & claimed or any(not place.fits(amounts) for place, amounts, _ in shares):
            claimed |= pools
            return
        moments = (self._kept_waiting(*each, fellows, now) for each in joint)
        again = [each for each in moments if each is not None]
        if again:
            self._wake = min(self._wake, *again)
        elif all(self._may_start(each) for each in fellows):
            for each in fellows:
                yield self._start(each, now)

    def _opening(self, fellows: Sequence[Held], now: float) -> float:
        """The first moment from now on at which all of their workers stay open for long enough."""
        moment = now
        while moment < NEVER:
            lasts = ((self._workers[each.worker], self._seconds(each)) for each in fellows)
            opens = max(worker.opening(moment, seconds) for worker, seconds in lasts)
            if opens == moment:
                return moment
            moment = opens
        return float("inf")

    def _jointly(self, fellows: Sequence[Held]) -> Iterator[tuple[Place, Amounts, Held]]:
        """What they take together of each place, and who of them stays there longest."""
        places: dict[int, list[tuple[Place, Amounts, Held]]] = {}
        for task in fellows:
            for place, amounts in self._holds(task):
                places.setdefault(id(place), []).append((place, amounts, task))
        for held in places.values():
            total = tuple(map(sum, zip(*(amounts for _, amounts, _ in held), strict=True)))
            longest = max((task for *_, task in held), key=self._seconds)
            yield held[0][0], total, longest

    def _kept_waiting(
        self, place: Place, amounts: Amounts, task: Held, fellows: Sequence[Held], now: float
    ) -> float | None:
        """When to ask again, if they would keep one waiting there that goes before them."""
        ends = now + self._seconds(task)
        planned = place.booked_between(now, min(task.rank * (1 + CLOCK), ends * (1 + CLOCK)))
        waiting = ((each, each.lapse) for each in planned)
        before = chain(waiting, self._urgent(place, task, now, ends))
        others = (each for each in before if each[0] not in fellows)
        return self._crowded(place, amounts, others)

    def _stop_fellows(self, task: Held) -> Iterator[Stop]:
        """Stops what runs of its gang, to start again with it; that costs them no attempt."""
        for each in self._open(task):
            if each.running and not (each.stopping or each.cancelled):
                each.stopping, each.spare = True, each.spare + 1
                yield Stop(each.name, each.attempt, each.worker)

    def _give_up_fellows(self, task: Held, at: float) -> Iterator[Instruction]:
        why = f"starts together with {task.name!r}, which was given up"
        for each in self._open(task):
            if not each.running:
                if each.open:
                    each.forlorn = True
                    yield from self._give_up(each, why, at)
            elif not each.cancelled:
                each.cancelled = why
                yield Stop(each.name, each.attempt, each.worker)
