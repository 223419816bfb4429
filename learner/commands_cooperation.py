"""The commands `federate` and `labels`: learning with others, and what to measure next."""

from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from scheduler.door import Door, Json, Seed, StoreUrl

if TYPE_CHECKING:
    from learner.labels import Advice


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command()(federate)
    app.command()(labels)


def federate(
    stores: Annotated[list[str], typer.Argument(help="Database URLs of two stores or more.")],
    workers: Annotated[
        int,
        typer.Option(min=0, help="0: all sites in this process; else each in a Ray actor."),
    ] = 1,
    address: Annotated[
        str, typer.Option(help="Ray: local for one of our own, auto, or host:port.")
    ] = "local",
    rounds: Annotated[int, typer.Option(min=1, help="Passes of each site at most.")] = 30,
    sharing: Annotated[str, typer.Option(help="What targets share, as in train.")] = "cgc",
    seed: Seed = None,
    json: Json = False,
) -> None:
    """Learn one network from several stores; no record leaves its store."""
    from learner.training.federated_ray import federate as learn
    from learner.training.settings import TrainingSettings

    door = Door.open(json=json, seed=seed)
    settings = TrainingSettings(epochs=rounds, sharing=sharing, seed=door.settings.seed)
    with door.progress() as progress:
        bar = progress.add_task("learning at all sites", total=rounds)
        found = learn(
            stores,
            settings,
            at=door.now(),
            address=address,
            actors=workers > 0,
            watch=lambda number, _: progress.update(bar, completed=number + 1),
        )
    rows = [{"site": i + 1, **told} for i, told in enumerate(found.told)]
    table = Table("site", "version", "champion", title=f"Best of {len(found.checked)} rounds")
    for row in rows:
        table.add_row(str(row["site"]), row["version"], "yes" if row["champion"] else "challenger")
    losses = [round(each, 6) for each in found.checked]
    door.answer({"sites": rows, "best_round": found.best, "validation_losses": losses}, table)


def labels(
    quantity: Annotated[
        str, typer.Option(help="What would be measured: duration, memory or cpu.")
    ] = "memory",
    count: Annotated[int, typer.Option(min=1, max=500, help="How many to tell.")] = 10,
    seed: Seed = None,
    store: StoreUrl = None,
    json: Json = False,
) -> None:
    """Say which measurements, not taken yet, would make forecasts surest."""
    import numpy as np

    from learner.labels import advised

    door = Door.open(json=json, store=store, seed=seed)
    with door.store() as opened:
        records = list(opened.records(trusted=True))
    rng = np.random.default_rng(door.settings.seed)
    found = advised(records, quantity, count=count, rng=rng)
    table = Table("measure", "of kind", "on worker", "work of task", "less variance")
    for each in found:
        table.add_row(quantity, each.kind, each.worker, each.like.task, f"{each.gain:.1%}")
    told = [_told(each, quantity) for each in found]
    door.answer({"quantity": quantity, "advice": told}, table if found else "Nothing is missing.")


def _told(advice: "Advice", quantity: str) -> dict[str, object]:
    return {
        "measure": quantity,
        "kind": advice.kind,
        "worker": advice.worker,
        "like": {"run": advice.like.run, "task": advice.like.task, "sizes": advice.like.sizes},
        "gain": advice.gain,
    }
