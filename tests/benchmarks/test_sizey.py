"""Sizey's traces as records: which rows learn, which are judged, and what rivals are told."""

import csv
import gzip
from pathlib import Path

import numpy as np
import pytest

from benchmarks.public import sizey
from benchmarks.rivals import in_time_simple as rivals
from scheduler.errors import NotFound

COLUMNS = "process,tag,name,status,cpus,memory,submit,start,complete,realtime,rss,peak_rss,rchar"


def row(kind: str, i: int, **changes: object) -> dict[str, object]:
    start = 1_700_000_000_000 + 60_000 * i
    usual = {
        "process": kind, "tag": f"s{i}", "name": f"{kind} (s{i})", "status": "COMPLETED",
        "cpus": 2, "memory": 2**30, "submit": start, "start": start + 5, "complete": start + 9000,
        "realtime": 1000 * (i + 1), "rss": 1e6 * (i + 1), "peak_rss": 5e6 * (i + 1),
        "rchar": 10.0 ** (3 + i % 5),
    }  # fmt: skip
    return usual | changes


@pytest.fixture
def data(tmp_path: Path) -> Path:
    rows = [row("sort", i) for i in reversed(range(40))]
    rows += [row("merge", i, realtime=0 if i == 3 else 50) for i in range(40)]
    rows += [row("rare", i) for i in range(20)]
    rows += [row("X:GUNZIP_BINS", i) for i in range(50)]
    (tmp_path / "sizey").mkdir()
    with gzip.open(tmp_path / "sizey" / "trace_toy.csv.gz", "wt", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS.split(","))
        writer.writeheader()
        writer.writerows(rows)
    return tmp_path


def test_kinds_that_are_rare_or_too_short_to_be_timed_or_excluded_are_not_judged(
    data: Path,
) -> None:
    trace = sizey.read(data, "toy")
    kinds = {trace.records[i].kind for i in np.concatenate([trace.learn, trace.judge])}
    assert kinds == {"sort"}
    assert len(trace.aside) == 40 + 20 + 50


def test_the_first_seven_tenths_by_submission_learn_and_the_others_are_judged(data: Path) -> None:
    trace = sizey.read(data, "toy")
    assert [trace.records[i].task for i in trace.learn] == [f"sort (s{i})" for i in range(28)]
    assert [trace.records[i].task for i in trace.judge] == [f"sort (s{i})" for i in range(28, 40)]


def test_what_is_learned_from_of_kinds_that_are_not_judged_also_came_first(data: Path) -> None:
    trace = sizey.read(data, "toy")
    rare = [trace.records[i].task for i in trace.taught() if trace.records[i].kind == "rare"]
    assert rare == [f"rare (s{i})" for i in range(14)]
    assert not set(trace.taught()) & set(trace.judge)
    split = trace.split()
    assert sorted([*split.train, *split.validation]) == trace.taught().tolist()


def test_peaks_are_those_of_published_figures_and_reading_is_known_only_when_declared(
    data: Path,
) -> None:
    trace = sizey.read(data, "toy")
    record, told = trace.records[trace.learn[1]], trace.declared().records[trace.learn[1]]
    assert (record.peak_memory, record.duration) == (2e6, 2.0)
    assert (record.sizes, told.sizes) == ({}, {"rchar": 1e4})


def test_the_rivals_median_and_line_are_those_of_the_rows_to_learn_from(data: Path) -> None:
    trace = sizey.read(data, "toy")
    duration = np.array([each.duration or np.nan for each in trace.records])
    table = rivals.table_of(trace, duration, size=True)
    learn, judge = trace.learn, trace.judge
    assert np.exp(rivals.median_of_kind(table)[judge]) == pytest.approx(
        np.exp(np.median(np.log(duration[learn])))
    )
    size, logs = table.rows[:, -1], np.log(duration)
    apart = size[learn] - size[learn].mean()
    slope = (apart * logs[learn]).sum() / ((apart**2).sum() + 1)
    expected = logs[learn].mean() + slope * (size[judge] - size[learn].mean())
    assert rivals.line_of_kind(table)[judge] == pytest.approx(expected)
    assert np.isnan(rivals.median_of_kind(table)[trace.aside]).all()


def test_a_folder_without_traces_says_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="--data"):
        sizey.workflows(tmp_path)
