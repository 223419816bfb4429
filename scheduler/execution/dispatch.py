"""What to do next, as a pure state machine: events in, instructions out. No clock, no thread.

A task is waiting until its predecessors have succeeded and their bytes have arrived, then ready; it
runs when the worker of its placement has the cores and memory free. Workers serve their ready tasks
in planned order and never let a later one overtake a ready one that does not fit yet, so nothing
starves. What is planned earlier there but not ready yet keeps its place until its planned start: a
later task overtakes it only where that can keep no such task waiting, so a plan that comes true in
every duration ends no later than planned. Past its planned start the plan is broken, and the worker
idles for it no longer. A failed attempt is tried again; one that ran out of memory gets what the
forecast plans next, else twice as much, on a larger worker if need be. When no attempt is left the
task is given up, and all that wait for it.
"""

import math
from bisect import bisect_right, insort
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from scheduler.cluster import Allocation
from scheduler.execution.events import AttemptEnded, Event, GiveUp, Instruction, Start
from scheduler.planning.problem import Problem
from scheduler.planning.schedule import Schedule
from scheduler.planning.timeline import CLOCK
from scheduler.records import Outcome

Transfer = Callable[[float, str, str], float]


@dataclass
class _Task:
    worker: str
    allocation: Allocation
    rank: float
    waits_for: int
    arrival: float = 0.0
    attempt: int = 0
    over: bool = False


@dataclass
class _Worker:
    cores: float
    memory: float
    ready: list[tuple[float, str]] = field(default_factory=list)  # by planned start
    booked: list[tuple[float, str]] = field(default_factory=list)  # never started, by `_lapse`
    held_until: float = 0.0


class Dispatch:
    """Turns a schedule into instructions, event by event.

    `transfer(bytes, source, target)` says after how many seconds bytes have arrived; executors
    whose attempts fetch their inputs themselves pass one that says zero.
    """

    def __init__(self, problem: Problem, schedule: Schedule, *, transfer: Transfer) -> None:
        self._problem, self._transfer = problem, transfer
        graph = problem.workflow.graph
        self._tasks = {
            each.task: _Task(each.worker, each.allocation, each.start, graph.in_degree(each.task))
            for each in schedule.placements
        }
        self._workers = {
            each.name: _Worker(each.cores, each.memory) for each in problem.cluster.workers
        }
        for name, task in self._tasks.items():
            self._workers[task.worker].booked.append((_lapse(task.rank), name))
            if task.waits_for == 0:
                self._queue(name)
        for worker in self._workers.values():
            worker.booked.sort()

    @property
    def done(self) -> bool:
        """Whether every task has succeeded or was given up."""
        return all(task.over for task in self._tasks.values())

    def wake_at(self, now: float) -> float | None:
        """When to ask again though nothing happened, or None.

        The next arrival of bytes, or the next planned start for which a ready task is held back.
        """
        workers = self._workers.values()
        later = [self._tasks[name].arrival for worker in workers for _, name in worker.ready]
        later += [worker.held_until for worker in workers]
        return min((each for each in later if each > now), default=None)

    def due(self, now: float) -> tuple[Instruction, ...]:
        """What can start at this moment (seconds since the run began)."""
        return tuple(
            start
            for name, worker in self._workers.items()
            for start in self._starts(name, worker, now)
        )

    def handle(self, event: Event) -> tuple[Instruction, ...]:
        """Takes in what happened; returns what follows from it besides new starts."""
        if not isinstance(event, AttemptEnded):
            return ()
        task, worker = self._tasks[event.task], self._workers[event.worker]
        worker.cores += task.allocation.cores
        worker.memory += task.allocation.memory
        if event.observation.outcome is Outcome.SUCCEEDED:
            self._succeed(event)
            return ()
        return tuple(self._fail(event))

    def _starts(self, name: str, worker: _Worker, now: float) -> Iterator[Start]:
        for rank, task_id in tuple(worker.ready):
            task = self._tasks[task_id]
            if task.arrival > now:
                continue
            if not _fits(task.allocation, worker):
                return
            if not self._delays_none(task_id, name, now):
                worker.held_until = worker.booked[bisect_right(worker.booked, now, key=_when)][0]
                continue
            worker.ready.remove((rank, task_id))
            self._unbook(task_id)
            worker.cores -= task.allocation.cores
            worker.memory -= task.allocation.memory
            task.attempt += 1
            yield Start(task_id, task.attempt, name, task.allocation)

    def _delays_none(self, task_id: str, name: str, now: float) -> bool:
        """Whether all that is planned there before the task, and before its end, fits beside it."""
        task, worker = self._tasks[task_id], self._workers[name]
        row, column = self._problem.workflow.index[task_id], self._problem.cluster.index[name]
        ends = now + float(self._problem.duration[row, column])
        until, together = _lapse(min(task.rank, ends)), task.allocation
        for each in range(bisect_right(worker.booked, now, key=_when), len(worker.booked)):
            lapse, earlier = worker.booked[each]
            if lapse >= until or not _fits(together, worker):
                break
            held = self._tasks[earlier].allocation
            together = Allocation(together.cores + held.cores, together.memory + held.memory)
        return _fits(together, worker)

    def _unbook(self, task_id: str) -> None:
        task = self._tasks[task_id]
        if task.attempt == 0:
            self._workers[task.worker].booked.remove((_lapse(task.rank), task_id))

    def _queue(self, task_id: str) -> None:
        task = self._tasks[task_id]
        insort(self._workers[task.worker].ready, (task.rank, task_id))

    def _succeed(self, event: AttemptEnded) -> None:
        self._tasks[event.task].over = True
        for target, edge in self._problem.workflow.graph.succ[event.task].items():
            waiting = self._tasks[target]
            travel = self._transfer(edge["bytes"], event.worker, waiting.worker)
            waiting.arrival = max(waiting.arrival, event.at + travel)
            waiting.waits_for -= 1
            if waiting.waits_for == 0 and not waiting.over:
                self._queue(target)

    def _fail(self, event: AttemptEnded) -> Iterable[Instruction]:
        task = self._tasks[event.task]
        most = self._problem.workflow.task(event.task).max_attempts
        outcome = event.observation.outcome
        if task.attempt >= most:
            return self._give_up(event.task, f"attempt {task.attempt} of {most} ended: {outcome}")
        if outcome is Outcome.OUT_OF_MEMORY and not self._grow(event.task, task):
            held = task.allocation.memory / 1e9
            return self._give_up(
                event.task,
                f"needs more than {held:.3g} GB, and no worker that can take it has more",
            )
        self._queue(event.task)
        return ()

    def _grow(self, task_id: str, task: _Task) -> bool:
        """Gives the task more memory, where it is or on the fastest worker that has it."""
        row = self._problem.workflow.index[task_id]
        wanted = math.ceil(self._problem.memory_after(row, task.allocation.memory))
        larger = [
            (
                worker.memory < wanted,
                worker.name != task.worker,
                self._problem.duration[row, column],
                worker,
            )
            for column, worker in enumerate(self._problem.cluster.workers)
            if self._problem.eligible[row, column] and worker.memory > task.allocation.memory
        ]
        if not larger:
            return False
        _, _, _, chosen = min(larger, key=lambda each: each[:3])
        task.worker = chosen.name
        task.allocation = Allocation(task.allocation.cores, min(wanted, chosen.memory))
        return True

    def _give_up(self, task_id: str, reason: str) -> Iterator[GiveUp]:
        self._unbook(task_id)
        self._tasks[task_id].over = True
        yield GiveUp(task_id, reason)
        for successor in self._problem.workflow.successors(task_id):
            if not self._tasks[successor].over:
                yield from self._give_up(successor, f"waits for {task_id!r}, which was given up")


def _lapse(start: float) -> float:
    return start * (1 + CLOCK)


def _when(booking: tuple[float, str]) -> float:
    return booking[0]


def _fits(allocation: Allocation, worker: _Worker) -> bool:
    return allocation.cores <= worker.cores + 1e-9 and allocation.memory <= worker.memory
