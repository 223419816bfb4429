"""The learner's commands: train, models, promote, rollback, evaluate."""

from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from scheduler.door import Door, Json, Seed, StoreUrl
from scheduler.processes import user

if TYPE_CHECKING:
    from learner.training.noted import Progress
    from scheduler.store import Store
    from scheduler.store.values import ModelVersion

Reason = Annotated[str, typer.Option("--reason", help="Why, for those who ask later.")]
Version = Annotated[str, typer.Argument(help="A version's id, or challenger, previous.")]


def register(app: typer.Typer) -> None:
    """Adds the commands for learning."""
    from learner.commands_cooperation import register as cooperation
    from learner.commands_loop import register as loop
    from learner.commands_trainings import register as trainings
    from learner.commands_tune import register as tune
    from learner.demo import register as demo

    for command in (train, models, promote, rollback, evaluate):
        app.command()(command)
    trainings(app)
    cooperation(app)
    loop(app)
    tune(app)
    demo(app)


def train(
    workers: Annotated[
        int | None,
        typer.Option(
            min=0,
            show_default="1",
            help="Processes that train together; 0 trains in this one. With --resume, instead of "
            "as many as it had.",
        ),
    ] = None,
    most: Annotated[
        int | None,
        typer.Option(
            min=1,
            show_default=False,
            help="Train with as many processes as there are cores for, from --workers to this.",
        ),
    ] = None,
    resume: Annotated[
        int | None,
        typer.Option(
            min=1,
            show_default=False,
            help="Go on with this training, which was cut off; it keeps its own settings.",
        ),
    ] = None,
    like: Annotated[
        int | None,
        typer.Option(
            min=1, show_default=False, help="With the settings of this training or trial."
        ),
    ] = None,
    address: Annotated[
        str, typer.Option(help="Ray: local for one of our own, auto, host:port or ray://host:port.")
    ] = "local",
    gpus: Annotated[
        bool, typer.Option("--gpus", help="Each worker computes on a GPU, in mixed precision.")
    ] = False,
    sharing: Annotated[
        str,
        typer.Option(
            help="What targets share: separate, hard, soft, hierarchical, "
            "linear_mix, mmoe, cgc, ple or sparse."
        ),
    ] = "cgc",
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the records at most.")] = 30,
    weighting: Annotated[
        str,
        typer.Option(
            help="How targets are balanced: static, uncertainty, dwa, gradnorm, imtl_l, stch, "
            "famo, pcgrad, mgda, cagrad, aligned_mtl, pcd, imtl_g or upgrad. "
            "Most need the extra balance."
        ),
    ] = "static",
    priority: Annotated[
        list[str] | None,
        typer.Option(
            help="How much a target counts in the loss, again for each: duration=2. Others count 1."
        ),
    ] = None,
    stopping: Annotated[
        str,
        typer.Option(
            help="Which epoch is best: loss, the least sum over targets, or delta_m, the largest "
            "mean relative gain of targets."
        ),
    ] = "loss",
    method: Annotated[
        list[str] | None,
        typer.Option(
            help="A further way of learning, again for each, with options as NAME:OPTION=NUMBER; "
            "docs/operating.md lists them."
        ),
    ] = None,
    refit: Annotated[
        bool, typer.Option(help="After judging, fit what serves on all records, the newest too.")
    ] = True,
    known: Annotated[
        list[str] | None,
        typer.Option(help="A size that logs measure but that is known before tasks start."),
    ] = None,
    text: Annotated[
        str,
        typer.Option(
            help="What reads names, so that new kinds borrow from like ones: grams, transformer "
            "(needs the extra text), or a local folder with a transformer."
        ),
    ] = "grams",
    descriptions: Annotated[
        Path | None,
        typer.Option(help="A JSON file with the command or description of each kind."),
    ] = None,
    seed: Seed = None,
    store: StoreUrl = None,
    json: Json = False,
) -> None:
    """Train on the store's records, choose an arm for each target, promote it if it is better."""
    import time

    from learner.methods import asked
    from learner.text import descriptions_of
    from learner.training import on_ray
    from learner.training.settings import TrainingSettings, priorities
    from scheduler.commands.making import announced

    door, began = Door.open(json=json, store=store, seed=seed), time.monotonic()
    settings = TrainingSettings(
        sharing=sharing,
        seed=door.settings.seed,
        epochs=epochs,
        refit=refit,
        weighting=weighting,
        loss_weights=priorities(priority or []),
        stopping=stopping,
        methods=asked(method or []),
        known_beforehand=tuple(known or ()),
        text=text,
        described=descriptions_of(descriptions) if descriptions else {},
    )
    least = 1 if workers is None else workers
    together = least if most is None else (least, most)
    with door.store() as opened, door.progress() as progress:
        announced(door, opened)
        watch = _watch(progress.update, progress.add_task("reading records", total=None))
        if resume is not None:
            version = on_ray.resume(
                opened,
                resume,
                workers=None if workers is None and most is None else together,
                address=address,
                clock=door.now,
                on_progress=watch,
            )
        else:
            if like is not None:
                settings = on_ray.settings_of(opened, like, clock=door.now)
            version = on_ray.train(
                opened,
                settings,
                workers=together,
                address=address,
                gpus=gpus,
                clock=door.now,
                on_progress=watch,
            )
        alias, training = _alias_of(opened, version.id), version.training
        trained = 0 if training is None else opened.training(training, now=door.now()).workers
        reason = opened.promotions(limit=1)[0].reason
        _answer_requests(opened, f"{version.id} is {alias or 'kept'}: {reason}", door.now())
    seconds = round(time.monotonic() - began, 1)
    told = {"workers": trained, "seconds": seconds, "alias": alias, "reason": reason}
    door.answer(
        _described(version) | told, _scores(version.id, version.metrics["targets"], version)
    )
    door.say(f"{version.id} is {alias or 'kept'}: {reason}. It took {seconds} s.")


def _answer_requests(store: "Store", answer: str, now: datetime) -> None:
    """Tells whoever asked for a retraining that it has been done."""
    for request in store.waiting_requests("retrain"):
        store.answer(request.id, state="done", answer=answer, at=now)


def models(store: StoreUrl = None, json: Json = False) -> None:
    """List saved networks, newest first."""
    door = Door.open(json=json, store=store)
    with door.store() as opened:
        versions, aliases = opened.versions(), opened.aliases()
    named = {name: aliases.get(name) for name in ("champion", "challenger", "previous")}
    found = [_described(version) for version in versions]
    names = ("version", "alias", "sharing", "created", "attempts", "duration", "memory")
    table = Table(*names, "served by")
    for version in versions:
        alias = ", ".join(name for name, each in aliases.items() if each == version.id)
        created = version.created.isoformat(" ", "seconds")
        errors = [_number(_error(version, name)) for name in ("duration", "memory")]
        rows = str(version.metrics.get("attempts", ""))
        served = _served(version)
        table.add_row(version.id, alias, version.sharing, created, rows, *errors, served)
    door.answer({**named, "versions": found}, table if versions else "No networks yet: allot train")


def promote(version: Version, reason: Reason, store: StoreUrl = None, json: Json = False) -> None:
    """Make a version champion, by hand."""
    door = Door.open(json=json, store=store)
    with door.store() as opened:
        chosen = opened.version(version)
        _checked(opened, chosen)
        opened.promote(chosen.id, reason=reason, by=user(), at=door.now())
        former = opened.promotions(limit=1)[0].replaced
    door.answer(
        {"champion": chosen.id, "replaced": former, "reason": reason},
        f"{chosen.id} is champion now.",
    )


def rollback(reason: Reason, store: StoreUrl = None, json: Json = False) -> None:
    """Give the championship back to the previous version."""
    door = Door.open(json=json, store=store)
    with door.store() as opened:
        _checked(opened, opened.version("previous"))
        former = opened.aliases().get("champion")
        version = opened.roll_back(reason=reason, by=user(), at=door.now())
    door.answer(
        {"champion": version.id, "replaced": former, "reason": reason},
        f"{version.id} is champion again.",
    )


def evaluate(
    version: Annotated[str, typer.Option(help="A version's id or alias.")] = "champion",
    store: StoreUrl = None,
    json: Json = False,
) -> None:
    """Judge a version on the newest records, beside the naive baseline."""
    from learner.judging import judge

    door = Door.open(json=json, store=store)
    with door.store() as opened:
        chosen = opened.version(version)
        scores = judge(opened, chosen)
    assignment = scores.pop("assignment")
    document = {"version": chosen.id, "targets": scores, "assignment": assignment}
    door.answer(document, _scores(chosen.id, {**scores, "assignment": assignment}, chosen))


def _watch(update: Callable[..., None], bar: Any) -> "Callable[[Progress], None]":
    def watch(progress: "Progress") -> None:
        total = progress.epochs or None
        update(bar, description=progress.doing, completed=progress.epoch, total=total)

    return watch


def _checked(store: "Store", version: "ModelVersion") -> None:
    """Raises CorruptVersion before a network that cannot be read becomes champion."""
    from learner.registry import Registry

    Registry(store.folder).load(version)


def _alias_of(store: "Store", version: str) -> str | None:
    return next((name for name, each in store.aliases().items() if each == version), None)


def _described(version: "ModelVersion") -> dict[str, Any]:
    return {
        "version": version.id,
        "sharing": version.sharing,
        "created": version.created.isoformat(),
        "training": version.training,
        "sha256": version.sha256,
        **version.metrics,
    }


def _error(version: "ModelVersion", target: str) -> float | None:
    found: float | None = version.metrics.get("targets", {}).get(target, {}).get("error")
    return found


def _served(version: "ModelVersion") -> str:
    """Each arm with the targets that it serves, in words."""
    by_arm: dict[str, list[str]] = {}
    for target, each in version.metrics.get("arms", {}).items():
        by_arm.setdefault(each["arm"], []).append(target)
    return "; ".join(f"{arm}: {', '.join(names)}" for arm, names in by_arm.items())


def _scores(title: str, scores: Mapping[str, Mapping[str, Any]], version: "ModelVersion") -> Table:
    table = Table("target", "served by", "error", "naive baseline", "coverage", "rows", title=title)
    arms = version.metrics.get("arms", {})
    for name, each in scores.items():
        numbers = [_number(each.get(key)) for key in ("error", "baseline_error", "coverage")]
        arm = arms.get(name, {}).get("arm", "network")
        table.add_row(name, arm, *numbers, str(each.get("rows", "")))
    table.caption = "mean |log error|; failure: Brier score; assignment: regret in seconds"
    return table


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
