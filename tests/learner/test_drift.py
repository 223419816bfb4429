"""Drifts that are planted are found and named; where there are none, nothing is said."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.looping.drifting import NOISES, DriftWorld, Planted
from learner.drift import Drifted, Seen, drifts

BEFORE = 500


def world(seed: int, count: int, noise: str = "normal") -> tuple[Seen, Seen]:
    rng = np.random.default_rng(seed)
    drawn = DriftWorld.drawn(rng, noise)
    return drawn.attempts(800, rng, name="before "), drawn.attempts(count, rng)


def found(planted: Planted, seed: int = 0, noise: str = "normal") -> tuple[Drifted, ...]:
    reference, new = world(seed, 4000, noise)
    return drifts(reference, planted.into(new, np.random.default_rng(seed)))


@pytest.mark.parametrize("noise", NOISES)
def test_where_nothing_drifts_nothing_is_said(noise: str) -> None:
    assert drifts(*world(3, 6000, noise)) == ()


def test_nobody_is_wrong_who_says_nothing_of_nothing() -> None:
    reference, _ = world(0, 10)
    empty = reference.take(slice(0, 0))
    assert drifts(reference, empty) == ()
    assert drifts(empty, empty) == ()


@pytest.mark.parametrize("noise", ["normal", "heavy", "stragglers"])
def test_a_slow_worker_is_named_and_not_its_kinds(noise: str) -> None:
    planted = Planted("duration", "", "w3", 1.5, BEFORE)
    first = found(planted, 1, noise)[0]
    assert (first.target, first.kind, first.worker) == ("duration", "", "w3")
    assert first.last >= BEFORE
    assert 1.3 < first.effect < 2.0


def test_a_slow_kind_is_named_and_not_its_workers() -> None:
    first = found(Planted("memory", "k2", "", 1.6, BEFORE))[0]
    assert (first.target, first.kind, first.worker) == ("memory", "k2", "")


def test_a_kind_that_slows_down_on_one_worker_is_named_with_it() -> None:
    first = found(Planted("duration", "k2", "w3", 2.5, BEFORE))[0]
    assert (first.kind, first.worker) == ("k2", "w3")


def test_all_that_slows_down_is_said_once() -> None:
    (only,) = found(Planted("duration", "", "", 1.5, BEFORE))
    assert (only.kind, only.worker) == ("", "")


def test_what_gets_faster_is_said_too() -> None:
    assert found(Planted("duration", "", "w5", 0.6, BEFORE))[0].effect == pytest.approx(
        0.6, abs=0.1
    )


def test_a_worker_that_fails_more_often_is_named() -> None:
    first = found(Planted("failure", "", "w3", 8.0, BEFORE))[0]
    assert (first.target, first.worker) == ("failure", "w3")


def test_a_drift_is_found_once_however_long_it_lasts() -> None:
    told = found(Planted("duration", "", "w3", 2.0, BEFORE))
    assert len(told) == 1


def test_it_says_about_when_a_drift_began() -> None:
    first = found(Planted("duration", "", "w3", 1.8, 2000))[0]
    assert abs(first.first - 2000) < 200


def test_less_than_what_matters_is_no_drift() -> None:
    assert found(Planted("duration", "", "w3", 1.05, BEFORE)) == ()


def test_a_forecast_that_was_always_wrong_does_not_drift() -> None:
    reference, new = world(4, 4000)
    wrong = [
        replace(each, miss={name: miss + 1.0 for name, miss in each.miss.items()})
        for each in (reference, new)
    ]
    assert drifts(*wrong) == ()


def test_a_worker_that_the_reference_never_met_is_no_drift_of_it() -> None:
    reference, new = world(5, 3000)
    there = reference.worker != "w3"
    moved = {name: miss + (new.worker == "w3") for name, miss in new.miss.items()}
    assert drifts(reference.take(there), replace(new, miss=moved)) == ()


def test_one_outrageous_attempt_is_no_drift() -> None:
    reference, new = world(6, 2000)
    new.miss["duration"][700] = 50.0
    assert drifts(reference, new) == ()


def test_what_comes_later_changes_nothing_that_was_found() -> None:
    reference, new = world(7, 4000)
    planted = Planted("duration", "", "w3", 2.0, BEFORE)
    new = planted.into(new, np.random.default_rng(7))
    whole = drifts(reference, new)
    part = drifts(reference, new.take(slice(0, whole[0].last + 1)))
    assert part == whole[:1]
