"""Names given at the doors become objects here: planners, executors, files."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from scheduler.discover import implementations, named
from scheduler.execution.executors.base import Executor
from scheduler.planning.objective import Objective
from scheduler.planning.planners.base import Planner

WorkflowFile = Annotated[
    Path, typer.Argument(metavar="WORKFLOW", help="Allot's own JSON, or WfFormat JSON.")
]
ClusterFile = Annotated[Path, typer.Option("--cluster", help="The cluster, as Allot's own JSON.")]
PlannerName = Annotated[str, typer.Option("--planner", help="Who plans: heft, fifo, ...")]
PredictorName = Annotated[
    str | None,
    typer.Option(
        "--predictor", help="Who forecasts: history, network [default: the champion, else history]."
    ),
]
Quantile = Annotated[
    float, typer.Option("--quantile", help="Level at which durations are planned.")
]


def planner(name: str) -> Planner:
    """The planner of that name; NotFound lists those that there are."""
    from scheduler.planning import planners

    return named(name, implementations(planners, Planner), "planner")()  # type: ignore[type-abstract]


def objective(quantile: float) -> Objective:
    """The objective that the flags describe."""
    return Objective(duration_quantile=quantile)


def executor(name: str, *, address: str, seed: int) -> Executor:
    """The executor of that name: `ray`, or `simulator`, whose world is the forecast itself."""
    from scheduler.execution.executors import ray_cluster, simulator

    made: dict[str, Callable[[], Executor]] = {
        "ray": lambda: ray_cluster.RayCluster(address=address),
        "simulator": lambda: simulator.Simulator(simulator.AsForecast(), seed=seed),
    }
    if name not in made:
        from scheduler.errors import NotFound

        raise NotFound(f"There is no executor named {name!r}; known: {', '.join(made)}.")
    return made[name]()
