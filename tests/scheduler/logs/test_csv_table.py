"""Allot's own table."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from log_samples import NUMBERS, records, refusal, source, taken

from scheduler.errors import UnreadableLog
from scheduler.logs.base import Refused
from scheduler.logs.csv_table import CsvTable, written
from scheduler.records import TaskRecord

TABLE = CsvTable()


def table(text: str, tmp_path: Path) -> Path:
    path = tmp_path / "table.csv"
    path.write_bytes(text.encode())
    return path


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(records(), min_size=1, max_size=5))
def test_records_written_and_read_are_the_same(tmp_path: Path, some: list[TaskRecord]) -> None:
    found = taken(TABLE, table("".join(written(some)), tmp_path))
    assert found == some
    assert [each.key() for each in found] == [each.key() for each in some]


@pytest.mark.parametrize("field", [*NUMBERS, "sizes.input", "measured.input"])
@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("nan", "must be finite"),
        ("NaN", "must be finite"),
        ("inf", "must be finite"),
        ("-Infinity", "must be finite"),
        ("1e999", "must be finite"),
        ("9" * 5000, "must be finite"),
        ("-1", "must not be negative"),
        ("1e19", "must be at most 1e+18"),
        ("5 GB", "must be a number"),
        ("1_000", "must be a number"),
        ("٣", "must be a number"),
        ("0x10", "must be a number"),
    ],
)
def test_a_number_that_breaks_a_rule_is_refused_by_its_column(
    field: str, text: str, rule: str, tmp_path: Path
) -> None:
    path = table(f"task,kind,outcome,{field}\nt,k,lost,{text}\n", tmp_path)
    found = refusal(TABLE, path)
    assert (found.line, found.field, found.rule) == (2, field, rule)


@pytest.mark.parametrize(("row", "count"), [("t,k", "2"), ("t,k,lost,w,more", "5")])
def test_a_row_with_other_than_the_headers_cells_is_refused(
    row: str, count: str, tmp_path: Path
) -> None:
    found = refusal(TABLE, table(f"task,kind,outcome,worker\nt,k,lost,w\n{row}\n", tmp_path))
    assert (found.line, found.rule, found.value) == (
        3,
        "must have 4 cells, as the header has",
        count,
    )
    assert found.raw == row


def test_an_open_quote_costs_one_line_and_not_the_rest_of_the_file(tmp_path: Path) -> None:
    rows = 'task,kind,outcome\n"a,k,lost\n' + "".join(f"t{i},k,lost\n" for i in range(300))
    found = list(TABLE.read(source(table(rows, tmp_path))))
    assert [each.line for each in found if isinstance(each, Refused)] == [2]
    assert [each.task for each in found if isinstance(each, TaskRecord)] == [
        f"t{i}" for i in range(300)
    ]


def test_a_quote_inside_a_cell_is_a_letter(tmp_path: Path) -> None:
    (found,) = taken(TABLE, table('task,kind,outcome\n5" disk,k,lost\n', tmp_path))
    assert found.task == '5" disk'


def test_an_empty_cell_was_not_observed(tmp_path: Path) -> None:
    (found,) = taken(TABLE, table("task,kind,outcome,duration,sizes.a\nt,k,lost,,\n", tmp_path))
    assert found.duration is None
    assert found.sizes == {}


@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_cells_may_be_parted_by_commas_semicolons_and_tabs(mark: str, tmp_path: Path) -> None:
    rows = "task,kind,outcome,duration\nt,k,lost,1.5\n".replace(",", mark)
    (found,) = taken(TABLE, table(rows, tmp_path))
    assert found.duration == 1.5


def test_a_whole_number_may_come_as_a_spreadsheet_writes_it(tmp_path: Path) -> None:
    (found,) = taken(TABLE, table("task,kind,outcome,exit_code\nt,k,failed,1.0\n", tmp_path))
    assert found.exit_code == 1


@pytest.mark.parametrize(
    ("header", "told"),
    [
        ("task,kind,run", "needs the column 'outcome'"),
        ("task,kind,outcome,speed", "'speed' is not a field of a record"),
        ("task,kind,outcome,sizes", "'sizes' is not a field of a record"),
        ("task,kind,outcome,duration.x", "'duration.x' is not a field of a record"),
        ("task,kind,outcome,task", "found twice: 'task'"),
    ],
)
def test_a_header_that_breaks_a_rule_makes_the_table_unreadable(
    header: str, told: str, tmp_path: Path
) -> None:
    row = ",".join("1" for _ in header.split(","))
    with pytest.raises(UnreadableLog, match=told):
        list(TABLE.read(source(table(f"{header}\n{row}\n", tmp_path))))


def test_a_table_without_rows_has_nothing_to_take(tmp_path: Path) -> None:
    with pytest.raises(UnreadableLog, match="no rows below it"):
        list(TABLE.read(source(table("task,kind,outcome\n", tmp_path))))


def test_a_list_of_predecessors_that_is_no_json_is_refused(tmp_path: Path) -> None:
    found = refusal(TABLE, table("task,kind,outcome,predecessors\nt,k,lost,a b\n", tmp_path))
    assert (found.field, found.rule) == ("predecessors", "must be a JSON list of task ids")
