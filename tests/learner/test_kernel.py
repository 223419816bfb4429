import numpy as np
import pytest
from numpy.random import default_rng

from learner.features import Inputs
from learner.kernel import MOST, Curves, fit_curves

COLUMNS, WORKERS = 2, 4


def inputs_of(n: int, *, seed: int = 0, kinds: int = 3) -> Inputs:
    rng = default_rng(seed)
    return Inputs(
        kind=rng.integers(1, kinds + 1, n),
        worker=rng.integers(1, WORKERS, n),
        workflow=np.zeros(n, dtype=np.int64),
        numbers=rng.normal(size=(n, COLUMNS)),
        missing=np.zeros((n, COLUMNS)),
    )


def truth_of(inputs: Inputs) -> np.ndarray:
    """A line and a bend that differ by kind, and workers of different speed."""
    x = inputs.numbers
    return inputs.kind + x[:, 0] * inputs.kind + np.sin(2 * x[:, 1]) + 0.5 * inputs.worker


def curves_of(inputs: Inputs, y: np.ndarray) -> tuple[Curves, np.ndarray]:
    block = np.arange(len(inputs))
    return fit_curves(inputs, {"y": y}, block, kinds=4, workers=WORKERS)["y"]


def said(curves: Curves, inputs: Inputs) -> np.ndarray:
    return curves.at(inputs.kind, inputs.worker, inputs.numbers)


def test_a_smooth_curve_is_found_from_few_rows() -> None:
    rows, fresh = inputs_of(240), inputs_of(500, seed=1)
    curves, _ = curves_of(rows, truth_of(rows))
    assert np.abs(said(curves, fresh) - truth_of(fresh)).mean() < 0.1


def test_what_is_said_of_a_row_comes_from_the_rows_of_other_blocks_only() -> None:
    rows = inputs_of(60, kinds=1)
    y = truth_of(rows) + default_rng(3).normal(0, 0.1, 60)
    block = np.arange(60) // 2
    _, apart = fit_curves(rows, {"y": y}, block, kinds=4, workers=WORKERS)["y"]
    moved = y.copy()
    moved[:2] += 0.5
    _, again = fit_curves(rows, {"y": moved}, block, kinds=4, workers=WORKERS)["y"]
    assert np.abs(again[:2] - apart[:2]).max() < 0.05  # the settings' weights move a little
    assert np.abs(again[2:] - apart[2:]).max() > 0.05


def test_the_rows_said_of_by_others_have_the_error_that_fresh_rows_have() -> None:
    rows, fresh = inputs_of(300), inputs_of(2000, seed=1)
    noise = default_rng(2).normal(0, 0.2, 2300)
    y = truth_of(rows) + noise[:300]
    curves, apart = curves_of(rows, y)
    fresh_error = np.abs(said(curves, fresh) - truth_of(fresh) - noise[300:]).mean()
    assert np.abs(apart - y).mean() == pytest.approx(fresh_error, rel=0.15)


def test_all_pairs_at_once_are_the_rows_one_by_one() -> None:
    rows, workers = inputs_of(90), np.arange(WORKERS)
    curves, _ = curves_of(rows, truth_of(rows))
    pairs = curves.pairs(rows.kind, workers, rows.numbers)
    for worker in workers:
        alone = curves.at(rows.kind, np.full(90, worker), rows.numbers)
        np.testing.assert_allclose(pairs[:, worker], alone)


def test_one_wild_outlier_hardly_moves_the_curve() -> None:
    rows, fresh = inputs_of(240), inputs_of(500, seed=1)
    y = truth_of(rows)
    y[7] += 50.0
    curves, _ = curves_of(rows, y)
    assert np.abs(said(curves, fresh) - truth_of(fresh)).mean() < 0.2


def test_many_rows_are_gathered_into_few_points_and_keep_the_curve() -> None:
    rows, fresh = inputs_of(3 * MOST, kinds=1), inputs_of(500, seed=1, kinds=1)
    curves, _ = curves_of(rows, truth_of(rows))
    assert len(curves.sizes) == MOST
    assert np.abs(said(curves, fresh) - truth_of(fresh)).mean() < 0.15


def test_a_kind_never_seen_says_nothing() -> None:
    rows = inputs_of(60, kinds=2)
    curves, _ = curves_of(rows, truth_of(rows))
    assert curves.at(np.array([3]), np.array([1]), np.zeros((1, COLUMNS))).tolist() == [0.0]


def test_values_never_observed_teach_nothing_and_break_nothing() -> None:
    rows = inputs_of(60)
    y = np.where(np.arange(60) % 2, np.nan, truth_of(rows))
    curves, apart = curves_of(rows, y)
    assert np.isfinite(said(curves, rows)).all()
    assert np.isfinite(apart).all()


def test_columns_of_the_context_are_straight_however_curved_the_rows() -> None:
    rows = inputs_of(240, kinds=1)
    curves, _ = fit_curves(
        rows, {"y": truth_of(rows)}, np.arange(240), kinds=4, workers=WORKERS, bent=1
    )["y"]
    steps = np.column_stack([np.zeros(5), np.arange(5.0)])
    told = curves.at(np.ones(5, dtype=np.int64), np.ones(5, dtype=np.int64), steps)
    np.testing.assert_allclose(np.diff(told), np.diff(told)[0])


def test_a_kind_seen_once_is_told_nothing_of_itself() -> None:
    rows = inputs_of(60, kinds=2)
    lonely = Inputs(
        np.append(rows.kind, 3),
        np.append(rows.worker, 1),
        np.append(rows.workflow, 0),
        np.vstack([rows.numbers, np.zeros((1, COLUMNS))]),
        np.vstack([rows.missing, np.zeros((1, COLUMNS))]),
    )
    for own in (5.0, 500.0):
        _, apart = curves_of(lonely, np.append(truth_of(rows), own))
        assert apart[-1] == 0


def test_equal_rows_of_a_kind_are_told_the_mean_of_the_others() -> None:
    rows = inputs_of(3, kinds=1)
    same = Inputs(
        rows.kind, np.ones_like(rows.worker), rows.workflow, 0 * rows.numbers, rows.missing
    )
    _, apart = curves_of(same, np.array([1.0, 2.0, 6.0]))
    np.testing.assert_allclose(apart, [4.0, 3.5, 1.5])
