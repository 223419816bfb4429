"""What every log format keeps: a new file in scheduler/logs is tested at once, with its sample."""

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from log_samples import sample_of, source

from scheduler import logs
from scheduler.discover import implementations
from scheduler.errors import UnreadableLog
from scheduler.logs.base import LogFormat, Refused
from scheduler.logs.reading import head
from scheduler.records import TaskRecord

FORMATS = {name: part() for name, part in implementations(logs, LogFormat).items()}
NAMES = sorted(FORMATS)

every_format = pytest.mark.parametrize("name", NAMES)
often = settings(
    deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def read(name: str, path: Path) -> list[TaskRecord | Refused]:
    return list(FORMATS[name].read(source(path)))


def good(found: list[TaskRecord | Refused]) -> list[TaskRecord]:
    return [each for each in found if isinstance(each, TaskRecord)]


def bad(found: list[TaskRecord | Refused]) -> list[Refused]:
    return [each for each in found if isinstance(each, Refused)]


def beside(tmp_path: Path, name: str, change: Callable[[bytes], bytes], ending: str = "") -> Path:
    """The sample of a format, with the same name and other content."""
    sample = sample_of(name)
    path = tmp_path / (sample.file.name + ending)
    path.write_bytes(change(sample.file.read_bytes()))
    return path


def test_the_formats_are_found() -> None:
    assert {"csv_table", "jsonl", "nextflow", "wfformat"} <= set(FORMATS)


@every_format
def test_a_format_has_a_title(name: str) -> None:
    assert FORMATS[name].title


@every_format
def test_a_sample_is_recognised_by_its_own_format_alone(name: str) -> None:
    path = sample_of(name).file
    recognised = [each for each in NAMES if FORMATS[each].recognises(path, head(path))]
    assert recognised == [name]


@every_format
@pytest.mark.parametrize(
    "text", ["", "\n", "hello\n", "a,b\n1,2\n", "{}", "[]", '{"a": 1}\n', "\x00"]
)
def test_a_format_does_not_recognise_what_is_no_log(name: str, text: str) -> None:
    assert not FORMATS[name].recognises(Path("some.txt"), text)


@every_format
def test_good_lines_become_records_in_seconds_bytes_cores_and_utc(name: str) -> None:
    sample = sample_of(name)
    assert good(read(name, sample.file)) == sample.records


@every_format
def test_a_bad_line_is_refused_with_its_place_and_field(name: str) -> None:
    sample = sample_of(name)
    assert sample.refused
    assert [(each.line, each.field) for each in bad(read(name, sample.file))] == sample.refused


@every_format
def test_a_refused_line_tells_the_file_the_rule_the_value_and_what_was_found(name: str) -> None:
    sample = sample_of(name)
    for each in bad(read(name, sample.file)):
        assert each.file == sample.file.as_posix()
        assert each.rule.startswith("must")
        assert each.value.strip("'-") in each.raw


@every_format
def test_a_mark_at_the_beginning_changes_nothing(name: str, tmp_path: Path) -> None:
    path = beside(tmp_path, name, lambda content: b"\xef\xbb\xbf" + content)
    assert FORMATS[name].recognises(path, head(path))
    assert good(read(name, path)) == sample_of(name).records


@every_format
def test_line_ends_of_windows_change_nothing(name: str, tmp_path: Path) -> None:
    path = beside(tmp_path, name, lambda content: content.replace(b"\n", b"\r\n"))
    assert good(read(name, path)) == sample_of(name).records


@every_format
def test_a_compressed_log_reads_the_same(name: str, tmp_path: Path) -> None:
    path = beside(tmp_path, name, gzip.compress, ".gz")
    assert FORMATS[name].recognises(path, head(path))
    assert good(read(name, path)) == sample_of(name).records


@every_format
def test_a_log_without_an_end_of_line_reads_the_same(name: str, tmp_path: Path) -> None:
    path = beside(tmp_path, name, bytes.rstrip)
    assert good(read(name, path)) == sample_of(name).records


@every_format
def test_equal_files_give_equal_keys(name: str) -> None:
    path = sample_of(name).file
    first, second = ([each.key() for each in good(read(name, path))] for _ in range(2))
    assert first == second


@every_format
@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda _: b"", "is empty"),
        (lambda _: b" \n\n", "is empty but for blanks"),
        (lambda content: content.decode().encode("utf-16"), "is UTF-16 text: found the byte 0xff"),
        (lambda content: b"\x00" + content, "is not text: found the byte 0x00"),
        (lambda content: content + b"\xe9\n", "found the byte 0xe9 at offset"),
        (lambda content: content + b"\xc3", "found the byte 0xc3 at offset"),
        (lambda content: gzip.compress(content)[:-12], "is a damaged gzip file"),
    ],
    ids=["empty", "blank", "utf-16", "binary", "latin-1", "cut letter", "cut gzip"],
)
def test_a_file_that_cannot_be_read_is_told_before_anything_is_taken(
    name: str, tmp_path: Path, change: Callable[[bytes], bytes], told: str
) -> None:
    path = beside(tmp_path, name, change)
    with pytest.raises(UnreadableLog, match=told):
        next(FORMATS[name].read(source(path)))


@every_format
def test_a_missing_file_is_told(name: str, tmp_path: Path) -> None:
    with pytest.raises(UnreadableLog, match=r"nowhere\.csv does not exist"):
        next(FORMATS[name].read(source(tmp_path / "nowhere.csv")))


@every_format
def test_a_decompression_bomb_is_told(name: str, tmp_path: Path) -> None:
    path = beside(tmp_path, name, lambda content: gzip.compress(content + b" " * (80 << 20), 1))
    with pytest.raises(UnreadableLog, match="times its size"):
        next(FORMATS[name].read(source(path)))


@every_format
@often
@given(content=st.binary(max_size=300))
def test_any_bytes_are_read_or_told(name: str, tmp_path: Path, content: bytes) -> None:
    assert_read_or_told(name, beside(tmp_path, name, lambda _: content))


@every_format
@often
@given(data=st.data())
def test_any_damage_to_a_log_is_read_or_told(
    name: str, tmp_path: Path, data: st.DataObject
) -> None:
    content = sample_of(name).file.read_bytes()
    begin = data.draw(st.integers(0, len(content)), label="from")
    end = data.draw(st.integers(begin, len(content)), label="to")
    instead = data.draw(st.binary(max_size=10) | st.text(max_size=10).map(str.encode), label="put")
    assert_read_or_told(
        name, beside(tmp_path, name, lambda _: content[:begin] + instead + content[end:])
    )


def assert_read_or_told(name: str, path: Path) -> None:
    """Nothing but UnreadableLog is raised, and whatever comes can be kept."""
    try:
        FORMATS[name].recognises(path, head(path))
        found = read(name, path)
    except UnreadableLog:
        return
    for each in found:
        if isinstance(each, TaskRecord):
            assert each.key()
        else:
            assert "\x00" not in each.raw
            assert (each.field + each.rule + each.value + each.raw).encode()
