"""`allot trainings`, `stop-training` and `delete-training`: what was learned, and what goes on."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from scheduler.door import Door, Json, StoreUrl
from scheduler.errors import InvalidInput
from scheduler.processes import user

if TYPE_CHECKING:
    from scheduler.store import Store
    from scheduler.store.values import Training

Number = Annotated[int, typer.Argument(min=1, help="The training's number.")]
LOSS = ("all", "validation_loss")


def register(app: typer.Typer) -> None:
    """Adds the commands for trainings."""
    for command in (trainings, stop_training, delete_training):
        app.command()(command)


def trainings(
    numbers: Annotated[
        list[int] | None,
        typer.Argument(help="Trainings to compare, by number; all are listed without."),
    ] = None,
    store: StoreUrl = None,
    json: Json = False,
) -> None:
    """List trainings, newest first, or compare some: settings that differ, losses, errors."""
    from scheduler.store.trainings import differing

    door = Door.open(json=json, store=store)
    with door.store() as opened:
        if numbers:
            chosen = [opened.training(each, now=door.now()) for each in numbers]
        else:
            chosen = list(opened.trainings(now=door.now()))
        told = [_told(opened, each) for each in chosen]
    if numbers:
        door.answer({"trainings": told, "differ": differing(chosen)}, _compared(chosen, told))
    else:
        door.answer({"trainings": told}, _listed(told) if told else "No trainings: allot train")


def stop_training(training: Number, store: StoreUrl = None, json: Json = False) -> None:
    """Ask a running training to end after its epoch; it can be resumed."""
    from scheduler.store.trainings import ask_to_stop

    door = Door.open(json=json, store=store)
    with door.store() as opened:
        request = ask_to_stop(opened, training, by=user(), at=door.now())
    door.answer(
        {"training": training, "request": request},
        f"Training {training} ends after its epoch; go on with: allot train --resume {training}",
    )


def delete_training(
    training: Number,
    yes: Annotated[bool, typer.Option("--yes", help="Do it; it cannot be undone.")] = False,
    store: StoreUrl = None,
    json: Json = False,
) -> None:
    """Delete a training that is over, its numbers and checkpoints; what it saved stays."""
    from scheduler.store.trainings import delete_training as delete

    if not yes:
        raise InvalidInput(
            f"Deleting training {training} cannot be undone; say so with --yes: "
            f"allot delete-training {training} --yes"
        )
    door = Door.open(json=json, store=store)
    with door.store() as opened:
        delete(opened, training, now=door.now())
    door.answer({"deleted": training}, f"Training {training} is deleted.")


def _told(store: "Store", training: "Training") -> dict[str, Any]:
    """A training in plain values: how it ended, its best epoch, and what its version scored."""
    metrics = store.training_metrics(training.id)
    losses = {each.epoch: each.value for each in metrics if (each.target, each.name) == LOSS}
    best = min(losses, key=lambda epoch: losses[epoch]) if losses else None
    saved = [each for each in store.versions() if each.id == training.version]
    scores = saved[0].metrics.get("targets", {}) if saved else {}
    ended = training.ended
    return {
        "training": training.id,
        "state": training.state,
        "sharing": training.sharing,
        "workers": training.workers,
        "started": training.started.isoformat(timespec="seconds"),
        "seconds": (ended - training.started).total_seconds() if ended else None,
        "epochs": len(losses),
        "least validation loss": None if best is None else losses[best],
        "in epoch": None if best is None else best + 1,
        "version": training.version,
        "errors": {name: each.get("error") for name, each in scores.items()},
        "message": training.message,
    }


def _listed(told: Sequence[dict[str, Any]]) -> Table:
    names = ("training", "state", "sharing", "workers", "started", "epochs", "version", "message")
    table = Table(*names)
    for each in told:
        table.add_row(*(_text(each[name]) for name in names))
    return table


def _compared(chosen: Sequence["Training"], told: Sequence[dict[str, Any]]) -> Table:
    from scheduler.store.trainings import differing

    table = Table("", *(f"training {each.id}" for each in chosen))
    for name in told[0]:
        if name not in ("training", "errors"):
            table.add_row(name, *(_text(each[name]) for each in told))
    for target in sorted({target for each in told for target in each["errors"]}):
        table.add_row(f"error: {target}", *(_text(each["errors"].get(target)) for each in told))
    for name, values in differing(chosen).items():
        table.add_row(f"setting: {name}", *(_text(each) for each in values))
    return table


def _text(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
