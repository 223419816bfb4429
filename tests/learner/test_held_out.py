from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from logged_worlds import SMALL, compared_logs, logs

from learner.examples import Examples, work_of
from learner.held_out import HeldOut, fold_of
from learner.lineup import Lineup
from scheduler.records import TaskRecord

ALL_BY_OFFSET = dict.fromkeys(("assignment", "cpu", "duration", "failure", "memory"), "offset")


def apart(records: Sequence[TaskRecord], folds: np.ndarray, name: str) -> bool:
    """Whether no two folds share a run, or a piece of work."""
    keys = [repr(work_of(each)) if name == "work" else each.run for each in records]
    return all(len(set(folds[np.array(keys) == key])) == 1 for key in set(keys))


def nights(count: int) -> list[TaskRecord]:
    """Works that several runs do, but never those of two nights."""
    plain = compared_logs(20 * count)
    return [
        replace(each, run=f"night {i // 60}, turn {i % 3}", sizes={"bytes": float(1 + i // 3)})
        for i, each in enumerate(plain)
    ]


def test_folds_share_neither_runs_nor_works_where_that_is_possible() -> None:
    records = nights(8)
    folds = fold_of(records, 4)
    assert apart(records, folds, "run")
    assert apart(records, folds, "work")
    assert sorted(np.bincount(folds)) == [120, 120, 120, 120]


def test_runs_stay_whole_where_works_come_again_in_all_of_them() -> None:
    records = [replace(each, sizes={}) for each in logs(600)]
    folds = fold_of(records, 4)
    assert apart(records, folds, "run")
    assert len(set(folds)) == 4


def test_works_stay_whole_where_there_is_only_one_run() -> None:
    records = [replace(each, run="the only one") for each in compared_logs(100)]
    folds = fold_of(records, 4)
    assert apart(records, folds, "work")
    assert len(set(folds)) == 4


def test_stretches_of_the_log_are_folds_where_nothing_else_tells_rows_apart() -> None:
    records = [replace(each, run="the only one", sizes={}) for each in logs(200)]
    folds = fold_of(records, 4)
    assert sorted(np.bincount(folds)) == [50, 50, 50, 50]
    assert (np.diff(folds) != 0).sum() == 4 * 5 - 1


@pytest.fixture(scope="module")
def examples() -> Examples:
    return Examples.of(compared_logs(60))


def test_every_training_and_validation_row_is_predicted_and_no_test_row(examples) -> None:
    lineup = Lineup.fit(examples, replace(SMALL, epochs=2), names=("offset",))
    held = HeldOut.of(lineup, SMALL, ALL_BY_OFFSET)
    said = ~np.isnan(held.predicted["duration"]).any(1)
    assert said[examples.split.train].all()
    assert said[examples.split.validation].all()
    assert not said[examples.split.test].any()


def test_without_folds_only_validation_rows_are(examples: Examples) -> None:
    lineup = Lineup.fit(examples, replace(SMALL, epochs=2), names=("offset",))
    held = HeldOut.of(lineup, replace(SMALL, folds=0), ALL_BY_OFFSET)
    said = np.flatnonzero(~np.isnan(held.predicted["duration"]).any(1))
    np.testing.assert_array_equal(said, np.sort(examples.split.validation))


def test_what_is_said_of_a_row_does_not_depend_on_what_came_true_of_it(examples) -> None:
    """The leak that would make every quantile too narrow."""
    settings = replace(SMALL, epochs=2)
    row = int(examples.split.train[7])
    truth = examples.truth["duration"].copy()
    truth[row] += 3.0
    told = []
    for each in (examples, replace(examples, truth={**examples.truth, "duration": truth})):
        lineup = Lineup.fit(each, settings, names=("offset",))
        told.append(HeldOut.of(lineup, settings, ALL_BY_OFFSET).predicted["duration"])
    np.testing.assert_array_equal(told[0][row], told[1][row])
    assert (told[0] != told[1])[examples.split.train].any()


def test_kinds_that_a_fold_had_not_seen_count_as_unknown() -> None:
    records = list(compared_logs(60))
    first = [i for i, each in enumerate(records) if each.run == "run-0"]
    records = [replace(r, kind="rare") if i in first[:3] else r for i, r in enumerate(records)]
    examples = Examples.of(records)
    lineup = Lineup.fit(examples, replace(SMALL, epochs=2), names=("offset",))
    held = HeldOut.of(lineup, SMALL, ALL_BY_OFFSET)
    assert np.flatnonzero(held.strange).tolist() == first[:3]


def test_late_rows_are_those_after_all_that_was_learned_from(examples: Examples) -> None:
    lineup = Lineup.fit(examples, replace(SMALL, epochs=2), names=("offset",))
    late = np.flatnonzero(HeldOut.of(lineup, SMALL, ALL_BY_OFFSET).late)
    split = examples.split
    np.testing.assert_array_equal(late, np.sort(np.r_[split.validation, split.test]))


def test_no_row_is_late_where_the_log_has_no_times() -> None:
    plain = [replace(each, started=None, ended=None) for each in compared_logs(60)]
    examples = Examples.of(plain)
    lineup = Lineup.fit(examples, replace(SMALL, epochs=2), names=("offset",))
    assert not HeldOut.of(lineup, SMALL, ALL_BY_OFFSET).late.any()
