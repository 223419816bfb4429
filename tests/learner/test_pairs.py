"""Every task on every worker at once says what each row says alone."""

from dataclasses import replace

import numpy as np
import pytest
from logged_worlds import one_learned, one_world

from learner.arms.offset import OffsetArm
from learner.calibration import Calibration
from learner.examples import Examples
from learner.features import UNKNOWN, Inputs
from learner.learned import Learned
from learner.pairs import CHUNK, predict_pairs


@pytest.fixture(scope="module")
def learned() -> Learned:
    return one_learned()


def tasks_of(learned: Learned, count: int) -> Inputs:
    """Tasks of all kinds, known and not, on sizes seen and beyond."""
    rng = np.random.default_rng(0)
    examples = Examples.of(list(one_world()))
    rows = examples.inputs.take(rng.integers(0, len(examples), count))
    kind = np.where(rng.random(count) < 0.1, UNKNOWN, rows.kind)
    return replace(rows, kind=kind, numbers=rows.numbers * rng.choice([1.0, 3.0], (count, 1)))


def check(learned: Learned, count: int) -> None:
    tasks, workers = tasks_of(learned, count), np.arange(len(learned.columns.workers))
    told = predict_pairs(learned, tasks, workers)
    for j in workers:
        alone = learned.predict(tasks.on(np.full(count, j)))
        for name, values in told.quantities.items():
            np.testing.assert_allclose(np.log(values[:, j]), alone[name], atol=2e-3)
        np.testing.assert_allclose(told.failure[:, j], alone["failure"], atol=2e-3)
        np.testing.assert_allclose(told.assignment[:, j], alone["assignment"], atol=1e-2)


def test_pairs_are_the_rows_one_by_one(learned: Learned) -> None:
    check(learned, 60)


def test_pairs_of_other_arms_are_the_rows_one_by_one(learned: Learned) -> None:
    examples = Examples.of(list(one_world()))
    arm = OffsetArm.fit(examples, learned.offsets)
    check(replace(learned, arms={"duration": arm, "memory": arm}), 40)


def test_pairs_below_what_can_be_measured_are_the_rows_one_by_one(learned: Learned) -> None:
    """Only some quantiles rise above the floor: the median must not lift them."""
    ridges = dict(learned.offsets.ridges)
    low = ridges["duration"].intercept - 9.0
    ridges["duration"] = replace(ridges["duration"], intercept=low)
    shifts = {"duration": np.full((len(learned.columns.kinds), 3), [-1.0, 0.0, 3.0])}
    learned = replace(learned, offsets=replace(learned.offsets, ridges=ridges))
    check(replace(learned, calibration=Calibration(shifts)), 60)


def test_many_tasks_in_several_chunks_are_told_in_their_order(learned: Learned) -> None:
    tasks, workers = tasks_of(learned, CHUNK + 5), np.arange(2)
    told = predict_pairs(learned, tasks, workers, threads=2)
    last = predict_pairs(learned, tasks.take(np.arange(CHUNK, CHUNK + 5)), workers)
    np.testing.assert_allclose(
        told.quantities["duration"][CHUNK:], last.quantities["duration"], rtol=5e-3
    )
