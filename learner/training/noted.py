"""What the store and the person who waits are told while a training goes on."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from learner.training.settings import TrainingSettings
from scheduler.errors import AllotError
from scheduler.store import Store
from scheduler.store.trainings import answer_stop, stop_asked
from scheduler.store.values import Metric

Clock = Callable[[], datetime]
PULSE = 1.0  # seconds between two looks at a training that runs
OVER = "the training was over"


@dataclass(frozen=True)
class Progress:
    """How far a training is: what it does, and for epochs how many of them are done."""

    doing: str
    epoch: int = 0
    epochs: int = 0
    loss: float | None = None


class Stopped(AllotError):
    """A training ended because somebody asked for it; it can be resumed."""


Watch = Callable[[Progress], None]


def utc_now() -> datetime:
    """The clock of the machine."""
    return datetime.now(UTC)


@contextmanager
def noted(
    store: Store,
    settings: TrainingSettings,
    workers: int,
    clock: Clock,
    *,
    through: int,
    gpus: bool = False,
) -> Iterator[int]:
    """Notes in the store that a training began, and how it ended if not well.

    `through` is the newest record that it learns from.
    """
    plain = settings.as_plain() | {"through": through, "gpus": gpus}
    training = store.begin_training(
        sharing=settings.sharing, workers=workers, settings=plain, at=clock()
    )
    # SQLite gives the number of a deleted training again
    _refuse_stop(store, training, clock, "the training that it was for is deleted")
    with _ending(store, training, clock):
        yield training


@contextmanager
def noted_again(store: Store, training: int, clock: Clock) -> Iterator[None]:
    """Notes that a training that was cut off goes on, and how it ended if not well."""
    _refuse_stop(store, training, clock, "the training goes on")
    store.resume_training(training, at=clock())
    with _ending(store, training, clock):
        yield


@contextmanager
def _ending(store: Store, training: int, clock: Clock) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        store.end_training(training, state="interrupted", at=clock(), message="stopped by hand")
        _refuse_stop(store, training, clock, OVER)
        raise
    except Stopped as stopped:
        store.end_training(training, state="interrupted", at=clock(), message=str(stopped))
        answer_stop(store, training, answer=str(stopped), at=clock())
        raise
    except Exception as error:
        store.end_training(training, state="failed", at=clock(), message=str(error)[:1000])
        _refuse_stop(store, training, clock, OVER)
        raise


def _refuse_stop(store: Store, training: int, clock: Clock, why: str) -> None:
    """Answers whoever asked the training to stop and would wait without end."""
    answer_stop(store, training, answer=why, at=clock(), state="refused")


def stopping(store: Store, training: int, on_progress: Watch) -> Watch:
    """Tells of progress, unless somebody asks the training to stop: then it raises Stopped."""

    def watch(progress: Progress) -> None:
        if stop_asked(store, training) is not None:
            raise stopped(training, f"before {progress.doing}")
        on_progress(progress)

    return watch


def stopped(training: int, when: str) -> Stopped:
    """The error of a training that was asked to stop."""
    return Stopped(
        f"Training {training} was stopped as asked, {when}; "
        f"go on with: allot train --resume {training}"
    )


@contextmanager
def watching(
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
