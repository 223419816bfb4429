from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from logged_worlds import MORNING, logs

from learner.examples import (
    Examples,
    Split,
    in_order,
    refuse_leaking_split,
    split_by_time,
    when,
    work_of,
)
from scheduler.errors import InvalidInput
from scheduler.records import Outcome


def test_parts_follow_each_other_in_time() -> None:
    examples = Examples.of(logs(100)[::-1])
    latest = [max(when(r) for r in examples.part(p)) for p in vars(examples.split).values()]
    earliest = [min(when(r) for r in examples.part(p)) for p in vars(examples.split).values()]
    assert latest[0] <= earliest[1]
    assert latest[1] <= earliest[2]


def test_the_parts_are_seventy_fifteen_and_fifteen_percent() -> None:
    split = Examples.of(logs(200)).split
    assert [len(part) for part in vars(split).values()] == [140, 30, 30]


def test_a_task_tried_again_across_a_border_keeps_only_its_later_attempt() -> None:
    records = logs(100)
    records[69] = replace(records[69], run="r", task="again", attempt=1)
    records[71] = replace(records[71], run="r", task="again", attempt=2)
    split = split_by_time(records)
    assert 69 not in np.concatenate(list(vars(split).values()))
    assert 71 in split.validation


def test_without_times_no_piece_of_work_lies_in_two_parts() -> None:
    records = [replace(r, started=None, ended=None) for r in logs(300)]
    twice = records + [replace(r, worker="beta") for r in records]
    examples = Examples.of(twice)
    works = [{work_of(r) for r in examples.part(p)} for p in vars(examples.split).values()]
    assert min(len(part) for part in works) > 20
    assert not works[0] & works[1]
    assert not works[0] & works[2]
    assert not works[1] & works[2]


def test_a_later_part_with_an_earlier_attempt_is_refused() -> None:
    parts = np.arange(70), np.arange(70, 85), np.arange(85, 100)
    with pytest.raises(InvalidInput, match="may come before"):
        refuse_leaking_split(logs(100), Split(parts[1], parts[0], parts[2]))


def test_a_row_in_two_parts_is_refused() -> None:
    with pytest.raises(InvalidInput, match="must not share rows"):
        refuse_leaking_split(logs(30), Split(np.arange(20), np.arange(19, 25), np.arange(25, 30)))


def test_columns_know_training_rows_only() -> None:
    records = logs(100)
    records[-1] = replace(records[-1], kind="only in the test part")
    examples = Examples.of(records)
    assert "only in the test part" not in examples.columns.kinds
    assert examples.inputs.kind[-1] == 0


def test_what_a_failed_attempt_took_is_masked_and_its_bound_is_kept() -> None:
    records = logs(40)
    records[3] = replace(records[3], outcome=Outcome.TIMED_OUT, duration=50.0, cpu=1.0)
    records[4] = replace(records[4], outcome=Outcome.OUT_OF_MEMORY, allocated_memory=1e9)
    examples = Examples.of(records)
    assert np.isnan([examples.truth[name][3] for name in ("duration", "memory", "cpu")]).all()
    assert examples.at_least["duration"][3] == pytest.approx(np.log(50.0))
    assert examples.at_least["memory"][4] == pytest.approx(np.log(1e9))
    assert examples.truth["failure"][3] == 1


def test_a_cancelled_attempt_says_nothing_about_failing() -> None:
    records = logs(40)
    records[3] = replace(records[3], outcome=Outcome.CANCELLED)
    assert np.isnan(Examples.of(records).truth["failure"][3])


def test_too_few_attempts_are_refused_with_the_number() -> None:
    with pytest.raises(InvalidInput, match="at least 20 attempts, found 7"):
        Examples.of(logs(7))


@settings(max_examples=30)
@given(st.lists(st.one_of(st.none(), st.integers(0, 10_000)), min_size=20, max_size=60))
def test_no_order_of_times_makes_a_split_leak(minutes: list[int | None]) -> None:
    records = []
    for i, minute in enumerate(minutes):
        ended = None if minute is None else MORNING + timedelta(minutes=minute)
        changes = {"started": None, "ended": ended, "task": f"t{i // 2}", "attempt": i % 2 + 1}
        records.append(replace(logs(60)[i], **changes))
    ordered = in_order(records)
    refuse_leaking_split(ordered, split_by_time(ordered))


def test_logs_without_times_that_are_all_one_work_are_refused() -> None:
    records = [replace(r, kind="k", sizes={}, started=None, ended=None) for r in logs(60)]
    with pytest.raises(InvalidInput, match=r"found 0 of 60.* hold 1;"):
        Examples.of(records)
