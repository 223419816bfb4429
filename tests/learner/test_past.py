"""What the past says of a task, and that it is the past alone that speaks."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from learner.history import COLUMNS, DOUBT, Past, history_columns, usual_of
from learner.kinship import Kinship, subject_of
from scheduler.records import Outcome, TaskRecord

DAWN = datetime(2026, 1, 5, tzinfo=UTC)
USUAL = {"sort": (np.log(10.0), np.log(1e6), np.log(1e8), np.nan), "merge": (0.0, 0.0, 0.0, 0.0)}


def attempt(kind: str, subject: str, submitted: float, ended: float, **changes) -> TaskRecord:
    usual = {"run": "r", "outcome": Outcome.SUCCEEDED, "duration": 20.0, "peak_memory": 1e6}
    return TaskRecord(
        **usual | {"task": f"{kind} ({subject})"} | changes,
        kind=kind,
        submitted=DAWN + timedelta(seconds=submitted),
        ended=DAWN + timedelta(seconds=ended),
    )


def test_an_earlier_attempt_on_the_subject_says_how_far_it_lay_from_its_kind() -> None:
    records = [attempt("sort", "a", 0, 10), attempt("merge", "a", 20, 30)]
    columns = history_columns(records, usual=USUAL)
    assert columns["subject_duration"][1] == pytest.approx(np.log(2.0) / (1 + DOUBT))
    assert columns["latest_duration"][1] == pytest.approx(np.log(2.0))
    assert columns["subject_memory"][1] == 0.0
    assert columns["subject_attempts"][1] == pytest.approx(np.log(2.0))


def test_what_had_not_ended_when_a_task_was_submitted_says_nothing_of_it() -> None:
    records = [attempt("sort", "a", 0, 10), attempt("merge", "a", 10, 30)]
    columns = history_columns(records, usual=USUAL)
    assert np.isnan(columns["subject_duration"]).all()
    assert columns["kind_attempts"].tolist() == [0.0, 0.0]


def test_attempts_that_failed_or_of_kinds_never_learned_say_nothing() -> None:
    failed = attempt("sort", "a", 0, 10, outcome=Outcome.FAILED)
    strange = attempt("new", "a", 0, 10)
    columns = history_columns([failed, strange, attempt("merge", "a", 20, 30)], usual=USUAL)
    assert np.isnan(columns["subject_duration"][2])


def test_a_log_without_times_has_no_past() -> None:
    record = TaskRecord(run="r", task="sort (a)", kind="sort", outcome=Outcome.SUCCEEDED)
    columns = history_columns([record, record], usual=USUAL)
    assert all(np.isnan(values).all() for values in columns.values())


def test_bytes_read_come_from_what_earlier_attempts_measured() -> None:
    read = attempt("sort", "a", 0, 10, measured={"rchar": 1e8 * np.e})
    columns = history_columns([read, attempt("merge", "a", 20, 30)], usual=USUAL)
    assert columns["latest_read"][1] == pytest.approx(1.0)
    assert np.isnan(columns["latest_written"][1])


times = st.integers(0, 40)
attempts = st.lists(
    st.tuples(st.sampled_from(["sort", "merge"]), st.sampled_from("abc"), times, times),
    min_size=2,
    max_size=12,
)


@given(attempts, st.data())
def test_changing_what_had_not_ended_before_changes_nothing(drawn, data) -> None:
    records = [attempt(k, s, at, at + took) for k, s, at, took in drawn]
    asked = data.draw(st.integers(0, len(records) - 1))
    changed = [
        replace(each, duration=7e5, peak_memory=3.0, outcome=Outcome.SUCCEEDED)
        if each.ended >= records[asked].submitted
        else each
        for each in records
    ]
    before, after = (history_columns(each, usual=USUAL) for each in (records, changed))
    for name in COLUMNS:
        np.testing.assert_equal(after[name][asked], before[name][asked])


@given(attempts)
def test_a_task_that_waits_is_told_what_an_attempt_at_that_time_was_told(drawn) -> None:
    records = [attempt(k, s, at, at + took) for k, s, at, took in drawn]
    last = attempt("sort", "b", 1000, 1001, worker="w")
    columns = history_columns([*records, last], usual=USUAL)
    told = Past.learn(records, usual=USUAL)
    assert told.of("sort", "other")["kind_attempts"] == columns["kind_attempts"][-1]
    if "b" in {s for _, s, _, _ in drawn}:
        waiting = told.of("sort", last.task, "w")
        np.testing.assert_allclose([waiting[n] for n in COLUMNS], [columns[n][-1] for n in COLUMNS])


@given(attempts)
def test_a_past_that_was_written_down_answers_the_same(drawn) -> None:
    records = [attempt(k, s, at, at + took, worker="w") for k, s, at, took in drawn]
    past = Past.learn(records, usual=USUAL)
    again = Past.from_plain(json.loads(json.dumps(past.as_plain(), allow_nan=False)))
    for task in ("sort (a)", "merge (c)", "merge (d)", "plain"):
        np.testing.assert_equal(again.of("sort", task, "w"), past.of("sort", task, "w"))


def test_the_usual_is_the_median_of_the_kind_in_logarithms() -> None:
    records = [attempt("sort", "a", 0, 1, duration=d) for d in (1.0, 2.0, 9.0)]
    assert usual_of(records)["sort"][0] == pytest.approx(np.log(2.0))
    assert np.isnan(usual_of(records)["sort"][2])


@pytest.mark.parametrize(
    ("task", "subject"),
    [
        ("FASTQC (sample 1) [a6/327b42]", "sample 1"),
        ("WF:GUNZIP (bin.3.fa.gz)", "bin.3"),
        ("SPLIT (a (b))", "a (b)"),
        ("merge", None),
        ("merge [a6/327b42]", None),
    ],
)
def test_a_subject_is_what_stands_in_brackets_without_the_endings_of_files(task, subject) -> None:
    assert subject_of(task) == subject


def test_names_speak_for_each_other_as_far_as_their_rare_parts_agree() -> None:
    kinship = Kinship(["liver_rep1", "liver_rep2", "heart_rep1", "heart_rep3", "skin_rep2"])
    near, weight = kinship.alike("liver_rep1")
    told = dict(zip([kinship.subjects[i] for i in near], weight, strict=True))
    assert told["liver_rep1"] == pytest.approx(1.0)
    assert 0 < told["liver_rep2"] < 1
    assert "skin_rep2" not in told
