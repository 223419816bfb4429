"""What a good schedule is: aims, their weights, and the limits that none may break."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scheduler.errors import InvalidInput
from scheduler.numbers import not_negative, positive
from scheduler.planning.bars import Bar
from scheduler.workflow import Workflow

Floats = NDArray[np.float64]
AIMS = ("makespan", "tardiness", "flow", "cost", "energy", "fairness")


@dataclass(frozen=True, kw_only=True)
class Objective:
    """What a good schedule is: the least weighted sum of the aims, with these beliefs and limits.

    The aims, each times its weight:
    - `makespan`: seconds from the start of the run to the end of the last task;
    - `tardiness`: seconds that tasks end after their deadlines, each times its urgency, summed;
    - `flow`: seconds from each task's release to its end, times its urgency, summed;
    - `cost`: money: each worker's price by the share of its cores that a task holds, summed;
    - `energy`: joules, shared in the same way;
    - `fairness`: seconds by which the worst treated owner is behind what it could have alone.

    `hard_deadlines` makes every deadline a limit, `budget` limits the money, `quotas` the cores
    that the tasks of an owner hold at a time, and `bars` keep tasks off workers.

    `duration_quantile` is the level at which durations are planned. `memory_quantile` is the level
    of memory that is reserved, times `memory_margin`, where a task's owner has not asked for an
    amount of memory and the forecast brings no allocations. With `memory_chance` every task whose
    owner has not asked gets at least what suffices with this chance by the forecast, and only
    workers that have so much may take it.
    """

    makespan: float = 1.0
    tardiness: float = 0.0
    flow: float = 0.0
    cost: float = 0.0
    energy: float = 0.0
    fairness: float = 0.0
    hard_deadlines: bool = False
    budget: float | None = None
    quotas: Mapping[str, float] = field(default_factory=dict)
    bars: tuple[Bar, ...] = ()
    duration_quantile: float = 0.5
    memory_quantile: float = 0.9
    memory_margin: float = 1.2
    memory_chance: float | None = None

    def __post_init__(self) -> None:
        for name in ("duration_quantile", "memory_quantile"):
            if not 0 < getattr(self, name) < 1:
                raise InvalidInput(
                    f"Objective: {name} must lie between 0 and 1, found {getattr(self, name)!r}."
                )
        if self.memory_chance is not None and not 0 < self.memory_chance < 1:
            raise InvalidInput(
                f"Objective: memory_chance must lie between 0 and 1, found {self.memory_chance!r}."
            )
        if not self.memory_margin >= 1:
            raise InvalidInput(
                f"Objective: memory_margin must be at least 1, found {self.memory_margin!r}."
            )
        for name, weight in self.weights.items():
            not_negative(weight, name, _refuse)
        if not any(self.weights.values()):
            raise InvalidInput("Objective: at least one aim must weigh more than 0, found none.")
        if self.budget is not None:
            not_negative(self.budget, "budget", _refuse)
        for owner, cores in self.quotas.items():
            positive(cores, f"quotas[{owner!r}]", _refuse)

    @property
    def weights(self) -> Mapping[str, float]:
        """The weight of each aim, by its name."""
        return {name: getattr(self, name) for name in AIMS}

    def weighing(self, **aims: float) -> "Objective":
        """The same limits and beliefs, with these aims and no other."""
        weights: dict[str, Any] = dict.fromkeys(AIMS, 0.0) | aims
        return replace(self, **weights)


def urgency(priority: int) -> float:
    """How much a second of a task of this priority weighs beside one of a task of priority 0.

    Priority p weighs 1 + p, priority -p one part in 1 + p: higher is always more urgent, and
    nothing weighs nothing.
    """
    return 1.0 + priority if priority >= 0 else 1.0 / (1.0 - priority)


def owners(workflow: Workflow) -> tuple[str, ...]:
    """The owners of the tasks, in the order in which they first appear."""
    return tuple(dict.fromkeys(task.owner for task in workflow.tasks))


def least_alone(workflow: Workflow, quickest: Floats, cores: float) -> Mapping[str, float]:
    """Seconds below which the last task of each owner could not end, had it the cluster alone.

    `quickest` holds the duration of each task on the worker where it is shortest (n), `cores` is
    what all workers have. The larger of the longest way to a task of the owner (other owners'
    tasks that it waits for included, releases kept) and of its work over all cores.
    """
    ends: dict[str, float] = {}
    for name in workflow.order:
        task = workflow.task(name)
        ready = max((ends[each] for each in workflow.predecessors(name)), default=0.0)
        ends[name] = max(ready, task.release) + float(quickest[workflow.index[name]])
    least = dict.fromkeys(owners(workflow), 0.0)
    work, first = dict.fromkeys(least, 0.0), dict.fromkeys(least, np.inf)
    for task, seconds in zip(workflow.tasks, quickest.tolist(), strict=True):
        least[task.owner] = max(least[task.owner], ends[task.id])
        work[task.owner] += seconds * task.cores
        first[task.owner] = min(first[task.owner], task.release)
    return {owner: max(least[owner], first[owner] + work[owner] / cores) for owner in least}


def _refuse(message: str) -> InvalidInput:
    return InvalidInput(f"Objective: {message}")
