"""`allot submit` and `allot agent`: leave a workflow to the agent, and be the agent."""

from typing import TYPE_CHECKING, Annotated

import typer

from scheduler.commands.choosing import chosen
from scheduler.commands.parts import (
    Aims,
    ClusterFile,
    Deadline,
    HardDeadlines,
    MaxCost,
    Owner,
    PlannerChoice,
    PredictorName,
    Quantile,
    Quotas,
    WorkflowFile,
    demand_executor,
    demand_owners,
    objective,
    planner,
    with_deadline,
)
from scheduler.door import Door, Json, Seed, StoreUrl
from scheduler.processes import user

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

Executor = Annotated[
    str, typer.Option("--executor", help="Who carries it out: ray, local, simulator.")
]
Address = Annotated[str, typer.Option(help="Ray's address: local, auto or host:port.")]


WAITS = 2.0  # seconds without anything going on before a run is left to people


def register(app: typer.Typer) -> None:
    """Adds the commands of the agent."""
    app.command()(submit)
    app.command()(agent)


def submit(
    workflow: WorkflowFile,
    cluster: ClusterFile,
    planner_name: PlannerChoice = None,
    executor_name: Executor = "ray",
    address: Address = "local",
    predictor: PredictorName = None,
    quantile: Quantile = None,
    aims: Aims = None,
    max_cost: MaxCost = None,
    hard_deadlines: HardDeadlines = None,
    deadline: Deadline = None,
    quotas: Quotas = None,
    replan: Annotated[
        bool,
        typer.Option("--replan/--no-replan", help="Plan again where the run leaves the plan."),
    ] = True,
    owner: Owner = None,
    priority: Annotated[int, typer.Option(help="Higher goes first.")] = 0,
    seed: Seed = None,
    store: StoreUrl = None,
    json: Json = False,
) -> None:
    """Leave a workflow to the agent that serves the store (`allot agent`)."""
    from uuid import uuid4

    from scheduler.commands.making import within_policy
    from scheduler.documents import (
        cluster_document,
        objective_document,
        read_cluster,
        read_workflow,
        workflow_document,
    )

    door = Door.open(json=json, store=store, seed=seed)
    tasks, workers = with_deadline(read_workflow(workflow), deadline), read_cluster(cluster)
    demand_executor(executor_name)
    if planner_name is not None:
        planner(planner_name)
    demand_owners(quotas, tasks)
    asked = objective(
        quantile,
        usual=door.settings.objective,
        aims=aims,
        max_cost=max_cost,
        hard_deadlines=hard_deadlines,
        deadline=deadline,
        quotas=quotas,
    )
    by = owner or user()
    payload = {
        "token": uuid4().hex,
        "workflow": workflow_document(tasks),
        "cluster": cluster_document(workers),
        "objective": objective_document(asked),
        "owner": by,
        "priority": priority,
        "how": {
            "executor": executor_name,
            "address": address,
            "seed": door.settings.seed,
            "replan": replan,
            "planner": chosen(door, planner_name, within_policy(door, asked, workers)),
            "predictor": predictor,
        },
    }
    with door.store() as opened:
        number = opened.ask("run", payload, by=by, at=door.now())
    door.answer(
        {"request": number, "token": payload["token"]},
        f"Request {number}: {tasks.name} is left to the agent; see: allot status",
    )


def agent(
    runs: Annotated[int, typer.Option(min=1, max=64, help="Runs at a time at most.")] = 4,
    grace: Annotated[
        float, typer.Option(min=0, help="Seconds that runs are waited for when it is stopped.")
    ] = 30.0,
    companions: Annotated[
        bool,
        typer.Option("--companions/--no-companions", help="Learn beside the runs."),
    ] = True,
    turn: Annotated[float, typer.Option(min=1, help="Seconds between turns of companions.")] = 30.0,
    until_idle: Annotated[
        bool,
        typer.Option("--until-idle", help="End when nothing is left that goes on without people."),
    ] = False,
    store: StoreUrl = None,
    json: Json = False,
) -> None:
    """Serve the store: carry out what is submitted, go on with what was cut off, and learn."""
    import threading
    from time import monotonic
    from typing import cast

    from scheduler.commands.making import agent_of, announced
    from scheduler.discover import plugged
    from scheduler.service import Companion, Service

    door = Door.open(json=json, store=store)
    stop = threading.Event()
    since = _stopped_by_signals(stop, monotonic)
    beside = {name: cast("Companion", each) for name, each in plugged("allot.companions").items()}
    with door.store() as opened:
        announced(door, opened)  # in force before companions act
        Service(
            opened,
            lambda how: agent_of(how, door, opened, stop=since, grace=grace, waits=WAITS),
            door.now,
            monotonic,
            stop,
            runs=runs,
            turn=turn,
            companions=beside if companions else {},
        ).serve(until_idle=until_idle)
    door.answer({"stopped": True}, "Stopped; what was left is in the store for the next agent.")


def _stopped_by_signals(
    stop: "threading.Event", seconds: "Callable[[], float]"
) -> "Callable[[], float | None]":
    """Sets the event on SIGTERM and Ctrl-C; the answer tells since when it is set."""
    import signal

    found: list[float] = []

    def since() -> float | None:
        if stop.is_set() and not found:
            found.append(seconds())
        return found[0] if found else None

    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, lambda *_: stop.set())
    return since
