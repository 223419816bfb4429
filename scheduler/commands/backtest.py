"""`allot backtest`: what would have been, had the policy been in charge."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer
from rich.console import Group
from rich.table import Table

from scheduler.commands.choosing import chosen
from scheduler.commands.parts import (
    Aims,
    PlannerChoice,
    PredictorName,
    Quantile,
    Seconds,
    adapting,
    objective,
    planner,
    with_unit,
)
from scheduler.door import Door, Json, Seed, StoreUrl
from scheduler.numbers import counted

if TYPE_CHECKING:
    from scheduler.backtesting.verdict import Verdict
    from scheduler.predictors.base import Predictor
    from scheduler.store import Store

Moment = Annotated[datetime | None, typer.Option(help="In UTC, such as 2026-05-01.")]


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(backtest)


def backtest(
    since: Moment = None,
    until: Moment = None,
    workflow: Annotated[
        str | None, typer.Option(help="Only the past runs of the workflow of that name.")
    ] = None,
    cluster: Annotated[
        Path | None,
        typer.Option(
            help="The workers that there were [default: of each run those that it used, each as "
            "large as what ever ran there at one time, for kinds that ever ran there].",
            show_default=False,
        ),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Past runs at most, the newest.")] = 50,
    planner_name: PlannerChoice = None,
    predictor: PredictorName = None,
    seconds: Seconds = None,
    quantile: Quantile = None,
    aims: Aims = None,
    sized: Annotated[
        bool,
        typer.Option("--sized/--as-asked", help="Choose memory also where owners asked for some."),
    ] = False,
    replan: Annotated[
        bool, typer.Option("--replan/--no-replan", help="Plan again where a run leaves the plan.")
    ] = True,
    seed: Seed = None,
    store: StoreUrl = None,
    json: Json = False,
) -> None:
    """Replay past runs as if the policy had been in charge, with what was known then."""
    from scheduler.backtesting.backtest import Asked
    from scheduler.backtesting.backtest import backtest as replayed
    from scheduler.backtesting.known import Known
    from scheduler.backtesting.replaying import Policy
    from scheduler.commands.beliefs import choose
    from scheduler.documents import read_cluster

    door = Door.open(json=json, store=store, seed=seed)
    aim = objective(quantile, usual=door.settings.objective, aims=aims)

    def learn(known: Known) -> "Predictor":
        return choose(cast("Store", known), predictor)

    policy = Policy(
        learn=learn,
        planner=planner(chosen(door, planner_name, aim), seconds=seconds),
        objective=aim,
        adapting=adapting("simulator") if replan else None,
    )
    asked = Asked(
        since=_utc(since),
        until=_utc(until),
        workflow=workflow,
        limit=limit,
        cluster=None if cluster is None else read_cluster(cluster),
        sized=sized,
    )
    with door.store() as opened, door.progress() as progress:
        bar = progress.add_task("replaying", total=None)
        found = replayed(
            list(opened.records(trusted=True)),
            policy,
            asked,
            kept=opened,
            seed=door.settings.seed,
            watch=lambda _: progress.advance(bar),
        )
    unit = door.settings.currency
    tables = [_table(name, each, unit) for name, each in found.workflows.items()]
    whole = _table("all", found.whole, unit)
    shown = [whole] if len(tables) == 1 else [*tables, whole]
    door.answer(found.document, Group(*shown, *found.words))


def _utc(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.replace(tzinfo=moment.tzinfo or UTC)


def _table(name: str, each: "Verdict", currency: str) -> Table:
    table = Table(
        "", "time", "waited", with_unit("cost", currency), "reserved", "kills", "moved", "regret",
        title=f"{name}: {counted(each.runs, 'run')}, {counted(each.tasks, 'task')}",
    )  # fmt: skip
    for policy, total in each.totals.items():
        table.add_row(
            policy,
            f"{total.makespan:.6g} s",
            f"{total.waited:.4g} s",
            f"{total.cost:.4g}",
            "not told" if total.reserved is None else f"{total.reserved:.4g} GBh",
            str(total.kills),
            f"{total.moved:.0%}",
            f"{total.regret:.1%}",
        )
    return table
