"""`allot run` and `allot status`: carry a workflow out, and see how runs stand."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Group
from rich.table import Column, Table

from scheduler.commands.choosing import chosen
from scheduler.commands.parts import (
    Aims,
    Deadline,
    HardDeadlines,
    MaxCost,
    Owner,
    PlannerChoice,
    PredictorName,
    Quantile,
    Quotas,
    demand_owners,
    objective,
    with_deadline,
)
from scheduler.door import Door, Json, Seed, StoreUrl
from scheduler.execution.events import AttemptEnded, Event, PlanChanged, TaskGivenUp
from scheduler.numbers import counted
from scheduler.processes import user

if TYPE_CHECKING:
    from scheduler.agent import RunReport
    from scheduler.cluster import Cluster
    from scheduler.store.values import Request
    from scheduler.workflow import Workflow


def register(app: typer.Typer) -> None:
    """Adds the commands for running."""
    app.command()(run)
    app.command()(status)


def run(
    workflow: Annotated[
        Path | None,
        typer.Argument(metavar="WORKFLOW", help="Allot's own JSON, or WfFormat JSON."),
    ] = None,
    cluster: Annotated[
        Path | None, typer.Option("--cluster", help="The cluster, as Allot's own JSON.")
    ] = None,
    resume: Annotated[
        int | None,
        typer.Option(
            "--resume", help="Go on with this run, which was cut off or waited for people."
        ),
    ] = None,
    planner_name: PlannerChoice = None,
    executor_name: Annotated[
        str, typer.Option("--executor", help="Who carries it out: ray, local, simulator.")
    ] = "ray",
    address: Annotated[
        str, typer.Option(help="Ray's address: local, auto or host:port.")
    ] = "local",
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
    seed: Seed = None,
    store: StoreUrl = None,
    json: Json = False,
) -> None:
    """Forecast, plan and run a workflow, and record what happened; or go on with a run."""
    from scheduler.commands.making import agent_of, within_policy

    door = Door.open(json=json, store=store, seed=seed)
    with door.store() as opened, door.progress() as progress:
        bar = progress.add_task("running", total=None)

        def watch(event: Event) -> None:
            if isinstance(event, (AttemptEnded, TaskGivenUp)):
                progress.advance(bar)
            if isinstance(event, PlanChanged):
                progress.console.print(changed_sentence(event), highlight=False, soft_wrap=True)

        if resume is not None:
            how = opened.run_how(resume)[1]
            kinds = {str(each["kind"]) for each in opened.run_documents(resume)[0]["tasks"]}
            report = agent_of(how, door, opened, kinds=kinds).resume(resume, watch=watch)
        else:
            tasks, workers = _read(workflow, cluster, deadline)
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
            how = {
                "executor": executor_name,
                "address": address,
                "seed": door.settings.seed,
                "replan": replan,
                "planner": chosen(door, planner_name, within_policy(door, asked, workers)),
                "predictor": predictor,
            }
            progress.update(bar, total=len(tasks))
            agent = agent_of(how, door, opened, kinds={task.kind for task in tasks.tasks})
            report = agent.run(tasks, workers, objective=asked, watch=watch, owner=owner or user())
    _answer(door, report)


def _read(
    workflow: Path | None, cluster: Path | None, deadline: float | None
) -> "tuple[Workflow, Cluster]":
    from scheduler.documents import read_cluster, read_workflow

    if workflow is None or cluster is None:
        raise typer.BadParameter("name a WORKFLOW and its --cluster, or a run by --resume RUN")
    return with_deadline(read_workflow(workflow), deadline), read_cluster(cluster)


def _answer(door: Door, report: "RunReport") -> None:
    """Says how a run ended, and ends with 1 where not every task has succeeded."""
    states = {
        each.task: str(each.observation.outcome) for each in report.attempts if each.observation
    }
    document = {
        "run": report.run,
        "state": report.state,
        "makespan": report.makespan,
        "planned_makespan": report.schedule.makespan,
        "lower_bound": report.schedule.lower_bound,
        "tasks": states
        | dict.fromkeys(report.given_up, "given_up")
        | dict.fromkeys(report.unknown, "unknown"),
        "given_up": dict(report.given_up),
        "unknown": list(report.unknown),
        "replans": [_replan_document(each) for each in report.changes],
    }
    waits = (
        f" It waits for people: nobody knows what became of {', '.join(report.unknown)}; decide, "
        f"then: allot run --resume {report.run}"
        if report.unknown
        else ""
    )
    reasons = [f"{task}: {why}" for task, why in report.given_up.items()]
    more = f"; and {len(reasons) - GIVEN_UP} more" if len(reasons) > GIVEN_UP else ""
    lost = f" Given up: {'; '.join(reasons[:GIVEN_UP])}{more}." if reasons else ""
    door.answer(
        document,
        f"Run {report.run} {report.state}: {report.makespan:.2f} s, "
        f"planned {report.schedule.makespan:.2f} s{_times(report.changes)}.{lost}{waits}",
    )
    if report.state != "succeeded":
        raise typer.Exit(1)


def changed_sentence(event: PlanChanged) -> str:
    """A change of plan in one line: when, what moved, why, and what it gains."""
    why = "; ".join(event.reasons) or "another plan ends sooner"
    ends = f"expected to end at {event.ends:.6g} s, without the change at {event.before:.6g} s"
    return f"{event.at:.6g} s: {counted(event.moved, 'task')} moved ({why}); {ends}."


def _times(changes: Sequence[PlanChanged]) -> str:
    if not changes:
        return ""
    times = "once" if len(changes) == 1 else f"{len(changes)} times"
    return f", planned again {times}"


def _replan_document(event: PlanChanged) -> dict[str, object]:
    names = ("at", "reasons", "moved", "changes", "before", "ends")
    return {name: getattr(event, name) for name in names}


GIVEN_UP = 3  # tasks of a run that are told with the reason
REFUSED = 5  # submitted workflows that `allot status` tells were refused: the newest


def status(store: StoreUrl = None, json: Json = False) -> None:
    """Show runs, newest first, how each stands, and what was submitted and is no run."""
    door = Door.open(json=json, store=store)
    with door.store() as opened:
        runs = opened.runs(now=door.now(), limit=20)
        refused = [each for each in opened.requests(state="refused") if each.kind == "run"]
        submitted = [*opened.waiting_requests("run"), *refused[:REFUSED]]
    table = Table(
        Column("run", no_wrap=True),
        "workflow",
        "label",
        "owner",
        Column("state", no_wrap=True),
        "planner",
        "tasks",
        "planned",
        "realised",
        "started (UTC)",
    )
    for each in runs:
        realised = "" if each.makespan is None else f"{each.makespan:.2f} s"
        table.add_row(
            str(each.id),
            each.workflow,
            each.label,
            each.owner,
            each.state,
            each.planner,
            str(each.tasks),
            f"{each.planned_makespan:.2f} s",
            realised,
            f"{each.started:%Y-%m-%d %H:%M:%S}",
        )
    lines = [_submitted(each) for each in submitted]
    known: list[Table | str] = [table] if runs else [] if lines else ["No run yet; try: allot demo"]
    told = [{"request": each.id, "state": each.state, "answer": each.answer} for each in submitted]
    door.answer({"runs": [asdict(each) for each in runs], "submitted": told}, Group(*known, *lines))


def _submitted(request: "Request") -> str:
    """What became of a workflow that was left to the agent and is no run."""
    waits = request.state == "open"
    state = "waits for an agent: allot agent" if waits else f"was refused: {request.answer}"
    return f"Request {request.id} ({request.payload['workflow']['name']}) {state}"
