from dataclasses import replace
from functools import cache

import numpy as np
import torch
from logged_worlds import compared_logs

from learner.arms.network import NetworkArm
from learner.calibration import Calibration
from learner.examples import Examples
from learner.learned import Learned
from learner.methods.base import Scene
from learner.methods.continual import Continual
from learner.networks.base import Shape
from learner.networks.network import Network, Plan
from learner.offsets import Offsets
from learner.offsets.level import levels
from learner.targets.quantities import MIDDLE
from learner.training.lesson import lessons_of
from learner.training.losses import losses
from learner.training.settings import TrainingSettings

QUICK = TrainingSettings(epochs=20, patience=20, shape=Shape(width=16, experts=2), folds=0)
NEW = "align"


@cache
def examples(old: bool) -> Examples:
    records = compared_logs(120)
    return Examples.of([each for each in records if not old or each.kind != NEW])


@cache
def champion() -> Learned:
    known = examples(True)
    offsets = levels(known, Offsets.fit(known))
    network = NetworkArm.fit(known, offsets, QUICK).network
    return Learned(network, known.columns, offsets, Calibration.none())


def scene(**options) -> Scene:
    known = examples(False)
    offsets = levels(known, Offsets.fit(known))
    plan = Plan.over(known.columns, "cgc", QUICK.shape)
    lessons = lessons_of(known, offsets, seed=0)
    return Scene(plan, known, offsets, lessons, QUICK, champion(), **options)


def kinds_left(method: Continual, there: Scene) -> tuple[int, int]:
    """How many rows of the new kind and of the others are learned from."""
    left = method.prepared(there).lessons["train"].attempts.kind
    new = there.examples.columns.kinds.index(NEW)
    return int((left == new).sum()), int((left != new).sum())


def test_of_known_kinds_only_what_memory_holds_is_looked_at_again() -> None:
    every = kinds_left(Continual(memory=1.0), scene())
    assert kinds_left(Continual(memory=0.0), scene()) == (every[0], 0)
    new, old = kinds_left(Continual(memory=0.25), scene())
    assert new == every[0]
    assert 0.1 * every[1] < old < 0.4 * every[1]


def test_where_no_kind_is_new_every_row_is_learned_from() -> None:
    there = scene()
    known = replace(champion(), columns=there.examples.columns)
    network = Network(there.plan)
    again = replace(there, champion=replace(known, network=network))
    assert len(Continual(memory=0.0).prepared(again).lessons["train"]) == len(
        there.lessons["train"]
    )


def test_who_still_says_what_the_champion_said_pays_nothing() -> None:
    method = Continual(memory=0.5)
    there = method.prepared(scene())
    steering, network = method.steering(there), Network(there.plan)
    steering.begin(network)
    batch = next(there.lessons["train"].batches(64, seed=0, forget=0.2))
    plain = losses(network.eval(), batch)
    held = steering.losses(network, batch, plain, 0.5)
    for name in ("duration", "memory", "cpu"):
        # but for columns whose centre and scale have moved with the new rows
        assert (held[name] - plain[name]).item() < 0.15
    with torch.no_grad():
        network.get_parameter("names.kind.weight").add_(3.0)
    moved = steering.losses(network, batch, plain, 0.5)
    assert (moved["duration"] - plain["duration"]).item() > 2 * (
        held["duration"] - plain["duration"]
    ).item()


def test_old_kinds_are_forgotten_without_it_and_not_with_it() -> None:
    """Without offsets, so that all there is to forget is in the network."""
    there = scene()
    rows = there.examples.split.test
    rows = np.array([i for i in rows if there.examples.records[i].kind != NEW])

    def error(**options: float) -> float:
        settings = replace(QUICK, methods={"continual": options})
        arm = NetworkArm.fit(there.examples, there.offsets, settings, champion=champion())
        learned = Learned(arm.network, there.examples.columns, there.offsets, Calibration.none())
        told = learned.predict(there.examples.inputs.take(rows))["duration"][:, MIDDLE]
        return float(np.nanmean(np.abs(told - there.examples.truth["duration"][rows])))

    assert error() < 0.7 * error(memory=0.0, weight=0.0)
