import math
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from logged_worlds import POWER, compared_logs
from torch import Tensor

from learner.examples import Examples
from learner.methods.adversarial import Adversarial, Misled
from learner.methods.base import Scene, Steering
from learner.methods.jitter import Jitter
from learner.methods.sizes import Sizes
from learner.networks.base import Shape
from learner.networks.network import Network, Plan
from learner.offsets import Offsets
from learner.training.lesson import Batch, Lesson, lessons_of
from learner.training.losses import losses
from learner.training.settings import TrainingSettings

QUICK = TrainingSettings(epochs=3, shape=Shape(width=8, experts=2, dropout=0.0), folds=0)


@cache
def scene() -> Scene:
    examples = Examples.of(compared_logs(60))
    offsets = Offsets.fit(examples)
    plan = Plan.over(examples.columns, "cgc", QUICK.shape)
    return Scene(plan, examples, offsets, lessons_of(examples, offsets, seed=0), QUICK)


def lesson() -> Lesson:
    return scene().lessons["train"]


def sizes() -> Sizes:
    return Sizes.of(lesson(), scene().examples.columns, scene().offsets)


def network() -> Network:
    torch.manual_seed(2)
    return Network(scene().plan).eval()


def batch() -> Batch:
    return next(lesson().batches(50, seed=1, forget=0.0))


def worst_of(steering: Steering, net: Network, there: Batch) -> Tensor:
    assert isinstance(steering, Misled)
    return steering.worst(net, there)


def test_the_slope_of_a_duration_is_the_power_of_its_law() -> None:
    told = sizes().slopes["memory"][:, 0] * scene().offsets.scale("memory")
    assert float(told.median()) == pytest.approx(1.0, abs=0.1)  # memory grows like the size
    kinds = scene().examples.columns.kinds
    slopes = sizes().slopes["duration"][:, 0] * scene().offsets.scale("duration")
    merge = slopes[lesson().attempts.kind == kinds.index("merge")]
    align = slopes[lesson().attempts.kind == kinds.index("align")]
    assert float(align.median()) > float(merge.median())
    assert POWER["align"] > POWER["merge"]


def test_sizes_and_offsets_move_as_if_the_records_had_told_it() -> None:
    examples, factor, there = scene().examples, 1.1, batch()
    moved = sizes().moved(there, torch.full((len(there.rows.kind), 1), math.log(factor)))
    rows = examples.split.train[there.places["attempts"].numpy()]
    records = [
        replace(r, sizes={n: v * factor for n, v in r.sizes.items()}) for r in examples.part(rows)
    ]
    still, column = examples.inputs.take(rows), int(sizes().columns[0])
    numbers = still.numbers.copy()
    numbers[:, column] = examples.columns.encode_records(records).numbers[:, column]
    told = torch.from_numpy(numbers).float()
    torch.testing.assert_close(moved.rows.numbers[: there.attempts], told, atol=1e-4, rtol=0)
    above = scene().offsets.under("duration", replace(still, numbers=numbers))
    rise = above - scene().offsets.under("duration", still)
    found = (moved.offset["duration"] - there.offset["duration"]).numpy()
    # the slope is measured over a fifth on both sides, where offsets bend
    assert np.corrcoef(found, rise)[0, 1] > 0.9
    assert np.median(np.abs(found - rise)) < 0.1 * np.median(np.abs(rise))


def test_a_size_that_a_row_lacks_does_not_move() -> None:
    there = batch()
    missing = there.rows.missing.clone()
    missing[0, sizes().columns] = 1.0
    there = replace(there, rows=there.rows._replace(missing=missing))
    moved = sizes().moved(there, torch.ones((len(there.rows.kind), 1)))
    assert torch.equal(moved.rows.numbers[0], there.rows.numbers[0])
    assert moved.offset["duration"][0] == there.offset["duration"][0]


def test_the_worst_move_is_as_long_as_asked_and_dearer_than_its_opposite() -> None:
    steering, net, there = Adversarial(size=0.1).steering(scene()), network(), batch()
    by = worst_of(steering, net, there)
    torch.testing.assert_close(by.norm(dim=1), torch.full((len(by),), 0.1))
    plain, worst, best = (
        sum(each.item() for each in losses(net, sizes().moved(there, move)).values())
        for move in (torch.zeros_like(by), by, -by)
    )
    assert worst > plain
    assert worst > best


def test_noise_stays_within_its_limits_and_changes_with_the_steps() -> None:
    steering = Jitter(size=0.2).steering(scene())
    assert math.log(0.8) <= float(steering.noise.min()) < math.log(0.81)
    assert math.log(1.19) < float(steering.noise.max()) <= math.log(1.2)
    net, there = network(), batch()
    plain = losses(net, there)
    one, again, later = (steering.losses(net, there, plain, p)["duration"] for p in (0.1, 0.1, 0.2))
    assert one.item() == again.item()
    assert one.item() != later.item()


def test_what_is_minimised_is_the_mean_of_both_losses() -> None:
    there, net = batch(), network()
    steering, plain = Adversarial(weight=0.25).steering(scene()), losses(net, batch())
    worst = worst_of(steering, net, there)
    misled = losses(net, sizes().moved(there, worst))
    found = steering.losses(net, there, plain, 0.0)
    for name, each in found.items():
        torch.testing.assert_close(each, 0.75 * plain[name] + 0.25 * misled[name])
