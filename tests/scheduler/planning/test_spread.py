"""The distribution through a few quantiles, against laws that we know."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.planning.spread import chance_within, quantile

LEVELS = (0.1, 0.5, 0.9)
Z90 = 1.2815515655446004  # normal scores from tables
Z99 = 2.3263478740408408


def log_normal(sigma: float) -> np.ndarray:
    return np.exp(sigma * np.array([[-Z90, 0.0, Z90]]))


def test_a_log_normal_law_is_told_by_its_quantiles_tails_included() -> None:
    assert quantile(log_normal(0.4), LEVELS, 0.99)[0] == pytest.approx(np.exp(0.4 * Z99))


def test_a_known_level_gives_the_value_that_is_known() -> None:
    values = np.array([[1.0, 3.0, 4.0]])
    assert [quantile(values, LEVELS, level)[0] for level in LEVELS] == [1.0, 3.0, 4.0]


def test_the_chance_of_staying_below_a_quantile_is_its_level() -> None:
    assert chance_within(log_normal(0.4), LEVELS, np.exp([0.4 * Z99])) == pytest.approx(0.99)


def test_what_is_certain_is_within_its_value_and_not_within_less() -> None:
    values = np.full((2, 3), 5.0)
    assert chance_within(values, LEVELS, np.array([5.0, 4.999])).tolist() == [1.0, 0.0]


@given(steps=st.lists(st.floats(0.01, 2.0), min_size=3, max_size=3), level=st.floats(0.001, 0.999))
def test_chance_undoes_quantile(steps: list[float], level: float) -> None:
    values = np.cumsum(steps)[None, :]
    found = quantile(values, LEVELS, level)
    assert chance_within(values, LEVELS, found)[0] == pytest.approx(level, abs=1e-6)
