import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from learner.calibration import Calibration

RNG = np.random.default_rng(0)


def narrow(n: int) -> np.ndarray:
    """Quantiles that promise much less spread than N(0, 1) has."""
    return np.tile([-0.1, 0.0, 0.1], (n, 1))


def test_after_correction_as_much_lies_below_as_is_said() -> None:
    kind = np.zeros(2000, dtype=int)
    truth = RNG.normal(size=2000)
    fitted = Calibration.fit({"d": narrow(2000)}, {"d": truth}, kind, 1)
    fresh = RNG.normal(size=5000)
    told = fitted.correct("d", narrow(5000), np.zeros(5000, dtype=int))
    assert abs((fresh < told[:, 0]).mean() - 0.1) < 0.02
    assert abs((fresh < told[:, 2]).mean() - 0.9) < 0.02


def test_a_kind_with_enough_rows_has_a_correction_of_its_own() -> None:
    kind = np.repeat([1, 2], 200)
    truth = np.concatenate([RNG.normal(0, 0.1, 200), RNG.normal(0, 3.0, 200)])
    fitted = Calibration.fit({"d": narrow(400)}, {"d": truth}, kind, 4)
    width = np.diff(fitted.correct("d", narrow(4), np.arange(4))[:, [0, 2]], axis=1)[:, 0]
    assert width[1] < width[0] < width[2]
    assert width[3] == width[0]  # a kind without rows takes what holds for all


def test_the_median_stays_where_it_is() -> None:
    truth = RNG.normal(5, 1, 300)
    kind = np.zeros(300, dtype=int)
    fitted = Calibration.fit({"d": narrow(300)}, {"d": truth}, kind, 1)
    assert fitted.shifts["d"][0, 1] == 0


def test_too_few_rows_correct_nothing() -> None:
    fitted = Calibration.fit({"d": narrow(5)}, {"d": np.full(5, 9.0)}, np.zeros(5, dtype=int), 1)
    assert (fitted.shifts["d"] == 0).all()


@given(arrays(float, (1, 3), elements=st.floats(-5, 5)), st.floats(-3, 3))
def test_correction_never_makes_quantiles_cross(shift: np.ndarray, middle: float) -> None:
    told = Calibration({"d": shift * [1, 0, 1]}).correct("d", middle + narrow(1), np.zeros(1, int))
    assert (np.diff(told) >= 0).all()
