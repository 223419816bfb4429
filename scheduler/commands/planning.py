"""`allot predict`, `plan`, `check` and `explain`: beliefs, schedules, and what to think of them."""

import json as jsons
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from scheduler.commands.parts import (
    ClusterFile,
    PlannerName,
    PredictorName,
    Quantile,
    WorkflowFile,
    objective,
    planner,
)
from scheduler.door import Door, Json, StoreUrl
from scheduler.errors import InvalidInput
from scheduler.forecast import QUANTITIES, Forecast
from scheduler.planning.problem import Problem
from scheduler.planning.schedule import Schedule

ScheduleFile = Annotated[
    Path, typer.Argument(metavar="SCHEDULE", help="A schedule, as Allot's own JSON.")
]


def register(app: typer.Typer) -> None:
    """Adds the commands for planning."""
    for command in (predict, plan, check, explain):
        app.command()(command)


def predict(
    workflow: WorkflowFile,
    cluster: ClusterFile,
    predictor: PredictorName = None,
    store: StoreUrl = None,
    json: Json = False,
) -> None:
    """Forecast each task on each worker: duration, memory, cores, failure, affinity."""
    door = Door.open(json=json, store=store)
    forecast = _problem(door, workflow, cluster, predictor, 0.5).forecast
    door.answer(_forecast_document(forecast), _forecast_shown(forecast))


def plan(
    workflow: WorkflowFile,
    cluster: ClusterFile,
    planner_name: PlannerName = "heft",
    predictor: PredictorName = None,
    quantile: Quantile = 0.5,
    output: Annotated[
        Path | None, typer.Option(help="Also write the schedule to this file.")
    ] = None,
    store: StoreUrl = None,
    json: Json = False,
) -> None:
    """Plan a workflow on a cluster: where and when each task runs."""
    from scheduler.documents import schedule_document
    from scheduler.planning.feasibility import violations

    door = Door.open(json=json, store=store)
    problem = _problem(door, workflow, cluster, predictor, quantile)
    schedule = planner(planner_name).plan(problem)
    broken = violations(schedule, problem)
    document = schedule_document(schedule)
    if output is not None:
        output.write_text(jsons.dumps(document, indent=2), encoding="utf-8")
    extra = {"predictor": problem.forecast.source, "violations": [each.message for each in broken]}
    door.answer(document | extra, _schedule_shown(schedule))
    if broken:
        raise typer.Exit(1)


def check(
    schedule: ScheduleFile,
    workflow: WorkflowFile,
    cluster: ClusterFile,
    predictor: PredictorName = None,
    quantile: Quantile = 0.5,
    store: StoreUrl = None,
    json: Json = False,
) -> None:
    """Check anyone's schedule against every rule. Exit code 1 when one is broken."""
    from scheduler.documents import read_schedule
    from scheduler.planning.feasibility import violations

    door = Door.open(json=json, store=store)
    problem = _problem(door, workflow, cluster, predictor, quantile)
    broken = violations(read_schedule(schedule), problem)
    listed = [
        {"rule": each.rule, "task": each.task, "worker": each.worker, "message": each.message}
        for each in broken
    ]
    table = Table("rule", "task", "worker", "what is wrong")
    for each in broken:
        table.add_row(each.rule, each.task or "", each.worker or "", each.message)
    door.answer({"violations": listed}, table if broken else "The schedule keeps every rule.")
    if broken:
        raise typer.Exit(1)


def explain(
    schedule: ScheduleFile,
    task: Annotated[str, typer.Argument(help="The task in question.")],
    workflow: Annotated[Path, typer.Option("--workflow", help="The workflow of the schedule.")],
    cluster: ClusterFile,
    predictor: PredictorName = None,
    quantile: Quantile = 0.5,
    store: StoreUrl = None,
    json: Json = False,
) -> None:
    """Say why a task runs where and when it does, and what else it could have done."""
    from dataclasses import asdict

    from scheduler.documents import read_schedule
    from scheduler.planning.explain import reasons
    from scheduler.planning.feasibility import violations

    door = Door.open(json=json, store=store)
    problem = _problem(door, workflow, cluster, predictor, quantile)
    found = read_schedule(schedule)
    if broken := violations(found, problem):
        raise InvalidInput(
            f"The schedule breaks {len(broken)} rules and cannot be explained: {broken[0].message}"
        )
    told = reasons(problem, found, task)
    document = {
        "task": task,
        "reasons": list(told.sentences()),
        "wait": asdict(told.wait),
        "slack": told.slack,
        "alternatives": [asdict(each) for each in told.alternatives],
    }
    door.answer(document, "\n".join(told.sentences()))


def _problem(
    door: Door, workflow: Path, cluster: Path, predictor: str | None, quantile: float
) -> Problem:
    from scheduler.commands.beliefs import choose, sizing
    from scheduler.documents import read_cluster, read_workflow
    from scheduler.sizing import with_allocations

    tasks, workers = read_workflow(workflow), read_cluster(cluster)
    with door.store() as store:
        forecast = choose(store, predictor).predict(tasks, workers)
        kinds = {task.kind for task in tasks.tasks}
        policy = sizing(store, now=door.now(), kinds=kinds)
        forecast = with_allocations(forecast, tasks, policy)
    return Problem(tasks, workers, forecast, objective(quantile))


def _forecast_document(forecast: Forecast) -> dict[str, Any]:
    return {
        "source": forecast.source,
        "tasks": forecast.tasks,
        "workers": forecast.workers,
        "levels": forecast.quantiles,
        "quantiles": {name: getattr(forecast, name).tolist() for name in QUANTITIES},
        "failure": forecast.failure.tolist(),
        "affinity": forecast.affinity.tolist(),
    }


def _forecast_shown(forecast: Forecast) -> Table:
    table = Table(
        "task",
        "worker",
        "seconds (10-50-90 %)",
        "MB (50-90 %)",
        "fails",
        "affinity",
        title=forecast.source,
    )
    for i, task in enumerate(forecast.tasks):
        for j, worker in enumerate(forecast.workers):
            low, middle, high = forecast.duration[i, j, [0, len(forecast.quantiles) // 2, -1]]
            usual, most = forecast.memory[i, j, [len(forecast.quantiles) // 2, -1]] / 1e6
            table.add_row(
                task,
                worker,
                f"{low:.3g} {middle:.3g} {high:.3g}",
                f"{usual:.0f} {most:.0f}",
                f"{forecast.failure[i, j]:.0%}",
                f"{forecast.affinity[i, j]:.0%}",
            )
    return table


def _schedule_shown(schedule: Schedule) -> Table:
    table = Table(
        "task",
        "worker",
        "start",
        "end",
        "cores",
        "memory",
        title=(
            f"{schedule.planner}: makespan {schedule.makespan:.3f} s, no plan can take less than "
            f"{schedule.lower_bound:.3f} s"
        ),
    )
    for each in sorted(schedule.placements, key=lambda one: (one.start, one.task)):
        table.add_row(
            each.task,
            each.worker,
            f"{each.start:.3f}",
            f"{each.end:.3f}",
            f"{each.allocation.cores:g}",
            f"{each.allocation.memory / 1e6:.0f} MB",
        )
    return table
