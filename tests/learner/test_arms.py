from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from logged_worlds import SMALL, one_learned, one_world

from learner.arms.base import Arm, head_of
from learner.arms.boosted import BoostedArm
from learner.arms.network import NetworkArm
from learner.arms.offset import OffsetArm
from learner.calibration import Calibration
from learner.examples import Examples
from learner.features import Inputs
from learner.learned import Learned
from learner.lineup import Choice, Lineup, simplest_of_best
from learner.metrics import evaluate
from learner.networks.network import Network, Plan
from learner.offsets import Offsets
from learner.targets import targets

ARMS = ("offset", "boosted", "network")
lightgbm = pytest.importorskip("lightgbm")


@pytest.fixture(scope="module")
def examples() -> Examples:
    return Examples.of(one_world())


@pytest.fixture(scope="module")
def arms(examples: Examples) -> Mapping[str, Arm]:
    offsets = Offsets.fit(examples)
    return {
        "offset": OffsetArm.fit(examples, offsets),
        "boosted": BoostedArm.fit(examples, offsets),
        "network": NetworkArm(one_learned().network),
    }


def only(arm: Arm, examples: Examples) -> Learned:
    """A forecast by one arm alone."""
    network = Network(Plan.over(examples.columns, SMALL.sharing, SMALL.shape))
    offsets = Offsets.fit(examples)
    by_target = dict.fromkeys(targets(), arm)
    return Learned(network, examples.columns, offsets, Calibration.none(), by_target)


@given(arrays(float, (4, 3), elements=st.floats(-20, 20)))
def test_reading_a_head_undoes_what_was_put_into_it(drawn: np.ndarray) -> None:
    wanted = np.sort(drawn, axis=1) + np.array([-0.01, 0.0, 0.01])
    raw = torch.from_numpy(head_of(wanted, 1))
    told = targets()["duration"].read(raw, torch.zeros(4)).numpy()
    np.testing.assert_allclose(told, wanted, atol=1e-8)


@pytest.mark.parametrize("name", ARMS)
def test_every_arm_speaks_for_every_target(arms, examples: Examples, name: str) -> None:
    inputs = examples.inputs.take(slice(0, 5))
    said = arms[name].raw(inputs, tuple(targets()))
    assert {n: each.shape for n, each in said.items()} == {
        n: (5, each.outputs) for n, each in targets().items()
    }


@pytest.mark.parametrize("name", ARMS)
def test_an_arm_is_the_same_after_it_was_arrays(arms, examples: Examples, name: str) -> None:
    arm, inputs = arms[name], examples.inputs
    again = type(arm).from_arrays(arm.as_arrays())
    told, said = (each.raw(inputs, tuple(targets())) for each in (arm, again))
    for target in targets():
        np.testing.assert_array_equal(told[target], said[target])


def test_the_offset_arm_says_the_offset_and_how_far_off_it_is(arms, examples: Examples) -> None:
    told = only(arms["offset"], examples).predict(examples.inputs)["duration"]
    offset = Offsets.fit(examples).under("duration", examples.inputs)
    scale = Offsets.fit(examples).scale("duration")
    np.testing.assert_allclose(told[:, 1], offset * scale, atol=1e-9)
    taught = examples.split.train
    truth = examples.truth["duration"][taught]
    below = (truth[:, None] < told[taught][:, [0, 2]])[~np.isnan(truth)].mean(0)
    np.testing.assert_allclose(below, [0.1, 0.9], atol=0.06)


def test_trees_find_what_the_offset_cannot_say(arms, examples: Examples) -> None:
    """Beyond six megabytes some workers are crowded: a step that no smooth curve has."""
    errors = {
        name: evaluate(only(arms[name], examples), examples)["duration"]["pinball"]
        for name in ("offset", "boosted")
    }
    assert errors["boosted"] < 0.9 * errors["offset"]


def test_trees_fitted_like_others_have_as_many_and_see_no_validation_rows(examples) -> None:
    offsets = Offsets.fit(examples)
    one = BoostedArm.fit(examples, offsets)
    truth = {name: each.copy() for name, each in examples.truth.items()}
    for each in truth.values():
        each[examples.split.validation] = 77.0
    two = BoostedArm.fit(replace(examples, truth=truth), offsets, like=one)
    assert two.rounds("duration") == one.rounds("duration")
    inputs: Inputs = examples.inputs
    told, said = (each.raw(inputs, ["duration"])["duration"] for each in (one, two))
    np.testing.assert_allclose(told, said, atol=1e-12)


def scores(**errors: float | None) -> dict:
    return {name: {"error": error, "rows": 9} for name, error in errors.items()}


def test_the_arm_with_the_least_error_serves() -> None:
    assert simplest_of_best(scores(offset=0.5, boosted=0.2, network=0.3)) == "boosted"


def test_within_one_percent_the_simpler_arm_serves() -> None:
    assert simplest_of_best(scores(offset=5.04, boosted=5.0, network=5.02)) == "offset"
    assert simplest_of_best(scores(offset=5.2, boosted=5.04, network=5.0)) == "boosted"


def test_where_no_row_can_tell_the_simplest_arm_serves() -> None:
    assert simplest_of_best(scores(offset=None, boosted=None)) == "offset"


def test_the_choice_looks_at_validation_rows_only(examples: Examples, arms) -> None:
    """The truth of the test rows is spoilt, and the choice stays."""
    spoilt = {name: each.copy() for name, each in examples.truth.items()}
    for each in spoilt.values():
        each[examples.split.test] += 5.0
    chosen = []
    for each in (examples, replace(examples, truth=spoilt)):
        others = {name: arms[name] for name in ("offset", "boosted")}
        lineup = Lineup(each, Offsets.fit(examples), arms["network"], others)
        chosen.append(Choice.of(lineup))
    assert chosen[0].serves == chosen[1].serves
    assert chosen[0].errors["duration"] != chosen[1].errors["duration"]


def test_gates_are_told_of_what_the_network_serves_only(examples: Examples, arms) -> None:
    mixed = replace(one_learned(), arms={"duration": arms["boosted"]})
    assert set(mixed.gates(examples.inputs)) == set(targets()) - {"duration"}
