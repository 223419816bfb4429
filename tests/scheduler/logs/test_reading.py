"""Files as text, lines and rows."""

import gzip
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from log_samples import source

from scheduler.errors import InvalidRecord, UnreadableLog
from scheduler.logs import reading
from scheduler.logs.base import Refused
from scheduler.logs.parsing import strict_json, utc_time
from scheduler.logs.reading import Row, check_text, document, head, header, lines, stem, table


def file(content: bytes, tmp_path: Path, name: str = "log.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(content)
    return path


def test_lines_are_counted_from_one_and_keep_blank_ones(tmp_path: Path) -> None:
    assert list(lines(file(b"a\n\nb", tmp_path))) == [(1, "a"), (2, ""), (3, "b")]


def test_a_byte_that_is_no_text_is_told_with_its_offset_and_line(tmp_path: Path) -> None:
    path = file(b"one\ntwo\nthr\xe9e\n", tmp_path)
    with pytest.raises(UnreadableLog, match=r"byte 0xe9 at offset 11 \(line 3\).*iconv"):
        check_text(path)


@pytest.mark.parametrize("cut", range(1, 4))
def test_a_letter_across_two_chunks_is_whole(
    cut: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "_CHUNK", 8)
    check_text(file(b"1234567"[:-cut] + "🙂 and more\n".encode(), tmp_path))


@pytest.mark.parametrize("cut", range(1, 4))
def test_a_broken_letter_across_two_chunks_is_placed_rightly(
    cut: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "_CHUNK", 8)
    start = b"\n" * 2 + b"12345678"[:-cut]
    path = file(start + b"\xf0\x9fxx and more\n", tmp_path)
    with pytest.raises(UnreadableLog, match=rf"0xf0 at offset {len(start)} \(line 3\)"):
        check_text(path)


def test_a_log_that_is_too_large_is_told(tmp_path: Path) -> None:
    with pytest.raises(UnreadableLog, match="at most 10 bytes"):
        check_text(file(b"x" * 11, tmp_path), largest=10)


def test_a_log_that_compresses_well_is_no_bomb(tmp_path: Path) -> None:
    check_text(file(gzip.compress(b"the same row again\n" * 100_000), tmp_path, "log.csv.gz"))


def test_a_folder_and_a_pipe_are_no_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(UnreadableLog, match="is not a file"):
            head(path)


def test_a_file_that_may_not_be_read_is_told(tmp_path: Path) -> None:
    path = file(b"x", tmp_path)
    path.chmod(0)
    with nobody_special(), pytest.raises(UnreadableLog, match="cannot be read"):
        head(path)


@contextmanager
def nobody_special() -> Iterator[None]:
    """Without root's right to read everything."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(before)


def test_the_head_of_wide_text_can_still_be_recognised(tmp_path: Path) -> None:
    assert head(file("task,kind\n".encode("utf-16"), tmp_path)) == "task,kind\n"


def test_a_header_is_stripped_and_may_be_quoted() -> None:
    assert header('\n"a b", c ,d\n1,2,3') == ("a b", "c", "d")


def test_a_cell_may_span_lines(tmp_path: Path) -> None:
    rows = list(table(source(file(b'a,b\n"x\n\ny",1\nz,2\n', tmp_path))))
    assert [(each.line, each.cells["a"]) for each in rows if isinstance(each, Row)] == [
        (2, "x\n\ny"),
        (5, "z"),
    ]


def test_a_cell_that_is_too_long_costs_its_row_only(tmp_path: Path) -> None:
    content = b"a,b\n" + b"x" * 200_000 + b",1\ny,2\n"
    first, second = table(source(file(content, tmp_path)))
    assert isinstance(first, Refused)
    assert isinstance(second, Row)


def test_the_name_of_a_log_has_no_folder_and_no_endings() -> None:
    names = ["x/a.csv", "a.jsonl.gz", "a.JSON", "a.gz", "a"]
    assert {stem(Path(each)) for each in names} == {"a"}
    assert stem(Path("trace-2026.01.05")) == "trace-2026.01.05"


def test_a_document_that_is_too_large_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "LARGEST_DOCUMENT", 5)
    with pytest.raises(UnreadableLog, match="at most 5 bytes"):
        document(file(b'{"a": 1}', tmp_path))


@pytest.mark.parametrize(
    ("text", "told"),
    [("{", "must be JSON"), ('{"a": 1, "a": 2}', "'a'"), ("[" * 100_000, "nest so deeply")],
)
def test_a_document_that_is_no_json_is_told_with_its_file(
    text: str, told: str, tmp_path: Path
) -> None:
    with pytest.raises(UnreadableLog, match=rf"log\.csv.*{told}"):
        document(file(text.encode(), tmp_path))


def test_an_endless_integer_is_read_as_a_float() -> None:
    assert strict_json("9" * 5000) == float("inf")


def test_a_time_in_the_hour_that_comes_twice_is_the_first() -> None:
    found = utc_time("start", "2026-10-25 02:30:00", ZoneInfo("Europe/Berlin"))
    assert found == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


def test_a_time_at_the_end_of_all_times_is_refused() -> None:
    with pytest.raises(InvalidRecord, match="ISO 8601"):
        utc_time("start", "0001-01-01T00:00:00+12:00", ZoneInfo("UTC"))
