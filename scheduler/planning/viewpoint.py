"""A plan from the point of view of one of its tasks: when it could run where, and what holds it."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from scheduler.planning.causes import SAME, Alternative, Cause, Earlier, Lever, Wait
from scheduler.planning.flat import Flat
from scheduler.planning.kernels.repair import repaired, starts_there
from scheduler.planning.planned import Planned
from scheduler.planning.problem import Problem
from scheduler.planning.schedule import Placement, Schedule
from scheduler.planning.timeline import LEEWAY, Timeline

PLENTY = 1e18  # more of anything than any task needs


@dataclass(frozen=True)
class View:
    """A schedule from the point of view of one of its placements; the others stay as planned."""

    problem: Problem
    schedule: Schedule
    here: Placement

    @cached_property
    def flat(self) -> Flat:
        """The problem as arrays."""
        return self.problem.flat

    @cached_property
    def plan(self) -> Planned:
        """The schedule as arrays."""
        return Planned.of(self.schedule, self.problem)

    @cached_property
    def row(self) -> int:
        """The index of the task."""
        return self.problem.workflow.index[self.here.task]

    @cached_property
    def column(self) -> int:
        """The index of its worker."""
        return self.problem.cluster.index[self.here.worker]

    @property
    def happened(self) -> bool:
        """Whether the task has begun already, so that nothing about it can change."""
        return bool(self.flat.fixed_worker[self.row] >= 0)

    @cached_property
    def soonest(self) -> tuple[float, ...]:
        """When the task could start on each worker, all others staying; infinite for never."""
        m = len(self.problem.cluster)
        rows, columns = np.full(m, self.row), np.arange(m)
        return tuple(starts_there(self.flat, *self.plan, rows, columns).tolist())

    def start_if(self, flat: Flat | None = None, plan: Planned | None = None) -> float:
        """When the task could start on its worker if the arrays were these."""
        rows, columns = np.array([self.row]), np.array([self.column])
        found = starts_there(flat or self.flat, *(plan or self.plan), rows, columns)
        return float(found[0])

    def alternative(self, worker: str) -> Alternative:
        """What it would be on another worker, or why it cannot."""
        if refusal := self.problem.refusal(self.here.task, worker):
            return Alternative(worker, refusal=refusal)
        column = self.problem.cluster.index[worker]
        start = self.soonest[column]
        if self.happened or not np.isfinite(start):
            why = "it has begun already" if self.happened else f"{worker!r} is closed from now on"
            return Alternative(worker, refusal=why)
        end = start + float(self.flat.duration[self.flat.row[self.row], column])
        return Alternative(worker, start, end, end - self.here.end)

    def in_full(self, each: Alternative) -> Alternative:
        """The alternative with what it does to the whole plan, planned again around it."""
        if each.start is None:
            return each
        makespan, score = self._held_on(self.problem.cluster.index[each.worker], each.start)
        usual, usual_score = self._as_it_is
        return replace(each, longer=makespan - usual, worse=score - usual_score)

    @cached_property
    def _as_it_is(self) -> tuple[float, float]:
        return self._held_on(self.column, self.here.start)

    @cached_property
    def alone(self) -> Flat:
        """The arrays with a row of beliefs for this task only, the last."""
        flat, r = self.flat, self.flat.row[self.row]
        names = ("duration", "memory", "affinity")
        rows = {n: np.concatenate([getattr(flat, n), getattr(flat, n)[r : r + 1]]) for n in names}
        row = flat.row.copy()
        row[self.row] = len(flat.duration)
        return flat._replace(
            row=row,
            duration=rows["duration"],
            memory=rows["memory"],
            affinity=rows["affinity"],
        )

    def _held_on(self, column: int, start: float) -> tuple[float, float]:
        """Makespan and score when the task can run on this worker only and the rest adapts."""
        flat, own = self.alone, self.flat.duration[self.flat.row[self.row]]
        flat.duration[-1] = np.inf
        flat.duration[-1, column] = own[column]
        worker, starts = self.plan.worker.copy(), self.plan.start.copy()
        worker[self.row], starts[self.row] = column, min(start, starts[self.row])
        _, _, end, score, _ = repaired(flat, worker, starts, 0.0, 0, -1, 0.0)
        return float(end.max()), float(score)

    @cached_property
    def arrivals(self) -> list[tuple[Placement, float, float]]:
        """Each predecessor, how long its bytes travel to the worker, and when they are there."""
        problem, here, found = self.problem, self.here, []
        for task in problem.workflow.predecessors(here.task):
            before = self.schedule.by_task[task]
            size = problem.workflow.graph.edges[task, here.task]["bytes"]
            travel = problem.cluster.transfer_seconds(size, before.worker, here.worker)
            found.append((before, travel, before.end + travel))
        return found

    @cached_property
    def last(self) -> list[tuple[Placement, float, float]]:
        """The arrivals that come no sooner than the task starts."""
        return [each for each in self.arrivals if each[2] >= self.here.start - SAME]

    @cached_property
    def wait(self) -> Wait:
        """What the start waits for."""
        here, earliest = self.here, self.soonest[self.column]
        if self.happened:
            return Wait(Cause.HAPPENED, (), 0.0, here.start)
        if earliest < here.start - SAME:
            return self._chosen(earliest)
        if here.start <= self.flat.now + SAME:
            cause = Cause.NOW if self.flat.now > 0 else Cause.NOTHING
            return Wait(cause, (), 0.0, earliest)
        if self.last:
            tasks = tuple(before.task for before, _, _ in self.last)
            travel = max(travel for _, travel, _ in self.last)
            return Wait(Cause.PREDECESSOR, tasks, travel, earliest)
        if self.flat.release[self.row] >= here.start - SAME:
            return Wait(Cause.RELEASE, (), 0.0, earliest)
        return self._held(earliest)

    @cached_property
    def fellows(self) -> tuple[Placement, ...]:
        """The others of its gang that start with it."""
        tasks, gang = self.problem.workflow.gangs, self.problem.workflow.task(self.here.task).gang
        others = (self.schedule.by_task[each] for each in tasks.get(gang, ()))
        start = self.here.start
        return tuple(
            each
            for each in others
            if each.task != self.here.task and abs(each.start - start) <= SAME
        )

    def _chosen(self, earliest: float) -> Wait:
        """Nothing holds the task itself; those with which it starts may be held."""
        if not self.fellows:
            return Wait(Cause.CHOICE, (), 0.0, earliest)
        rows = np.array([self.problem.workflow.index[each.task] for each in self.fellows])
        columns = np.array([self.problem.cluster.index[each.worker] for each in self.fellows])
        soonest = starts_there(self.flat, *self.plan, rows, columns)
        held = [
            each.task
            for each, start in zip(self.fellows, soonest, strict=True)
            if start >= each.start - SAME
        ]
        return Wait(Cause.GANG, tuple(held), 0.0, earliest)

    def _held(self, earliest: float) -> Wait:
        near = [
            each
            for each in self.schedule.placements
            if each.task != self.here.task and abs(each.end - earliest) <= SAME
        ]
        there = tuple(each.task for each in near if each.worker == self.here.worker)
        shared = tuple(each.task for each in near if self._shares(each.task))
        if self._sooner(closed=self.flat.closed[:0], closed_start=self.flat.closed_start * 0):
            return Wait(Cause.CLOSED, (), 0.0, earliest)
        if shared and self._sooner(limit=np.full_like(self.flat.limit, PLENTY)):
            return Wait(Cause.POOL, shared, 0.0, earliest)
        cores, _ = self.timeline.free_at(earliest - SAME)
        least = self.here.allocation.cores - LEEWAY * self.flat.worker_cores[self.column]
        cause = Cause.CORES if cores < least else Cause.MEMORY
        return Wait(cause, there or shared, 0.0, earliest)

    def _sooner(self, **changes: object) -> bool:
        found = self.start_if(self.flat._replace(**changes))  # type: ignore[arg-type]
        return found < self.here.start - SAME

    def _shares(self, task: str) -> bool:
        other = self.problem.workflow.index[task]
        return bool(((self.flat.need[self.row] > 0) & (self.flat.need[other] > 0)).any())

    @cached_property
    def timeline(self) -> Timeline:
        """What the worker has free while the task is nowhere."""
        worker = self.problem.cluster.worker(self.here.worker)
        there = (e for e in self.schedule.placements if e.worker == worker.name)
        return Timeline.of(worker, (each for each in there if each.task != self.here.task))


def levers(view: View) -> tuple[Earlier, ...]:
    """What would let the task start earlier, each tried on the arrays: the most useful first."""
    if view.happened or view.wait.cause in (Cause.CHOICE, Cause.GANG, Cause.NOTHING, Cause.NOW):
        return ()
    found = [*_predecessors(view), *_own(view), *_worker(view)]
    useful = [each for each in found if each.start < view.here.start - SAME]
    return tuple(sorted(useful, key=lambda each: each.start))


def _predecessors(view: View) -> list[Earlier]:
    """For each task that it waits for: if that ended sooner, by no more than is of use."""
    found, index = [], view.problem.workflow.index
    for name in view.wait.tasks:
        row = index[name]
        if view.flat.fixed_worker[row] >= 0 and view.plan.end[row] <= view.flat.now:
            continue
        most = float(view.plan.end[row] - max(view.plan.start[row], view.flat.now)) / 2
        best = _if_ended(view, row, most)
        by = view.here.start - best
        if by > SAME and by < most and abs(_if_ended(view, row, by) - best) <= SAME:
            most = by
        found.append(Earlier(Lever.ENDS, name, most, best))
    return found


def _if_ended(view: View, row: int, sooner: float) -> float:
    end = view.plan.end.copy()
    end[row] -= sooner
    return view.start_if(plan=view.plan._replace(end=end))


def _own(view: View) -> list[Earlier]:
    """If the task itself were released sooner, or needed less."""
    flat, row, found = view.flat, view.row, []
    release = flat.release.copy()
    release[row] = 0.0
    start = view.start_if(flat._replace(release=release))
    if start < view.here.start - SAME:
        by = float(flat.release[row]) - start
        found.append(Earlier(Lever.RELEASED, view.here.task, by, start))
    cores, memory = _short(view)
    if 0 < cores < flat.cores[row]:
        fewer = flat.cores.copy()
        fewer[row] -= cores
        start = view.start_if(flat._replace(cores=fewer))
        found.append(Earlier(Lever.FEWER_CORES, view.here.task, cores, start))
    if 0 < memory < view.here.allocation.memory:
        less = view.alone._replace(memory=view.alone.memory.copy())
        less.duration[-1] = flat.duration[flat.row[row]]
        less.memory[-1] -= memory
        start = view.start_if(less)
        found.append(Earlier(Lever.LESS_MEMORY, view.here.task, memory, start))
    return found


def _worker(view: View) -> list[Earlier]:
    """If its worker, or a pool, had more, or the worker were never closed."""
    flat, column, found = view.flat, view.column, []
    name, (cores, memory) = view.here.worker, _short(view)
    for lever, field, amount in (
        (Lever.MORE_CORES, "worker_cores", cores),
        (Lever.MORE_MEMORY, "worker_memory", memory),
    ):
        if amount > 0:
            more = getattr(flat, field).copy()
            more[column] += amount
            start = view.start_if(flat._replace(**{field: more}))
            found.append(Earlier(lever, name, amount, start))
    for p, pool in enumerate(view.problem.cluster.pools):
        if flat.need[view.row, p] > 0:
            more = flat.limit.copy()
            more[p] += flat.need[view.row, p]
            start = view.start_if(flat._replace(limit=more))
            found.append(Earlier(Lever.MORE_POOL, pool, float(flat.need[view.row, p]), start))
    if flat.closed_start[column] < flat.closed_start[column + 1]:
        nothing = flat._replace(closed=flat.closed[:0], closed_start=flat.closed_start * 0)
        found.append(Earlier(Lever.OPEN, name, 0.0, view.start_if(nothing)))
    return found


def _short(view: View) -> tuple[float, float]:
    """Cores and bytes that the worker has too little just before the task starts."""
    free, room = view.timeline.free_at(view.here.start - SAME)
    held = view.here.allocation
    return max(0.0, held.cores - free), max(0.0, held.memory - room)
