import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.random import default_rng

from learner.policy import Policy, relative
from learner.policy_features import Encoding
from learner.policy_forest import Forest, ForestSettings, _explained, _left, _removed, grow
from scheduler.errors import InvalidInput

FEW = ForestSettings(trees=40)


def world(n: int, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """The first worker is best where the ratio of two sizes is below one, the second elsewhere."""
    rng = default_rng(seed)
    x = np.exp(rng.normal(0, 2, (n, 6)))
    hard = np.exp(rng.normal(3, 2, n))  # how long it takes anywhere: no concern of the choice
    first = x[:, 0] < x[:, 1]
    return x, hard[:, None] + np.where(first[:, None], [[1.0, 9.0, 8.0]], [[9.0, 1.0, 8.0]])


def whole_world(n: int) -> tuple[np.ndarray, np.ndarray]:
    """The same with four workers and whole seconds: sums and means without rounding."""
    x, cost = world(n)
    return x, np.round(np.column_stack([cost, cost[:, 0] + 2]))


def test_a_policy_finds_the_best_worker_where_it_depends_on_a_ratio() -> None:
    x, cost = world(600)
    new, truth = world(400, seed=1)
    chosen = Policy.fit(x, cost, settings=FEW).choose(new)
    assert (chosen == truth.argmin(1)).mean() > 0.9


def test_what_makes_work_dear_everywhere_is_no_part_of_what_is_said() -> None:
    x, cost = whole_world(200)
    near, far = (Policy.fit(x, each, settings=FEW).costs(x) for each in (cost, cost + 1024))
    assert (near.argmin(1) == far.argmin(1)).mean() > 0.98
    assert np.abs(near.mean(1)).max() < 1e-9
    assert np.abs(far.mean(1)).max() < 1e-9


def test_expected_cost_decides_and_not_the_usual_one() -> None:
    """The second worker is faster nine times in ten, and fails the tenth time at ten cut-offs."""
    failed = default_rng(3).uniform(size=500) < 0.1
    cost = np.column_stack([np.full(500, 0.5), np.where(failed, 10.0, 0.1)])
    x = np.zeros((500, 1)) + default_rng(4).normal(size=(500, 1))
    forest = ForestSettings(trees=40, leaf=100)
    assert (Policy.fit(x, cost, settings=forest).choose(x) == 0).mean() > 0.9


def test_the_units_of_costs_scale_what_is_said() -> None:
    x, cost = whole_world(100)
    one, many = (Policy.fit(x, c, settings=FEW).costs(x) for c in (cost, cost * 1024))
    np.testing.assert_array_equal(one * 1024, many)


def test_a_seed_gives_the_same_policy_again_and_another_a_different_one() -> None:
    x, cost = world(100)
    a, b, c = (Policy.fit(x, cost, seed=seed, settings=FEW).costs(x) for seed in (1, 1, 2))
    assert (a == b).all()
    assert (a != c).any()


def test_rows_are_chosen_for_one_by_one() -> None:
    x, cost = world(100)
    policy = Policy.fit(x, cost, settings=FEW)
    np.testing.assert_array_equal(policy.costs(x)[7:8], policy.costs(x[7:8]))


def test_an_unknown_cost_becomes_what_is_usual_of_its_worker() -> None:
    cost = np.array([[1.0, 3.0], [11.0, 13.0], [5.0, np.nan]])
    apart, level = relative(cost)
    np.testing.assert_allclose(apart, [[-1, 1], [-1, 1], [-1, 1]])
    np.testing.assert_allclose(level, [2, 12, 6])


@pytest.mark.parametrize(
    "cost", [np.ones(3), np.ones((2, 2)), np.full((3, 2), np.nan), np.full((3, 2), np.inf)]
)
def test_tables_that_say_nothing_are_refused(cost: np.ndarray) -> None:
    with pytest.raises(InvalidInput):
        Policy.fit(np.ones((3, 2)), cost)


def test_missing_values_constants_and_negative_ones_are_made_fit() -> None:
    x = np.array([[1.0, np.nan, 5.0, -9.0], [2.0, 4.0, 5.0, 9.0], [3.0, 6.0, 5.0, 0.0]])
    x = np.column_stack([x, np.full(3, np.nan)])
    told = Encoding.fit(x).apply(x)
    assert told.shape == (3, 4)  # three columns that vary, and one flag
    assert np.isfinite(told).all()
    assert told[:, -1].tolist() == [1.0, 0.0, 0.0]
    np.testing.assert_allclose(told[:, :3].mean(0), 0, atol=1e-12)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), leaf=st.integers(1, 20))
def test_a_tree_divides_its_rows_and_leaves_hold_their_means(seed: int, leaf: int) -> None:
    rng = default_rng(seed)
    x, cost = rng.normal(size=(60, 3)), rng.normal(size=(60, 2))
    column, _, _, _, child, value = grow(x, cost, cost, seed, 3, leaf, 0.5, 0.5)
    forest = Forest.fit(x, cost, ForestSettings(trees=1, leaf=leaf), seed=seed)
    told, counts = np.unique(forest.costs(x), axis=0, return_counts=True)
    assert counts.min() >= leaf
    np.testing.assert_allclose((told * counts[:, None]).sum(0), cost.sum(0), atol=1e-9)
    assert ((column < 0) == (child == 0)).all()
    assert np.isfinite(value).all()


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_a_cut_explains_what_scatter_falls_by_and_saves_what_a_second_choice_saves(
    seed: int,
) -> None:
    rng = default_rng(seed)
    values, shown, total = rng.normal(size=(30, 3)), rng.permutation(30).astype(float), np.zeros(3)
    at = rng.uniform(0, 29)
    left = shown <= at
    sides = values[left], values[~left]
    count = _left(values, shown, at, total)
    explained = _explained(total, values.sum(0), count, 30)
    saved = _removed(total, values.sum(0))
    assert count == left.sum()
    scatter = [each.var(0).sum() * len(each) for each in (values, *sides)]
    np.testing.assert_allclose(explained, scatter[0] - scatter[1] - scatter[2], atol=1e-9)
    cheapest = [each.sum(0).min() for each in (values, *sides)]
    np.testing.assert_allclose(saved, cheapest[0] - cheapest[1] - cheapest[2], atol=1e-9)


def test_trees_divide_where_another_worker_becomes_best_and_not_where_costs_differ() -> None:
    """Half of the columns tell how dear the third worker is, whom nobody would choose."""
    side = default_rng(5).uniform(-1, 1, (400, 2))
    x = np.repeat(side, 6, axis=1)
    best = side[:, 1] > 0
    cost = np.column_stack([best, ~best, 5 + 10.0 * (side[:, 0] > 0)]).astype(float)
    right = []
    for weight in (1.0, 0.0):
        stumps = ForestSettings(trees=20, leaf=140, share=1.0, prescription=weight)
        told = Forest.fit(x, cost, stumps, seed=0).costs(x).argmin(1)
        right.append((told == cost.argmin(1)).mean())
    assert right[0] > 0.85
    assert right[1] < 0.75


def test_a_forest_saved_is_the_same_forest() -> None:
    x, cost = world(80)
    forest = Forest.fit(x, cost, FEW, seed=0)
    again = Forest.from_arrays(forest.as_arrays())
    np.testing.assert_array_equal(forest.costs(x), again.costs(x))
