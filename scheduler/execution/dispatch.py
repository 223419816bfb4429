"""What to do next, as a pure state machine: events in, instructions out. No clock, no thread.

A task is waiting until its predecessors have succeeded, their bytes have arrived and its release
has come, then ready; it runs when the worker of its placement has the cores and memory free, is
open for as long as the forecast says it takes, and the pools and quotas that it needs have it.

Workers serve their ready tasks in planned order and never let a later one overtake a ready one that
does not fit yet, so nothing starves. A task that lacks a share of a pool keeps only that pool for
itself: tasks of other pools go on. What is planned earlier but not ready yet keeps its place until
its planned start: a later task overtakes it only where that can keep no such task waiting, so a
plan that comes true in every duration ends no later than planned. Past its planned start the plan
is broken, and the worker idles for it no longer, but for a task of higher priority: for that one
its place is kept as long as the forecast knows when it will be ready. Of late tasks those of higher
priority go first; a task is as urgent as what waits for it (docs/decisions/priorities.md).

The tasks of a gang start in one step or not at all (ganging.py).

A failed attempt is tried again when its backoff is over; one that ran out of memory gets at once
what the forecast plans next, else twice as much, on a larger worker if need be. When no attempt is
left the task is given up, and all that wait for it.
"""

import heapq
import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from itertools import chain

from scheduler.cluster import Allocation
from scheduler.errors import InvalidInput
from scheduler.execution.events import (
    AttemptEnded,
    AttemptStarted,
    AttemptUnknown,
    Controlled,
    Decision,
    Event,
    GiveUp,
    Instruction,
    Start,
    TaskDecided,
    TaskGivenUp,
)
from scheduler.execution.ganging import Gangs
from scheduler.execution.holding import Amounts, Arrivals, Held, Place, WorkerPlace
from scheduler.execution.look_ahead import expected_end, ready_by
from scheduler.execution.setting_out import grown, held_tasks, pause
from scheduler.planning.edits import Kept, World
from scheduler.planning.problem import Problem
from scheduler.planning.schedule import Placement, Schedule
from scheduler.planning.timeline import CLOCK
from scheduler.records import Outcome

NEVER = 1e17  # seconds: a worker that opens then is gone
Transfer = Callable[[float, str, str], float]


class Dispatch(Gangs):
    """Turns a schedule into instructions, event by event.

    `transfer(bytes, source, target)` says after how many seconds bytes have arrived; executors
    whose attempts fetch their inputs themselves pass one that says zero.
    """

    def __init__(self, problem: Problem, schedule: Schedule, *, transfer: Transfer) -> None:
        self._problem, self._transfer = problem, transfer
        self._tasks = held_tasks(problem, schedule)
        self._arrivals, self._wake = Arrivals(), math.inf
        self._uncontrolled(problem)
        self._open_places()

    @property
    def done(self) -> bool:
        """Whether every task has succeeded or was given up."""
        return not self._left

    @property
    def problem(self) -> Problem:
        """The problem whose schedule is followed now."""
        return self._problem

    @property
    def tasks(self) -> Mapping[str, Held]:
        """How each task stands, to be looked at only."""
        return self._tasks

    @property
    def unknown(self) -> tuple[str, ...]:
        """The tasks that wait for people to decide what became of them."""
        return tuple(self._unseen)

    @property
    def stuck(self) -> bool:
        """Whether nothing runs, nothing is on its way, and yet not all is done."""
        waits = self._arrivals.next is not None or self._wake < math.inf
        return not ((waits and not self._paused) or self._flying or self.done)

    def wake_at(self, now: float) -> float | None:
        """When to ask again though nothing happened, or None.

        The next arrival of bytes, the next planned or expected start for which a ready task is held
        back, or the end of a closed window.
        """
        moments = (self._wake, self._arrivals.next or math.inf)
        return min((each for each in moments if now < each < math.inf), default=None)

    def happened(self, now: float) -> Mapping[str, Placement]:
        """What is done, and what runs now with the end that the forecast expects, by task.

        As `Problem.fixed` wants it. A task that was given up takes no time.
        """
        return {**self._past, **self.running(now)}

    @property
    def in_flight(self) -> Mapping[str, Held]:
        """The tasks of which an attempt runs, to be looked at only."""
        return self._flying

    @property
    def begun(self) -> int:
        """How many tasks are over or run."""
        return len(self._past) + len(self._flying)

    def placement(self, name: str, now: float) -> Placement:
        """One task as `happened` tells it."""
        return self._placement(self._tasks[name], now)

    def running(self, now: float) -> Mapping[str, Placement]:
        """What runs now, as `happened` tells it."""
        flying = sorted(self._flying.values(), key=lambda task: task.row)
        return {task.name: self._placement(task, now) for task in flying}

    def replace(self, problem: Problem, schedule: Schedule) -> None:
        """Follows another schedule from now on; what is over or runs stays as it is.

        `problem` is the one that the schedule solves. Tasks and workers may have come to it, at the
        end; none may have gone. A task that ran out of memory never gets less than it would have
        got. Raises InvalidInput where the schedule does not place a task that is still open.
        """
        placed = schedule.by_task
        missing = [
            name
            for name, task in self._tasks.items()
            if not (task.over or task.running or name in placed)
        ]
        if missing:
            raise InvalidInput(
                f"A schedule that replaces another must place every open task, found none for "
                f"{missing[0]!r} ({len(missing)} such tasks)."
            )
        self._problem = problem
        for name, task in self._tasks.items():
            if not (task.over or task.running):
                self._move(task, placed[name])
        if len(problem.workflow) > len(self._tasks):
            self._join(held_tasks(problem, schedule))
        self._arrivals = Arrivals()
        self._open_places()

    def due(self, now: float) -> tuple[Instruction, ...]:
        """What can start at this moment (seconds since the run began)."""
        self._wake = math.inf
        if self._paused:
            return ()
        lost = tuple(self._queue(self._arrivals.by(now), now))
        return (*lost, *self._starts(now))

    def take_back(self, names: Collection[str]) -> None:
        """Undoes starts that `due` has just told and that nobody has carried out: due again."""
        for name in names:
            task = self._tasks[name]
            for place, amounts in self._holds(task):
                place.take(amounts, sign=-1)
            task.attempt -= 1
            task.began = None
            if task.attempt == 0:
                for place, _ in self._holds(task):
                    place.book(task)
            del self._flying[name]
            self._expect(task)

    def handle(self, event: Event) -> tuple[Instruction, ...]:
        """Takes in what happened; returns what follows from it besides new starts.

        Every change of state comes in here, in `due` or in `replace`: so events that were kept,
        in their order, lead to the same state again.
        """
        match event:
            case AttemptStarted():
                self._begun(event)
            case AttemptEnded():
                return self._over(event)
            case AttemptUnknown():
                self._lose_sight(event)
            case TaskDecided():
                return self._decided(event)
            case Controlled():
                return tuple(self._controlled(event))
            case TaskGivenUp() if not self._tasks[event.task].over:
                return tuple(self._give_up(self._tasks[event.task], event.reason, event.at))
        return ()

    def _begun(self, event: AttemptStarted) -> None:
        """What `due` has decided once, or once more after it was found not to have begun."""
        task = self._tasks[event.task]
        if task.running:
            task.began = event.at
            return
        tuple(self._queue(self._arrivals.by(event.at), event.at))
        self._start(task, event.at)

    def _lose_sight(self, event: AttemptUnknown) -> None:
        task = self._tasks[event.task]
        for place, amounts in self._holds(task):
            place.take(amounts, sign=-1)
        task.began, task.unknown = None, True
        del self._flying[task.name]
        self._unseen[task.name] = None

    def _decided(self, event: TaskDecided) -> tuple[Instruction, ...]:
        task = self._tasks[event.task]
        if not task.unknown:
            return ()
        task.unknown = False
        del self._unseen[task.name]
        match event.decision:
            case Decision.SUCCEEDED:
                self._succeed(task, event.at)
            case Decision.FAILED:
                why = f"{event.by} decided that it failed: {event.reason}"
                return tuple(self._give_up(task, why, event.at))
            case Decision.AGAIN:
                self._expect(task)
                return tuple(self._stop_fellows(task))
        return ()

    def _over(self, event: AttemptEnded) -> tuple[Instruction, ...]:
        task = self._tasks[event.task]
        for place, amounts in self._holds(task):
            place.take(amounts, sign=-1)
        del self._flying[event.task]
        if event.observation.outcome is Outcome.SUCCEEDED:
            self._succeed(task, event.at)
            return ()
        task.began, task.stopping = None, False
        if task.cancelled:
            return tuple(self._give_up(task, task.cancelled, event.at))
        return tuple(self._fail(event, task))

    def _placement(self, task: Held, now: float) -> Placement:
        end = expected_end(self._problem, task, now) if task.ended is None else task.ended
        start = end if task.began is None else task.began
        return Placement(task.name, task.worker, start, end, task.allocation)

    def _count(self) -> None:
        """Which tasks run, are left, are over, or wait for people: told at every step."""
        held = self._tasks.items()
        self._flying = {name: task for name, task in held if task.running}
        self._left = {name for name, task in held if not task.over}
        self._unseen = {name: None for name, task in held if task.unknown}
        self._past = {name: self._placement(task, 0.0) for name, task in held if task.over}

    def _finish(self, task: Held, at: float) -> None:
        task.ended, task.unknown = at, False
        self._left.discard(task.name)
        self._unseen.pop(task.name, None)
        self._past[task.name] = self._placement(task, at)

    def _open_places(self) -> None:
        self._count()
        self._form_gangs()
        self._by_priority = len({each.priority for each in self._tasks.values()}) > 1
        self._workers = {
            each.name: WorkerPlace((each.cores, float(each.memory)), closed=sorted(each.closed))
            for each in self._problem.cluster.workers
        }
        self._pools = [Place((limit,)) for limit in self._problem.flat.limit.tolist()]
        for task in self._tasks.values():
            if task.over:
                continue
            for place, amounts in self._holds(task):
                if task.running:
                    place.take(amounts)
                elif task.attempt == 0:
                    place.book(task)
            if task.waits_for == 0 and not (task.running or task.unknown):
                self._expect(task)

    def _join(self, tasks: Mapping[str, Held]) -> None:
        """Takes the tasks in that are new; others get the priority of what waits for them now."""
        for name, task in tasks.items():
            if name in self._tasks:
                self._tasks[name].priority = task.priority
                continue
            before = self._problem.workflow.graph.pred[name]
            task.waits_for -= sum(name in self._tasks and self._tasks[name].over for name in before)
            self._tasks[name] = task

    def _move(self, task: Held, placed: Placement) -> None:
        task.rank = placed.start
        if task.kept and placed.worker != task.worker:
            if not self._gone(task.worker):
                return
            task.kept = False
        memory = placed.allocation.memory
        if task.attempt and memory < task.allocation.memory:
            memory = task.allocation.memory
            if memory > self._problem.cluster.worker(placed.worker).memory:
                return
        task.worker, task.allocation = placed.worker, Allocation(placed.allocation.cores, memory)

    def _holds(self, task: Held) -> Iterator[tuple[Place, Amounts]]:
        yield self._workers[task.worker], (task.allocation.cores, float(task.allocation.memory))
        for pool, amount in task.pools:
            yield self._pools[pool], (amount,)

    def _starts(self, now: float) -> Iterator[Start]:
        claimed: set[int] = set()  # pools that an earlier task waits for
        stopped: set[str] = set()  # workers on which an earlier task waits for room
        for worker, turn in self._turns(now, stopped):
            for task in turn:
                if task.lead >= 0:
                    yield from self._start_together(task, now, claimed, stopped)
                    continue
                if task.name in self._withheld:
                    continue
                opens = worker.opening(now, self._seconds(task))
                if opens > now:
                    self._wake = min(self._wake, opens if opens < NEVER else math.inf)
                    continue
                (_, amounts), *shares = self._holds(task)
                if not worker.fits(amounts):
                    break
                short = any(not place.fits(amount) for place, amount in shares)
                if short or any(pool in claimed for pool, _ in task.pools):
                    claimed.update(pool for pool, _ in task.pools)
                    continue
                again = self._held_back(task, now)
                if again is not None:
                    self._wake = min(self._wake, again)
                    continue
                if not self._may_start(task):
                    continue
                yield self._start(task, now)

    def _turns(self, now: float, stopped: set[str]) -> Iterator[tuple[WorkerPlace, Iterable[Held]]]:
        """The ready tasks in turn: worker by worker, or of all where they share pools or gangs."""
        turns = [
            (worker, worker.in_turn(now, by_priority=self._by_priority))
            for name, worker in self._workers.items()
            if worker.ready and name not in self._drained
        ]
        if not (self._pools or self._gangs):
            yield from turns
            return
        yield from self._merged(turns, now, stopped)

    def _merged(
        self, turns: list[tuple[WorkerPlace, Iterator[Held]]], now: float, stopped: set[str]
    ) -> Iterator[tuple[WorkerPlace, Iterable[Held]]]:
        def of(number: int) -> Iterator[tuple[tuple[float, ...], int, Held]]:
            for task in turns[number][1]:
                late = self._by_priority and task.rank < now * (1 - CLOCK)
                turn = (0.0, -task.priority) if late else (1.0, 0.0)
                yield (*turn, *task.key), number, task
                if task.worker in stopped:
                    return

        for _, number, task in heapq.merge(*(of(each) for each in range(len(turns)))):
            worker = turns[number][0]
            (_, amounts), *_ = self._holds(task)
            if task.running or task.worker in stopped:
                continue
            if task.lead >= 0:
                yield worker, (task,)
                continue
            if task.name in self._withheld:
                continue
            if not worker.fits(amounts) and worker.opening(now, self._seconds(task)) <= now:
                stopped.add(task.worker)
            else:
                yield worker, (task,)

    def _start(self, task: Held, now: float) -> Start:
        worker = self._workers[task.worker]
        worker.ready.remove((task.key, task))
        for place, amounts in self._holds(task):
            if task.attempt == 0:
                place.unbook(task)
            place.take(amounts)
        task.attempt += 1
        task.began = now
        self._flying[task.name] = task
        return Start(task.name, task.attempt, task.worker, task.allocation)

    def _held_back(self, task: Held, now: float) -> float | None:
        """When to ask again, if the task would keep one waiting that goes before it."""
        ends = now + self._seconds(task)
        for place, amounts in self._holds(task):
            planned = place.booked_between(now, min(task.rank * (1 + CLOCK), ends * (1 + CLOCK)))
            waiting = ((each, each.lapse) for each in planned if each is not task)
            urgent = self._urgent(place, task, now, ends) if self._by_priority else ()
            again = self._crowded(place, amounts, chain(waiting, urgent))
            if again is not None:
                return again
        return None

    def _crowded(
        self, place: Place, amounts: Amounts, before: Iterable[tuple[Held, float]]
    ) -> float | None:
        """The first moment of those before it, if all of them do not fit beside the amounts."""
        counted: set[str] = set()
        first = math.inf
        for each, moment in before:
            first = min(first, moment)
            if each.name in counted:
                continue
            counted.add(each.name)
            theirs = next(held for other, held in self._holds(each) if other is place)
            amounts = tuple(a + b for a, b in zip(amounts, theirs, strict=True))
            if not place.fits(amounts):
                return first
        return None

    def _urgent(
        self, place: Place, task: Held, now: float, ends: float
    ) -> Iterator[tuple[Held, float]]:
        """Tasks of higher priority that the forecast says are ready before the task would end.

        Where both are as planned, the plan has decided between them.
        """
        on_time = task.rank >= now * (1 - CLOCK)
        for _, _, other in place.booked:
            if other.priority <= task.priority or (on_time and other.rank >= task.rank):
                continue
            moment = ready_by(self._problem, self._tasks, other, now, self._transfer)
            if moment is not None and moment < ends * (1 - CLOCK):
                yield other, moment

    def _seconds(self, task: Held) -> float:
        column = self._problem.cluster.index[task.worker]
        return float(self._problem.duration[task.row, column])

    def _gone(self, worker: str) -> bool:
        return any(until > NEVER for _, until in self._problem.cluster.worker(worker).closed)

    def unable(self, name: str, worker: str) -> str | None:
        """Why that worker cannot take the task, in words; where people have put it counts not."""
        task, problem = self._tasks[name], self._problem
        if task.kept:
            problem = Kept(task=name, worker=None).on(World.of(problem)).alone(name)
        has = self._problem.cluster.worker(worker).memory
        if task.attempt and task.allocation.memory > has:
            held = task.allocation.memory / 1e9
            return f"it needs {held:.3g} GB, {worker!r} has {has / 1e9:.3g} GB"
        return problem.refusal(name, worker)

    def _expect(self, task: Held) -> None:
        workflow = self._problem.workflow
        arrival = max(workflow.tasks[task.row].release, task.rests)
        for source, edge in workflow.graph.pred[task.name].items():
            before = self._tasks[source]
            assert before.ended is not None
            travel = self._transfer(edge["bytes"], before.worker, task.worker)
            arrival = max(arrival, before.ended + travel)
        self._arrivals.expect(task, arrival)

    def _succeed(self, task: Held, at: float) -> None:
        self._finish(task, at)
        for target in self._problem.workflow.graph.succ[task.name]:
            waiting = self._tasks[target]
            waiting.waits_for -= 1
            if waiting.waits_for == 0 and not waiting.over:
                self._expect(waiting)

    def _fail(self, event: AttemptEnded, task: Held) -> Iterable[Instruction]:
        most = self._problem.workflow.task(event.task).max_attempts + task.spare
        outcome = event.observation.outcome
        if task.attempt >= most:
            why = f"attempt {task.attempt} of {most} ended: {outcome}"
            return self._give_up(task, why, event.at)
        if outcome is Outcome.OUT_OF_MEMORY:
            larger = grown(self._problem, task)
            if larger is None:
                held = task.allocation.memory / 1e9
                why = f"needs more than {held:.3g} GB, and no worker that can take it has more"
                return self._give_up(task, why, event.at)
            task.worker, task.allocation = larger
        else:
            task.rests = event.at + pause(self._problem.workflow.task(task.name), task.attempt)
        self._expect(task)
        return tuple(self._stop_fellows(task))

    def _give_up(self, task: Held, reason: str, at: float) -> Iterator[Instruction]:
        if task.attempt == 0:
            for place, _ in self._holds(task):
                place.unbook(task)
        self._finish(task, at)
        task.given_up = True
        yield GiveUp(task.name, reason)
        for successor in self._problem.workflow.successors(task.name):
            if not self._tasks[successor].over:
                self._tasks[successor].forlorn = True
                why = f"waits for {task.name!r}, which was given up"
                yield from self._give_up(self._tasks[successor], why, at)
        if task.lead >= 0:
            yield from self._give_up_fellows(task, at)
