"""Logs that lack what others have: each trains, or is refused in words."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from logged_worlds import filled, logs

from learner.examples import Examples
from learner.networks.base import Shape
from learner.networks.network import Network, Plan
from learner.offsets import Offsets
from learner.training.fit import fit, losses
from learner.training.lesson import lessons_of
from learner.training.on_ray import train
from learner.training.settings import TrainingSettings
from scheduler.errors import InvalidInput
from scheduler.records import Outcome, TaskRecord
from scheduler.store import Store

SMALL = TrainingSettings(epochs=3, shape=Shape(width=8, experts=2, dropout=0.0))
UNTIMED = {"started": None, "ended": None}
UNMEASURED = {"duration": None, "peak_memory": None, "cpu": None}
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
Change = Callable[[int, TaskRecord], TaskRecord]


def every(**fields: object) -> Change:
    return lambda _, record: replace(record, **fields)


def extreme(i: int, record: TaskRecord) -> TaskRecord:
    huge = {"duration": 1e18, "peak_memory": 1e18, "cpu": 1e18}
    tiny = {"duration": 1e-9, "peak_memory": 0.0, "cpu": 0.0}
    return replace(record, started=None, sizes={"s": float(i)}, **(huge if i % 17 == 0 else tiny))


TRAINABLE: dict[str, Change] = {
    "no workers": every(worker=None),
    "no workers, one work": every(worker=None, kind="k", sizes={}),
    "one constant size": every(kind="k", sizes={"s": 100.0}),
    "no sizes": every(sizes={}),
    "no sizes, one worker": every(worker="x", kind="k", sizes={}),
    "only failed": every(outcome=Outcome.FAILED),
    "only failed, one work": every(outcome=Outcome.FAILED, worker="x", kind="k", sizes={}),
    "only failed, not measured": every(outcome=Outcome.FAILED, **UNMEASURED),
    "only cancelled": every(outcome=Outcome.CANCELLED, **UNMEASURED),
    "only lost": every(outcome=Outcome.LOST),
    "nothing but zeros": every(duration=0.0, peak_memory=0.0, cpu=0.0, sizes={"s": 0.0}),
    "only memory": every(duration=None, cpu=None, kind="k", sizes={}),
    "extremes": extreme,
    "every kind once": lambda i, record: replace(record, kind=f"k{i}", worker=f"w{i}"),
}
REFUSED: dict[str, Change] = {
    "no times, one work": every(kind="k", sizes={}, **UNTIMED),
    "no times, no workers, one work": every(worker=None, kind="k", sizes={}, **UNTIMED),
}


def changed(change: Change, n: int = 60) -> list[TaskRecord]:
    return [change(i, record) for i, record in enumerate(logs(n))]


@pytest.fixture
def store(tmp_path: Path):
    with Store.open(f"sqlite:///{tmp_path}/allot.db") as opened:
        yield opened


@pytest.mark.parametrize("change", TRAINABLE.values(), ids=TRAINABLE)
def test_a_log_that_lacks_something_still_trains(store: Store, change: Change) -> None:
    version = train(filled(store, changed(change)), SMALL, workers=0)
    assert version.training is not None
    told = [each.value for each in store.training_metrics(version.training)]
    assert told
    assert all(map(math.isfinite, told))


@pytest.mark.parametrize("change", REFUSED.values(), ids=REFUSED)
def test_a_log_that_cannot_be_parted_is_refused(store: Store, change: Change) -> None:
    with pytest.raises(InvalidInput, match="Learning needs at least 1 attempt to"):
        train(filled(store, changed(change)), SMALL, workers=0)


@pytest.mark.parametrize("epochs", range(1, 7))
def test_the_fewest_attempts_train_for_any_number_of_epochs(epochs: int) -> None:
    examples = Examples.of(changed(every(kind="k"), 20))
    offsets = Offsets.fit(examples)
    plan = Plan.over(examples.columns, SMALL.sharing, SMALL.shape)
    found = fit(plan, lessons_of(examples, offsets, seed=0), replace(SMALL, epochs=epochs))
    assert all(map(math.isfinite, found.losses))


def test_without_choices_the_assignment_costs_nothing_and_teaches_nothing() -> None:
    examples = Examples.of(changed(every(worker=None)))
    torch.manual_seed(0)
    network = Network(Plan.over(examples.columns, SMALL.sharing, SMALL.shape))
    batch = lessons_of(examples, Offsets.fit(examples), seed=0)["train"].whole()
    loss = losses(network, batch)["assignment"]
    loss.backward()
    assert loss == 0
    assert all(w.grad is None or not w.grad.any() for w in network.parameters())
