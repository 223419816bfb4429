"""What the commands for planning share: the problem in the files, and what a schedule comes to."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from scheduler.commands.parts import demand_owners, with_deadline
from scheduler.door import Door
from scheduler.numbers import counted
from scheduler.planning.measures import Measures
from scheduler.planning.objective import Objective
from scheduler.planning.problem import Problem


def problem_of(
    door: Door,
    workflow: Path,
    cluster: Path,
    asked: Objective,
    *,
    predictor: str | None = None,
    deadline: float | None = None,
    quotas: Sequence[str] | None = None,
) -> Problem:
    """The problem of the workflow and the cluster in these files, as the store forecasts it.

    `quotas` are those that were asked for by a flag: owners without a task are refused.
    """
    from scheduler.commands.beliefs import choose, sizing
    from scheduler.documents import read_cluster, read_workflow
    from scheduler.sizing import with_allocations

    tasks, workers = with_deadline(read_workflow(workflow), deadline), read_cluster(cluster)
    demand_owners(quotas, tasks)
    with door.store() as store:
        forecast = choose(store, predictor).predict(tasks, workers)
        kinds = {task.kind for task in tasks.tasks}
        policy = sizing(store, now=door.now(), kinds=kinds)
        forecast = with_allocations(forecast, tasks, workers, policy)
    return Problem(tasks, workers, forecast, asked)


def measures_document(measures: Measures) -> dict[str, Any]:
    """What a schedule comes to under each aim, as JSON values."""
    return asdict(measures) | {"fairness": measures.fairness}


def measures_shown(measures: Measures, currency: str) -> str:
    """What a schedule comes to, as far as it says anything, in a line for people."""
    told = []
    if measures.cost:
        told.append(f"cost {measures.cost:.4g} {currency}".rstrip())
    if measures.energy:
        told.append(f"energy {measures.energy / 3.6e6:.4g} kWh")
    if measures.late:
        told.append(f"{counted(len(measures.late), 'late task')}, {measures.late[0]} the most")
    if len(measures.behind) > 1:
        worst = max(measures.behind, key=measures.behind.__getitem__)
        told.append(f"{worst or 'no owner'} is furthest behind, {measures.fairness:.4g} s")
    return ", ".join(told)
