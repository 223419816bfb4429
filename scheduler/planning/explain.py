"""Why this worker and why this start: reasons that anybody can check against problem and plan."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from scheduler.errors import NotFound
from scheduler.numbers import counted
from scheduler.planning.causes import SAME, Alternative, Cause, Earlier, Lever, Wait
from scheduler.planning.kernels.waits import latest_starts, what_holds
from scheduler.planning.problem import Problem
from scheduler.planning.schedule import Placement, Schedule
from scheduler.planning.viewpoint import View, levers

__all__ = ["Alternative", "Cause", "Earlier", "Explanation", "Lever", "Link", "Wait", "reasons"]

CHAIN = 50  # links that a chain has at most
OF_CODE = (
    Cause.HAPPENED, Cause.NOTHING, Cause.NOW, Cause.RELEASE, Cause.PREDECESSOR,
    Cause.WORKER, Cause.POOL, Cause.CLOSED, Cause.CHOICE,
)  # fmt: skip


Seconds = Callable[[float], str]


def exactly(seconds: float) -> str:
    """As many digits as tell whether it is so: 51.3593 s; whole seconds at least: 1209607 s."""
    return f"{seconds:.6g} s" if abs(seconds) < 1e5 else f"{seconds:.0f} s"


@dataclass(frozen=True)
class Link:
    """One step of why a task does not start earlier: it waits for `on`, or for no task."""

    task: str
    cause: Cause
    on: str | None


@dataclass(frozen=True)
class Explanation:
    """Why one task runs where and when it does. Seconds; alternatives from the soonest end on.

    `gang` are the tasks with which it starts together.
    """

    placement: Placement
    wait: Wait
    slack: float
    alternatives: tuple[Alternative, ...]
    earlier: tuple[Earlier, ...] = ()
    chain: tuple[Link, ...] = ()
    gang: tuple[str, ...] = ()

    def sentences(self, seconds: Seconds = exactly) -> tuple[str, ...]:
        """The same in words: where and when, why then, why not elsewhere, how critical."""
        here = self.placement
        span = f"from {seconds(here.start)} to {seconds(here.end)}"
        where = f"{here.task} runs on {here.worker} {span}."
        others = (_alternative_sentence(here.worker, each, seconds) for each in self.alternatives)
        together = [f"It starts together with {_and(self.gang)}."] if self.gang else []
        wait = _wait_sentence(here, self.wait, seconds)
        first = (where, *together, wait, *others, _slack_sentence(self.slack, seconds))
        return (*first, *(_earlier_sentence(each, seconds) for each in self.earlier))

    def amounts(self) -> tuple[float, ...]:
        """The durations and moments that the sentences tell, in seconds."""
        told: list[float] = []

        def seconds(amount: float) -> str:
            told.append(amount)
            return ""

        self.sentences(seconds)
        return tuple(told)


def reasons(problem: Problem, schedule: Schedule, task: str, *, replanned: int = 3) -> Explanation:
    """Why the task is placed as it is, computed from the problem and a feasible schedule of it.

    For so many of the best alternatives, `replanned`, the whole plan is made again. Raises NotFound
    for a task that the schedule does not place.
    """
    if task not in schedule.by_task:
        count = counted(len(schedule.by_task), "task")
        raise NotFound(f"The schedule places {count}, but none with the id {task!r}.")
    view = View(problem, schedule, schedule.by_task[task])
    others = [each.name for each in problem.cluster.workers if each.name != view.here.worker]
    known = sorted(map(view.alternative, others), key=_soonest)
    latest = latest_starts(view.flat, *view.plan, view.plan.makespan)
    return Explanation(
        placement=view.here,
        wait=view.wait,
        slack=max(0.0, float(latest[view.row]) - view.here.start),
        alternatives=(*map(view.in_full, known[:replanned]), *known[replanned:]),
        earlier=levers(view),
        chain=_chain(view),
        gang=tuple(each.task for each in view.fellows),
    )


def _chain(view: View) -> tuple[Link, ...]:
    """What the task waits for, what that waits for, and so on to the first that waits for none."""
    cause, other = what_holds(view.flat, *view.plan)
    names, row = [task.id for task in view.problem.workflow.tasks], view.row
    links: list[Link] = []
    while len(links) < CHAIN:
        on = int(other[row])
        links.append(Link(names[row], OF_CODE[int(cause[row])], None if on < 0 else names[on]))
        if on < 0:
            break
        row = on
    return tuple(links)


def _soonest(each: Alternative) -> tuple[bool, float, str]:
    return each.end is None, each.end or 0.0, each.worker


def _wait_sentence(here: Placement, wait: Wait, seconds: Seconds) -> str:
    match wait.cause:
        case Cause.NOTHING:
            return "It starts with the run: it waits for nothing."
        case Cause.PREDECESSOR:
            travel = f", {seconds(wait.transfer)} of transfer included" if wait.transfer > 0 else ""
            return f"It starts when the output of {_and(wait.tasks)} is there{travel}."
        case Cause.NOW:
            return "It starts now: it waits for nothing."
        case Cause.HAPPENED:
            return "It has begun already."
        case Cause.RELEASE:
            return "It starts as soon as it is released."
        case Cause.CLOSED:
            return f"It starts when {here.worker} opens again."
        case Cause.POOL:
            gives = "gives" if len(wait.tasks) == 1 else "give"
            return f"It waits until {_and(wait.tasks)} {gives} back shares of a pool that it needs."
        case Cause.GANG if wait.tasks:
            could = f"Alone it could start at {seconds(wait.earliest)}"
            return f"{could}, but {_and(wait.tasks)} of its gang cannot start earlier."
        case Cause.GANG:
            alone = f"alone it could at {seconds(wait.earliest)}"
            return f"It waits until all of its gang fit: {alone}."
        case Cause.CHOICE:
            return f"The plan lets it wait: it could start there at {seconds(wait.earliest)}."
        case held:
            return f"It waits for {held} of {here.worker}, held until then by {_and(wait.tasks)}."


def _alternative_sentence(chosen: str, each: Alternative, seconds: Seconds) -> str:
    if each.end is None or each.later is None:
        return f"Not on {each.worker}: {each.refusal}."
    end = f"On {each.worker} it would end at {seconds(each.end)}"
    whole = _whole_sentence(each.longer, seconds)
    if abs(each.later) <= SAME:
        return f"{end}, as soon as on {chosen}{whole}."
    side = "later" if each.later > 0 else "sooner"
    return f"{end}, {seconds(abs(each.later))} {side} than on {chosen}{whole}."


def _whole_sentence(longer: float | None, seconds: Seconds) -> str:
    if longer is None:
        return ""
    if abs(longer) <= SAME:
        return "; the run would end as planned"
    return f"; the run would end {seconds(abs(longer))} {'later' if longer > 0 else 'sooner'}"


def _earlier_sentence(each: Earlier, seconds: Seconds) -> str:
    return f"It could start at {seconds(each.start)} if {_condition(each, seconds)}."


def _condition(each: Earlier, seconds: Seconds) -> str:
    gigabytes = f"{each.amount / 1e9:.3g} GB"
    match each.lever:
        case Lever.ENDS:
            return f"{each.of} ended {seconds(each.amount)} sooner"
        case Lever.RELEASED:
            return f"it were released {seconds(each.amount)} sooner"
        case Lever.FEWER_CORES:
            return f"it needed {each.amount:g} cores less"
        case Lever.LESS_MEMORY:
            return f"it needed {gigabytes} less"
        case Lever.MORE_CORES:
            return f"{each.of} had {each.amount:g} cores more"
        case Lever.MORE_MEMORY:
            return f"{each.of} had {gigabytes} more"
        case Lever.MORE_POOL:
            return f"there were {each.amount:g} more of {each.of}"
        case Lever.OPEN:
            return f"{each.of} were never closed"


def _slack_sentence(slack: float, seconds: Seconds) -> str:
    if slack <= SAME:
        return "It is critical: a later start makes the whole run end later."
    return f"It could start {seconds(slack)} later without a later end of the run."


def _and(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
