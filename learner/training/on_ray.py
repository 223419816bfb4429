"""Training on Ray, from the records of a store to a registered version."""

import shutil
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

from learner.arms.boosted import MISSING, installed
from learner.cells import by_kind_and_worker
from learner.examples import Examples
from learner.judging import Settle, settle, verdict
from learner.making import Former, Made, make
from learner.methods.base import Steering
from learner.metrics import evaluate
from learner.networks.network import Plan
from learner.registry import Registry
from learner.training.fit import ASKED, Fitted
from learner.training.from_afar import asked_there, far
from learner.training.gpus import refuse_missing_gpus
from learner.training.lesson import Lesson
from learner.training.noted import (
    OVER,
    Clock,
    Progress,
    Watch,
    noted,
    noted_again,
    stopped,
    stopping,
    utc_now,
    watching,
)
from learner.training.ray_data import encoding
from learner.training.ray_fit import clear, fit_on_ray
from learner.training.settings import TrainingSettings
from learner.training.snapshot import Snapshot
from learner.training.streamed import sampled
from scheduler.errors import CorruptVersion, InvalidInput, NotFound
from scheduler.store import Store
from scheduler.store.trainings import answer_stop
from scheduler.store.values import ModelVersion

Workers = int | tuple[int, int]


def train(
    store: Store,
    settings: TrainingSettings | None = None,
    *,
    workers: Workers = 1,
    address: str = "local",
    gpus: bool = False,
    clock: Clock = utc_now,
    on_progress: Watch = lambda _: None,
    settled: Settle = settle,
) -> ModelVersion:
    """Trains on the records of a store, registers the version, and promotes it if it is better.

    `workers` 0 trains in this process; one or more train together on Ray, and of the least and the
    most as many as there are cores for. What happens is noted in the store while it happens: a
    training that is killed shows as lost, one that fails as failed with its message, Ctrl-C as
    interrupted, as does one that somebody asked to stop (it raises Stopped); `resume` goes on with
    any of them. Records of sources on hold are left out. `settled` does what was decided of the
    version. With `gpus` each of the workers computes on a GPU, in mixed precision.

    Raises InvalidInput when the records do not suffice, or where there are too few GPUs.
    """
    settings = settings or TrainingSettings()
    least, most = _least_and_most(workers)
    if far(address):
        return asked_there(
            train, store, settings,
            address=address, workers=workers, gpus=gpus, on_progress=on_progress, settled=settled,
        )  # fmt: skip
    if gpus:
        refuse_missing_gpus(least, address)
    through = store.newest_record()
    with (
        _examples(
            store, settings, through, workers=least, address=address, on_progress=on_progress
        ) as examples,
        noted(store, settings, most, clock, through=through, gpus=gpus) as training,
    ):
        return _trained(
            store, examples, settings, training,
            workers=workers, address=address, gpus=gpus, clock=clock, on_progress=on_progress,
            settled=settled,
        )  # fmt: skip


def _least_and_most(workers: Workers) -> tuple[int, int]:
    least, most = workers if isinstance(workers, tuple) else (workers, workers)
    if not 0 <= least <= most or (most > least == 0):
        raise InvalidInput(
            "The number of training workers must not be negative, and the least of several at "
            f"least 1 and not above the most, found {workers}."
        )
    return least, most


def resume(
    store: Store,
    training: int,
    *,
    workers: Workers | None = None,
    address: str = "local",
    clock: Clock = utc_now,
    on_progress: Watch = lambda _: None,
    settled: Settle = settle,
) -> ModelVersion:
    """Goes on with a training that was cut off, on the records that it began with.

    With as many workers as it had, unless other `workers` are given, as for `train`: where nodes
    are gone for good. It ends as it would have without the cut; with another number of workers,
    but for rounding and the order of random draws. Raises NotFound for a training that is not
    known, InvalidInput for one that succeeded or still runs, or whose records are not what they
    were.
    """
    if far(address):
        return asked_there(
            resume, store, training,
            address=address, workers=workers, on_progress=on_progress, settled=settled,
        )  # fmt: skip
    cut = store.training(training, now=clock())
    if cut.state in ("succeeded", "running"):
        raise InvalidInput(
            f"Training {training} cannot be resumed: it is {cut.state}. Only one that was lost, "
            "interrupted or failed can."
        )
    settings = TrainingSettings.from_plain(cut.settings)
    gpus = bool(cut.settings.get("gpus"))
    workers = cut.workers if workers is None else workers
    least, _ = _least_and_most(workers)
    if gpus:
        refuse_missing_gpus(least, address)
    with (
        _examples(
            store,
            settings,
            cut.settings["through"],
            workers=least,
            address=address,
            on_progress=on_progress,
        ) as examples,  # fmt: skip
        noted_again(store, training, clock),
    ):
        return _trained(
            store, examples, settings, training,
            workers=workers, address=address, gpus=gpus, clock=clock, on_progress=on_progress,
            settled=settled,
        )  # fmt: skip


def settings_of(store: Store, training: int, *, clock: Clock = utc_now) -> TrainingSettings:
    """The settings of a training, or of a trial of a search; NotFound for one not known."""
    return TrainingSettings.from_plain(store.training(training, now=clock()).settings)


@contextmanager
def _examples(
    store: Store,
    settings: TrainingSettings,
    through: int,
    *,
    workers: int,
    address: str,
    on_progress: Watch,
) -> Iterator[Examples]:
    """The store's records as examples; of more than memory is to hold, a sample of them.

    The rest is encoded by Ray Data where workers train.
    """
    on_progress(Progress("reading records"))
    known = settings.known_beforehand
    if store.record_count(through=through, trusted=True) <= settings.hold:
        records = list(store.records(through=through, trusted=True))
        yield Examples.of(records, known_beforehand=known)
        return
    if settings.methods:
        raise InvalidInput(
            f"The methods {', '.join(settings.methods)} learn from logs that memory holds, of at "
            f"most {settings.hold} records (hold), found more; leave the methods out."
        )
    folder = store.folder.absolute() / "trainings" / f"snapshot-{uuid.uuid4().hex[:8]}"
    try:
        snapshot = Snapshot.write(store.records(through=through, trusted=True), folder)
        on_progress(Progress("drawing a sample"))
        with encoding(workers, address) as blocks:
            yield sampled(
                snapshot,
                hold=settings.hold,
                seed=settings.seed,
                known_beforehand=known,
                blocks=blocks,
            )
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _trained(
    store: Store,
    examples: Examples,
    settings: TrainingSettings,
    training: int,
    *,
    workers: Workers,
    address: str,
    gpus: bool,
    clock: Clock,
    on_progress: Watch,
    settled: Settle,
) -> ModelVersion:
    found: list[Fitted] = []
    watch, on_progress = on_progress, stopping(store, training, on_progress)

    def learn(
        plan: Plan,
        lessons: Mapping[str, Lesson],
        settings: TrainingSettings,
        steering: Sequence[Steering],
    ) -> Fitted:
        on_progress(Progress("starting workers", epochs=settings.epochs))
        fitted = fit_on_ray(
            plan,
            lessons,
            settings,
            steering,
            workers=workers,
            address=address,
            store=store,
            training=training,
            clock=clock,
            gpus=gpus,
        )
        if fitted.ended == ASKED:
            raise stopped(training, fitted.told())
        found.append(fitted)
        return fitted

    if examples.beyond is not None:  # validation rows abound, and a refit would see the sample only
        settings = replace(settings, folds=0, refit=False)
    on_progress(Progress("fitting offsets"))
    with watching(store, training, settings.epochs, clock, watch):
        former = _former(store) if settings.methods else None
        made = make(examples, settings, learn=learn, former=former, on_progress=on_progress)
        version = _register(store, made, settings, training, clock, settled)
    how = found[0].told() if found else ""
    store.end_training(training, state="succeeded", at=clock(), version=version.id, message=how)
    answer_stop(store, training, answer=OVER, at=clock(), state="refused")
    clear(store, training)
    return version


def _former(store: Store) -> Former | None:
    """The champion, from which methods may begin; None without one whose files can be trusted."""
    if "champion" not in store.aliases():
        return None
    registry, champion = Registry(store.folder), store.version("champion")
    try:
        return Former(registry.load(champion), registry.load(champion, judged=True))
    except (CorruptVersion, NotFound):
        return None  # a method that cannot do without says so


def _register(
    store: Store,
    made: Made,
    settings: TrainingSettings,
    training: int,
    clock: Clock,
    settled: Settle,
) -> ModelVersion:
    examples, registry = made.examples, Registry(store.folder)
    scores = evaluate(made.judged, examples)
    metrics = {"targets": scores, "attempts": len(examples), "arms": made.choice.as_plain()}
    facts = {"settings": settings.as_plain(), **metrics}
    metrics["cells"] = by_kind_and_worker(made.judged, examples)
    judged = None if made.judged is made.used else made.judged
    title = f"{settings.sharing}-{training}"
    name, sha256 = registry.save(title, made.used, facts, judged=judged)
    version = ModelVersion(name, settings.sharing, clock(), sha256, training, metrics)
    store.add_version(version)
    decision = verdict(store, made.judged, examples, scores)
    if not installed():
        decision = replace(decision, reasons=(*decision.reasons, MISSING))
    settled(store, version, decision, clock())
    return version
