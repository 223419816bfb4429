"""Lines by least absolute deviations: robust, and only where they pay."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from learner.features import Inputs
from learner.lines import Lines, badness, fit_lines

EVERY = (np.array([0, 1]),)


def rows(numbers: np.ndarray, kind: np.ndarray | None = None) -> Inputs:
    count = len(numbers)
    kind = np.ones(count, dtype=np.int64) if kind is None else kind
    missing = np.isnan(numbers).astype(float)
    zeros = np.zeros(count, dtype=np.int64)
    return Inputs(kind, zeros, zeros, np.nan_to_num(numbers), missing)


def fitted(numbers: np.ndarray, values: np.ndarray, kind: np.ndarray | None = None) -> Lines:
    return fit_lines(rows(numbers, kind), values, kinds=3, groups=EVERY)[0]


def test_a_clean_line_is_found_and_a_fifth_of_wild_rows_does_not_move_it() -> None:
    rng = np.random.default_rng(0)
    numbers = rng.normal(size=(200, 2))
    values = 3 + 2 * numbers[:, 0] + 0.01 * rng.normal(size=200)
    values[::5] += 50
    lines = fitted(numbers, values)
    assert lines.slopes[1] == pytest.approx([2, 0], abs=0.05)
    assert lines.at(rows(np.zeros((1, 2))))[0] == pytest.approx(3, abs=0.05)


def test_a_kind_whose_numbers_say_nothing_keeps_its_median() -> None:
    rng = np.random.default_rng(1)
    values = rng.normal(size=60)
    lines = fitted(rng.normal(size=(60, 2)), values)
    assert not lines.slopes[1].any()
    assert lines.level[1] == np.median(values)


def test_a_kind_with_a_handful_of_rows_has_its_median_and_nothing_is_said_of_rows_left_out() -> (
    None
):
    values = np.array([1.0, 2.0, 9.0])
    lines, apart = fit_lines(rows(np.zeros((3, 2))), values, kinds=3, groups=EVERY)
    assert lines.level[1] == 2.0
    assert np.isnan(apart).all()


def test_kinds_never_observed_are_told_the_median_of_all() -> None:
    lines = fitted(np.zeros((9, 2)), np.arange(9.0))
    assert lines.at(rows(np.zeros((1, 2)), np.array([2])))[0] == 4.0
    assert lines.at(rows(np.zeros((1, 2)), np.array([0])))[0] == 4.0


def test_what_a_line_says_of_rows_left_out_does_not_depend_on_them(monkeypatch) -> None:
    monkeypatch.setattr("learner.lines.PENALTIES", (1.0,))
    rng = np.random.default_rng(2)
    numbers = rng.normal(size=(80, 2))
    values = numbers[:, 0] + 0.1 * rng.normal(size=80)
    moved = np.where(np.arange(80) < 20, values + 1e-3, values)
    before, after = (fit_lines(rows(numbers), v, kinds=3, groups=EVERY)[1] for v in (values, moved))
    assert before[:20] == pytest.approx(after[:20], abs=1e-12)
    assert not np.allclose(before[20:], after[20:], atol=1e-12)


def test_lines_end_a_little_beyond_the_numbers_seen() -> None:
    numbers = np.column_stack([np.linspace(-1, 1, 50), np.zeros(50)])
    lines = fitted(numbers, 2 * numbers[:, 0])
    far, farther = (lines.at(rows(np.array([[x, 0.0]])))[0] for x in (30.0, 300.0))
    assert far == farther < 2 * 4


def test_a_missing_number_counts_as_the_usual_one_of_the_kind() -> None:
    rng = np.random.default_rng(3)
    numbers = rng.normal(5, 1, size=(60, 2))
    lines = fitted(numbers, numbers[:, 0])
    told = lines.at(rows(np.array([[np.nan, np.nan]])))[0]
    assert told == pytest.approx(np.median(numbers[:, 0]), abs=0.02)


@settings(max_examples=12, deadline=None)
@given(st.floats(-50, 50), st.integers(0, 5))
def test_moving_all_values_moves_all_lines(shift: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    numbers = rng.normal(size=(40, 2))
    values = numbers @ [1.0, -0.5] + 0.1 * rng.normal(size=40)
    apart = fitted(numbers, values + shift).at(rows(numbers)) - fitted(numbers, values).at(
        rows(numbers)
    )
    assert apart == pytest.approx(shift, abs=1e-6)


def test_badness_tells_how_often_rather_than_how_far_one_is_off() -> None:
    often, far = np.full(10, 1.0), np.array([0.0] * 9 + [1e6])
    assert badness(often, 1.0) == 0.5
    assert badness(far, 1.0) == pytest.approx(0.1, abs=1e-6)
