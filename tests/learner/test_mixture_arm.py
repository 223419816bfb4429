"""The mixture as an arm, on a world whose truth is known."""

from dataclasses import replace

import numpy as np
import pytest
from logged_worlds import SMALL, compared_logs, one_world

from learner.arms.mixture import MixtureArm
from learner.calibration import Calibration
from learner.examples import Examples
from learner.learned import Learned
from learner.lineup import Lineup
from learner.networks.network import Network, Plan
from learner.offsets import Offsets
from learner.targets import targets
from learner.targets.quantities import MIDDLE
from learner.training.settings import TrainingSettings

QUANTITY = "duration"


@pytest.fixture(scope="module")
def examples() -> Examples:
    return Examples.of(one_world())


@pytest.fixture(scope="module")
def offsets(examples: Examples) -> Offsets:
    return Offsets.fit(examples)


@pytest.fixture(scope="module")
def arm(examples: Examples, offsets: Offsets) -> MixtureArm:
    return MixtureArm.fit(examples, offsets)


def told(arm: MixtureArm, examples: Examples, offsets: Offsets) -> np.ndarray:
    network = Network(Plan.over(examples.columns, SMALL.sharing, SMALL.shape))
    serves = dict.fromkeys(targets(), arm)
    learned = Learned(network, examples.columns, offsets, Calibration.none(), serves)
    return learned.quantities(examples.inputs)[QUANTITY]


def test_the_median_told_is_the_mixtures_and_the_quantiles_rise(arm, examples, offsets) -> None:
    quantiles = told(arm, examples, offsets)
    base = offsets.under(QUANTITY, examples.inputs) * offsets.scale(QUANTITY)
    expected = arm.mixtures[QUANTITY].at(examples.inputs, base)
    np.testing.assert_allclose(quantiles[:, MIDDLE], expected, atol=1e-6)
    assert (np.diff(quantiles, axis=1) > 0).all()


def test_the_outer_quantiles_cover_rows_that_nobody_learned_from(arm, examples, offsets) -> None:
    quantiles, rows = told(arm, examples, offsets), examples.split.test
    truth = examples.truth[QUANTITY]
    rows = rows[~np.isnan(truth[rows])]
    inside = (truth[rows] >= quantiles[rows, 0]) & (truth[rows] <= quantiles[rows, -1])
    assert 0.6 < inside.mean() < 0.98


def test_over_six_worlds_it_is_no_worse_than_the_offset_under_it() -> None:
    """In one world of some dozen test rows chance alone moves either by several percent."""
    errors = []
    for seed in range(6):
        examples = Examples.of(compared_logs(100, seed=seed))
        offsets = Offsets.fit(examples)
        arm = MixtureArm.fit(examples, offsets)
        rows, truth = examples.split.test, examples.truth[QUANTITY]
        base = offsets.under(QUANTITY, examples.inputs) * offsets.scale(QUANTITY)
        mixed = told(arm, examples, offsets)[:, MIDDLE]
        errors.append([np.nanmean(np.abs(each - truth)[rows]) for each in (mixed, base)])
    off, alone = np.mean(errors, axis=0)
    assert off <= 1.01 * alone


def test_an_arm_is_the_same_after_it_was_arrays(arm, examples, offsets) -> None:
    arrays = arm.as_arrays()
    again = MixtureArm.from_arrays({name: arrays[name] for name in sorted(arrays)})
    inputs, names = examples.inputs, tuple(targets())
    before, after = arm.raw(inputs, names), again.raw(inputs, names)
    for name in names:
        np.testing.assert_array_equal(after[name], before[name])


def test_it_says_nothing_beyond_the_offset_of_risks_and_choices(arm, examples) -> None:
    said = arm.raw(examples.inputs, ("failure", "assignment"))
    assert not said["failure"].any()
    assert not said["assignment"].any()


def test_it_learns_from_the_training_rows_alone(arm, examples, offsets) -> None:
    truth = {name: each.copy() for name, each in examples.truth.items()}
    for each in truth.values():
        each[np.concatenate([examples.split.validation, examples.split.test])] = 77.0
    blind = MixtureArm.fit(replace(examples, truth=truth), offsets)
    inputs = examples.inputs
    expected = arm.raw(inputs, [QUANTITY])[QUANTITY]
    np.testing.assert_allclose(blind.raw(inputs, [QUANTITY])[QUANTITY], expected, atol=1e-12)


def test_it_joins_the_lineup_where_the_log_names_subjects_and_only_there() -> None:
    settings = TrainingSettings(epochs=1)
    plain = one_world()
    named = [
        replace(record, task=f"{record.kind.upper()} (sample_{i % 9})")
        for i, record in enumerate(plain)
    ]
    lineups = [Lineup.fit(Examples.of(each), settings) for each in (plain, named)]
    assert ["mixture" in each.others for each in lineups] == [False, True]
