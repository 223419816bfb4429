"""The arithmetic of the benchmark `methods`; its figures are for the results page."""

import numpy as np
import pytest
from logged_worlds import compared_logs

from benchmarks.methods import parts
from benchmarks.teaching import continual, noise, transfer
from benchmarks.teaching.ground import Ground, Ledger, mean
from learner.examples import split_by_time
from learner.networks.base import Shape
from learner.training.settings import TrainingSettings


def test_every_method_of_the_issue_has_a_part() -> None:
    names = {part.__module__.rpartition(".")[2] for part in parts()}
    assert {"transfer", "distillation", "noise", "continual", "mutual", "meta"} <= names


def test_shares_are_of_means_over_seeds() -> None:
    ledger = Ledger()
    for ours, theirs in ((1.0, 1.0), (3.0, 1.0)):
        ledger.note("ours", {"duration": ours, "memory": 2.0})
        ledger.note("theirs", {"duration": theirs, "memory": 4.0})
    assert ledger.share("ours", "theirs") == {"duration": 2.0, "memory": 0.5}
    assert mean(ledger.share("ours", "theirs")) == 1.25
    assert ledger.told("here")["here: ours"] == {"duration": 2.0, "memory": 2.0}


def test_noise_is_between_its_limits_and_each_size_has_its_own() -> None:
    records = compared_logs(100)
    told = [
        other.sizes["input_bytes"] / record.sizes["input_bytes"]
        for other, record in zip(noise.noisy(records, 1), records, strict=True)
    ]
    assert 0.8 <= min(told) < 0.85
    assert 1.15 < max(told) <= 1.2
    assert len(set(told)) == len(told)


def test_the_champion_learned_from_what_came_first() -> None:
    split = split_by_time(compared_logs(60))
    older = transfer.older(split)
    assert older.train.max() < older.validation.min()
    assert older.validation.max() < split.validation.max()
    assert np.array_equal(older.test, split.test)


def test_a_third_of_the_kinds_is_new_and_the_seed_says_which() -> None:
    kinds = np.array([f"kind-{i % 9}" for i in range(90)])
    drawn = [continual.new_among(kinds, seed) for seed in range(4)]
    assert all(each.sum() == 30 for each in drawn)
    assert len({tuple(each) for each in drawn}) > 1


def test_errors_leave_out_what_no_row_tells_and_the_epochs_run_are_counted() -> None:
    records = [record for record in compared_logs(40) if record.kind != "solve"]
    split = split_by_time(records)
    settings = TrainingSettings(epochs=3, shape=Shape(width=8, experts=2))
    for under in (True, False):
        ground = Ground.of(records, split, under=under)
        learned, epochs = ground.fitted(settings)
        assert set(ground.errors(learned)) == {"assignment", "cpu", "duration", "memory"}
        assert epochs == 3
    level = ground.offsets.under("duration", ground.examples.inputs)
    assert np.ptp(level) == pytest.approx(0.0)
