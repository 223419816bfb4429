import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from learner.calibration import USUAL, Calibration
from learner.features import Inputs

RNG = np.random.default_rng(0)


def narrow(n: int) -> np.ndarray:
    """Quantiles that promise much less spread than N(0, 1) has."""
    return np.tile([-0.1, 0.0, 0.1], (n, 1))


def rows(kind: np.ndarray, worker: np.ndarray | None = None) -> Inputs:
    """Inputs of which calibration sees the kind and the worker."""
    nothing = np.zeros((len(kind), 0))
    place = np.zeros(len(kind), dtype=int)
    return Inputs(kind, place if worker is None else worker, place, nothing, nothing)


def fitted(truth: np.ndarray, inputs: Inputs, kinds: int = 1, workers: int = 1) -> Calibration:
    told = {"d": narrow(len(truth))}
    return Calibration.fit(told, {"d": truth}, inputs, kinds=kinds, workers=workers)


def zeros(n: int) -> Inputs:
    return rows(np.zeros(n, dtype=int))


def test_after_correction_as_much_lies_below_as_is_said() -> None:
    made = fitted(RNG.normal(size=2000), zeros(2000))
    fresh = RNG.normal(size=5000)
    told = made.correct("d", narrow(5000), zeros(5000))
    assert abs((fresh < told[:, 0]).mean() - 0.1) < 0.02
    assert abs((fresh < told[:, 2]).mean() - 0.9) < 0.02


def test_so_it_does_for_each_kind_and_each_worker() -> None:
    def world(n: int) -> tuple[Inputs, np.ndarray]:
        inputs = rows(RNG.integers(0, 3, n), RNG.integers(0, 3, n))
        spread = np.array([0.3, 1.0, 2.0])[inputs.kind] * np.array([1.0, 1.5, 2.0])[inputs.worker]
        return inputs, spread * RNG.normal(size=n)

    made = fitted(*reversed(world(9000)), 3, 3)
    fresh, truth = world(30000)
    below = truth[:, None] < made.correct("d", narrow(30000), fresh)[:, [0, 2]]
    for place in range(3):
        np.testing.assert_allclose(below[fresh.kind == place].mean(0), [0.1, 0.9], atol=0.02)
        np.testing.assert_allclose(below[fresh.worker == place].mean(0), [0.1, 0.9], atol=0.02)


def test_a_kind_has_a_correction_of_its_own() -> None:
    truth = np.concatenate([RNG.normal(0, 0.1, 200), RNG.normal(0, 3.0, 200)])
    made = fitted(truth, rows(np.repeat([1, 2], 200)), 4)
    width = np.diff(made.correct("d", narrow(4), rows(np.arange(4)))[:, [0, 2]], axis=1)[:, 0]
    assert width[1] < width[0] < width[2]
    assert width[3] == width[0]  # a kind without rows takes what holds for all


def test_few_rows_weigh_as_their_number_against_what_is_usual() -> None:
    """Twenty rows of one kind count half: its shift is the mean of its own and the usual one."""
    truth = np.concatenate([np.full(980, 0.1), np.full(20, 1.1)])
    made = fitted(truth, rows(np.repeat([0, 1], [980, 20])), 2)
    assert USUAL == 20
    np.testing.assert_allclose(made.shifts["d"][:, 2], [0.0, 0.5], atol=1e-12)


def test_the_median_stays_where_it_is() -> None:
    made = fitted(RNG.normal(5, 1, 300), zeros(300))
    assert made.shifts["d"][0, 1] == 0
    assert made.workers["d"][0, 1] == 0


def test_too_few_rows_correct_nothing() -> None:
    made = fitted(np.full(5, 9.0), zeros(5))
    assert (made.shifts["d"] == 0).all()
    assert (made.workers["d"] == 0).all()


def test_rows_of_which_nothing_was_said_or_seen_teach_nothing() -> None:
    truth = RNG.normal(size=200)
    told = narrow(200)
    told[100:150], truth[150:] = np.nan, np.nan
    inputs = zeros(200)
    made = Calibration.fit({"d": told}, {"d": truth}, inputs, kinds=1, workers=1)
    alone = fitted(truth[:100], zeros(100))
    np.testing.assert_array_equal(made.shifts["d"], alone.shifts["d"])


def test_all_kinds_move_by_what_the_late_rows_are_off() -> None:
    """In the last tenth of the log everything takes e times as long; early rows know nothing."""
    kind = np.tile([1, 2], 1000)
    late = np.arange(2000) >= 1600
    truth = RNG.normal(size=2000) * kind + late
    told, inputs = narrow(2000), rows(kind)
    made = Calibration.fit({"d": told}, {"d": truth}, inputs, kinds=3, workers=1, late=late)
    fresh_kind = np.tile([1, 2], 5000)
    fresh = RNG.normal(size=10000) * fresh_kind + 1
    below = fresh[:, None] < made.correct("d", narrow(10000), rows(fresh_kind))[:, [0, 2]]
    np.testing.assert_allclose(below[:, 1].mean(), 0.9, atol=0.025)
    without = Calibration.fit({"d": told}, {"d": truth}, inputs, kinds=3, workers=1)
    deaf = fresh[:, None] < without.correct("d", narrow(10000), rows(fresh_kind))[:, [0, 2]]
    assert deaf[:, 1].mean() < 0.83


def test_late_rows_of_unknown_kinds_move_only_what_is_said_of_unknown_kinds() -> None:
    kind = np.repeat([0, 1], 500)
    late = np.tile([False, True], 500)
    truth = RNG.normal(size=1000)
    truth[(kind == 0) & late] += 9.0
    alike = {"kinds": 3, "workers": 1}
    told = ({"d": narrow(1000)}, {"d": truth}, rows(kind))
    moved = Calibration.fit(*told, **alike, late=late).shifts["d"][:, 2]
    stayed = Calibration.fit(*told, **alike).shifts["d"][:, 2]
    assert moved[0] - stayed[0] > 0.5
    np.testing.assert_allclose(moved[1] - stayed[1], moved[2] - stayed[2])
    assert abs(moved[1] - stayed[1]) < 0.3


@given(
    arrays(float, (1, 3), elements=st.floats(-5, 5)),
    arrays(float, (1, 3), elements=st.floats(-5, 5)),
    st.floats(-3, 3),
)
def test_correction_never_makes_quantiles_cross(
    kind: np.ndarray, worker: np.ndarray, middle: float
) -> None:
    made = Calibration({"d": kind * [1, 0, 1]}, {"d": worker * [1, 0, 1]})
    told = made.correct("d", middle + narrow(1), zeros(1))
    assert (np.diff(told) >= 0).all()
    assert told[0, 1] == middle
