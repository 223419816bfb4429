"""A network that stands on no offset, where few labels are known."""

from dataclasses import replace

import numpy as np
import pytest
from logged_worlds import one_world

from learner.arms.scratch import ScratchArm, scarce
from learner.examples import Examples
from learner.learned import Learned
from learner.lineup import Lineup
from learner.offsets import Offsets
from learner.targets.quantities import MIDDLE
from learner.training.settings import TrainingSettings

SETTINGS = TrainingSettings(epochs=6)


def examples_of(kept: float) -> Examples:
    """A log of which only some rows tell the duration."""
    examples = Examples.of(list(one_world()))
    hidden = np.random.default_rng(0).random(len(examples)) > kept
    duration = np.where(hidden, np.nan, examples.truth["duration"])
    return replace(examples, truth={**examples.truth, "duration": duration})


def test_labels_are_scarce_when_another_quantity_has_five_times_as_many() -> None:
    assert scarce(examples_of(0.1))
    assert not scarce(examples_of(0.5))


@pytest.fixture(scope="module")
def lineup() -> Lineup:
    return Lineup.fit(examples_of(0.1), SETTINGS)


def test_the_arm_joins_the_lineup_where_labels_are_scarce(lineup: Lineup) -> None:
    assert "scratch" in lineup.others


def test_it_speaks_above_the_offset_what_it_believes_without_it(lineup: Lineup) -> None:
    """Whatever offset stands under it, the forecast is the same."""
    arm, examples = lineup.others["scratch"], lineup.examples
    assert isinstance(arm, ScratchArm)
    learned = Learned(
        lineup.network.network,
        examples.columns,
        lineup.offsets,
        lineup.alone("offset").calibration,
        {"duration": arm},
    )
    told = learned.predict(examples.inputs)["duration"][:, MIDDLE]
    other = Offsets.fit(examples_of(0.5))
    moved = ScratchArm(arm.network, arm.level, other)
    again = replace(learned, offsets=other, arms={"duration": moved})
    np.testing.assert_allclose(again.predict(examples.inputs)["duration"][:, MIDDLE], told)


def test_it_says_the_same_after_being_written_down(lineup: Lineup) -> None:
    arm, inputs = lineup.others["scratch"], lineup.examples.inputs
    again = ScratchArm.from_arrays(arm.as_arrays())
    np.testing.assert_array_equal(
        again.raw(inputs, ["duration"])["duration"], arm.raw(inputs, ["duration"])["duration"]
    )


def test_who_serves_is_fitted_again_though_labels_are_not_scarce_any_more(lineup: Lineup) -> None:
    """The newest rows may hold the labels that were missing when the arms were chosen."""
    again = Lineup.fit(examples_of(0.5), SETTINGS, like=lineup, names={"scratch"})
    first, second = lineup.others["scratch"], again.others["scratch"]
    assert isinstance(first, ScratchArm)
    assert isinstance(second, ScratchArm)
    assert second.epochs == first.epochs
    assert again.learned({"duration": "scratch"}).serves["duration"] == "scratch"
