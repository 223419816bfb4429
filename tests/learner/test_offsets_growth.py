import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from learner.offsets.growth import STEEPEST, Growth, line, plain, powers


def law(x, seconds, read=powers):
    """The law of one kind with one size."""
    return of(np.log(x)[:, None], np.log(seconds), read)


def of(sizes, values, read=powers):
    return Growth.fit(sizes, values, np.zeros(len(values), dtype=np.int64), kinds=1, read=read)


def at(fitted, x):
    return float(np.exp(fitted.at(np.log([[x]]), np.zeros(1, dtype=np.int64)))[0])


@pytest.mark.parametrize("power", [0.3, 0.5, 0.8, 1.0])
def test_a_power_law_is_found_and_carried_a_hundred_times_further(power: float) -> None:
    x = np.geomspace(1e6, 1e9, 24)
    fitted = law(x, 3.0 * (x / 1e6) ** power)
    assert fitted.power[0, 0] == pytest.approx(power, abs=0.03)
    assert at(fitted, 1e11) == pytest.approx(3.0 * 1e5**power, rel=0.15)


def test_a_fixed_cost_is_told_from_the_growth_above_it() -> None:
    """A straight line in logarithms through these points would be half as high at the end."""
    x = np.geomspace(1e6, 1e9, 24)
    fitted = law(x, 20.0 + 100 * (x / 1e9))
    assert at(fitted, 1e10) == pytest.approx(1020.0, rel=0.15)


def test_what_does_not_depend_on_size_stays_where_it_is() -> None:
    rng = np.random.default_rng(0)
    fitted = law(np.geomspace(1e6, 1e9, 40), 7.0 * np.exp(rng.normal(0, 0.02, 40)))
    assert at(fitted, 1e11) == pytest.approx(7.0, rel=0.3)


@pytest.mark.parametrize("read", [powers, line])
def test_the_size_that_tells_most_is_taken(read) -> None:
    rng = np.random.default_rng(1)
    useless, useful = rng.normal(0, 2, 50), rng.normal(0, 2, 50)
    sizes = np.column_stack([useless, useful])
    fitted = of(sizes, 0.7 * useful, read)
    assert fitted.weight[0, 1] > 0.99


def test_a_kind_with_two_sizes_has_no_law() -> None:
    sizes = np.log([[1e6], [1e6], [1e9]])
    fitted = of(sizes, np.zeros(3))
    assert not fitted.lawful().any()
    assert fitted.at(sizes, np.zeros(3, dtype=np.int64)).tolist() == [0.0, 0.0, 0.0]


def test_a_line_is_the_weighted_least_squares_line() -> None:
    """Against the closed form, with weights of one over the value."""
    rng = np.random.default_rng(2)
    x = rng.uniform(1, 9, 30)
    seconds = (5 + 2 * x) * np.exp(rng.normal(0, 0.1, 30))
    w = 1 / seconds
    mean_x, mean_y = (w * x).sum() / w.sum(), (w * seconds).sum() / w.sum()
    slope = (w * (x - mean_x) * (seconds - mean_y)).sum() / (w * (x - mean_x) ** 2).sum()
    assert at(law(x, seconds, line), 50.0) == pytest.approx(mean_y + slope * (50 - mean_x))


def test_a_line_through_falling_values_is_flat() -> None:
    fitted = law(np.arange(1.0, 9.0), np.arange(9.0, 1.0, -1), line)
    assert at(fitted, 100.0) == pytest.approx(at(fitted, 1.0))
    assert 2 < at(fitted, 1.0) < 9


def test_few_values_that_do_not_follow_the_size_are_told_by_their_median() -> None:
    seconds = np.array([3.0, 1.0, 4.0, 1.0, 5.0, 9.0, 2.0])
    assert at(law(np.arange(1.0, 8.0), seconds, plain), 50.0) == pytest.approx(3.0)


def test_the_plain_line_is_that_of_least_squares() -> None:
    rng = np.random.default_rng(3)
    x = rng.uniform(1, 9, 12)
    seconds = 5 + 2 * x + rng.normal(0, 0.5, 12)
    slope, start = np.polyfit(x, seconds, 1)
    assert at(law(x, seconds, plain), 40.0) == pytest.approx(start + 40 * slope)


def test_sizes_that_tell_as_much_weigh_as_much() -> None:
    x = np.linspace(1, 9, 20)
    fitted = of(np.column_stack([x, -x]), np.zeros(20))
    np.testing.assert_allclose(fitted.weight, [[1.0, 0.0]])  # the second repeats the first


@given(st.lists(st.floats(-3, 12), min_size=4, max_size=12), st.integers(0, 100))
def test_a_law_never_falls_and_never_rises_faster_than_the_steepest(values, seed) -> None:
    x = np.sort(np.random.default_rng(seed).normal(15, 3, len(values)))[:, None]
    fitted = of(x, np.array(values))
    told = fitted.at(np.arange(5.0, 45.0)[:, None], np.zeros(40, dtype=np.int64))
    assert (np.diff(told) >= -1e-9).all()
    assert (np.diff(told) <= STEEPEST + 1e-9).all()


@pytest.mark.filterwarnings("error")
def test_a_plain_line_through_equal_values_is_flat_and_divides_by_nothing() -> None:
    """Nothing varies, so nothing correlates; a slope above zero is but rounding."""
    x = np.geomspace(1e6, 1e9, 24)
    for level in np.linspace(0.1, 9.0, 40):
        fitted = law(x, np.full(24, level), plain)
        assert at(fitted, 1e10) == pytest.approx(level)
