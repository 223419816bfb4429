import numpy as np
import pytest
from logged_worlds import KINDS, logs, seconds

from learner.examples import Examples
from learner.features import Known
from learner.offsets import Offsets, fit_ridge, ridge
from learner.targets import targets


@pytest.fixture(scope="module")
def examples() -> Examples:
    return Examples.of(logs(600))


@pytest.fixture(scope="module")
def offsets(examples: Examples) -> Offsets:
    return Offsets.fit(examples)


def test_the_ridge_solves_the_penalised_normal_equations() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(50, 3)), rng.normal(size=50)
    found = ridge(x, y, 2.0)
    rows = np.vstack([np.c_[np.ones(50), x], np.c_[np.zeros(3), np.sqrt(2.0) * np.eye(3)]])
    expected, *_ = np.linalg.lstsq(rows, np.r_[y, np.zeros(3)], rcond=None)
    np.testing.assert_allclose(found, expected, atol=1e-10)


def test_a_kind_is_fitted_by_its_own_ridge_over_the_shared_effect_of_workers(examples) -> None:
    rows, columns = examples.split.train, examples.columns
    inputs, truth = examples.inputs.take(rows), examples.truth["duration"][rows]
    fitted = fit_ridge(inputs, truth, targets()["duration"], columns)
    kind = columns.kinds.index("align")
    mine = (inputs.kind == kind) & ~np.isnan(truth)
    habit = np.array([fitted.worker[0, w] for w in inputs.worker[mine]])
    dummies = np.eye(len(columns.workers))[inputs.worker[mine]][:, 1:]
    expected = ridge(np.hstack([inputs.numbers[mine], dummies]), truth[mine] - habit)
    assert fitted.intercept[kind] == pytest.approx(expected[0])
    np.testing.assert_allclose(fitted.slopes[kind], expected[1:3], atol=1e-9)
    np.testing.assert_allclose(
        fitted.worker[kind, 1:] - fitted.worker[0, 1:], expected[3:], atol=1e-9
    )


@pytest.mark.parametrize("kind", KINDS)
def test_the_law_of_each_kind_is_found(offsets: Offsets, examples: Examples, kind: str) -> None:
    known = Known(kind, "alpha", "nightly", {"input_bytes": 2e6, "requested_cores": 2.0})
    believed = offsets.ridges["duration"].at(examples.columns.encode([known]))[0]
    assert believed == pytest.approx(np.log(seconds(kind, "alpha", 2.0)), abs=0.15)


def test_beyond_the_sizes_seen_time_grows_at_most_like_the_size(offsets, examples) -> None:
    def believed(size: float) -> float:
        known = Known("solve", "beta", "nightly", {"input_bytes": size, "requested_cores": 2.0})
        return float(offsets.ridges["duration"].at(examples.columns.encode([known]))[0])

    assert 0 < believed(1e10) - believed(1e9) <= np.log(10) + 1e-9
    assert believed(1e-3) > believed(1e6) - 20
    assert np.isfinite(believed(1e18))


def test_cores_do_not_grow_beyond_the_sizes_seen(offsets, examples) -> None:
    rows = [Known("sort", "beta", "nightly", {"input_bytes": s}) for s in (1e9, 1e12)]
    told = offsets.ridges["cpu"].at(examples.columns.encode(rows))
    assert told[0] == told[1]


def test_an_unknown_kind_takes_what_the_kinds_share(offsets, examples) -> None:
    rows = [Known("new", worker, "nightly", {"input_bytes": 2e6}) for worker in ("alpha", "weak")]
    told = offsets.ridges["duration"].at(examples.columns.encode(rows))
    assert told[0] < told[1]  # weak is slower on the whole


def test_a_quantity_never_observed_gets_a_usual_value(examples: Examples) -> None:
    nothing = np.full(len(examples), np.nan)
    fitted = fit_ridge(examples.inputs, nothing, targets()["memory"], examples.columns)
    np.testing.assert_allclose(np.exp(fitted.at(examples.inputs)), 2.0**30)


def test_offsets_survive_being_written_down(offsets: Offsets, examples: Examples) -> None:
    again = Offsets.from_arrays({n: np.array(a) for n, a in offsets.as_arrays().items()})
    for target in targets():
        told, said = (each.under(target, examples.inputs) for each in (offsets, again))
        assert np.array_equal(told, said)


def test_training_rows_alone_decide_the_offsets() -> None:
    records = logs(200)
    changed = [*records[:170], *logs(200, seed=9)[170:]]
    one, two = (Offsets.fit(Examples.of(each)) for each in (records, changed))
    assert np.array_equal(one.ridges["duration"].slopes, two.ridges["duration"].slopes)
