"""Planning again when something happens: warm, on arrays, with what changed and why.

>>> from scheduler.planning.replanning import Replanner
>>> from scheduler.workloads.synthetic import random_problem
>>> import numpy as np
>>> from scheduler.planning.planners.heft import Heft
>>> from scheduler.planning.edits import WorkerLost
>>> problem = random_problem(np.random.default_rng(1), 30, 3)
>>> replanner = Replanner(problem, Heft().plan(problem))
>>> found = replanner.after(WorkerLost(worker="w1", at=2.0))
>>> all(each.worker != "w1" for each in found.schedule.placements if each.end > 2.0)
True
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property

import numpy as np

from scheduler.errors import Infeasible
from scheduler.planning.array_edits import OF_ROWS
from scheduler.planning.edits import (
    Edit,
    Expected,
    OfRunning,
    Prioritised,
    TaskRemoved,
    TasksAdded,
    World,
)
from scheduler.planning.fellows import Fellows
from scheduler.planning.flat import Flat, Floats, Ints
from scheduler.planning.kernels.repair import repaired, starts_there
from scheduler.planning.kernels.scoring import score as score_of
from scheduler.planning.kernels.waits import what_holds
from scheduler.planning.planned import Planned, placement, placements
from scheduler.planning.problem import Problem
from scheduler.planning.schedule import Placement, Schedule
from scheduler.planning.together import put_right

SAME = 1e-6  # seconds: nearer moments are one
NOBODY = -1


class Why(StrEnum):
    """What made the planner change a placement."""

    NEW = "new"  # it was not planned before
    HAPPENED = "happened"  # an attempt began, ended or is believed to end otherwise than planned
    LOST = "lost"  # its worker runs nothing any more
    SOONER = "sooner"  # it ends sooner there than it would have on its worker
    HELD = "held"  # it waits for `cause`, which ends later than before
    FREED = "freed"  # what it waited for, `cause`, ends sooner
    TOGETHER = "together"  # it starts together with `cause`, one of its gang
    REORDERED = "reordered"  # other tasks go first, or no longer do


@dataclass(frozen=True)
class Change:
    """One task that is not planned as before, and why; `cause` is the task it waits for now.

    `before` is None for a task that was not there. For SOONER, `seconds` says by how much.
    """

    task: str
    before: Placement | None
    after: Placement
    why: Why
    cause: str | None = None
    seconds: float = 0.0

    def sentence(self) -> str:
        """The change in words."""
        after, before = self.after, self.before
        where = f"{self.task} runs on {after.worker} from {after.start:.6g} s to {after.end:.6g} s"
        if before is None:
            return f"{where}: it is new."
        moved = f" instead of {before.worker}" if before.worker != after.worker else ""
        late = after.start - before.start
        shift = (
            f", {abs(late):.6g} s {'later' if late > 0 else 'sooner'}" if abs(late) > SAME else ""
        )
        return f"{where}{moved}{shift}: {self._reason()}."

    def _reason(self) -> str:
        match self.why:
            case Why.HAPPENED:
                return "so it happened"
            case Why.LOST:
                return "its worker is gone"
            case Why.SOONER:
                return f"it ends {self.seconds:.6g} s sooner there"
            case Why.HELD:
                return f"it waits for {self.cause}, which ends later"
            case Why.FREED:
                return f"{self.cause}, for which it waited, ends sooner"
            case Why.TOGETHER:
                return f"it starts together with {self.cause}"
            case _:
                return f"it waits for {self.cause}" if self.cause else "the order has changed"


@dataclass(frozen=True, eq=False)
class Replanned:
    """The plan after some edits, and the one before with tasks that are new nowhere (-1).

    `score` is what the plan is worth under the objective (lower is better) and `shifted` what it
    would be had everything only been pushed later. `moved` and `changed` are indices of tasks that
    have another worker, and of those with another worker, start or end.
    """

    world: World
    flat: Flat
    before: Planned
    after: Planned
    score: float
    shifted: float

    @cached_property
    def changed(self) -> Ints:
        """Indices of the tasks that are not planned as before."""
        old, new = self.before, self.after
        other = (old.worker != new.worker) | (np.abs(old.end - new.end) > SAME)
        return np.flatnonzero(other | (np.abs(old.start - new.start) > SAME))

    @cached_property
    def moved(self) -> Ints:
        """Indices of the tasks that are on another worker than before, new ones left out."""
        old, new = self.before.worker, self.after.worker
        return np.flatnonzero((old != new) & (old != NOBODY))

    @property
    def schedule(self) -> Schedule:
        """The whole plan as values."""
        workers = tuple(self.world.cluster.index)
        return Schedule(placements(self.flat, self.after, self.world.tasks, workers), "replanner")

    @cached_property
    def changes(self) -> tuple[Change, ...]:
        """Every task that is not planned as before and why, by its new start."""
        _, holds = what_holds(self.flat, *self.after)
        _, held = what_holds(self.flat, *self._known_before)
        stayed = np.full(len(holds), np.inf)
        free = self.moved[self.flat.fixed_worker[self.moved] < 0]
        where = self.before.worker[free]
        starts = starts_there(self.flat, *self.after, free, where)
        stayed[free] = starts + self.flat.duration[self.flat.row[free], where]
        facts = np.stack([holds, held]), stayed
        rows = self.changed[np.argsort(self.after.start[self.changed], kind="stable")]
        return tuple(self._change(t, *facts) for t in rows.tolist())

    @property
    def _known_before(self) -> Planned:
        """The plan before, with tasks that are new where they are now."""
        new = self.before.worker == NOBODY
        pairs = zip(self.before, self.after, strict=True)
        return Planned(*(np.where(new, after, before) for before, after in pairs))

    @cached_property
    def _names(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        return tuple(self.world.tasks), tuple(self.world.cluster.index)

    def _change(self, t: int, links: Ints, stayed: Floats) -> Change:
        old, new, (names, workers) = self.before, self.after, self._names
        after = placement(self.flat, new, t, names[t], workers[new.worker[t]])
        if old.worker[t] == NOBODY:
            return Change(names[t], None, after, Why.NEW)
        start, end = float(old.start[t]), float(old.end[t])
        was = replace(after, worker=workers[old.worker[t]], start=start, end=end)
        why, cause, seconds = self._why(t, int(links[0, t]), int(links[1, t]), float(stayed[t]))
        return Change(names[t], was, after, why, None if cause < 0 else names[cause], seconds)

    def _why(self, t: int, holds: int, held: int, stayed: float) -> tuple[Why, int, float]:
        old, new = self.before, self.after
        if self.flat.fixed_worker[t] >= 0:
            return Why.HAPPENED, NOBODY, 0.0
        if old.worker[t] != new.worker[t] and not np.isfinite(stayed):
            return Why.LOST, NOBODY, 0.0
        if old.worker[t] != new.worker[t] and stayed > new.end[t] + SAME:
            return Why.SOONER, NOBODY, stayed - float(new.end[t])
        if holds >= 0 and new.start[t] > old.start[t] and new.end[holds] > old.end[holds] + SAME:
            return Why.HELD, holds, 0.0
        if held >= 0 and new.start[t] < old.start[t] and new.end[held] < old.end[held] - SAME:
            return Why.FREED, held, 0.0
        if (fellow := self._fellow(t)) is not None:
            return Why.TOGETHER, fellow, 0.0
        return Why.REORDERED, holds, 0.0

    def _fellow(self, t: int) -> int | None:
        """The first other task of its gang that starts with it, if it has one."""
        tasks = tuple(self.world.tasks.values()) if self.world.ganged else ()
        if not (tasks and tasks[t].gang):
            return None
        near = np.flatnonzero(np.abs(self.after.start - self.after.start[t]) <= SAME)
        return next((i for i in near.tolist() if i != t and tasks[i].gang == tasks[t].gang), None)


@dataclass(frozen=True, kw_only=True)
class Care:
    """How a plan is mended.

    A task moves only where it ends more than `patience` seconds sooner. With `effort` 0 only those
    may move that would start later than planned, or have lost their worker: the least disruption;
    with 1 also those on which the end depends; with 2 a plan from scratch is tried as well. A task
    whose priority was raised is put first where that makes the score worse by no more than a share
    of `concession`.
    """

    patience: float = 0.0
    effort: int = 1
    concession: float = 0.01


class Replanner:
    """A problem and its plan as arrays, kept up to date event by event.

    The schedule must be feasible for the problem, whose `fixed` says what has happened already. An
    attempt that runs longer than believed is believed to end now, until it is said to have ended.
    """

    def __init__(self, problem: Problem, schedule: Schedule, *, care: Care | None = None) -> None:
        self.world, self.flat = World.of(problem), problem.flat
        self.plan, self.care = Planned.of(schedule, problem), care or Care()
        self.world.shelf.reserve(self.flat.duration.size, 2 * len(OF_ROWS))

    @property
    def problem(self) -> Problem:
        """What remains to be planned, as values: put together and checked anew."""
        return self.world.problem

    def after(self, *edits: Edit) -> Replanned:
        """The plan after these events, in this order; it becomes the plan to which others happen.

        Raises Infeasible when a task has no worker left; then, and where an edit cannot be, nothing
        has changed.
        """
        found = replanned(self.world, self.flat, self.plan, edits, care=self.care)
        self.world, self.flat, self.plan = found.world, found.flat, found.after
        return found


def replanned(
    world: World, flat: Flat, plan: Planned, edits: Sequence[Edit], *, care: Care
) -> Replanned:
    """The plan after these edits of a world and of its arrays; raises as `Replanner.after`."""
    now = max([world.now, *(each.at for each in edits)])
    told = {each.task for each in edits if isinstance(each, OfRunning)}
    first = NOBODY
    for edit in edits:
        plan = _in_step(plan, edit, world)
        raised = edit.task if isinstance(edit, Prioritised) and edit.raises(world) else None
        flat, world = edit.on_both(flat, world)
        if raised is not None:
            first = world.index[raised]
    for task in sorted(world.running - told):  # not those that an edit has stopped or removed
        if world.fixed[task].end < now:
            flat, world = Expected(task=task, end=now, at=now).on_both(flat, world)
    happened = np.where(flat.fixed_worker >= 0, flat.fixed_worker, plan.worker)
    mended = repaired(
        flat, happened, plan.start, care.patience, care.effort, first, care.concession
    )
    after, score, shifted = Planned(*mended[:3]), mended[3], mended[4]
    stuck = np.flatnonzero(after.worker < 0)
    if stuck.size:
        names = tuple(world.tasks)
        raise Infeasible([_why_stuck(names[row]) for row in stuck.tolist()])
    if world.ganged:
        after, score = _together(world, flat, after)
    return Replanned(world, flat, plan, after, float(score), float(shifted))


def _together(world: World, flat: Flat, plan: Planned) -> tuple[Planned, float]:
    """The plan with the tasks of each gang starting together, and its score."""
    fellows = Fellows.of(tuple(world.tasks.values()), flat.fixed_worker < 0)
    if fellows.gangs:
        plan = put_right(flat, fellows, plan, further=False)
    return plan, score_of(flat, *plan)


def _in_step(plan: Planned, edit: Edit, world: World) -> Planned:
    """The plan with as many tasks as there are after the edit; new ones are nowhere."""
    if isinstance(edit, TaskRemoved):
        row = world.row(edit.task)
        worker, start, end = plan
        return Planned(np.delete(worker, row), np.delete(start, row), np.delete(end, row))
    if isinstance(edit, TasksAdded):
        zeros = np.zeros(len(edit.tasks))
        worker = np.append(plan.worker, np.full(len(edit.tasks), NOBODY))
        return Planned(worker, np.append(plan.start, zeros), np.append(plan.end, zeros))
    return plan


def _why_stuck(task: str) -> str:
    return f"Task {task!r} has no worker left that could take it, or waits for one that has none"
