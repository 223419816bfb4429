"""How the owners of tasks were treated: what they had of the workers, and how long they waited."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from scheduler.records import Outcome
from scheduler.store.values import Attempt
from scheduler.workflow import Workflow


@dataclass(frozen=True)
class OwnerUse:
    """What one owner had: seconds of cores, its share of all of them, and the tasks that began.

    `waiting` is the mean number of seconds between the moment at which a task could have begun and
    its first attempt.
    """

    owner: str
    core_seconds: float
    share: float
    tasks: int
    waiting: float


def owner_uses(runs: Iterable[tuple[Workflow, Iterable[Attempt]]]) -> tuple[OwnerUse, ...]:
    """The use of each owner over some runs, the largest share first.

    A task could have begun when it was released and all that it waits for had succeeded.
    """
    held: dict[str, float] = {}
    waits: dict[str, list[float]] = {}
    for workflow, attempts in runs:
        kept = list(attempts)
        ready = _ready(workflow, kept)
        for each in kept:
            owner = workflow.task(each.task).owner
            lasted = 0.0 if each.end is None else each.end - each.start
            held[owner] = held.get(owner, 0.0) + lasted * each.allocation.cores
            if each.attempt == 1:
                waits.setdefault(owner, []).append(max(0.0, each.start - ready[each.task]))
    total = sum(held.values()) or 1.0
    uses = [
        OwnerUse(owner, seconds, seconds / total, len(waits.get(owner, ())), _mean(waits, owner))
        for owner, seconds in held.items()
    ]
    return tuple(sorted(uses, key=lambda each: (-each.share, each.owner)))


def _ready(workflow: Workflow, attempts: Iterable[Attempt]) -> dict[str, float]:
    ends = {
        each.task: each.end
        for each in attempts
        if each.end is not None
        and each.observation is not None
        and each.observation.outcome is Outcome.SUCCEEDED
    }
    return {
        task.id: max(
            [task.release, *(ends.get(each, 0.0) for each in workflow.predecessors(task.id))]
        )
        for task in workflow.tasks
    }


def _mean(waits: Mapping[str, list[float]], owner: str) -> float:
    found = waits.get(owner, [])
    return sum(found) / len(found) if found else 0.0
