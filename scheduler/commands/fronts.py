"""`allot pareto`: what speed costs."""

from typing import Annotated

import typer
from rich.table import Table

from scheduler.commands.choosing import next_try, tell_ignored
from scheduler.commands.parts import (
    ClusterFile,
    Deadline,
    HardDeadlines,
    MaxCost,
    PlannerName,
    PredictorName,
    Quantile,
    Quotas,
    Seconds,
    WorkflowFile,
    objective,
    planner,
    with_unit,
)
from scheduler.commands.problems import measures_document, problem_of
from scheduler.door import Door, Json, StoreUrl
from scheduler.errors import AllotError, InvalidInput
from scheduler.numbers import counted


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(pareto)


def pareto(
    workflow: WorkflowFile,
    cluster: ClusterFile,
    planner_name: PlannerName = "portfolio",
    against: Annotated[
        str, typer.Option(help="What is weighed against each other: makespan,cost,energy, ...")
    ] = "makespan,cost",
    points: Annotated[int, typer.Option(min=1, max=100, help="Trades tried of each sort.")] = 8,
    predictor: PredictorName = None,
    seconds: Seconds = None,
    quantile: Quantile = None,
    max_cost: MaxCost = None,
    hard_deadlines: HardDeadlines = None,
    deadline: Deadline = None,
    quotas: Quotas = None,
    store: StoreUrl = None,
    json: Json = False,
) -> None:
    """Show what speed costs: plans of which none is better than another in every way."""
    from scheduler.documents import objective_document
    from scheduler.planning.impossible import demand_possible
    from scheduler.planning.objective import AIMS
    from scheduler.planning.pareto import pareto as front

    aims = tuple(dict.fromkeys(each.strip() for each in against.split(",")))
    if len(aims) < 2 or set(aims) - set(AIMS):
        raise InvalidInput(
            f"--against must name two or more of {', '.join(AIMS)}, found {against!r}."
        )
    door = Door.open(json=json, store=store)
    asked = objective(
        quantile,
        usual=door.settings.objective,
        max_cost=max_cost,
        hard_deadlines=hard_deadlines,
        deadline=deadline,
        quotas=quotas,
    )
    problem = problem_of(
        door, workflow, cluster, asked, predictor=predictor, deadline=deadline, quotas=quotas
    )
    demand_possible(problem)
    tell_ignored(door, planner_name, aims)
    found = front(problem, planner(planner_name, seconds=seconds), aims=aims, points=points)
    if not found:
        raise AllotError(
            f"No plan that {planner_name} found keeps every limit. {next_try(planner_name)}"
        )
    plans = counted(len(found), "plan")
    heads = (with_unit(aim, door.settings.currency) for aim in aims)
    table = Table(*heads, title=f"{planner_name}: {plans}, none better than another")
    for each in found:
        table.add_row(*(f"{getattr(each.measures, aim):.4g}" for aim in aims))
    rows = [
        measures_document(each.measures) | {"objective": objective_document(each.objective)}
        for each in found
    ]
    document = {"planner": planner_name, "aims": aims, "points": rows}
    door.answer(document, table)
