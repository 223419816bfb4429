"""Training on Ray, from the records of a store to a registered version."""

import logging
import os
import shutil
import signal
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, cast

import ray.train
import torch
from ray.train import RunConfig, ScalingConfig, UserCallback
from ray.train.torch import TorchTrainer, prepare_model
from torch import Tensor

from learner.calibration import Calibration
from learner.examples import Examples
from learner.learned import Learned
from learner.metrics import evaluate
from learner.networks.network import Network, Plan
from learner.offsets import Offsets
from learner.promotion import decide
from learner.registry import Registry
from learner.training.fit import Fitted, Team, fit
from learner.training.lesson import Lesson, lessons_of
from learner.training.settings import TrainingSettings
from scheduler.errors import AllotError, InvalidInput
from scheduler.execution.executors.ray_start import ray_running
from scheduler.store import Store
from scheduler.store.values import Metric, ModelVersion

Clock = Callable[[], datetime]
PULSE = 1.0  # seconds between two looks at a training that runs
ENVIRONMENT = {
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.05",  # else each report waits two seconds
    "RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S": "300",  # busy machines take longer than a minute
}


@dataclass(frozen=True)
class Progress:
    """How far a training is: what it does, and for epochs how many of them are done."""

    doing: str
    epoch: int = 0
    epochs: int = 0
    loss: float | None = None


Watch = Callable[[Progress], None]


def utc_now() -> datetime:
    """The clock of the machine."""
    return datetime.now(UTC)


def train(
    store: Store,
    settings: TrainingSettings | None = None,
    *,
    workers: int = 1,
    address: str = "local",
    clock: Clock = utc_now,
    on_progress: Watch = lambda _: None,
) -> ModelVersion:
    """Trains on the records of a store, registers the version, and promotes it if it is better.

    `workers` 0 trains in this process; one or more train together on Ray. What happens is noted in
    the store while it happens: a training that is killed shows as lost, one that fails as failed
    with its message, Ctrl-C as interrupted.

    Raises InvalidInput when the records do not suffice.
    """
    settings = settings or TrainingSettings()
    if workers < 0:
        raise InvalidInput(f"The number of training workers must not be negative, found {workers}.")
    on_progress(Progress("reading records"))
    examples = Examples.of(list(store.records()), known_beforehand=settings.known_beforehand)
    with _noted(store, settings, workers, clock) as training:
        on_progress(Progress("fitting offsets"))
        offsets = Offsets.fit(examples)
        plan = Plan.over(examples.columns, settings.sharing, settings.shape)
        lessons = lessons_of(examples, offsets, seed=settings.seed)
        on_progress(Progress("starting workers", epochs=settings.epochs))
        with _watching(store, training, settings.epochs, clock, on_progress):
            fitted = fit_on_ray(
                plan,
                lessons,
                settings,
                workers=workers,
                address=address,
                store=store,
                training=training,
                clock=clock,
            )
        on_progress(Progress("judging"))
        network = Network(plan)
        network.load_state_dict(dict(fitted.weights))
        learned = Learned(network, examples.columns, offsets, Calibration.none())
        return _register(store, learned.calibrated(examples), examples, settings, training, clock)


def fit_on_ray(
    plan: Plan,
    lessons: Mapping[str, Lesson],
    settings: TrainingSettings,
    *,
    workers: int,
    address: str,
    store: Store,
    training: int,
    clock: Clock,
) -> Fitted:
    """The loop of `fit` under Ray Train; with 0 workers in this process, without starting Ray."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    folder = store.folder.absolute() / "trainings"
    name = f"{training}-{uuid.uuid4().hex[:8]}"  # Ray resumes silently where a name comes again
    config: dict[str, Any] = {
        "plan": plan,
        "lessons": dict(lessons),
        "settings": settings,
        "tell": None,
    }
    if workers == 0:
        config["tell"] = partial(_keep, store, training, clock)
    cores = max(os.cpu_count() or 1, workers)
    running = ray_running(address=address, cpus=cores) if workers else nullcontext()
    with running, _interruptible(), _quiet():
        try:
            trainer = _trainer(store, training, workers, config, str(folder), name)
            fitted: object = vars(trainer.fit())["return_value"]
        except ray.train.TrainingFailedError as error:
            raise AllotError(f"The training failed on Ray: {_cause(error)}") from error
        finally:
            _clear(folder, name)
    if not isinstance(fitted, Fitted):
        raise AllotError("The training on Ray ended without a result; it was stopped.")
    return fitted


def _trainer(
    store: Store, training: int, workers: int, config: dict[str, Any], folder: str, name: str
) -> TorchTrainer:
    return TorchTrainer(
        cast("Any", learn_on_worker),  # Ray's hints forget that a loop may give a result back
        train_loop_config=config,
        scaling_config=ScalingConfig(
            num_workers=workers, resources_per_worker={"CPU": 1} if workers else None
        ),
        run_config=RunConfig(
            name=name,
            storage_path=folder,
            callbacks=_callbacks(store, training) if workers else None,
        ),
    )


def learn_on_worker(config: dict[str, Any]) -> Fitted | None:
    """What each training worker does; the first one gives back what was fitted."""
    context = ray.train.get_context()
    rank, size = context.get_world_rank(), context.get_world_size()
    threads = torch.get_num_threads()
    torch.set_num_threads(config["settings"].threads)

    def report(metrics: Sequence[Metric]) -> None:
        if config["tell"] is not None:  # in local mode Ray calls no callbacks
            config["tell"](metrics)
        ray.train.report({"metrics": [vars(each) for each in metrics]})

    team = Team(rank, size, _added_up if size > 1 else _as_it_is, _averaging)
    try:
        fitted = fit(
            config["plan"], config["lessons"], config["settings"], report=report, team=team
        )
    finally:
        torch.set_num_threads(threads)
    return fitted if rank == 0 else None


def _callbacks(store: Store, training: int) -> list[Any]:
    return [MetricsToStore(store.url, training)]


class MetricsToStore(UserCallback):
    """Keeps the metrics of each epoch in the store; it lives in Ray's controller process."""

    def __init__(self, url: str, training: int) -> None:
        self.url, self.training = url, training
        self.store: Store | None = None

    def after_report(self, run_context: Any, metrics: Any, checkpoint: Any) -> None:  # noqa: ARG002
        """All workers have reported an epoch; the first one's numbers hold for all."""
        self.store = self.store or Store.open(self.url)
        _keep(
            self.store, self.training, utc_now, [Metric(**each) for each in metrics[0]["metrics"]]
        )


def _keep(store: Store, training: int, clock: Clock, metrics: Sequence[Metric]) -> None:
    store.report_metrics(training, metrics, at=clock())


def _averaging(network: torch.nn.Module) -> torch.nn.Module:
    prepared: torch.nn.Module = prepare_model(network, move_to_device=False)
    return prepared


def _added_up(values: Tensor) -> Tensor:
    total = values.clone()
    torch.distributed.all_reduce(total)
    return total


def _as_it_is(values: Tensor) -> Tensor:
    return values


def _register(
    store: Store,
    learned: Learned,
    examples: Examples,
    settings: TrainingSettings,
    training: int,
    clock: Clock,
) -> ModelVersion:
    registry, scores = Registry(store.folder), evaluate(learned, examples)
    facts = {"settings": settings.as_plain(), "targets": scores, "attempts": len(examples)}
    name, sha256 = registry.save(f"{settings.sharing}-{training}", learned, facts)
    metrics = {"targets": scores, "attempts": len(examples)}
    version = ModelVersion(name, settings.sharing, clock(), sha256, training, metrics)
    store.add_version(version)
    rival = _champion(store, registry)
    verdict = decide(scores, None if rival is None else evaluate(rival, _seen_by(rival, examples)))
    act = store.promote if verdict.promote else store.challenge
    act(name, reason=str(verdict), by="learner", at=clock())
    store.end_training(training, state="succeeded", at=clock(), version=name)
    return version


def _champion(store: Store, registry: Registry) -> Learned | None:
    if "champion" not in store.aliases():
        return None
    return registry.load(store.version("champion"))


def _seen_by(learned: Learned, examples: Examples) -> Examples:
    """The same examples in the columns of another network."""
    return Examples.of(examples.records, split=examples.split, columns=learned.columns)


@contextmanager
def _noted(store: Store, settings: TrainingSettings, workers: int, clock: Clock) -> Iterator[int]:
    """Notes in the store that a training began, and how it ended if not well."""
    plain = settings.as_plain()
    training = store.begin_training(
        sharing=settings.sharing, workers=workers, settings=plain, at=clock()
    )
    try:
        yield training
    except KeyboardInterrupt:
        store.end_training(training, state="interrupted", at=clock(), message="stopped by hand")
        raise
    except Exception as error:
        store.end_training(training, state="failed", at=clock(), message=str(error)[:1000])
        raise


@contextmanager
def _quiet() -> Iterator[None]:
    """Ray Train would print each report; the store has them."""
    logger = logging.getLogger("ray.train")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)


@contextmanager
def _interruptible() -> Iterator[None]:
    """Ctrl-C stays KeyboardInterrupt: Ray Train's own handler would end in SystemExit(0)."""
    main = threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGINT) if main else None
    try:
        yield
    except SystemExit as error:
        raise KeyboardInterrupt from error
    finally:
        if main:
            signal.signal(signal.SIGINT, before)


@contextmanager
def _watching(
    store: Store, training: int, epochs: int, clock: Clock, on_progress: Watch
) -> Iterator[None]:
    """Tells of new epochs, and keeps the store's heartbeat going while workers start."""
    over = threading.Event()

    def look() -> None:
        told, beats = -1, 0
        while not over.wait(PULSE):
            found = [m for m in store.training_metrics(training) if m.name == "validation_loss"]
            latest = max((m for m in found if m.target == "all"), key=_epoch, default=None)
            if latest is not None and latest.epoch > told:
                told = latest.epoch
                on_progress(Progress("learning", told + 1, epochs, latest.value))
            beats += 1
            if beats % 10 == 0:
                store.report_metrics(training, [], at=clock())

    thread = threading.Thread(target=look, name="training-watch", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _epoch(metric: Metric) -> int:
    return metric.epoch


def _cause(error: BaseException) -> str:
    last = str(error).strip().splitlines()
    return last[-1] if last else type(error).__name__


def _clear(folder: Path, name: str) -> None:
    shutil.rmtree(folder / name, ignore_errors=True)
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
