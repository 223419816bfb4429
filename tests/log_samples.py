"""Hand-made logs of every format, and random records for hypothesis."""

import json
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from scheduler.logs.base import LogFormat, Refused, Source
from scheduler.records import LARGEST, Outcome, TaskRecord, from_plain

SAMPLES = Path(__file__).parent / "scheduler" / "logs" / "samples"
NUMBERS = tuple(
    each.name for each in fields(TaskRecord) if each.type in (float | None, "float | None")
)


@dataclass(frozen=True)
class Sample:
    """A log of one format with some good lines and at least one that must be refused."""

    file: Path
    records: list[TaskRecord]
    refused: list[tuple[int, str]]


def sample_of(name: str) -> Sample:
    """The sample of a format; a new format brings NAME.* and NAME.expected.json."""
    expected = SAMPLES / f"{name}.expected.json"
    files = [each for each in SAMPLES.glob(f"{name}.*") if each != expected]
    assert len(files) == 1, f"the log format {name} needs one sample, {SAMPLES.name}/{name}.*"
    said = json.loads(expected.read_text(encoding="utf-8"))
    records = [from_plain(each) for each in said["records"]]
    return Sample(files[0], records, [(each["line"], each["field"]) for each in said["refused"]])


def source(path: Path, zone: str = "UTC") -> Source:
    """The file as a source whose run is named `sample`."""
    return Source(path, "sample", ZoneInfo(zone))


def taken(form: LogFormat, path: Path, zone: str = "UTC") -> list[TaskRecord]:
    """The records of a log of which no line is refused."""
    found = list(form.read(source(path, zone)))
    refusals = [each for each in found if isinstance(each, Refused)]
    assert refusals == []
    return [each for each in found if isinstance(each, TaskRecord)]


def refusal(form: LogFormat, path: Path, zone: str = "UTC") -> Refused:
    """The one refused line of a log."""
    (found,) = [each for each in form.read(source(path, zone)) if isinstance(each, Refused)]
    return found


# Any text that may be a name: no NUL, no lone surrogates, not blank.
names = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1, max_size=20
).filter(str.strip)
keys = st.text(st.characters(categories=["L", "N", "P"]), min_size=1, max_size=8)
amounts = st.none() | st.integers(0, 10**18) | st.floats(0, LARGEST)
times = st.none() | st.datetimes(
    min_value=datetime(1970, 1, 1),
    max_value=datetime(2100, 1, 1),
    timezones=st.just(UTC),
)


@st.composite
def records(draw: st.DrawFn) -> TaskRecord:
    """Any record that keeps the rules."""
    started, ended = draw(times), draw(times)
    if started and ended:
        started, ended = min(started, ended), max(started, ended)
    mappings = st.dictionaries(keys, amounts.filter(lambda each: each is not None), max_size=3)
    return TaskRecord(
        run=draw(names),
        task=draw(names),
        kind=draw(names),
        outcome=draw(st.sampled_from(Outcome)),
        worker=draw(st.none() | names),
        workflow=draw(st.none() | names),
        attempt=draw(st.integers(1, 1_000_000)),
        submitted=draw(times),
        started=started,
        ended=ended,
        exit_code=draw(st.none() | st.integers(-(2**63), 2**63 - 1)),
        sizes=draw(mappings),
        measured=draw(mappings),
        predecessors=tuple(draw(st.lists(names, max_size=3))),
        **{name: draw(amounts) for name in NUMBERS},
    )
