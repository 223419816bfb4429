"""`allot what-if`: a plan before and after a change, side by side."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer
from rich.console import Group
from rich.table import Table

from scheduler.commands.choosing import chosen
from scheduler.commands.parts import (
    Aims,
    ClusterFile,
    HardDeadlines,
    MaxCost,
    PlannerChoice,
    PredictorName,
    Quantile,
    Quotas,
    WorkflowFile,
    objective,
    planner,
    with_unit,
)
from scheduler.commands.problems import problem_of
from scheduler.door import Door, Json, StoreUrl
from scheduler.errors import InvalidInput
from scheduler.numbers import counted

if TYPE_CHECKING:
    from scheduler.planning.edits import Edit
    from scheduler.planning.problem import Problem
    from scheduler.planning.schedule import Schedule
    from scheduler.planning.what_if import Answer, Side

Value = TypeVar("Value")
PRIORITY = "--priority must be TASK=NUMBER, a whole number"
DEADLINE = "--deadline must be TASK=SECONDS, or SECONDS for the whole workflow"
RELEASE = "--release must be TASK=SECONDS"
CORES = "--cores must be TASK=CORES"
MEMORY = "--memory must be TASK=BYTES, a number of bytes or a text such as '8 GB' or '8 GiB'"
DURATION = "--duration must be TASK=FACTOR"
SHOWN = 20  # changes that a person is shown


def register(app: typer.Typer) -> None:
    """Adds the command for questions."""
    app.command("what-if")(what_if)


def _many(help: str) -> Any:
    return typer.Option(help=f"{help} May be given several times.")


def what_if(
    workflow: WorkflowFile,
    cluster: ClusterFile,
    schedule: Annotated[
        Path | None, typer.Option(help="The plan in force [default: planned now].")
    ] = None,
    add_worker: Annotated[
        list[Path] | None, _many("A worker more: its JSON, as in a cluster.")
    ] = None,
    remove_worker: Annotated[list[str] | None, _many("A worker less, by name.")] = None,
    remove_task: Annotated[list[str] | None, _many("A task less, by id.")] = None,
    priority: Annotated[list[str] | None, _many("TASK=NUMBER.")] = None,
    deadline: Annotated[
        list[str] | None,
        _many(
            "TASK=SECONDS from the start. SECONDS alone is no question: the whole workflow must "
            "end by then, as in `allot plan`."
        ),
    ] = None,
    release: Annotated[list[str] | None, _many("TASK=SECONDS from the start.")] = None,
    cores: Annotated[list[str] | None, _many("TASK=CORES.")] = None,
    memory: Annotated[list[str] | None, _many("TASK=BYTES: 8e9, 8 GB, 8 GiB.")] = None,
    duration: Annotated[
        list[str] | None, _many("TASK=FACTOR: it takes so many times as long.")
    ] = None,
    planner_name: PlannerChoice = None,
    predictor: PredictorName = None,
    quantile: Quantile = None,
    aims: Aims = None,
    max_cost: MaxCost = None,
    hard_deadlines: HardDeadlines = None,
    quotas: Quotas = None,
    store: StoreUrl = None,
    json: Json = False,
) -> None:
    """Say what would change if workers, priorities, deadlines or needs were others."""
    from scheduler.documents import read_bytes, read_schedule
    from scheduler.planning import edits
    from scheduler.planning.feasibility import violations
    from scheduler.planning.what_if import WhatIf

    door = Door.open(json=json, store=store)
    due = [each for each in deadline or () if "=" in each]
    whole = _whole([each for each in deadline or () if "=" not in each])
    asked = objective(
        quantile,
        usual=door.settings.objective,
        aims=aims,
        max_cost=max_cost,
        hard_deadlines=hard_deadlines,
        deadline=whole,
        quotas=quotas,
    )
    problem = problem_of(
        door, workflow, cluster, asked, predictor=predictor, deadline=whole, quotas=quotas
    )
    plan = read_schedule(schedule) if schedule else _planned(door, planner_name, problem)
    if broken := violations(plan, problem):
        raise InvalidInput(
            f"The schedule breaks {counted(len(broken), 'rule')} and answers no question: "
            f"{broken[0].message}"
        )
    wanted: list[Edit] = [
        *_added(door, problem, add_worker or (), predictor),
        *(edits.WorkerLost(worker=each) for each in remove_worker or ()),
        *(edits.Prioritised(task=t, priority=v) for t, v in _pairs(priority, PRIORITY, int)),
        *(edits.Due(task=t, deadline=v) for t, v in _pairs(due, DEADLINE, float)),
        *(edits.Released(task=t, release=v) for t, v in _pairs(release, RELEASE, float)),
        *(edits.Allocated(task=t, cores=v) for t, v in _pairs(cores, CORES, float)),
        *(edits.Allocated(task=t, memory=v) for t, v in _pairs(memory, MEMORY, read_bytes)),
        *(edits.Believed(task=t, factor=v) for t, v in _pairs(duration, DURATION, float)),
        *(edits.TaskRemoved(task=each) for each in remove_task or ()),
    ]
    if not wanted:
        raise InvalidInput("A question must change something; see: allot what-if --help")
    answer = WhatIf(problem, plan).asked(*wanted)
    door.answer(_document(answer), _shown(answer, door.settings.currency))


def _whole(texts: Sequence[str]) -> float | None:
    """The earliest deadline of the whole workflow among these texts."""
    return min((_pair(each, DEADLINE, float)[1] for each in texts), default=None)


def _planned(door: Door, name: str | None, problem: "Problem") -> "Schedule":
    from scheduler.planning.impossible import demand_possible

    demand_possible(problem)
    return planner(chosen(door, name, problem.objective)).plan(problem)


def _added(
    door: Door, problem: "Problem", files: Sequence[Path], predictor: str | None
) -> "list[Edit]":
    from scheduler.commands.beliefs import choose
    from scheduler.documents import read_worker
    from scheduler.planning.edits import WorkerAdded

    found: list[Edit] = []
    for file in files:
        only = read_worker(file)
        with door.store() as store:
            forecast = choose(store, predictor).predict(problem.workflow, only)
        found.append(WorkerAdded(worker=only.workers[0], forecast=forecast))
    return found


def _pairs(
    texts: Sequence[str] | None, form: str, read: Callable[[str], Value]
) -> list[tuple[str, Value]]:
    return [_pair(each, form, read) for each in texts or ()]


def _pair(text: str, form: str, read: Callable[[str], Value]) -> tuple[str, Value]:
    task, _, value = text.rpartition("=")
    try:
        return task, read(value)
    except ValueError:
        raise InvalidInput(f"{form}, found {text!r}.") from None


def _document(answer: "Answer") -> dict[str, Any]:
    from dataclasses import asdict

    return {
        "asked": [each.sentence() for each in answer.edits],
        "answer": list(answer.sentences()),
        "before": asdict(answer.before),
        "after": asdict(answer.after),
        "changes": [asdict(each) | {"reason": each.sentence()} for each in answer.changes],
    }


def _shown(answer: "Answer", currency: str) -> Group:
    table = Table("", "before", "after")
    for name in ("makespan", "score", "tardiness", "cost", "energy"):
        numbers = (f"{getattr(each, name):.6g}" for each in _sides(answer))
        table.add_row(with_unit(name, currency), *numbers)
    for worker in dict.fromkeys((*answer.before.utilisation, *answer.after.utilisation)):
        shares = (each.utilisation.get(worker, 0.0) for each in _sides(answer))
        table.add_row(f"{worker} in use", *(f"{share:.0%}" for share in shares))
    told = [each.sentence() for each in answer.changes[:SHOWN]]
    more = len(answer.changes) - SHOWN
    return Group(*answer.sentences(), table, *told, *([f"and {more} more"] if more > 0 else []))


def _sides(answer: "Answer") -> "tuple[Side, Side]":
    return answer.before, answer.after
