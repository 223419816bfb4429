"""What every method keeps: a new file in learner/methods is tested at once."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from logged_worlds import compared_logs, logs
from torch import Tensor

from learner.arms.network import NetworkArm
from learner.calibration import Calibration
from learner.examples import Examples
from learner.learned import Learned
from learner.methods import asked, method_named, methods
from learner.methods.base import Scene, Steering
from learner.networks.base import Shape
from learner.networks.network import Network, Plan
from learner.offsets import Offsets
from learner.targets import targets
from learner.training.checkpoints import Checkpoints, fingerprint
from learner.training.fit import Fitted, fit
from learner.training.lesson import Lesson, lessons_of
from learner.training.losses import losses
from learner.training.settings import TrainingSettings
from scheduler.errors import InvalidInput, NotFound

QUICK = TrainingSettings(epochs=4, shape=Shape(width=8, experts=2, dropout=0.2), folds=0)
every_method = pytest.mark.parametrize("name", methods())


class CutOff(Exception):
    pass


@cache
def old_examples() -> Examples:
    """What the champion knew: nothing of one kind."""
    return Examples.of([each for each in compared_logs(40) if each.kind != "merge"])


@cache
def examples() -> Examples:
    return Examples.of([*compared_logs(40), *logs(40, seed=3)])


@cache
def champion() -> Learned:
    known = old_examples()
    offsets = Offsets.fit(known)
    network = NetworkArm.fit(known, offsets, QUICK).network
    return Learned(network, known.columns, offsets, Calibration.none())


@cache
def scene() -> Scene:
    known = examples()
    offsets = Offsets.fit(known)
    plan = Plan.over(known.columns, QUICK.sharing, QUICK.shape)
    return Scene(plan, known, offsets, lessons_of(known, offsets, seed=0), QUICK, champion())


@cache
def taught(name: str) -> tuple[Scene, Steering]:
    """The scene as the method prepared it, and what it does there."""
    method = method_named(name)
    prepared = method.prepared(scene())
    return prepared, method.steering(prepared)


def fitted(name: str, checkpoints: Checkpoints | None = None, **options) -> Fitted:
    prepared, steering = taught(name)
    return fit(
        prepared.plan, prepared.lessons, prepared.settings, [steering],
        checkpoints=checkpoints, **options,
    )  # fmt: skip


def cut_after(epochs: int):
    left = itertools.count()

    def report(_: object) -> None:
        if next(left) == epochs:
            raise CutOff

    return report


def begun(name: str) -> tuple[Network, Lesson, Steering]:
    """The network as it stands before the first step, without chance in its layers."""
    prepared, steering = taught(name)
    torch.manual_seed(0)
    network = Network(prepared.plan)
    steering.begin(network)
    return network.eval(), prepared.lessons["train"], steering


def test_the_methods_are_found() -> None:
    assert {"adversarial", "continual", "distillation", "jitter", "transfer"} <= set(methods())


@every_method
def test_a_training_ends_with_finite_losses_and_a_forecast(name: str) -> None:
    settings = replace(QUICK, methods={name: {}})
    offsets = scene().offsets
    ended: list[Fitted] = []

    def learn(*given) -> Fitted:
        ended.append(fit(*given))
        return ended[-1]

    arm = NetworkArm.fit(examples(), offsets, settings, learn=learn, champion=champion())
    assert np.isfinite([*ended[0].losses, *ended[0].validation]).all()
    learned = Learned(arm.network, examples().columns, offsets, Calibration.none())
    told = learned.predict(examples().inputs)
    assert set(told) == set(targets())
    assert all(np.isfinite(each).all() for each in told.values())


@every_method
def test_a_training_that_was_cut_off_ends_as_if_it_had_not_been(name: str, tmp_path: Path) -> None:
    whole, kept = fitted(name), Checkpoints(tmp_path, "this")
    with pytest.raises(CutOff):
        fitted(name, kept, report=cut_after(1))
    resumed = fitted(name, kept)
    assert resumed.losses == whole.losses
    assert resumed.weights.keys() == whole.weights.keys()
    assert all(torch.equal(resumed.weights[each], whole.weights[each]) for each in whole.weights)


@every_method
@pytest.mark.parametrize("progress", [0.0, 0.5])
def test_two_shares_of_a_batch_give_the_losses_of_the_whole(name: str, progress: float) -> None:
    """What makes training with several workers equal to training with one."""
    network, lesson, steering = begun(name)
    options = {"seed": 3, "forget": 0.3}
    whole = next(lesson.batches(41, **options))
    parts = [next(lesson.batches(41, rank=rank, world=2, **options)) for rank in (0, 1)]

    def steered(batch) -> Mapping[str, Tensor]:
        return steering.losses(network, batch, losses(network, batch), progress)

    together, apart = steered(whole), [steered(part) for part in parts]
    for each, loss in together.items():
        torch.testing.assert_close(loss, apart[0][each] + apart[1][each])


@every_method
def test_what_it_depends_on_is_told_for_checkpoints(name: str) -> None:
    """Equal on equal scenes, and made of nothing but plain values and tensors."""
    again = method_named(name).steering(taught(name)[0])
    told = taught(name)[1].told()
    assert fingerprint(told) == fingerprint(again.told())
    assert all(_plain(each) for each in _leaves(told))


@every_method
def test_rows_without_choices_are_learned_from(name: str) -> None:
    alone = [r for r in compared_logs(60) if r.worker == "alpha"]
    known = Examples.of(alone)
    offsets = Offsets.fit(known)
    settings = replace(QUICK, epochs=2, methods={name: {}})
    arm = NetworkArm.fit(known, offsets, settings, champion=champion())
    assert np.isfinite(arm.raw(known.inputs, ["duration"])["duration"]).all()


def test_a_method_that_does_not_exist_is_refused_with_those_that_do() -> None:
    with pytest.raises(NotFound, match="adversarial, continual"):
        TrainingSettings(methods={"telepathy": {}})


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("jitter:size=much", "NAME=NUMBER, found 'size=much' for jitter"),
        ("mutual:peers=nan", "peers must be a finite number"),
        ("distillation:networks=inf", "networks must be a finite number"),
        ("jitter:joy=1", "no option 'joy'; it has size, weight"),
        ("jitter:size=2", "size of jitter lies in 0..1, found 2.0"),
        ("adversarial:weight=0", "weight of adversarial lies in 0..1"),
        ("transfer:frozen=0.5", "frozen of transfer is 0 or 1"),
        ("transfer:epochs=0", "epochs of transfer lies in 0..1, above 0"),
        ("distillation:networks=1.5", "networks of distillation is a whole number"),
        ("distillation:networks=0,single=0,trees=0", "needs a teacher"),
        ("continual:memory=2", "a memory in 0..1"),
    ],
)
def test_options_that_make_no_sense_are_refused(text: str, why: str) -> None:
    with pytest.raises(InvalidInput, match=why):
        TrainingSettings(methods=asked([text]))


def _plain(value: object) -> bool:
    return value is None or isinstance(value, Tensor | str | bool | int | float)


def _leaves(told: object) -> Sequence[object]:
    if isinstance(told, Mapping):
        return [leaf for pair in told.items() for each in pair for leaf in _leaves(each)]
    if isinstance(told, list | tuple):
        return [leaf for each in told for leaf in _leaves(each)]
    return [told]
