"""`allot drift`, `allot sources` and `allot learn`: what the loop found, and one round of it."""

from typing import Annotated, Any

import typer
from rich.table import Table

from scheduler.door import Door, Json, Seed, StoreUrl
from scheduler.errors import InvalidInput
from scheduler.processes import user

Name = Annotated[str, typer.Argument(help="The source, as `allot sources` names it.")]
Reason = Annotated[str, typer.Option("--reason", help="Why, for those who ask later.")]
OWN = "(runs of Allot)"
NO_DRIFT = "No drift: forecasts are as good as ever."
NOBODY_TO_DRIFT = (
    "No drift is known, and there is no champion whose forecasts could be compared with what came "
    "true; train one with: allot train"
)
DRIFT = ("target", "kind", "worker", "effect", "records", "evidence", "version", "since", "found")

group = typer.Typer(
    help="List where records came from, and say whether a source is trusted.",
    invoke_without_command=True,
)


def register(app: typer.Typer) -> None:
    """Adds the commands of the loop."""
    app.command()(drift)
    app.command()(learn)
    app.add_typer(group, name="sources")


def drift(
    acknowledge: Annotated[
        list[int] | None,
        typer.Option(min=1, show_default=False, help="A drift that needs nobody any more; again."),
    ] = None,
    every: Annotated[
        bool, typer.Option("--all", help="Those learned or acknowledged too.")
    ] = False,
    store: StoreUrl = None,
    json: Json = False,
) -> None:
    """List where observation left the forecast; `allot learn` looks for it."""
    door = Door.open(json=json, store=store)
    with door.store() as opened:
        if acknowledge:
            opened.settle_drifts(acknowledge, state="acknowledged")
            which = f"drift {', '.join(map(str, sorted(acknowledge)))}"
            opened.audit("acknowledge drift", which, by=user(), at=door.now())
        found = opened.drifts(state=None if every else "open")
        champion = opened.aliases().get("champion")
    table = Table("", "target", "kind", "worker", "times expected", "records", "since", "state")
    for each in found:
        table.add_row(
            str(each.id), each.target, each.kind or "every kind", each.worker or "every worker",
            f"{each.effect:.2f}", str(each.records), each.since.isoformat(" ", "minutes"),
            each.state,
        )  # fmt: skip
    told = [
        {"id": each.id, "state": each.state} | {name: getattr(each, name) for name in DRIFT}
        for each in found
    ]
    none = NO_DRIFT if champion else NOBODY_TO_DRIFT
    door.answer({"drifts": told, "champion": champion}, table if found else none)


@group.callback()
def sources(context: typer.Context, store: StoreUrl = None, json: Json = False) -> None:
    """List where records came from; records of a source on hold are not learned from."""
    if context.invoked_subcommand is not None:
        return
    door = Door.open(json=json, store=store)
    with door.store() as opened:
        found = opened.sources()
    table = Table("source", "records", "state", "by", "reason")
    for each in found:
        table.add_row(each.name or OWN, str(each.records), each.state, each.by, each.reason)
    told = [
        {"name": each.name, "records": each.records, "state": each.state, "by": each.by,
         "reason": each.reason, "at": each.at}
        for each in found
    ]  # fmt: skip
    door.answer({"sources": told}, table if found else "No records yet: allot ingest")


@group.command()
def trust(name: Name, reason: Reason, store: StoreUrl = None, json: Json = False) -> None:
    """Learn from a source, and let it judge, whatever it says."""
    from scheduler.store.records import TRUSTED

    _judge(name, TRUSTED, reason, Door.open(json=json, store=store))


@group.command()
def hold(name: Name, reason: Reason, store: StoreUrl = None, json: Json = False) -> None:
    """Keep the records of a source, and do not learn from them."""
    from scheduler.store.records import ON_HOLD

    _judge(name, ON_HOLD, reason, Door.open(json=json, store=store))


def _judge(name: str, state: str, reason: str, door: Door) -> None:
    if not reason.strip():
        raise InvalidInput("A reason must not be blank: --reason says why, for those who ask.")
    with door.store() as opened:
        opened.judge_source(name, state=state, reason=reason, by=user(), at=door.now())
    door.answer({"source": name, "state": state, "reason": reason}, f"{name} is {state} now.")


def learn(
    workers: Annotated[
        int, typer.Option(min=0, help="Processes that train together; 0 trains in this one.")
    ] = 1,
    address: Annotated[
        str, typer.Option(help="Ray: local for one of our own, auto, or host:port.")
    ] = "local",
    more: Annotated[
        int, typer.Option(min=1, help="New records that are reason enough to learn again.")
    ] = 500,
    seed: Seed = None,
    store: StoreUrl = None,
    json: Json = False,
) -> None:
    """Do one round of the loop: sources, drift, training, promotion or refusal, rolling back."""
    from learner.loop import LoopSettings, turn
    from scheduler.commands.making import announced

    door = Door.open(json=json, store=store, seed=seed)
    settings = LoopSettings(workers=workers, address=address, more=more)
    with door.store() as opened:
        announced(door, opened)
        told = turn(opened, door.now(), settings)
        champion = opened.aliases().get("champion")
        open_drifts = len(opened.drifts(state="open"))
    document: dict[str, Any] = {"done": told, "champion": champion, "open_drifts": open_drifts}
    door.answer(document, "\n".join(told) if told else "Nothing to do.")
