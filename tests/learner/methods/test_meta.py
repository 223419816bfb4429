"""New workers as mixtures of known ones, in worlds whose truth is known."""

from dataclasses import replace

import numpy as np
import pytest
from logged_worlds import KINDS, attempt, one_learned, one_world

from learner.adaptation import adapted
from learner.meta import Episodes, Taught, Widths, met, taught
from learner.methods import method_named
from learner.methods.meta import Meta
from learner.targets.quantities import MIDDLE
from scheduler.records import TaskRecord

WIDE = Widths(weight=100.0, level=1e-9, noise=1e-6, share=1.0)


def twins(count: int, like: str = "beta", *, slower: float = 1.0) -> list[TaskRecord]:
    """Attempts of a new worker that does everything as a known one does, so much slower."""
    rng, made = np.random.default_rng(3), []
    for i in range(count):
        record = attempt(10_000 + i, KINDS[i % len(KINDS)], like, float(rng.uniform(1, 5)), rng=rng)
        made.append(replace(record, worker="fresh", duration=record.duration * slower))
    return made


def error(known: list[TaskRecord], asked: list[TaskRecord], reads=taught) -> float:
    learned = one_learned()
    inputs = learned.columns.encode_records(asked)
    moved = reads(learned, [*one_world(), *known]).moved(
        learned.predict(inputs),
        inputs,
        kinds=[r.kind for r in asked],
        workers=[r.worker for r in asked],
    )["duration"][:, MIDDLE]
    return float(np.abs(moved - np.log([r.duration for r in asked])).mean())


def test_a_worker_that_is_a_known_one_again_is_told_by_a_weight_of_one() -> None:
    rng = np.random.default_rng(0)
    beside = rng.normal(size=(12, 3))
    found = met(beside[:, 1], beside, WIDE, noise=1.0)
    assert found.weights == pytest.approx([0.0, 1.0, 0.0], abs=1e-3)
    assert found.at(beside) == pytest.approx(beside[:, 1], abs=1e-2)


def test_a_worker_that_is_only_slower_is_told_by_the_level() -> None:
    beside = np.random.default_rng(1).normal(size=(8, 3))
    found = met(np.full(8, 0.7), beside, Widths(0.0, 100.0, 1e-6, 1.0), noise=1.0)
    assert found.level == pytest.approx(0.7, rel=1e-3)
    assert not found.weights.any()


def test_a_row_far_off_moves_the_others_little() -> None:
    beside = np.zeros((9, 1))
    left = np.append(np.full(8, 0.5), 50.0)
    found = met(left, beside, Widths(0.0, 1e8, 1.0, 1.0), noise=0.01)
    assert found.level == pytest.approx(0.5, abs=0.05)


def test_no_move_is_made_where_none_helped_known_workers() -> None:
    """Known workers are all like the nameless one, and rows are noise: shares are zero."""
    rng = np.random.default_rng(2)
    worker = np.repeat([1, 2, 3], 60)
    episodes = Episodes(rng.normal(size=180), worker, np.zeros((180, 3)), np.array([1, 2, 3]))
    assert episodes.widths(2, rng).share == 0.0


def test_the_whole_move_is_made_where_known_workers_differ_and_noise_is_small() -> None:
    rng = np.random.default_rng(2)
    pace = np.array([-1.0, 0.2, 0.9])
    worker = np.repeat([1, 2, 3], 60)
    left = pace[worker - 1] + rng.normal(0, 0.02, 180)
    beside = np.tile(pace, (180, 1))
    episodes = Episodes(left, worker, beside, np.array([1, 2, 3]))
    assert episodes.widths(4, rng).share == 1.0


def test_one_known_worker_teaches_nothing() -> None:
    episodes = Episodes(np.ones(20), np.ones(20, int), np.ones((20, 1)), np.array([1]))
    assert episodes.widths(4, np.random.default_rng(0)).share == 0.0


def test_four_rows_of_a_slower_worker_tell_that_it_is_slower() -> None:
    rows = twins(44, slower=3.0)
    before = error([], rows[4:], lambda learned, records: adapted(learned, records))
    assert error(rows[:4], rows[4:]) < 0.6 * before


def test_many_rows_of_a_twin_make_it_known_almost_as_well_as_its_twin() -> None:
    rows = twins(120)
    own = [replace(each, worker="beta") for each in rows[60:]]
    assert error(rows[:60], rows[60:]) < error([], own) + 0.12


def test_known_workers_stay_as_they_are() -> None:
    learned, rows = one_learned(), list(one_world())
    found = taught(learned, [*rows, *twins(8)])
    assert isinstance(found, Taught)
    inputs = learned.columns.encode_records(rows)
    kinds, workers = [r.kind for r in rows], [r.worker for r in rows]
    assert not found.move("duration", inputs, kinds=kinds, workers=workers).any()


def test_without_a_new_worker_nothing_is_taught() -> None:
    assert not taught(one_learned(), one_world()).news


def test_the_method_is_found_by_its_name_and_changes_no_loss() -> None:
    method = method_named("meta")
    assert isinstance(method, Meta)
    plain = {"duration": np.float64(1.0)}
    assert method.steering(None).losses(None, None, plain, 0.5) is plain
