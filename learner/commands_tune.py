"""`allot tune`: search for better settings."""

from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from scheduler.door import Door, Json, Seed, StoreUrl

if TYPE_CHECKING:
    from learner.training.noted import Progress
    from learner.training.tuning import Search, Trial


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(tune)


def tune(
    trials: Annotated[int, typer.Option(min=1, help="How many settings to try.")] = 20,
    epochs: Annotated[int, typer.Option(min=1, help="Passes of each trial at most.")] = 30,
    resume: Annotated[
        str | None,
        typer.Option(
            show_default=False,
            help="Go on with this search, which did not end; it keeps its own settings.",
        ),
    ] = None,
    address: Annotated[
        str, typer.Option(help="Ray: local for one of our own, auto, or host:port.")
    ] = "local",
    seed: Seed = None,
    store: StoreUrl = None,
    json: Json = False,
) -> None:
    """Search sharing, width, experts, rate, batch and weighting with Ray Tune."""
    from learner.training.settings import TrainingSettings
    from learner.training.tuning import search

    door = Door.open(json=json, store=store, seed=seed)
    settings = TrainingSettings(seed=door.settings.seed, epochs=epochs)
    with door.store() as opened, door.progress() as progress:
        bar = progress.add_task("reading records", total=None)

        def watch(told: "Progress") -> None:
            total = told.epochs or None
            progress.update(bar, description=told.doing, completed=told.epoch, total=total)

        found = search(
            opened,
            settings,
            trials=trials,
            address=address,
            again=resume,
            clock=door.now,
            on_progress=watch,
        )
    told = [_told(each) for each in found.trials]
    best = None if found.best is None else found.best.training
    door.answer({"search": found.name, "best": best, "trials": told}, _table(found))
    if best is not None:
        door.say(f"Train with the best settings: allot train --like {best}")
    if any(each.state != "succeeded" for each in found.trials):
        door.say(f"Go on with what did not end: allot tune --resume {found.name} --trials {trials}")


def _told(trial: "Trial") -> dict[str, Any]:
    settings = trial.settings
    return {
        "training": trial.training,
        "state": trial.state,
        "validation loss": trial.loss,
        "epoch": None if trial.epoch is None else trial.epoch + 1,
        "sharing": settings.sharing,
        "width": settings.shape.width,
        "experts": settings.shape.experts,
        "rate": settings.rate,
        "batch": settings.batch,
        "weighting": settings.weighting,
    }


def _table(found: "Search") -> Table:
    rows = [_told(each) for each in found.trials]
    table = Table(*(rows[0] if rows else ()), title=found.name)
    for row in rows:
        table.add_row(*(_text(each) for each in row.values()))
    return table


def _text(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
