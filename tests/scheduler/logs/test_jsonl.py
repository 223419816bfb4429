"""Allot's own JSON lines."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from log_samples import NUMBERS, records, refusal, source, taken

from scheduler.logs.jsonl import JsonLines, written
from scheduler.records import TaskRecord

RECORD = {"run": "r", "task": "t", "kind": "k", "outcome": "succeeded"}
LOGS = JsonLines()


def line(text: str, tmp_path: Path) -> Path:
    path = tmp_path / "log.jsonl"
    path.write_text(text + "\n", encoding="utf-8")
    return path


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(records(), min_size=1, max_size=5))
def test_records_written_and_read_are_the_same(tmp_path: Path, some: list[TaskRecord]) -> None:
    found = taken(LOGS, line("".join(written(some)), tmp_path))
    assert found == some
    assert [each.key() for each in found] == [each.key() for each in some]


@pytest.mark.parametrize("field", [*NUMBERS, "sizes.input", "measured.input"])
@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("NaN", "must be finite"),
        ("Infinity", "must be finite"),
        ("-Infinity", "must be finite"),
        ("1e999", "must be finite"),
        ("-1", "must not be negative"),
        ("-0.5", "must not be negative"),
        ("1e19", "must be at most 1e+18"),
        ("9" * 5000, "must be finite"),
        ("9" * 25, "must be at most 1e+18"),
        ('"5"', "must be a number"),
        ("true", "must be a number"),
        ("[]", "must be a number"),
    ],
)
def test_a_number_that_breaks_a_rule_is_refused_by_its_name(
    field: str, text: str, rule: str, tmp_path: Path
) -> None:
    name, _, key = field.partition(".")
    value = f'{{"{key}": {text}}}' if key else text
    found = refusal(LOGS, line(json.dumps(RECORD)[:-1] + f', "{name}": {value}}}', tmp_path))
    assert (found.line, found.field, found.rule) == (1, field, rule)


@pytest.mark.parametrize(
    ("text", "field", "rule"),
    [
        ('{"run": "r", "run": "s", "kind": "k"}', "run", "must stand once in an object"),
        ('{"task": "t", "kind": "k", "outcome": "succeeded"', "line", "must be JSON"),
        ('{"task": "t", "kind": "k"}', "outcome", "must be given"),
        ('{"task": "t", "kind": "k", "outcome": "great"}', "outcome", "must be one of succeeded"),
        ('{"task": "t", "kind": "k", "outcome": []}', "outcome", "must be one of succeeded"),
        ('{"task": "t", "kind": "k", "outcome": "lost", "x": 1}', "x", "is not a field"),
        ('{"task": "a\\u0000", "kind": "k", "outcome": "lost"}', "task", "can be stored"),
        ('{"task": "a\\ud800", "kind": "k", "outcome": "lost"}', "task", "can be stored"),
        (
            '{"task": "t", "kind": "k", "outcome": "lost", "sizes": {"\\ud800": 1}}',
            "sizes",
            "printable",
        ),
        ('{"task": "t", "kind": "k", "outcome": "lost", "sizes": {"": 1}}', "sizes", "printable"),
        ('{"task": "t", "kind": "k", "outcome": "lost", "attempt": 1.5}', "attempt", "whole"),
        ('{"task": "t", "kind": "k", "outcome": "lost", "attempt": 0}', "attempt", "at least 1"),
        ('{"task": "t", "kind": "k", "outcome": "lost", "exit_code": 1e30}', "exit_code", "whole"),
        (
            f'{{"task": "t", "kind": "k", "outcome": "lost", "exit_code": {2**63}}}',
            "exit_code",
            "at most",
        ),
        ('{"task": "t", "kind": "k", "outcome": "lost", "started": "soon"}', "started", "ISO 8601"),
        ('{"task": "t", "kind": "k", "outcome": "lost", "started": 5}', "started", "with a zone"),
        (
            '{"task": "t", "kind": "k", "outcome": "lost", "predecessors": "a"}',
            "predecessors",
            "list",
        ),
        (
            '{"task": "t", "kind": "k", "outcome": "lost", "predecessors": [""]}',
            "predecessors",
            "text",
        ),
        ('{"task": "t", "kind": "k"' + ', "sizes": ' + "[" * 100_000, "line", "nest so deeply"),
        ('["run", "task", "kind"]', "line", "must be a JSON object"),
    ],
)
def test_a_line_that_breaks_a_rule_is_refused(
    text: str, field: str, rule: str, tmp_path: Path
) -> None:
    found = refusal(LOGS, line(text, tmp_path))
    assert found.field == field
    assert rule in found.rule


def test_a_line_that_is_too_long_is_refused_and_the_next_is_taken(tmp_path: Path) -> None:
    endless = json.dumps(RECORD | {"task": "x" * (3 << 20)})
    path = line(f"{endless}\n{json.dumps(RECORD)}", tmp_path)
    found = list(LOGS.read(source(path)))
    assert [type(each).__name__ for each in found] == ["Refused", "TaskRecord"]


def test_what_is_kept_of_a_refused_line_is_bounded(tmp_path: Path) -> None:
    found = refusal(LOGS, line(json.dumps(RECORD | {"x": "y" * 500_000}), tmp_path))
    assert len(found.raw) < 11_000


def test_a_time_with_another_zone_is_kept_in_utc(tmp_path: Path) -> None:
    text = json.dumps(RECORD | {"started": "2026-07-01T12:00:00+02:00"})
    (found,) = taken(LOGS, line(text, tmp_path))
    assert found.started == datetime(2026, 7, 1, 10, tzinfo=UTC)


def test_a_time_without_a_zone_is_in_that_of_the_source(tmp_path: Path) -> None:
    text = json.dumps(RECORD | {"started": "2026-07-01T12:00:00"})
    (found,) = taken(LOGS, line(text, tmp_path), "Europe/Berlin")
    assert found.started == datetime(2026, 7, 1, 10, tzinfo=UTC)


def test_blank_lines_are_passed_over_and_counted(tmp_path: Path) -> None:
    found = refusal(LOGS, line("\n\n{}\n" + json.dumps(RECORD), tmp_path))
    assert found.line == 3
