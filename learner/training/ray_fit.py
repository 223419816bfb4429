"""The training loop under Ray Train: in this process, on one worker, or on many."""

import logging
import os
import shutil
import signal
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, cast

import ray.train
import ray.train.torch
import torch
from ray.exceptions import RayActorError
from ray.train import FailureConfig, RunConfig, ScalingConfig, UserCallback
from ray.train.torch import prepare_model
from torch import Tensor

from learner.methods.base import Steering
from learner.networks.network import Plan
from learner.training.checkpoints import Checkpoints, fingerprint
from learner.training.fit import Fitted, fit
from learner.training.lesson import Lesson
from learner.training.mapped import keep, kept
from learner.training.noted import Clock, utc_now
from learner.training.pace import Pace
from learner.training.ray_nodes import Trainer, watching_nodes
from learner.training.settings import TrainingSettings
from learner.training.team import CPU, Team
from scheduler.errors import AllotError
from scheduler.execution.executors.ray_start import ray_running
from scheduler.store import Store
from scheduler.store.trainings import stop_asked
from scheduler.store.values import Metric

ENVIRONMENT = {
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.25",  # else each report waits two seconds
    # For 20 seconds after a node is lost Ray counts on it, and asks for as many workers in vain: so
    # long it waits for room before it asks anew. It asks without end; ray_nodes says when to end.
    "RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S": "20",
}

OFTEN = 0.25  # seconds between two reports of a training worker
RESTARTS = 8  # of the training workers, after which something else must be wrong


def fit_on_ray(
    plan: Plan,
    lessons: Mapping[str, Lesson],
    settings: TrainingSettings,
    steering: Sequence[Steering] = (),
    *,
    workers: int | tuple[int, int],
    address: str,
    store: Store,
    training: int,
    clock: Clock,
    gpus: bool = False,
) -> Fitted:
    """The loop of `fit` under Ray Train; with 0 workers in this process, without starting Ray.

    After each epoch it is kept how far the training is, in the store's folder. A training worker
    that dies, alone or with its node, is replaced and all go on from there, up to RESTARTS times.
    `workers` may be the least and the most: as many train as there are cores for. Where the nodes
    that live have room for fewer than the least, it waits for others, and ends after WAIT seconds
    (of `ray_nodes`; where it was called from the main thread, else it waits on). With `gpus` each
    computes on a GPU of its own, in mixed precision. Where somebody asks to stop, it ends after the
    epoch; what was kept stays for another day.

    Training workers read the lessons from files in the store's folder, those of one machine from
    the same memory. Raises AllotError where it does not end well.
    """
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    folder = store.folder.absolute() / "trainings"
    name = f"{training}-{uuid.uuid4().hex[:8]}"  # Ray resumes silently where a name comes again
    checkpoints = folder / f"{training}-checkpoints"
    config: dict[str, Any] = {
        "plan": plan,
        "lessons": dict(lessons),
        "settings": settings,
        "steering": list(steering),
        "gpus": gpus,
        "tell": None,
        "stop": Asked(store.url, training),
        "checkpoints": Checkpoints(checkpoints, about_of(plan, lessons, settings, steering)),
    }
    if workers == 0:
        config["tell"] = partial(_keep, store, training, clock)
        config["stop"] = partial(_asked, store, training)
    for left in folder.glob(f"{training}-*"):  # by a process that was killed
        if left != checkpoints:
            _clear(folder, left.name)
    least = workers if isinstance(workers, int) else workers[0]
    cores = max(os.cpu_count() or 1, least)
    running = ray_running(address=address, cpus=cores) if workers else nullcontext()
    with running, interruptible(), _quiet():
        try:
            if workers:
                config["lessons"] = _written(lessons, folder / f"{name}-lessons")
            make = partial(_trainer, store, training, workers, config, str(folder / name))
            fitted = _run(make, workers, gpus)
        finally:
            _clear(folder, name)
            _clear(folder, f"{name}-lessons")
    if not isinstance(fitted, Fitted):
        raise AllotError("The training on Ray ended without a result; it was stopped.")
    return fitted


def _run(make: Callable[[str], Trainer], workers: int | tuple[int, int], gpus: bool) -> object:
    """What the first training worker gives back; begun anew where workers hung on a lost node."""
    if workers == 0:
        return _given_back(make("0"))
    least = workers if isinstance(workers, int) else workers[0]
    for again in range(RESTARTS + 1):
        trainer = make(str(again))
        with watching_nodes(trainer, least, _resources(gpus)) as seen:
            try:
                return _given_back(trainer)
            except (AllotError, RayActorError) as error:
                if seen.given_up:
                    raise AllotError(seen.given_up) from error
                if not seen.freed:
                    raise
    raise AllotError(f"Training workers hung on lost nodes {again + 1} times; resume by hand.")


def _given_back(trainer: Trainer) -> object:
    try:
        return vars(trainer.fit())["return_value"]
    except ray.train.TrainingFailedError as error:
        raise AllotError(f"The training failed on Ray: {_cause(error)}") from error


def _trainer(
    store: Store,
    training: int,
    workers: int | tuple[int, int],
    config: dict[str, Any],
    folder: str,
    name: str,
) -> Trainer:
    return Trainer(
        cast("Any", learn_on_worker),  # Ray's hints forget that a loop may give a result back
        train_loop_config=config,
        scaling_config=ScalingConfig(
            num_workers=cast("Any", workers),
            use_gpu=config["gpus"],
            resources_per_worker=_resources(config["gpus"]) if workers else None,
        ),
        run_config=RunConfig(
            name=name,
            storage_path=folder,
            callbacks=_callbacks(store, training) if workers else None,
            failure_config=FailureConfig(max_failures=RESTARTS if workers else 0),
        ),
    )


def learn_on_worker(config: dict[str, Any]) -> Fitted | None:
    """What each training worker does; the first one gives back what was fitted."""
    context = ray.train.get_context()
    rank, size = context.get_world_rank(), context.get_world_size()
    threads = torch.get_num_threads()
    torch.set_num_threads(config["settings"].threads)

    device = ray.train.torch.get_device() if config["gpus"] else CPU
    team = Team(rank, size, wrapped=_averaging, device=device, mixed=config["gpus"])
    if size > 1:
        team = replace(team, together=_added_up, each=_everybodys)
    told = Told(team, config["tell"])
    try:
        fitted = fit(
            config["plan"],
            _read(config["lessons"]),
            config["settings"],
            config["steering"],
            report=told.report,
            team=team,
            checkpoints=config["checkpoints"],
            stop=config["stop"],
        )
    finally:
        torch.set_num_threads(threads)
    told.hand_over()
    return fitted if rank == 0 else None


class Told:
    """What a training worker tells of its epochs, handed to Ray no oftener than Ray looks.

    A report waits until Ray has taken the one before, and looking costs Ray a part of a core; so
    short epochs are told several at a time. All workers have to report equally often: the clock of
    the first one decides. `tell` is called at once where there is one, as in local mode, in which
    Ray calls no callbacks.
    """

    def __init__(self, team: Team, tell: Callable[[Sequence[Metric]], None] | None) -> None:
        self.team, self.tell, self.pace = team, tell, Pace()
        self.held: list[Metric] = []
        self.handed: list[Metric] = []  # which Ray may not have taken yet
        self.last = time.monotonic()

    def report(self, metrics: Sequence[Metric]) -> Sequence[Metric]:
        """Takes in what an epoch found, or what an earlier process held; what could still get lost.

        How long the epoch took is added where it is not known.
        """
        if all(each.name != "seconds" for each in metrics):
            metrics = [*metrics, *self.pace.told(metrics[0].epoch)]
        if self.tell is not None:
            self.tell(metrics)
        self.held.extend(metrics)
        due = time.monotonic() - self.last >= OFTEN
        if self.team.agreed(self.team.rank == 0 and due):
            self.hand_over()
        return [*self.handed, *self.held]

    def hand_over(self) -> None:
        """Reports what is held back; all workers have to call it together."""
        if self.held:
            ray.train.report({"metrics": [vars(each) for each in self.held]})
        self.handed, self.held, self.last = self.held, [], time.monotonic()


def _written(lessons: Mapping[str, Lesson], folder: Path) -> dict[str, Path]:
    """Lessons as folders that training workers read."""
    for name, lesson in lessons.items():
        keep(lesson, folder / name)
    return {name: folder / name for name in lessons}


def _read(lessons: Mapping[str, Lesson | Path]) -> dict[str, Lesson]:
    return {n: kept(each) if isinstance(each, Path) else each for n, each in lessons.items()}


def _resources(gpus: bool) -> dict[str, float]:
    return {"CPU": 1, "GPU": 1} if gpus else {"CPU": 1}


class Asked:
    """Whether somebody asks a training to stop; each process opens the store for itself."""

    def __init__(self, url: str, training: int) -> None:
        self.url, self.training = url, training
        self.store: Store | None = None

    def __call__(self) -> bool:
        self.store = self.store or Store.open(self.url)
        return _asked(self.store, self.training)


def _asked(store: Store, training: int) -> bool:
    return stop_asked(store, training) is not None


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
    prepared: torch.nn.Module = prepare_model(
        network, move_to_device=False, parallel_strategy_kwargs={"gradient_as_bucket_view": True}
    )
    return prepared


def _added_up(values: Tensor) -> Tensor:
    total = values.clone()
    torch.distributed.all_reduce(total)
    return total


def _everybodys(values: Tensor) -> list[Tensor]:
    found = [torch.empty_like(values) for _ in range(torch.distributed.get_world_size())]
    torch.distributed.all_gather(found, values)
    return found


def about_of(
    plan: Plan,
    lessons: Mapping[str, Lesson],
    settings: TrainingSettings,
    steering: Sequence[Steering] = (),
) -> str:
    """What a checkpoint has to be about so that a training may go on from it."""
    parts = [lessons[name].told() for name in sorted(lessons)]
    told = [each.told() for each in steering]
    return fingerprint(plan.as_plain(), settings.as_plain(), parts, told)


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
def interruptible() -> Iterator[None]:
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


def _cause(error: BaseException) -> str:
    last = str(error).strip().splitlines()
    return last[-1] if last else type(error).__name__


def clear(store: Store, training: int) -> None:
    """Lets go of the checkpoints of a training that is over."""
    _clear(store.folder.absolute() / "trainings", f"{training}-checkpoints")


def _clear(folder: Path, name: str) -> None:
    shutil.rmtree(folder / name, ignore_errors=True)
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
