"""What the benchmarks on scarce labels and on new workers let their arms see."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.cold_start import Fold
from benchmarks.public.lotaru import Row
from benchmarks.rivals.pilot import pilot
from benchmarks.rivals.pilot_work import Work, errors, ridge_under
from benchmarks.scarce import KEPT, _hidden
from learner.examples import Split
from scheduler.records import Outcome, TaskRecord


def rows() -> list[Row]:
    made = []
    for group in range(40):
        for machine in ("one", "two", "three"):
            record = TaskRecord(
                run="r",
                task=f"{machine}/{group}",
                kind="sort",
                worker=machine,
                outcome=Outcome.SUCCEEDED,
                duration=1.0,
            )
            made.append(Row(record, "test", f"w/{group:02}/1"))
    return made


@pytest.mark.parametrize("split", range(3))
def test_neither_the_machine_held_out_nor_the_inputs_to_predict_are_seen(split: int) -> None:
    every = rows()
    fold = Fold.of(every, "two", split=split)
    seen = np.concatenate([fold.known.train, fold.known.validation])
    asked = fold.known.test
    assert not {every[i].record.worker for i in seen} & {every[i].record.worker for i in asked}
    shown = np.concatenate([seen, fold.own])
    assert not {every[i].group for i in shown} & {every[i].group for i in asked}
    assert {every[i].record.worker for i in fold.own} == {"two"}


def test_three_percent_of_the_labels_stay_and_those_to_judge_are_apart() -> None:
    parts = Split(np.arange(1000), np.arange(1000, 1200), np.arange(1200, 1500))
    hidden = _hidden(parts, 0)
    assert len(hidden) == round((1 - KEPT) * 1200)
    assert hidden.max() < 1200


def lines() -> tuple[Work, Split]:
    """Two kinds, each a line in the first number."""
    rng = np.random.default_rng(0)
    numbers, kind = rng.normal(size=(600, 7)), rng.integers(0, 2, 600)
    level = np.where(kind == 0, 2 * numbers[:, 0], 5 - numbers[:, 0])
    names = np.stack([kind, rng.integers(0, 3, 600), kind], axis=1)
    truth = np.stack([level, level + 1], axis=1)
    work = Work(numbers, names, (2, 3, 2), truth, ("duration", "memory"))
    return work, Split(np.arange(400), np.arange(400, 500), np.arange(500, 600))


def test_a_ridge_per_kind_finds_a_line_per_kind() -> None:
    work, split = lines()
    assert errors(work, ridge_under(work, split.train), split.test)["duration"] < 0.05


@pytest.mark.parametrize("sharing", ["hard", "mmoe", "cgc", "single"])
def test_the_pilots_networks_learn_and_miss_what_is_hidden(sharing: str) -> None:
    work, split = lines()
    truth = work.truth.copy()
    truth[split.train[::2], 1] = np.nan
    made = pilot(replace(work, truth=truth), split, sharing=sharing, epochs=8, seed=0, ridge=False)
    assert np.isfinite(made.told).all()
    assert errors(work, made.told, split.test)["memory"] < 0.7 * np.std(work.truth[:, 1])
