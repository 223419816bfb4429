"""`allot predict`, `plan`, `check` and `explain`: beliefs, schedules, and what to think of them."""

import json as jsons
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from scheduler.commands.choosing import chosen, tell_broken
from scheduler.commands.parts import (
    Aims,
    ClusterFile,
    Deadline,
    HardDeadlines,
    MaxCost,
    PlannerChoice,
    PredictorName,
    Quantile,
    Quotas,
    Seconds,
    WorkflowFile,
    objective,
    planner,
)
from scheduler.commands.problems import measures_document, measures_shown, problem_of
from scheduler.door import Door, Json, StoreUrl
from scheduler.errors import InvalidInput
from scheduler.forecast import QUANTITIES, Forecast
from scheduler.numbers import counted
from scheduler.planning.measures import Measures
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
    forecast = problem_of(door, workflow, cluster, objective(), predictor=predictor).forecast
    door.answer(_forecast_document(forecast), _forecast_shown(forecast))


def plan(
    workflow: WorkflowFile,
    cluster: ClusterFile,
    planner_name: PlannerChoice = None,
    predictor: PredictorName = None,
    seconds: Seconds = None,
    quantile: Quantile = None,
    aims: Aims = None,
    max_cost: MaxCost = None,
    hard_deadlines: HardDeadlines = None,
    deadline: Deadline = None,
    quotas: Quotas = None,
    output: Annotated[
        Path | None, typer.Option(help="Also write the schedule to this file.")
    ] = None,
    store: StoreUrl = None,
    json: Json = False,
) -> None:
    """Plan a workflow on a cluster: where and when each task runs."""
    from scheduler.documents import objective_document, schedule_document
    from scheduler.planning.feasibility import violations
    from scheduler.planning.impossible import demand_possible
    from scheduler.planning.measures import measured

    door = Door.open(json=json, store=store)
    asked = objective(
        quantile,
        usual=door.settings.objective,
        aims=aims,
        max_cost=max_cost,
        hard_deadlines=hard_deadlines,
        deadline=deadline,
        quotas=quotas,
    )
    problem = problem_of(
        door, workflow, cluster, asked, predictor=predictor, deadline=deadline, quotas=quotas
    )
    demand_possible(problem)
    name = chosen(door, planner_name, asked)
    schedule = planner(name, seconds=seconds).plan(problem)
    broken = violations(schedule, problem)
    document = schedule_document(schedule)
    if output is not None:
        output.write_text(jsons.dumps(document, indent=2), encoding="utf-8")
    measures = measured(schedule, problem)
    extra = {
        "predictor": problem.forecast.source,
        "objective": objective_document(asked),
        "measures": measures_document(measures),
        "violations": [each.message for each in broken],
    }
    door.answer(document | extra, _schedule_shown(schedule, measures, door.settings.currency))
    if broken:
        tell_broken(door, name, broken)
        raise typer.Exit(1)


def check(
    schedule: ScheduleFile,
    workflow: WorkflowFile,
    cluster: ClusterFile,
    predictor: PredictorName = None,
    quantile: Quantile = None,
    aims: Aims = None,
    max_cost: MaxCost = None,
    hard_deadlines: HardDeadlines = None,
    deadline: Deadline = None,
    quotas: Quotas = None,
    store: StoreUrl = None,
    json: Json = False,
) -> None:
    """Check anyone's schedule against every rule. Exit code 1 when one is broken."""
    from scheduler.documents import read_schedule
    from scheduler.planning.feasibility import violations
    from scheduler.planning.measures import measured_if_sound

    door = Door.open(json=json, store=store)
    asked = objective(
        quantile,
        usual=door.settings.objective,
        aims=aims,
        max_cost=max_cost,
        hard_deadlines=hard_deadlines,
        deadline=deadline,
        quotas=quotas,
    )
    problem = problem_of(
        door, workflow, cluster, asked, predictor=predictor, deadline=deadline, quotas=quotas
    )
    found = read_schedule(schedule)
    broken = violations(found, problem)
    listed = [
        {"rule": each.rule, "task": each.task, "worker": each.worker, "message": each.message}
        for each in broken
    ]
    table = Table("rule", "task", "worker", "what is wrong")
    for each in broken:
        table.add_row(each.rule, each.task or "", each.worker or "", each.message)
    sound = measured_if_sound(found, problem, broken)
    told = {"violations": listed, "measures": sound and measures_document(sound)}
    door.answer(told, table if broken else "The schedule keeps every rule.")
    if broken:
        raise typer.Exit(1)


def explain(
    schedule: ScheduleFile,
    task: Annotated[str, typer.Argument(help="The task in question.")],
    workflow: Annotated[Path, typer.Option("--workflow", help="The workflow of the schedule.")],
    cluster: ClusterFile,
    predictor: PredictorName = None,
    quantile: Quantile = None,
    aims: Aims = None,
    max_cost: MaxCost = None,
    hard_deadlines: HardDeadlines = None,
    deadline: Deadline = None,
    quotas: Quotas = None,
    store: StoreUrl = None,
    json: Json = False,
) -> None:
    """Say why a task runs where and when it does, and what else it could have done."""
    from dataclasses import asdict

    from scheduler.documents import read_schedule
    from scheduler.planning.explain import reasons
    from scheduler.planning.feasibility import violations

    door = Door.open(json=json, store=store)
    asked = objective(
        quantile,
        usual=door.settings.objective,
        aims=aims,
        max_cost=max_cost,
        hard_deadlines=hard_deadlines,
        deadline=deadline,
        quotas=quotas,
    )
    problem = problem_of(
        door, workflow, cluster, asked, predictor=predictor, deadline=deadline, quotas=quotas
    )
    found = read_schedule(schedule)
    if broken := violations(found, problem):
        raise InvalidInput(
            f"The schedule breaks {counted(len(broken), 'rule')} and cannot be explained: "
            f"{broken[0].message}"
        )
    told = reasons(problem, found, task)
    document = {
        "task": task,
        "reasons": list(told.sentences()),
        "wait": asdict(told.wait),
        "slack": told.slack,
        "alternatives": [asdict(each) for each in told.alternatives],
        "earlier": [asdict(each) for each in told.earlier],
        "chain": [asdict(each) for each in told.chain],
    }
    door.answer(document, "\n".join(told.sentences()))


def _forecast_document(forecast: Forecast) -> dict[str, Any]:
    forecast = forecast.by_task()
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


def _schedule_shown(schedule: Schedule, measures: Measures, currency: str) -> Table:
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
        caption=measures_shown(measures, currency),
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
