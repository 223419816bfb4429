"""How far a run has refuted its forecast, in closed form."""

from dataclasses import replace

import numpy as np
import pytest
from worlds import placed, problem_of

from scheduler.execution.doubts import doubt
from scheduler.planning.problem import Problem

Z90 = 1.2815515655446004
SIGMA = 0.3


def told(took: list[float], *, running: float | None = None, sigma: float = SIGMA) -> Problem:
    """Tasks of ten seconds (log-normal) one after the other, of which some took so long already."""
    problem = problem_of([[10.0, 10.0]] * (len(took) + 2))
    band = np.exp(sigma * Z90 * np.array([-1.0, 0.0, 1.0]))
    forecast = replace(problem.forecast, duration=problem.forecast.duration[..., 1:2] * band)
    problem, fixed, now = replace(problem, forecast=forecast), {}, 0.0
    for number, seconds in enumerate(took, start=1):
        fixed[f"t{number}"] = replace(placed(problem, f"t{number}", "w1", now), end=now + seconds)
        now += seconds
    if running is not None:
        name = f"t{len(took) + 1}"
        fixed[name] = replace(placed(problem, name, "w1", now), end=now + 2 * running)
        now += running
    return replace(problem, fixed=fixed, now=now)


def at(score: float) -> float:
    return float(10.0 * np.exp(SIGMA * score))


def test_before_anything_happened_nothing_is_doubted() -> None:
    assert doubt(told([])) == 1.0


def test_a_run_as_believed_raises_no_doubt() -> None:
    assert doubt(told([at(z) for z in (-1.2, -0.4, 0.0, 0.4, 1.2)])) == 1.0


def test_doubt_is_half_the_mean_square_of_scores_beside_four_that_are_as_believed() -> None:
    assert doubt(told([at(3.0)] * 4)) == pytest.approx((4 + 4 * 9) / 8 / 2)
    assert doubt(told([at(-3.0)] * 4)) == pytest.approx((4 + 4 * 9) / 8 / 2)


def test_durations_that_vary_by_less_than_twice_the_believed_variance_raise_no_doubt() -> None:
    assert doubt(told([at(1.4), at(-1.4)] * 20)) == 1.0


def test_an_attempt_that_is_off_beyond_measure_counts_for_25() -> None:
    assert doubt(told([10_000.0])) == pytest.approx((4 + 25) / 5 / 2)


def test_what_runs_is_doubted_when_it_is_late_and_not_before() -> None:
    assert doubt(told([], running=at(1.2))) == 1.0
    assert doubt(told([], running=at(3.0))) == pytest.approx((4 + 9) / 5 / 2)


def test_what_was_given_up_refutes_nothing() -> None:
    assert doubt(told([0.0] * 5)) == 1.0


def test_a_certain_forecast_is_not_refuted_by_a_few_hundredths() -> None:
    assert doubt(told([10.2] * 20, sigma=0.0)) == 1.0
    assert doubt(told([20.0] * 20, sigma=0.0)) == pytest.approx((4 + 20 * 25) / 24 / 2)
