"""What few attempts say of a kind on a worker is shrunk towards the kind."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from scheduler.predictors.shrinking import shrunk

SECONDS = arrays(np.float64, st.integers(1, 12), elements=st.floats(1e-3, 1e6))


def drawn(count: int, *, middle: float = 40.0, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).lognormal(np.log(middle), 0.5, count)


def test_one_worker_is_told_by_its_own_quantiles() -> None:
    assert shrunk([np.arange(1.0, 12.0)]).tolist() == [[2.0, 6.0, 10.0]]


def test_workers_that_differ_by_no_more_than_chance_are_told_the_same() -> None:
    samples = [np.array([10.0, 20, 40]), np.array([12.0, 24, 30]), np.array([9.0, 22, 50])]
    usual = np.quantile(np.log(np.concatenate(samples)), (0.1, 0.5, 0.9))
    assert shrunk(samples) == pytest.approx(np.tile(np.exp(usual), (3, 1)))


def test_workers_alike_seen_seldom_are_told_much_more_alike_than_they_looked() -> None:
    looked, told = [], []
    for seed in range(50):
        samples = [drawn(4, seed=100 * seed + each) for each in range(8)]
        looked.append(np.log([np.median(each) for each in samples]).std())
        told.append(np.log(shrunk(samples)).std(axis=0))
    assert np.mean(told) < np.mean(looked) / 3


def test_a_worker_that_is_twice_as_slow_shows_when_it_was_seen_often() -> None:
    samples = [drawn(400, middle=80.0 if each == 0 else 40.0, seed=each) for each in range(4)]
    told = shrunk(samples)
    assert told[0, 1] == pytest.approx(np.median(samples[0]), rel=0.02)
    assert told[1:, 1] == pytest.approx([np.median(each) for each in samples[1:]], rel=0.02)
    assert told[0] / told[1:].mean(axis=0) == pytest.approx(np.full(3, 2.0), rel=0.1)


def test_slow_phases_do_not_tell_workers_apart() -> None:
    quick, slow = np.full(40, 40.0), np.full(8, 500.0)
    samples = [quick, np.concatenate([quick, slow]), np.concatenate([quick[:20], slow])]
    told = shrunk(samples)
    assert told[:, 2] == pytest.approx(np.full(3, told[0, 2]), rel=0.01)


@given(st.lists(SECONDS, min_size=1, max_size=6))
def test_quantiles_never_cross_and_are_positive_and_finite(samples: list[np.ndarray]) -> None:
    told = shrunk(samples)
    assert (np.diff(told, axis=1) >= 0).all()
    assert np.isfinite(told).all()
    assert (told > 0).all()


@given(st.lists(SECONDS, min_size=2, max_size=6))
def test_medians_lie_within_those_of_the_workers_and_of_the_kind(samples: list[np.ndarray]) -> None:
    told = shrunk(samples)[:, 1]
    seen = np.concatenate([np.concatenate(samples), [np.median(each) for each in samples]])
    assert (told <= seen.max() * (1 + 1e-9)).all()
    assert (told >= seen.min() * (1 - 1e-9)).all()
