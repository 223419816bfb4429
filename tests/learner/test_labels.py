"""Which measurement to take next: against closed forms, and in a world whose truth is known."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from logged_worlds import filled, logs
from typer.testing import CliRunner

from learner.examples import Examples, Split
from learner.features import Columns, Inputs, Number
from learner.labels import NOISE, advised, covariance, most_helpful
from scheduler.cli import build
from scheduler.errors import InvalidInput
from scheduler.store import Store

COLUMNS = Columns(("", "a", "b"), ("", "one", "two"), ("",), (Number("bytes", 0.0, 1.0),))


def rows(kind: list[int], worker: list[int], size: list[float]) -> Inputs:
    zeros = np.zeros(len(kind), dtype=np.int64)
    numbers = np.array(size, dtype=np.float64)[:, None]
    return Inputs(np.array(kind), np.array(worker), zeros, numbers, np.zeros_like(numbers))


def none() -> Inputs:
    return rows([], [], [])


def variance(asked: Inputs, known: Inputs) -> float:
    """The mean posterior variance, from the textbook (Rasmussen and Williams 2006, eq. 2.26)."""
    prior = covariance(asked, asked, 1)
    there = covariance(known, known, 1) + NOISE * np.eye(len(known))
    cross = covariance(asked, known, 1)
    return float(np.diag(prior - cross @ np.linalg.inv(there) @ cross.T).mean())


def test_the_first_choice_is_the_best_of_all_single_ones() -> None:
    rng = np.random.default_rng(0)
    drawn = [rng.integers(1, 3, 12).tolist(), rng.integers(1, 3, 12).tolist(), rng.normal(size=12)]
    asked, known = rows(*(each[:5] for each in drawn)), rows(*(each[5:7] for each in drawn))
    candidates = rows(*(each[7:] for each in drawn))
    places, gains = most_helpful(known, candidates, asked, COLUMNS, count=1)
    after = [
        variance(asked, rows(*(np.append(e[5:7], e[7 + i]).tolist() for e in drawn)))
        for i in range(5)
    ]
    assert places[0] == int(np.argmin(after))
    before = variance(asked, known)
    assert gains[0] == pytest.approx((before - min(after)) / before)


def test_gains_of_several_choices_add_up_to_what_all_of_them_bring() -> None:
    asked = rows([1, 2, 1], [1, 1, 2], [0.0, 1.0, -1.0])
    candidates = rows([1, 2, 2, 1], [1, 1, 2, 2], [0.2, 0.9, 0.0, -0.8])
    places, gains = most_helpful(none(), candidates, asked, COLUMNS, count=3)
    prior = float(np.diag(covariance(asked, asked, 1)).mean())
    left = variance(asked, candidates.take(places))
    assert gains.sum() == pytest.approx((prior - left) / prior)


def test_a_kind_without_measurements_comes_before_one_with_many() -> None:
    known = rows([1] * 6, [1, 2] * 3, [-1.0, 0.0, 1.0] * 2)
    both = rows([1, 2], [1, 1], [0.0, 0.0])
    places, _ = most_helpful(known, both, both, COLUMNS, count=1)
    assert both.kind[places[0]] == 2


def test_nothing_is_chosen_twice_while_others_tell_more() -> None:
    candidates = rows([1, 1, 2, 2], [1, 2, 1, 2], [0.0, 0.5, 0.0, 0.5])
    places, gains = most_helpful(none(), candidates, candidates, COLUMNS, count=4)
    assert sorted(places.tolist()) == [0, 1, 2, 3]
    assert (np.diff(gains) <= 1e-12).all()


def test_names_that_nobody_knows_tell_nothing_of_one_another() -> None:
    unknown = rows([0, 0], [0, 0], [0.0, 0.0])
    assert not covariance(unknown, unknown, 1).any()


def test_advice_is_about_what_was_not_measured() -> None:
    """Memory was logged on `alpha` and `beta` only: what is missing is on `weak`."""
    records = [replace(r, peak_memory=None) if r.worker == "weak" else r for r in logs(200)]
    found = advised(records, "memory", count=5, rng=np.random.default_rng(0))
    assert {each.worker for each in found} == {"weak"}
    assert all(0 < each.gain < 1 for each in found)


def test_chosen_measurements_beat_as_many_by_chance() -> None:
    """The mean variance that is left, over ten draws, with a third less chosen ones."""
    records = logs(300)
    every = np.arange(len(records))
    examples = Examples.of(records, split=Split(every, every[:0], every[:0]))
    inputs, ours, chance = examples.inputs, [], []
    for seed in range(10):
        order = np.random.default_rng(seed).permutation(300)
        asked, pool = inputs.take(order[:100]), inputs.take(order[100:])
        places, _ = most_helpful(none(), pool, asked, examples.columns, count=16)
        ours.append(variance(asked, pool.take(places)))
        chance.append(variance(asked, pool.take(slice(0, 24))))
    assert np.mean(ours) < np.mean(chance)


def test_advice_refuses_what_it_cannot_tell() -> None:
    with pytest.raises(InvalidInput, match="duration, memory or cpu, found 'failure'"):
        advised(logs(40), "failure", count=1, rng=np.random.default_rng(0))
    with pytest.raises(InvalidInput, match="at least 20 attempts, found 3"):
        advised(logs(3), "memory", count=1, rng=np.random.default_rng(0))
    with pytest.raises(InvalidInput, match="found 'joy'"):
        advised(logs(40), "joy", count=1, rng=np.random.default_rng(0))


def test_the_command_tells_kinds_workers_and_works(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/allot.db"
    filled(Store.open(url), logs(80)).close()
    found = CliRunner().invoke(build(), ["labels", "--store", url, "--count", "3", "--json"])
    assert found.exit_code == 0, found.output
    advice = json.loads(found.stdout)["advice"]
    assert len(advice) == 3
    assert set(advice[0]) == {"measure", "kind", "worker", "like", "gain"}


def test_records_on_hold_are_no_ground_for_advice(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/allot.db"
    with filled(Store.open(url), logs(80)) as store:
        at = datetime(2026, 2, 3, tzinfo=UTC)
        store.judge_source("world", state="on hold", reason="why", by="ada", at=at)
    found = CliRunner().invoke(build(), ["labels", "--store", url])
    assert isinstance(found.exception, InvalidInput)
    assert "found 0" in str(found.exception)
