"""A search for better settings with Ray Tune: many trainings, of which the good ones go on."""

import os
import shutil
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ray import tune
from ray.tune.schedulers import ASHAScheduler

from learner.examples import Examples
from learner.features import Columns
from learner.networks.network import Plan
from learner.offsets import Offsets
from learner.targets import targets
from learner.training.fit import ASKED, fit
from learner.training.lesson import lessons_of
from learner.training.mapped import keep, kept
from learner.training.noted import Clock, Progress, Watch, utc_now
from learner.training.ray_fit import interruptible
from learner.training.settings import TrainingSettings
from learner.weighting import weighting_named
from scheduler.errors import InvalidInput, NotFound
from scheduler.execution.executors.ray_start import ray_running
from scheduler.numbers import at_least_one
from scheduler.store import Store
from scheduler.store.trainings import answer_stop, stop_asked
from scheduler.store.values import Metric, Training

SHARINGS = ("cgc", "mmoe", "ple", "hard", "separate")
WIDTHS, EXPERTS, BATCHES = (16, 32, 64, 128), (2, 3, 4, 6), (None, 64, 128, 256, 512)
RATES = (5e-4, 2e-2)  # from which rates are drawn, evenly in logarithms
WEIGHTINGS = ("static", "static", "uncertainty", "dwa", "gradnorm")  # the first drawn most
REDUCTION = 3  # of trials that reach a rung one in so many goes on
GRACE = 5  # the share of epochs, one in so many, that every trial gets
BEAT = timedelta(seconds=10)  # from one sign of life to the next
AT_ONCE = {"training_iteration": 0}  # what the next result of a trial meets
ENVIRONMENT = {
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # the store has every number
    "RAY_AIR_NEW_OUTPUT": "0",
}


@dataclass(frozen=True)
class Trial:
    """One training of a search: its number in the store, and its least validation loss."""

    training: int
    state: str
    settings: TrainingSettings
    loss: float | None
    epoch: int | None


@dataclass(frozen=True)
class Search:
    """What a search found, best trial first; those without a loss come last."""

    name: str
    trials: tuple[Trial, ...]

    @property
    def best(self) -> Trial | None:
        """The trial with the least validation loss; None where none came so far."""
        return self.trials[0] if self.trials and self.trials[0].loss is not None else None


def search(
    store: Store,
    settings: TrainingSettings | None = None,
    *,
    trials: int,
    address: str = "local",
    again: str | None = None,
    clock: Clock = utc_now,
    on_progress: Watch = lambda _: None,
) -> Search:
    """Tries settings drawn around these and returns all trials, the best one first.

    Sharing, width, experts, rate, batch and weighting are drawn from the seed; the first trial is
    the settings as they are. Each trial is noted in the store as a training of its own, with its
    settings and numbers, and at most one runs on a core. Trials that fall behind are stopped early
    (asynchronous successive halving, Li et al. 2020, algorithm 2). Ctrl-C ends the search and keeps
    what it found; `again`, a search's name, goes on with one that did not end, on the records and
    around the settings that it began with.

    Raises InvalidInput when the records do not suffice, NotFound for a search that is not known.
    """
    at_least_one(trials, "trials", InvalidInput)
    settings = settings or TrainingSettings()
    name = again or f"search-{uuid.uuid4().hex[:8]}"
    done = _known(store, name, clock) if again else {}
    if again and not done:
        raise NotFound(f"There is no search {again!r} in the store; allot trainings lists trials.")
    settings, through = _as_begun(store, done, settings)
    wanted = drawn(settings, trials)
    left = [number for number in range(trials) if not _over(done.get(number))]
    if left:
        on_progress(Progress("reading records"))
        records = list(store.records(through=through, trusted=True))
        examples = Examples.of(records, known_beforehand=settings.known_beforehand)
        on_progress(Progress("fitting offsets", epochs=trials))
        with _shared(store, examples, settings) as folder:
            told = Told(store, name, through, clock, on_progress, trials)
            _tried(examples.columns, folder, {n: wanted[n] for n in left}, told, address)
    return found(store, name, clock=clock)


def drawn(settings: TrainingSettings, trials: int) -> list[TrainingSettings]:
    """So many settings: these, then others drawn from their seed, the same for the same seed."""
    rng = np.random.default_rng(settings.seed)
    weightings = [each for each in WEIGHTINGS if _installed(each)]
    others = []
    for _ in range(trials - 1):
        width, experts = (int(rng.choice(each)) for each in (WIDTHS, EXPERTS))
        others.append(
            replace(
                settings,
                sharing=str(rng.choice(SHARINGS)),
                shape=replace(settings.shape, width=width, experts=experts),
                rate=float(np.exp(rng.uniform(*np.log(RATES)))),
                batch=BATCHES[int(rng.integers(len(BATCHES)))],
                weighting=str(rng.choice(weightings)),
                loss_weights={},
            )
        )
    return [settings, *others]


def found(store: Store, name: str, *, clock: Clock = utc_now) -> Search:
    """What a search has found so far, from the store."""
    trials = [_trial(store, each) for each in _known(store, name, clock).values()]
    order = sorted(trials, key=lambda each: (each.loss is None, each.loss, each.training))
    return Search(name, tuple(order))


def _trial(store: Store, training: Training) -> Trial:
    losses = {
        each.epoch: each.value
        for each in store.training_metrics(training.id)
        if (each.target, each.name) == ("all", "validation_loss")
    }
    best = min(losses, key=lambda epoch: losses[epoch]) if losses else None
    return Trial(
        training.id,
        training.state,
        TrainingSettings.from_plain(training.settings),
        None if best is None else losses[best],
        best,
    )


def _known(store: Store, name: str, clock: Clock) -> dict[int, Training]:
    """The trials of a search by their number in it, the latest of each."""
    every = store.trainings(now=clock(), limit=10**6)
    mine = [each for each in reversed(every) if each.settings.get("search") == name]
    return {int(each.settings["trial"]): each for each in mine}


def _as_begun(
    store: Store, done: Mapping[int, Training], settings: TrainingSettings
) -> tuple[TrainingSettings, int]:
    """The settings and the newest record of a search: its own where it goes on."""
    through = store.newest_record()
    if not done:
        return settings, through
    first = done[min(done)]
    begun = TrainingSettings.from_plain(first.settings)
    if min(done) > 0:  # the first trial is deleted, and the others drew all but these
        begun = replace(settings, seed=begun.seed, epochs=begun.epochs)
    return begun, int(first.settings.get("through", through))


def _over(training: Training | None) -> bool:
    return training is not None and training.state == "succeeded"


def _installed(weighting: str) -> bool:
    try:
        weighting_named(weighting, tuple(targets()))
    except InvalidInput:  # it needs an extra
        return False
    return True


@contextmanager
def _shared(store: Store, examples: Examples, settings: TrainingSettings) -> Iterator[Path]:
    """The lessons in files that all trials read, for the length of the block."""
    folder = store.folder.absolute() / "trainings" / f"search-{uuid.uuid4().hex[:8]}"
    try:
        for name, lesson in lessons_of(examples, Offsets.fit(examples), seed=settings.seed).items():
            keep(lesson, folder / name)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _tried(
    columns: Columns,
    folder: Path,
    wanted: Mapping[int, TrainingSettings],
    told: "Told",
    address: str,
) -> None:
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    epochs = max(each.epochs for each in wanted.values())
    cores = os.cpu_count() or 1
    spaces = [
        {
            "number": number,
            "settings": each,
            "plan": Plan.over(columns, each.sharing, each.shape),
            "folder": str(folder),
        }
        for number, each in wanted.items()
    ]
    halving = ASHAScheduler(
        time_attr="training_iteration",
        max_t=epochs,
        grace_period=max(epochs // GRACE, 1),
        reduction_factor=REDUCTION,
    )
    with ray_running(address=address, cpus=cores), interruptible():
        tuner = tune.Tuner(
            tune.with_resources(learn_one, {"cpu": 1}),
            param_space={"trial": tune.grid_search(spaces)},
            tune_config=tune.TuneConfig(
                metric="validation_loss",
                mode="min",
                scheduler=halving,
                max_concurrent_trials=cores if address == "local" else None,
            ),
            run_config=tune.RunConfig(
                name=folder.name, storage_path=str(folder), callbacks=[told], verbose=0
            ),
        )
        try:
            tuner.fit()
        finally:
            told.over()


def learn_one(config: dict[str, Any]) -> None:
    """One trial, in a process of its own: the loop of `fit`, which tells of each epoch."""
    trial = config["trial"]
    settings: TrainingSettings = trial["settings"]
    torch.set_num_threads(settings.threads)
    lessons = {name: kept(Path(trial["folder"]) / name) for name in ("train", "validation")}

    def report(metrics: Sequence[Metric]) -> None:
        loss = next(m.value for m in metrics if (m.target, m.name) == ("all", "validation_loss"))
        tune.report({"validation_loss": loss, "metrics": [vars(each) for each in metrics]})

    fit(trial["plan"], lessons, settings, report=report)


class Told(tune.Callback):
    """Notes each trial in the store as a training; it lives in the process that searches."""

    def __init__(
        self, store: Store, name: str, through: int, clock: Clock, watch: Watch, trials: int
    ) -> None:
        self.store, self.name, self.through, self.clock = store, name, through, clock
        self.watch, self.trials, self.ended = watch, trials, 0
        self.running: dict[str, int] = {}
        self.asked: set[str] = set()
        self.beaten = clock()

    def on_trial_start(self, iteration: int, trials: Any, trial: Any, **_: Any) -> None:  # noqa: ARG002
        """A trial begins."""
        if trial.trial_id in self.running:
            return
        given = trial.config["trial"]
        plain = given["settings"].as_plain()
        plain |= {"through": self.through, "search": self.name, "trial": given["number"]}
        self.running[trial.trial_id] = self.store.begin_training(
            sharing=given["settings"].sharing, workers=0, settings=plain, at=self.clock()
        )

    def on_trial_result(
        self,
        iteration: int,  # noqa: ARG002
        trials: Any,  # noqa: ARG002
        trial: Any,
        result: Any,
        **_: Any,
    ) -> None:
        """An epoch of a trial is over."""
        metrics = [Metric(**each) for each in result.get("metrics", ())]
        if metrics and trial.trial_id in self.running:
            self.store.report_metrics(self.running[trial.trial_id], metrics, at=self.clock())

    def on_trial_complete(self, iteration: int, trials: Any, trial: Any, **_: Any) -> None:  # noqa: ARG002
        """A trial is over, for it was done or fell behind."""
        epochs = int((trial.last_result or {}).get("training_iteration", 0))
        of = trial.config["trial"]["settings"].epochs
        how = f"{epochs} of {of} epochs in {self.name}"
        if trial.trial_id in self.asked:
            self._end(trial, "interrupted", f"{ASKED} after {how}")
        else:
            self._end(trial, "succeeded", how)

    def on_trial_error(self, iteration: int, trials: Any, trial: Any, **_: Any) -> None:  # noqa: ARG002
        """A trial failed; the others go on."""
        why = str(trial.get_error() or "").strip().splitlines()
        self._end(trial, "failed", why[-1][:1000] if why else "failed")

    def on_step_end(self, iteration: int, trials: Any, **_: Any) -> None:  # noqa: ARG002
        """A sign of life for all that run; those that are asked to stop end after their epoch."""
        if self.clock() - self.beaten < BEAT:
            return
        self.beaten = self.clock()
        for trial in (each for each in trials if each.trial_id in self.running):
            training = self.running[trial.trial_id]
            self.store.report_metrics(training, [], at=self.beaten)
            if stop_asked(self.store, training) is not None:
                trial.stopping_criterion = AT_ONCE
                self.asked.add(trial.trial_id)

    def over(self) -> None:
        """The search is over; what still runs was interrupted."""
        for training in self.running.values():
            self._note(training, "interrupted", f"{self.name} was stopped")
        self.running.clear()

    def _note(self, training: int, state: str, message: str) -> None:
        self.store.end_training(training, state=state, at=self.clock(), message=message)
        answer_stop(self.store, training, answer=message, at=self.clock())

    def _end(self, trial: Any, state: str, message: str) -> None:
        training = self.running.pop(trial.trial_id, None)
        if training is not None:
            self._note(training, state, message)
            self.ended += 1
            self.watch(Progress("trying settings", self.ended, self.trials))

    def __getstate__(self) -> dict[str, Any]:
        """Ray writes callbacks down with the state of a search, where no connection can go."""
        return {}
