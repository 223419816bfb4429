"""What a schedule comes to under each aim, counted from its values."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from scheduler.planning.objective import Objective, least_alone, owners, urgency
from scheduler.planning.problem import Problem
from scheduler.planning.schedule import Placement, Schedule
from scheduler.planning.violation import Rule, Violation

NOT_COUNTED = {Rule.MISSING_TASK, Rule.UNKNOWN_TASK, Rule.UNKNOWN_WORKER, Rule.INVALID_TIME}


@dataclass(frozen=True, kw_only=True)
class Measures:
    """A schedule under every aim, whether it is aimed at or not; units as in `Objective`.

    `late` names the tasks that end after their deadline, the latest first. `behind` says for each
    owner the seconds by which its last task ends after the least that it could have alone.
    """

    makespan: float
    tardiness: float
    late: tuple[str, ...]
    flow: float
    cost: float
    energy: float
    behind: Mapping[str, float]

    @property
    def fairness(self) -> float:
        """Seconds by which the worst treated owner is behind."""
        return max(self.behind.values(), default=0.0)

    def value(self, objective: Objective) -> float:
        """The weighted sum of the aims that the objective asks to be least."""
        aims = ((weight, float(getattr(self, name))) for name, weight in objective.weights.items())
        return sum(weight * value for weight, value in aims)


def measured(schedule: Schedule, problem: Problem) -> Measures:
    """The measures of a complete schedule, whether or not it keeps the limits."""
    late = _late(schedule, problem)
    tasks = problem.workflow.tasks
    released = {task.id: task for task in tasks}
    return Measures(
        makespan=schedule.makespan,
        tardiness=sum(urgency(released[task].priority) * over for task, over in late.items()),
        late=tuple(sorted(late, key=late.__getitem__, reverse=True)),
        flow=sum(
            urgency(released[each.task].priority) * (each.end - released[each.task].release)
            for each in schedule.placements
        ),
        cost=sum(cost_of(each, problem) for each in schedule.placements),
        energy=sum(energy_of(each, problem) for each in schedule.placements),
        behind=_behind(schedule, problem),
    )


def measured_if_sound(
    schedule: Schedule, problem: Problem, broken: Iterable[Violation]
) -> Measures | None:
    """The measures of anyone's schedule, None where its values cannot be counted.

    So it is where it leaves tasks out, names tasks or workers that there are not, or times that
    cannot be, by what it was found to break, and where an amount leaves the range of numbers.
    """
    if any(each.rule in NOT_COUNTED for each in broken):
        return None
    found = measured(schedule, problem)
    amounts = (found.makespan, found.tardiness, found.flow, found.cost, found.energy)
    return found if all(map(math.isfinite, (*amounts, *found.behind.values()))) else None


def cost_of(placement: Placement, problem: Problem) -> float:
    """The money that one placement costs: price x hours x share of the worker's cores held."""
    worker = problem.cluster.worker(placement.worker)
    hours = (placement.end - placement.start) / 3600
    return worker.price * hours * placement.allocation.cores / worker.cores


def energy_of(placement: Placement, problem: Problem) -> float:
    """The joules of one placement: watts x seconds x share of the worker's cores held."""
    worker = problem.cluster.worker(placement.worker)
    seconds = placement.end - placement.start
    return worker.power * seconds * placement.allocation.cores / worker.cores


def _late(schedule: Schedule, problem: Problem) -> dict[str, float]:
    """Seconds by which each late task ends after its deadline."""
    late = {}
    for each in schedule.placements:
        deadline = problem.workflow.task(each.task).deadline
        if deadline is not None and each.end > deadline:
            late[each.task] = each.end - deadline
    return late


def _behind(schedule: Schedule, problem: Problem) -> dict[str, float]:
    last = dict.fromkeys(owners(problem.workflow), 0.0)
    for each in schedule.placements:
        owner = problem.workflow.task(each.task).owner
        last[owner] = max(last[owner], each.end)
    cores = sum(worker.cores for worker in problem.cluster.workers)
    least = least_alone(problem.workflow, problem.duration.min(axis=1), cores)
    return {owner: max(0.0, last[owner] - least[owner]) for owner in last}
