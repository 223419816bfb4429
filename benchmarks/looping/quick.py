"""Versions that are learned at once: the offset serves all targets, and no network is trained."""

from datetime import datetime

import numpy as np

from learner.arms.offset import OffsetArm
from learner.calibration import Calibration
from learner.examples import Examples, Split
from learner.judging import settle, verdict
from learner.learned import Learned
from learner.metrics import evaluate
from learner.networks.base import Shape
from learner.networks.network import Network, Plan
from learner.offsets import Offsets
from learner.registry import Registry
from learner.targets import targets
from learner.training.settings import TrainingSettings
from scheduler.store import Store
from scheduler.store.values import ModelVersion

SMALLEST = Shape(width=4, experts=1, dropout=0.0, spare=0.0)


def learned(examples: Examples) -> Learned:
    """The offset of the training rows under all targets, calibrated on the validation rows."""
    offsets = Offsets.fit(examples)
    arm = OffsetArm.fit(examples, offsets)
    network = Network(Plan.over(examples.columns, "hard", SMALLEST))
    plain = Learned(
        network, examples.columns, offsets, Calibration.none(), dict.fromkeys(targets(), arm)
    )
    return plain.calibrated(examples)


def on_all(examples: Examples) -> Learned:
    """The same with all rows to learn from."""
    nothing = np.zeros(0, dtype=np.int64)
    split = Split(np.arange(len(examples)), examples.split.validation, nothing)
    return learned(Examples.of(examples.records, split=split))


def train(
    store: Store, settings: TrainingSettings, *, now: datetime, refit: bool = True
) -> ModelVersion:
    """Trains on the trusted records of a store, registers the version, and does what is decided."""
    through = store.newest_record()
    examples = Examples.of(list(store.records(through=through, trusted=True)))
    plain = settings.as_plain() | {"through": through}
    training = store.begin_training(sharing="hard", workers=0, settings=plain, at=now)
    judged = learned(examples)
    used = on_all(examples) if refit else judged
    return kept(store, judged, used, examples, training=training, now=now)


def kept(
    store: Store,
    judged: Learned,
    used: Learned,
    examples: Examples,
    *,
    training: int,
    now: datetime,
) -> ModelVersion:
    """Registers a version as a training does."""
    scores = evaluate(judged, examples)
    metrics = {"targets": scores, "attempts": len(examples)}
    name, sha256 = Registry(store.folder).save(f"offset-{training}", used, metrics, judged=judged)
    version = ModelVersion(name, "hard", now, sha256, training, metrics)
    store.add_version(version)
    store.end_training(training, state="succeeded", at=now, version=name)
    settle(store, version, verdict(store, judged, examples, scores), now)
    return version
