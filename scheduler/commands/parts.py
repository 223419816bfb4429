"""Names given at the doors become objects here: planners, executors, files."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scheduler.discover import implementations, named
from scheduler.errors import InvalidInput
from scheduler.execution.executors.base import Executor
from scheduler.numbers import not_negative, positive
from scheduler.planning.objective import AIMS, Objective, owners
from scheduler.planning.planners.base import Planner
from scheduler.workflow import Workflow

if TYPE_CHECKING:
    from scheduler.execution.adapting import Adapting, Meanwhile

SIMULATED_FEW = 60  # open tasks up to which a simulated run is planned anew: no time hides it there
SIMULATED_PACE = 0.02  # share of the tasks between two tries: at most some fifty in a simulated run
AGAIN, AGAIN_SECONDS = 2000, 0.5  # evaluations of a search while a run goes on, and their most time
EXECUTORS = ("ray", "local", "simulator")
WorkflowFile = Annotated[
    Path, typer.Argument(metavar="WORKFLOW", help="Allot's own JSON, or WfFormat JSON.")
]
ClusterFile = Annotated[Path, typer.Option("--cluster", help="The cluster, as Allot's own JSON.")]
PlannerName = Annotated[str, typer.Option("--planner", help="Who plans: heft, fifo, ...")]
PlannerChoice = Annotated[
    str | None,
    typer.Option(
        "--planner",
        help="Who plans: heft, fifo, ... [default: heft; portfolio with an aim or a limit].",
        show_default=False,
    ),
]
PredictorName = Annotated[
    str | None,
    typer.Option(
        "--predictor", help="Who forecasts: history, network [default: the champion, else history]."
    ),
]
Quantile = Annotated[
    float | None,
    typer.Option(
        "--quantile",
        help="Level at which durations are planned [default: 0.5].",
        show_default=False,
    ),
]
Aims = Annotated[
    str | None,
    typer.Option(
        "--objective",
        help="What to aim at: makespan=1,cost=0.2 (makespan, tardiness, flow, cost, energy, "
        "fairness), or a file with an objective [default: the settings', else makespan].",
        show_default=False,
    ),
]
Owner = Annotated[
    str | None, typer.Option(help="For whom it is done [default: you].", show_default=False)
]
MaxCost = Annotated[
    float | None, typer.Option("--max-cost", help="Money that the schedule may cost at most.")
]
HardDeadlines = Annotated[
    bool | None,
    typer.Option(
        "--hard-deadlines/--soft-deadlines",
        help="Whether a deadline must be kept [default: soft].",
        show_default=False,
    ),
]
Deadline = Annotated[
    float | None,
    typer.Option(
        "--deadline", help="Seconds by which the whole workflow must end; hard unless said soft."
    ),
]
Quotas = Annotated[
    list[str] | None,
    typer.Option("--quota", help="OWNER=CORES that the tasks of an owner hold at most at a time."),
]
Seconds = Annotated[
    float | None, typer.Option("--budget", help="Seconds of planning, for planners that search.")
]


def planner(name: str, **configuration: object) -> Planner:
    """The planner of that name, configured by what is not None.

    NotFound lists the planners that there are; InvalidInput names what this one does not have.
    """
    from scheduler.planning import planners

    sort = named(name, implementations(planners, Planner), "planner")  # type: ignore[type-abstract]
    known = {each.name for each in fields(sort)}
    given = {key: value for key, value in configuration.items() if value is not None}
    if odd := sorted(given.keys() - known):
        raise InvalidInput(f"The planner {name!r} has no {', '.join(odd)} to set.")
    if "seconds" in given and "evaluations" in known:
        given["evaluations"] = None  # the time alone decides
    return sort(**given)


def objective(
    quantile: float | None = None,
    *,
    usual: Mapping[str, Any] | None = None,
    aims: str | None = None,
    max_cost: float | None = None,
    hard_deadlines: bool | None = None,
    deadline: float | None = None,
    quotas: Sequence[str] | None = None,
) -> Objective:
    """The objective that the flags describe, over the usual one of the settings."""
    from scheduler.documents import objective_document, objective_from, read_objective

    _demand_limits(quantile, max_cost=max_cost, deadline=deadline)
    document = dict(usual or {})
    if aims is not None and not aims.strip():
        raise InvalidInput(
            f"--objective must name an aim ({', '.join(AIMS)}) or a file, found {aims!r}."
        )
    if aims is not None and Path(aims).suffix in (".json", ".toml"):
        document = objective_document(read_objective(Path(aims)))
    elif aims is not None:
        rest = {key: value for key, value in document.items() if key not in AIMS}
        document = rest | _numbers(aims.split(","), "--objective", "AIM=WEIGHT", usual=1.0)
    if hard_deadlines is None and deadline is not None:
        hard_deadlines = True
    flags = {"duration_quantile": quantile, "budget": max_cost, "hard_deadlines": hard_deadlines}
    document |= {key: value for key, value in flags.items() if value is not None}
    if quotas:
        document["quotas"] = _numbers(quotas, "--quota", "OWNER=CORES")
    return objective_from(document)


def _demand_limits(
    quantile: float | None, *, max_cost: float | None, deadline: float | None
) -> None:
    """Refuses by the name of the flag what the objective would refuse by that of its field."""
    if max_cost is not None:
        not_negative(max_cost, "--max-cost", InvalidInput)
    if deadline is not None:
        positive(deadline, "--deadline", InvalidInput)
    if quantile is not None and not 0 < quantile < 1:
        raise InvalidInput(f"--quantile must lie between 0 and 1, found {quantile!r}.")


def with_unit(aim: str, currency: str) -> str:
    """An aim as the head of its numbers: cost with the unit of prices where that has a name."""
    return f"{aim}, {currency}" if aim == "cost" and currency else aim


def demand_owners(quotas: Sequence[str] | None, workflow: Workflow) -> None:
    """Refuses a quota for an owner that no task has."""
    known = owners(workflow)
    for owner in _numbers(quotas or (), "--quota", "OWNER=CORES"):
        if owner not in known:
            named = ", ".join(each for each in known if each) or "none"
            raise InvalidInput(
                f"--quota must name an owner of tasks, found {owner!r}; owners are: {named}."
            )


def with_deadline(workflow: Workflow, deadline: float | None) -> Workflow:
    """The workflow, the last tasks of which have this deadline too."""
    if deadline is None:
        return workflow
    tasks = [
        each
        if workflow.successors(each.id)
        else replace(each, deadline=min(deadline, each.deadline or deadline))
        for each in workflow.tasks
    ]
    return Workflow(workflow.name, tasks, workflow.dependencies)


def _numbers(
    texts: Sequence[str], flag: str, form: str, *, usual: float | None = None
) -> dict[str, float]:
    numbers: dict[str, float] = {}
    for text in texts:
        name, equals, number = text.strip().rpartition("=")
        if not equals and number and usual is not None:
            name, number = number, str(usual)
        try:
            numbers[name] = float(number)
        except ValueError:
            raise InvalidInput(f"{flag} must be {form}, found {text!r}.") from None
    return numbers


def adapting(executor_name: str, *, meanwhile: "Meanwhile | None" = None) -> "Adapting":
    """How runs of that executor are planned again; real time is not spent on planning alone.

    Where time is simulated no clock counts, so that equal seeds give equal runs.
    """
    from math import inf
    from time import monotonic

    from scheduler.execution.adapting import Adapting
    from scheduler.planning.planners.heft import Heft
    from scheduler.planning.planners.search import Search

    if executor_name == "simulator":
        again = Search(evaluations=AGAIN, seconds=inf, threads=1)
        return Adapting(
            planners=(Heft(), again), few=SIMULATED_FEW, pace=SIMULATED_PACE, meanwhile=meanwhile
        )
    again = Search(evaluations=AGAIN, seconds=AGAIN_SECONDS, threads=1)
    return Adapting(planners=(Heft(), again), seconds=monotonic, meanwhile=meanwhile)


def demand_executor(name: str) -> None:
    """Raises NotFound where nobody of that name carries runs out."""
    if name not in EXECUTORS:
        from scheduler.errors import NotFound

        raise NotFound(f"There is no executor named {name!r}; known: {', '.join(EXECUTORS)}.")


def executor(name: str, *, address: str, seed: int) -> Executor:
    """The executor of that name: `ray`, `local`, or `simulator`, whose world is the forecast.

    `local` needs no Ray: it runs tasks as processes of this machine.
    """
    from scheduler.execution.executors import local_processes, simulator

    demand_executor(name)

    def on_ray() -> Executor:
        from scheduler.execution.executors.ray_cluster import RayCluster

        return RayCluster(address=address)

    made: dict[str, Callable[[], Executor]] = {
        "ray": on_ray,
        "local": local_processes.LocalProcesses,
        "simulator": lambda: simulator.Simulator(simulator.AsForecast(), seed=seed),
    }
    return made[name]()
