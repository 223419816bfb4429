"""One training on Ray, and the numbers that its workers told."""

import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from learner.networks.network import Plan
from learner.training.lesson import Lesson
from learner.training.ray_fit import fit_on_ray
from learner.training.settings import TrainingSettings
from scheduler.store import Store


@dataclass(frozen=True)
class Timed:
    """A training: its losses by epoch, what an epoch took, and the seconds of all but epochs.

    `seconds` and `cpu` are those of the fastest epoch after the first, of the first worker;
    `memory` is the peak of its process in bytes.
    """

    losses: tuple[float, ...]
    around: float
    seconds: float
    cpu: float
    memory: float


def timed(
    plan: Plan, lessons: Mapping[str, Lesson], settings: TrainingSettings, *, workers: int
) -> Timed:
    """Trains with so many workers, on a store of its own."""
    with (
        tempfile.TemporaryDirectory() as folder,
        Store.open(f"sqlite:///{Path(folder) / 'allot.db'}") as store,
    ):
        training = store.begin_training(
            sharing=settings.sharing, workers=workers, settings={}, at=now()
        )
        began = time.perf_counter()
        fitted = fit_on_ray(
            plan, lessons, settings,
            workers=workers, address="local", store=store, training=training, clock=now,
        )  # fmt: skip
        whole = time.perf_counter() - began
        told = store.training_metrics(training)
    values = {
        name: np.array([each.value for each in told if (each.target, each.name) == ("all", name)])
        for name in ("seconds", "cpu_seconds", "peak_memory")
    }
    return Timed(
        losses=(*fitted.losses, *fitted.validation),
        around=whole - float(values["seconds"].sum()),
        seconds=float(values["seconds"][1:].min(initial=np.inf)),
        cpu=float(values["cpu_seconds"][1:].min(initial=np.inf)),
        memory=float(values["peak_memory"].max()),
    )


def now() -> datetime:
    """The clock of the machine."""
    return datetime.now(UTC)
