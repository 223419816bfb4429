"""What a record refuses, and when two are the same."""

import pytest
from hypothesis import given
from log_samples import NUMBERS, records
from strategies import quick

from scheduler.errors import InvalidRecord
from scheduler.records import Outcome, TaskRecord, as_plain, from_plain


def record(**values: object) -> TaskRecord:
    return TaskRecord(run="r", task="t", kind="k", outcome=Outcome.SUCCEEDED, **values)  # type: ignore[arg-type]


@quick
@given(records())
def test_a_record_survives_its_plain_form(some: TaskRecord) -> None:
    assert from_plain(as_plain(some)) == some


@pytest.mark.parametrize("field", NUMBERS)
def test_a_whole_number_and_the_float_that_it_equals_have_one_key(field: str) -> None:
    assert record(**{field: 5}).key() == record(**{field: 5.0}).key()


def test_a_zero_has_one_key_whatever_its_sign() -> None:
    assert record(sizes={"a": 0}).key() == record(sizes={"a": -0.0}).key()


def test_records_that_differ_in_one_field_have_different_keys() -> None:
    some = [
        record(),
        record(duration=1),
        record(cpu=1),
        record(sizes={"a": 1}),
        record(exit_code=1),
    ]
    assert len({each.key() for each in some}) == len(some)


def test_equal_records_are_told_apart_by_how_many_came_before() -> None:
    assert len({record().key(each) for each in range(3)}) == 3


@pytest.mark.parametrize("name", ["", " a", "a\n", "a\x00", "\ud800", "x" * 201, 5])
def test_a_size_needs_a_name_that_can_be_a_column(name: object) -> None:
    with pytest.raises(InvalidRecord, match="sizes must have printable names"):
        record(sizes={name: 1})


@pytest.mark.parametrize("value", [0, -1, 1.5, True, "1", None, 10**7])
def test_an_attempt_is_a_whole_number_from_one(value: object) -> None:
    with pytest.raises(InvalidRecord, match="attempt must be"):
        record(attempt=value)


@pytest.mark.parametrize("value", [2**63, -(2**63) - 1, 0.0, "0"])
def test_an_exit_code_fits_a_database(value: object) -> None:
    with pytest.raises(InvalidRecord, match="exit_code must be"):
        record(exit_code=value)


@pytest.mark.parametrize("task", ["", "\x00", "\ud800", "x" * 1001])
def test_a_predecessor_is_a_name(task: str) -> None:
    with pytest.raises(InvalidRecord, match="predecessors must"):
        record(predecessors=(task,))
