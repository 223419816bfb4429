"""Members that speak together, each as loud as it was right about the kind."""

from functools import cache

import numpy as np
import pytest

from learner.features import Columns, Inputs, Number
from learner.mixture import (
    BASE,
    LINES,
    TREES,
    Mixture,
    fit_mixture,
    groups_of,
    trees_installed,
)

GROUPS = {"sizes": np.array([0]), "all": np.array([0, 1])}
needs_trees = pytest.mark.skipif(not trees_installed(), reason="LightGBM is not installed")


def rows(numbers: np.ndarray, kind: np.ndarray) -> Inputs:
    zeros = np.zeros(len(numbers), dtype=np.int64)
    return Inputs(kind, zeros, zeros, numbers, np.zeros_like(numbers))


def world(count: int = 160) -> tuple[Inputs, np.ndarray]:
    """Kind 1 grows with its size, kind 2 is constant but for noise, both in turn."""
    rng = np.random.default_rng(0)
    numbers = rng.normal(size=(count, 2))
    kind = 1 + np.arange(count) % 2
    noise = 0.02 * rng.normal(size=count)
    return rows(numbers, kind), np.where(kind == 1, 2 * numbers[:, 0], 5.0) + noise


@cache
def usual() -> tuple[Mixture, np.ndarray, Inputs, np.ndarray]:
    return fitted(np.zeros(160))


def fitted(base: np.ndarray) -> tuple[Mixture, np.ndarray, Inputs, np.ndarray]:
    inputs, values = world()
    mixture, apart = fit_mixture(inputs, values, base, GROUPS, kinds=4)
    return mixture, apart, inputs, values


def test_a_kind_that_hardly_varies_keeps_its_median_and_another_gets_its_line() -> None:
    mixture, apart, inputs, values = usual()
    constant = inputs.kind == 2
    told = mixture.at(inputs, np.zeros(len(values)))
    assert told[constant] == pytest.approx(np.median(values[constant]))
    assert np.abs(told - values)[~constant].mean() < 0.05
    assert np.abs(apart - values)[~constant].mean() < 0.1


def test_an_offset_that_is_never_wrong_speaks_alone_or_with_trees_on_it() -> None:
    _, values = world()
    mixture, _, inputs, _ = fitted(values + 1e-6)
    on_base = [member.under == BASE for member in mixture.trees]
    loud = mixture.weight[1, len(mixture.lines) :]
    assert loud[[True, *on_base]].sum() > 0.99
    told = mixture.at(inputs, values)
    assert told == pytest.approx(values, abs=1e-3)


def test_weights_of_a_kind_add_up_to_one_and_are_none_where_nothing_was_seen() -> None:
    mixture = usual()[0]
    assert mixture.weight.sum(1) == pytest.approx([0, 1, 1, 0])
    assert mixture.weight.shape[1] == len(mixture.lines) + 1 + len(mixture.trees)


def test_kinds_never_seen_are_told_what_the_offset_says() -> None:
    mixture = usual()[0]
    strange = rows(np.ones((2, 2)), np.array([0, 3]))
    assert mixture.at(strange, np.array([7.0, 8.0])).tolist() == [7.0, 8.0]


def test_a_mixture_that_was_written_down_says_the_same_whatever_the_order() -> None:
    mixture, _, inputs, values = usual()
    arrays = mixture.as_arrays()
    again = Mixture.from_arrays({name: arrays[name] for name in sorted(arrays)})
    base = np.linspace(0, 1, len(values))
    assert np.array_equal(again.at(inputs, base), mixture.at(inputs, base))


@needs_trees
def test_trees_serve_where_the_truth_is_no_line() -> None:
    rng = np.random.default_rng(1)
    numbers = rng.uniform(-1, 1, size=(400, 2))
    values = 4 * np.abs(numbers[:, 0]) + 0.01 * rng.normal(size=400)
    inputs = rows(numbers, np.ones(400, dtype=np.int64))
    mixture, apart = fit_mixture(inputs, values, np.zeros(400), GROUPS, kinds=2)
    assert mixture.weight[1, len(mixture.lines) + 1 :].sum() > 0.9
    assert np.median(np.abs(apart - values)) < 0.1


def test_without_values_only_the_offset_speaks() -> None:
    inputs, values = world()
    mixture, apart = fit_mixture(inputs, np.full(len(values), np.nan), values, GROUPS, kinds=4)
    assert np.array_equal(mixture.at(inputs, values), values)
    assert np.array_equal(apart, values)


def test_groups_of_columns_are_those_of_sizes_of_the_subject_and_of_all_the_past() -> None:
    numbers = (
        Number("bytes", 0.0, 1.0),
        Number("subject_read", 0.0, 1.0, context=True),
        Number("kind_memory", 0.0, 1.0, context=True),
        Number("level", 0.0, 1.0, context=True),
    )
    groups = groups_of(Columns(("",), ("",), ("",), numbers))
    assert {name: group.tolist() for name, group in groups.items()} == {
        "sizes": [0],
        "subject": [0, 1],
        "all": [0, 1, 2],
    }


def test_every_member_is_named_apart() -> None:
    assert len({*LINES, BASE}) == len(LINES) + 1
    assert len(set(TREES)) == len(TREES)
