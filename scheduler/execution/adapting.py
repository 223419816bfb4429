"""Planning again while a run goes on, where reality leaves the plan.

What is tried: the plan mended warm, and, while few tasks are open, plans from scratch. Where the
makespan is all that counts, the one that ends first in the mean over samples of the forecast is
followed, and none for less than a small gain; so plans change seldom and little. What a forecast
says to be gained counts the less, the further the run has been from it so far.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.random import default_rng

from scheduler.errors import Infeasible, InvalidInput
from scheduler.execution.dispatch import Dispatch
from scheduler.execution.doubts import doubt
from scheduler.execution.events import AttemptEnded
from scheduler.execution.executors.base import Answer, Replan
from scheduler.execution.look_ahead import taking
from scheduler.planning.edits import (
    FOREVER,
    Began,
    Edit,
    Ended,
    Expected,
    Failed,
    Kept,
    Prioritised,
    Reopened,
    TasksAdded,
    WorkerAdded,
    WorkerBack,
    WorkerChanged,
    WorkerDrained,
    WorkerLost,
)
from scheduler.planning.planned import Planned
from scheduler.planning.planners.base import Planner
from scheduler.planning.problem import Problem
from scheduler.planning.promise import makespans
from scheduler.planning.replanning import SAME, Care, Change, Replanned, Replanner, replanned
from scheduler.planning.schedule import Placement, Schedule
from scheduler.planning.searching import only_makespan
from scheduler.planning.timeline import CLOCK
from scheduler.records import Outcome

EARLY, LATE = 0.1, 0.9  # levels of the duration outside of which an end is news in a large run
AGAIN = 1.25  # times as long as when it was last told, and an attempt is late once more
RAREST = 0.03  # share of the samples, the longest, that the mean leaves out
MANY = 500  # changes of attempts that cost more to take in one by one than all together
TOLD = 20  # changes that are put in words
Meanwhile = Callable[[float], Sequence[TasksAdded | WorkerAdded | WorkerChanged]]
CALM = Care(patience=np.inf, effort=0)  # nothing moves but what has lost its worker


@dataclass(frozen=True, kw_only=True)
class Adapting:
    """How runs are planned again.

    While at most `few` tasks are open, `planners` are asked after every attempt that ended, and a
    plan is followed that ends sooner by a share of `gain` in the mean of `samples`, or of as many
    times that as this run gives reason to doubt its forecast (`doubt`). In larger runs
    a plan is mended when an attempt failed, ended outside of what 8 in 10 take, or runs longer than
    9 in 10: tasks move where that ends them sooner by a share of `patience` of a usual task. After
    workers were lost, came back or were added, or tasks were added, the plan always changes.
    `meanwhile(now)` tells of workers that were added or changed, and of tasks that were added,
    since it was last asked. What people ask counts at once. No change moves more than a share of
    `churn` of the tasks that have not begun to other workers, but for those that cannot stay.
    For lesser reasons plans are tried once a share of `pace` of all tasks has begun since the last
    time: so planning costs a run no more than so many plans, where no clock may count.
    `seconds` since any moment, where given, holds planning for lesser reasons to a `share` of the
    time of the run.
    """

    planners: tuple[Planner, ...] = ()
    few: int = 300
    samples: int = 100
    gain: float = 0.003
    patience: float = 0.05
    share: float = 0.1
    churn: float = 0.5
    pace: float = 0.0
    seconds: Callable[[], float] | None = field(default=None, repr=False, compare=False)
    meanwhile: Meanwhile | None = field(default=None, repr=False, compare=False)

    def following(self, problem: Problem, schedule: Schedule) -> "Following":
        """The replanning of one run, which starts with this schedule, feasible and complete."""
        return Following(self, problem, schedule)


@dataclass(frozen=True)
class Steered:
    """What the plan knows of what people have asked: of workers, tasks on workers, priorities."""

    drained: frozenset[str] = frozenset()
    kept: Mapping[str, str] = field(default_factory=dict)
    priorities: Mapping[str, int] = field(default_factory=dict)


class Following(Replan):
    """One run: the plan that is followed, and what is known of how it goes."""

    def __init__(self, how: Adapting, problem: Problem, schedule: Schedule) -> None:
        flat = problem.flat
        usual = flat.duration[np.isfinite(flat.duration)].mean()
        care = Care(patience=how.patience * float(usual))
        self._how, self._problem, self._schedule = how, problem, schedule
        self._replanner = Replanner(problem, schedule, care=care)
        self._gone: frozenset[str] = frozenset()
        self._steered, self._vain = Steered(), tuple[str, ...]()  # what was asked, and in vain
        self._late_from: dict[tuple[str, float], float] = {}  # the next time, by task and start
        self._waited_for: frozenset[str] = frozenset()  # workers without which there is no plan
        self._coming: tuple[Edit, ...] = ()  # what was added and could not be planned yet
        self._ends = schedule.makespan
        self._wait_until, self._only_makespan = 0.0, only_makespan(flat)
        self._begun_then = 0  # how many tasks had begun when a plan was last tried

    @property
    def problem(self) -> Problem:
        """The problem that is solved now, with all that was added since the run began."""
        return self._problem

    @property
    def schedule(self) -> Schedule:
        """The plan that is followed."""
        return self._schedule

    def adopt(self, schedule: Schedule, happened: Mapping[str, Placement]) -> bool:
        """Follows another plan of the problem from here on; not one that moves too many tasks."""
        if not self._calm(schedule, happened):
            return False
        self._replanner.plan = Planned.of(schedule, self._problem)
        self._schedule, self._ends = schedule, schedule.makespan
        return True

    def wake_at(self, dispatch: Dispatch, now: float) -> float | None:
        """When the next attempt that runs will be late."""
        self._note(dispatch.running(now))
        return min((each for each in self._late_from.values() if each > now), default=None)

    def after(
        self, dispatch: Dispatch, news: Sequence[AttemptEnded], missing: frozenset[str], now: float
    ) -> Answer | None:
        """Another plan where one is worth it."""
        running = dispatch.running(now)
        cut = {
            task for task, each in running.items() if each.worker in missing
        }  # soon told as lost
        running = {task: each for task, each in running.items() if task not in cut}
        lost, back = missing - self._gone, self._gone - missing
        added = self._added(now, changed=bool(lost or back) or missing != self._waited_for)
        new: list[Edit] = [WorkerBack(worker=each, at=now) for each in sorted(back)]
        new += [WorkerLost(worker=each, at=now) for each in sorted(lost)]
        asked = tuple(self._asked(dispatch, missing, now))
        in_vain = bool(asked) and _sentences(asked) == self._vain and not (back or added)
        new += () if in_vain else asked
        new += [replace(each, at=now) for each in added]
        reasons = [*self._news(news, dispatch, now), *self._lateness(running, now)]
        if self._waited_for and not new:
            why, self._waited_for = f"{', '.join(sorted(self._waited_for))} is back", frozenset()
            return Answer(self._problem, self._schedule, (why,), 0, (), self._ends, self._ends)
        shut = self._gone | dispatch.drained
        stranded = any(
            each.worker in shut and not (held := dispatch.tasks[each.task]).over
            and (not held.running or each.task in cut)
            for each in news
        )  # fmt: skip
        begun = dispatch.begun - len(cut)
        if not (new or stranded) and not self._worth_a_look(news, reasons, begun):
            return None
        self._begun_then = begun
        happened = {t: each for t, each in dispatch.happened(now).items() if t not in cut}
        reasons += [each.sentence() for each in new]
        since = 0.0 if self._how.seconds is None else self._how.seconds()
        try:
            found = self._replanner.after(*self._caught_up(running, happened, now), *new)
        except (Infeasible, InvalidInput) as error:
            self._coming, self._vain = added, _sentences(asked)
            return self._stuck(error, missing, now, added=added, asked=asked)
        self._gone, self._waited_for, self._coming = missing, frozenset(), ()
        if not in_vain:
            self._vain = ()
            self._steered = Steered(dispatch.drained, dispatch.kept, dispatch.priorities)
        answer = self._best(found, happened, tuple(reasons), anew=bool(new) or stranded)
        if self._how.seconds is not None:
            took = self._how.seconds() - since
            self._wait_until = self._how.seconds() + took * (1 / self._how.share - 1)
        return answer

    def _worth_a_look(
        self, news: Sequence[AttemptEnded], reasons: Sequence[str], happened: int
    ) -> bool:
        """Whether to plan again though no worker or task came or went."""
        if self._how.seconds is not None and self._how.seconds() < self._wait_until:
            return False
        tasks = len(self._problem.workflow)
        if 0 <= happened - self._begun_then < self._how.pace * tasks:
            return False
        few = tasks - happened <= self._how.few
        return bool(reasons) or (few and bool(news))

    def _news(self, news: Sequence[AttemptEnded], dispatch: Dispatch, now: float) -> list[str]:
        """What ended otherwise than believed, in words."""
        told = []
        for each in news:
            outcome = each.observation.outcome
            if outcome is not Outcome.SUCCEEDED:
                told.append(f"{each.task} ended {outcome} at {each.at:.6g} s")
                continue
            placed = dispatch.placement(each.task, now)
            length, usual = placed.end - placed.start, taking(self._problem, placed, 0.5)
            if length > taking(self._problem, placed, LATE) * (1 + CLOCK):
                told.append(f"{each.task} took {length:.6g} s instead of {usual:.6g} s")
            elif length < taking(self._problem, placed, EARLY) * (1 - CLOCK):
                told.append(f"{each.task} took only {length:.6g} s instead of {usual:.6g} s")
        return told

    def _lateness(self, running: Mapping[str, Placement], now: float) -> list[str]:
        """What runs longer than 9 in 10 such attempts, in words; again whenever much longer."""
        told = []
        self._note(running)
        for (task, start), late in sorted(self._late_from.items()):
            if late <= now:
                told.append(f"{task} has run for {now - start:.6g} s, longer than 9 in 10")
                self._late_from[task, start] = start + AGAIN * (now - start)
        return told

    def _note(self, running: Mapping[str, Placement]) -> None:
        """Knows from when on each attempt that runs is late."""
        known, self._late_from = self._late_from, {}
        for task, placed in running.items():
            late = known.get((task, placed.start))
            if late is None:
                late = placed.start + taking(self._problem, placed, LATE)
            self._late_from[task, placed.start] = late

    def _asked(self, dispatch: Dispatch, missing: frozenset[str], now: float) -> Iterator[Edit]:
        """What people have asked of the run and the plan does not know yet."""
        known, drained, world = self._steered, dispatch.drained, self._replanner.world
        for worker in sorted(known.drained - drained - missing - self._gone):
            yield WorkerBack(worker=worker, at=now)
        for worker in sorted(drained - missing - (known.drained - self._gone)):
            yield WorkerDrained(worker=worker, at=now)
        shut = drained | missing
        kept = {task: worker for task, worker in dispatch.kept.items() if worker not in shut}
        for task in sorted(kept.keys() | known.kept.keys()):
            if kept.get(task) != known.kept.get(task) and task in world.tasks:
                yield Kept(task=task, worker=kept.get(task), why="put there by a person", at=now)
        for task, priority in dispatch.priorities.items():
            if known.priorities.get(task) != priority:
                yield Prioritised(task=task, priority=priority, at=now)

    def _caught_up(
        self, running: Mapping[str, Placement], happened: Mapping[str, Placement], now: float
    ) -> Sequence[Edit]:
        """What the replanner has to be told; where that is very much, it begins anew instead."""
        steps = tuple(self._steps(running, happened, now))
        if len(steps) < MANY:
            return steps
        then = replace(self._problem, fixed=happened, now=now)
        self._replanner = Replanner(then, self._schedule, care=self._replanner.care)
        return ()

    def _steps(
        self, running: Mapping[str, Placement], happened: Mapping[str, Placement], now: float
    ) -> Iterator[Edit]:
        """What has happened to attempts since the last time."""
        world = self._replanner.world
        for task in sorted(world.running - happened.keys()):
            yield Failed(task=task, at=now)
        for task in sorted(world.fixed.keys() - world.running - happened.keys()):
            yield Reopened(task=task, at=now)
        for task, placed in happened.items():
            before = world.fixed.get(task)
            if before is not None and task not in world.running and before.start != placed.start:
                yield Reopened(task=task, at=now)
                before = None
            again = before is not None and task in world.running and before.start != placed.start
            if again:
                yield Failed(task=task, at=now)
            if before is None or again:
                yield Began(placement=placed, at=now)
            elif task not in world.running:
                continue
            if task not in running:
                yield Ended(task=task, at=placed.end)
            elif before is not None and abs(before.end - placed.end) > SAME:
                yield Expected(task=task, end=placed.end, at=now)

    def _added(self, now: float, *, changed: bool) -> tuple[Edit, ...]:
        """What was added; what could not be planned before is tried again when things change."""
        fresh = () if self._how.meanwhile is None else tuple(self._how.meanwhile(now))
        if self._coming and not (fresh or changed):
            return ()
        return (*self._coming, *fresh)

    def _stuck(
        self, error: InvalidInput | Infeasible, missing: frozenset[str], now: float,
        *, added: Sequence[Edit], asked: Sequence[Edit],
    ) -> Answer | None:  # fmt: skip
        """Goes on as before but on the workers that are missing, and says once why."""
        if added and not missing:
            why = f"what was added has to wait, for with it there is no plan: {error}"
            return Answer(self._problem, self._schedule, (why,), 0, (), self._ends, self._ends)
        if missing == self._waited_for:
            told = "; ".join(_sentences(asked))
            why = f"there is no plan in which {told}, so the plan stays as it is: {error}"
            kept = Answer(self._problem, self._schedule, (why,), 0, (), self._ends, self._ends)
            return kept if asked else None
        self._waited_for, world = missing, self._replanner.world
        for worker in sorted(missing - self._gone):
            world = WorkerLost(worker=worker, at=now).on(world)
        why = f"without {', '.join(sorted(missing))} there is no plan: {error}"
        rest = replace(self._problem, cluster=world.cluster)
        return Answer(rest, self._schedule, (why,), before=self._ends, ends=self._ends)

    def _best(
        self, found: Replanned, happened: Mapping[str, Placement], reasons: tuple[str, ...],
        *, anew: bool,
    ) -> Answer | None:  # fmt: skip
        """The plan that is worth most, or None where that is the one that is followed."""
        problem = self._replanner.problem if anew else self._problem
        found = self._calmer(found, happened)
        mended = found.schedule if anew or found.moved.size else None
        plans = [] if anew else [self._schedule]
        plans += [] if mended is None else [mended]
        few = len(problem.workflow) - len(happened) <= self._how.few
        if few and self._only_makespan:
            rest = replace(problem, fixed=happened, now=found.world.now)
            others = [each.plan(rest) for each in self._how.planners]
            plans += [each for each in others if self._calm(each, happened)]
            chosen, before, ends = self._soonest(rest, plans)
        elif mended is not None:
            chosen, before, ends = mended, self._ends, mended.makespan
        else:
            return None
        if few:
            self._replanner.plan = Planned.of(chosen, problem)
        if chosen is self._schedule:
            return None
        why = found.changes if chosen is mended else ()
        moved, changes = self._told(chosen, happened, {each.task: each for each in why})
        self._problem, self._schedule, self._ends = problem, chosen, ends
        return Answer(problem, chosen, reasons, moved, changes, before, ends)

    def _calmer(self, found: Replanned, happened: Mapping[str, Placement]) -> Replanned:
        """The mended plan; where it moves too many, one that moves only those that have to."""
        if not found.moved.size or self._calm(found.schedule, happened):
            return found
        calm = replanned(found.world, found.flat, found.before, (), care=CALM)
        self._replanner.plan = calm.after
        return calm

    def _calm(self, plan: Schedule, happened: Mapping[str, Placement]) -> bool:
        """Whether no more tasks change their worker, though they could stay, than may."""
        if self._how.churn >= 1:
            return True
        old = self._schedule.by_task
        moved = [
            each.task
            for each in plan.placements
            if each.task in old and each.task not in happened
            and each.worker != old[each.task].worker
            and not self._must_move(each.task, old[each.task].worker)
        ]  # fmt: skip
        open_ = len(self._replanner.world.tasks) - len(happened)
        return len(moved) <= max(1, int(self._how.churn * open_))

    def _must_move(self, task: str, worker: str) -> bool:
        world, flat = self._replanner.world, self._replanner.flat
        if any(until >= FOREVER for _, until in world.cluster.worker(worker).closed):
            return True
        return bool(np.isinf(flat.duration[flat.row[world.row(task)], world.column(worker)]))

    def _soonest(self, rest: Problem, plans: Sequence[Schedule]) -> tuple[Schedule, float, float]:
        """The plan that ends first in the mean, after when the first of them does, and it."""
        drawn = [
            makespans(rest, each, rng=default_rng(7), samples=self._how.samples) for each in plans
        ]
        count = max(1, round((1 - RAREST) * self._how.samples))
        longest = max(float(each[np.isfinite(each)].max(initial=rest.now)) for each in drawn)
        means = [np.sort(np.minimum(each, 2 * longest))[:count].mean() for each in drawn]
        best = int(np.argmin(means))
        if means[best] >= means[0] * (1 - self._how.gain * doubt(rest)):
            best = 0
        return plans[best], float(means[0]), float(means[best])

    def _told(
        self, chosen: Schedule, happened: Mapping[str, Placement], why: Mapping[str, Change]
    ) -> tuple[int, tuple[str, ...]]:
        """How many tasks run on another worker than planned before, and in words which."""
        old = self._schedule.by_task
        moved = [
            each
            for each in sorted(chosen.placements, key=lambda each: (each.start, each.task))
            if each.task not in happened
            and (each.task not in old or old[each.task].worker != each.worker)
        ]
        return len(moved), tuple(_sentence(each, old, why) for each in moved[:TOLD])


def _sentences(edits: Sequence[Edit]) -> tuple[str, ...]:
    return tuple(each.sentence() for each in edits)


def _sentence(each: Placement, old: Mapping[str, Placement], why: Mapping[str, Change]) -> str:
    if each.task in why:
        return why[each.task].sentence()
    before = f" instead of {old[each.task].worker}" if each.task in old else ""
    return f"{each.task} runs on {each.worker} from {each.start:.6g} s{before}."
