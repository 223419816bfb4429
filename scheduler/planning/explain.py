"""Why this worker and why this start: reasons that anybody can check against problem and plan."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from scheduler.errors import NotFound
from scheduler.planning.problem import Problem
from scheduler.planning.ranking import slack
from scheduler.planning.schedule import Placement, Schedule
from scheduler.planning.timeline import Timeline

SAME = 1e-6  # seconds: nearer moments are one


class Cause(StrEnum):
    """What the start of a task waits for."""

    NOTHING = "nothing"  # it starts with the run
    PREDECESSOR = "predecessor"  # the bytes of `tasks` arrive just then
    CORES = "cores"  # `tasks` hold cores of the worker until then
    MEMORY = "memory"  # `tasks` hold memory of the worker until then
    CHOICE = "choice"  # nothing holds it back: the plan lets it wait


@dataclass(frozen=True)
class Wait:
    """What the start waits for: the tasks that end, and the seconds their bytes then travel.

    `earliest` is when the task could start on its worker, everything else staying as planned.
    """

    cause: Cause
    tasks: tuple[str, ...]
    transfer: float
    earliest: float


@dataclass(frozen=True)
class Alternative:
    """Another worker: when the task would run there, all other placements staying; or why not.

    `later` is seconds after the planned end, below zero where the alternative would end sooner.
    """

    worker: str
    start: float | None = None
    end: float | None = None
    later: float | None = None
    refusal: str | None = None


@dataclass(frozen=True)
class Explanation:
    """Why one task runs where and when it does. Seconds; alternatives from the soonest end on."""

    placement: Placement
    wait: Wait
    slack: float
    alternatives: tuple[Alternative, ...]

    def sentences(self) -> tuple[str, ...]:
        """The same in words: where and when, why then, why not elsewhere, how critical."""
        here = self.placement
        where = f"{here.task} runs on {here.worker} from {here.start:.6g} s to {here.end:.6g} s."
        others = (_alternative_sentence(here.worker, each) for each in self.alternatives)
        return (where, _wait_sentence(here, self.wait), *others, _slack_sentence(self.slack))


def reasons(problem: Problem, schedule: Schedule, task: str) -> Explanation:
    """Why the task is placed as it is, computed from the problem and a feasible schedule of it.

    Raises NotFound for a task that the schedule does not place.
    """
    if task not in schedule.by_task:
        count = len(schedule.by_task)
        raise NotFound(f"The schedule places {count} tasks, but none with the id {task!r}.")
    plan = _Plan(problem, schedule, schedule.by_task[task])
    others = [each.name for each in problem.cluster.workers if each.name != plan.here.worker]
    return Explanation(
        placement=plan.here,
        wait=plan.wait(),
        slack=slack(schedule, problem)[task],
        alternatives=tuple(sorted(map(plan.alternative, others), key=_soonest)),
    )


@dataclass(frozen=True)
class _Plan:
    """A schedule from the point of view of one of its placements."""

    problem: Problem
    schedule: Schedule
    here: Placement

    @cached_property
    def others(self) -> dict[str, list[Placement]]:
        """All other placements, by worker."""
        found: dict[str, list[Placement]] = {each.name: [] for each in self.problem.cluster.workers}
        for each in self.schedule.placements:
            if each.task != self.here.task:
                found[each.worker].append(each)
        return found

    def timeline(self, worker: str) -> Timeline:
        """What the worker has free while the task is nowhere."""
        return Timeline.of(self.problem.cluster.worker(worker), self.others[worker])

    def arrivals(self, worker: str) -> list[tuple[Placement, float, float]]:
        """Each predecessor, how long its bytes travel to the worker, and when they are there."""
        problem, here, found = self.problem, self.here.task, []
        for task in problem.workflow.predecessors(here):
            before = self.schedule.by_task[task]
            size = problem.workflow.graph.edges[task, here]["bytes"]
            travel = problem.cluster.transfer_seconds(size, before.worker, worker)
            found.append((before, travel, before.end + travel))
        return found

    def duration(self, worker: str) -> float:
        index, cluster = self.problem.workflow.index, self.problem.cluster
        return float(self.problem.duration[index[self.here.task], cluster.index[worker]])

    def earliest(self, worker: str) -> float:
        """When the task could start there at the soonest, all other placements staying."""
        index, cluster = self.problem.workflow.index, self.problem.cluster
        needs = self.problem.allocation(index[self.here.task], cluster.index[worker])
        return self.timeline(worker).earliest(
            max((at for _, _, at in self.arrivals(worker)), default=0.0),
            self.duration(worker),
            cores=needs.cores,
            memory=needs.memory,
        )

    def alternative(self, worker: str) -> Alternative:
        if refusal := self.problem.refusal(self.here.task, worker):
            return Alternative(worker, refusal=refusal)
        start = self.earliest(worker)
        end = start + self.duration(worker)
        return Alternative(worker, start, end, end - self.here.end)

    def wait(self) -> Wait:
        here, earliest = self.here, self.earliest(self.here.worker)
        if earliest < here.start - SAME:
            return Wait(Cause.CHOICE, (), 0.0, earliest)
        if here.start <= SAME:
            return Wait(Cause.NOTHING, (), 0.0, earliest)
        last = [each for each in self.arrivals(here.worker) if each[2] >= here.start - SAME]
        if last:
            tasks = tuple(before.task for before, _, _ in last)
            return Wait(Cause.PREDECESSOR, tasks, max(travel for _, travel, _ in last), earliest)
        return self.wait_for_worker(earliest)

    def wait_for_worker(self, earliest: float) -> Wait:
        here = self.here
        near = [each for each in self.others[here.worker] if abs(each.end - earliest) <= SAME]
        cores, _ = self.timeline(here.worker).free_at(min(each.end for each in near) - SAME)
        cause = Cause.CORES if cores < here.allocation.cores - 1e-9 else Cause.MEMORY
        return Wait(cause, tuple(each.task for each in near), 0.0, earliest)


def _soonest(each: Alternative) -> tuple[bool, float, str]:
    return each.end is None, each.end or 0.0, each.worker


def _wait_sentence(here: Placement, wait: Wait) -> str:
    match wait.cause:
        case Cause.NOTHING:
            return "It starts with the run: it waits for nothing."
        case Cause.PREDECESSOR:
            travel = f", {wait.transfer:.6g} s of transfer included" if wait.transfer > 0 else ""
            return f"It starts when the output of {_and(wait.tasks)} is there{travel}."
        case Cause.CHOICE:
            return f"The plan lets it wait: it could start there at {wait.earliest:.6g} s."
        case held:
            return f"It waits for {held} of {here.worker}, held until then by {_and(wait.tasks)}."


def _alternative_sentence(chosen: str, each: Alternative) -> str:
    if each.end is None or each.later is None:
        return f"Not on {each.worker}: {each.refusal}."
    end = f"On {each.worker} it would end at {each.end:.6g} s"
    if abs(each.later) <= SAME:
        return f"{end}, as soon as on {chosen}."
    side = "later" if each.later > 0 else "sooner"
    return f"{end}, {abs(each.later):.6g} s {side} than on {chosen}."


def _slack_sentence(seconds: float) -> str:
    if seconds <= SAME:
        return "It is critical: a later start makes the whole run end later."
    return f"It could start {seconds:.6g} s later without a later end of the run."


def _and(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
