import os
from pathlib import Path

import numpy as np
import pytest

from benchmarks.predicting import local_runs
from benchmarks.rivals import lotaru_runs as rivals

X = np.linspace(1e6, 1e9, 12)


def test_a_line_without_noise_is_found_and_scaled_by_the_machine() -> None:
    said, scaled = rivals.lotaru(X, 3 + 5e-7 * X, np.array([4e9]))
    assert scaled
    assert said[0] == pytest.approx(2003, rel=1e-3)


def test_times_that_do_not_follow_the_size_get_their_median_unscaled() -> None:
    seconds = np.tile([1.0, 7.0, 2.0], 4)
    said, scaled = rivals.lotaru(X, seconds, np.array([4e9]))
    assert (said[0], scaled) == (2.0, False)


def test_the_bayesian_line_is_that_of_an_independent_fit() -> None:
    linear_model = pytest.importorskip("sklearn.linear_model")
    rng = np.random.default_rng(0)
    seconds = (3 + 5e-8 * X) * np.exp(rng.normal(0, 0.3, len(X)))
    asked = np.array([2e8, 4e9])
    peer = linear_model.BayesianRidge().fit(X[:, None], seconds).predict(asked[:, None])
    assert rivals.lotaru(X, seconds, asked)[0] == pytest.approx(peer, rel=1e-3)


def test_a_factor_of_exactly_one_is_replaced_by_the_median_of_the_others() -> None:
    found = rivals.factors_of_tasks({"a": 2, "b": 1, "c": 6}, {"a": 1, "b": 1, "c": 2})
    assert found == {"a": 2.0, "b": 2.5, "c": 3.0, "": 2.5}


@pytest.mark.data
def test_the_baselines_come_out_as_published() -> None:
    """Lotaru-G .059 / .150, Lotaru-A .059 / .153, Online-M .094 / .354, Naive .694 / .639."""
    folder = os.environ.get("ALLOT_PUBLIC_LOGS")
    if folder is None:
        pytest.skip("ALLOT_PUBLIC_LOGS names no folder of public logs")
    peers = local_runs.part(Path(folder), quick=True).peers
    found = {name: (each["local"], each["elsewhere"]) for name, each in peers.items()}
    assert found == {
        "local runs: Lotaru-G": pytest.approx((0.059, 0.150), abs=1e-3),
        "local runs: Lotaru-A": pytest.approx((0.059, 0.153), abs=1e-3),
        "local runs: Online-M": pytest.approx((0.094, 0.354), abs=1e-3),
        "local runs: Naive": pytest.approx((0.694, 0.639), abs=1e-3),
    }
