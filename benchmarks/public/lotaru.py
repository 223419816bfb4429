"""Lotaru's measurements: the same tasks on six unlike machines."""

import csv
import gzip
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from learner.examples import Split
from scheduler.cluster import Worker
from scheduler.errors import NotFound
from scheduler.records import Outcome, TaskRecord

SIZES = (
    "numbersequences",
    "workflowinputsize",
    "taskinputsize",
    "taskinputsizeuncompressed",
    "workflowinputuncompressed",
)
ROWS = 6368
SWAPPED = {"asok01": "asok02", "asok02": "asok01"}
CORES, MEMORY = 8, 2**34  # of every machine: the data do not tell
TEST, VALIDATION = 0.25, 0.15  # shares of the groups


@dataclass(frozen=True)
class Row:
    """One measurement, its label (`train-1`, `train-2` or `test`), and the input it belongs to."""

    record: TaskRecord
    label: str
    group: str


def read(data: Path) -> list[Row]:
    """All rows, by machine and workflow, in the order of their files."""
    files = sorted((data / "lotaru").glob("*/*.csv.gz"))
    if not files:
        raise NotFound(f"There are no measurements at {data / 'lotaru'}; give --data DIR.")
    return [row for file in files for row in _rows(file)]


def unseen_inputs(rows: list[Row], split: int) -> Split:
    """Groups of one workflow input each, a quarter to test, 15 % to validate, drawn by `split`."""
    groups = sorted({row.group for row in rows})
    drawn = np.random.default_rng(split).permutation(len(groups))
    ends = np.cumsum([int(TEST * len(groups)), int(VALIDATION * len(groups))])
    part = {groups[g]: int(np.searchsorted(ends, i, side="right")) for i, g in enumerate(drawn)}
    of = np.array([part[row.group] for row in rows])
    test, validation, train = (np.flatnonzero(of == each) for each in range(3))
    return Split(train, validation, test)


def benchmarks(data: Path) -> dict[str, tuple[float, float]]:
    """The scores of each machine for CPU and input/output: higher is faster."""
    with (data / "lotaru" / "benchmarks_global.csv").open(encoding="utf-8", newline="") as text:
        rows = list(csv.DictReader(text))
    return {row["node"]: (float(row["cpu_score"]), float(row["io_score"])) for row in rows}


def workers(data: Path, names: Collection[str]) -> dict[str, Worker]:
    """The machines of these names with their scores, and those of the kinds timed on each.

    A kind's score is one over the median of its three short runs. A machine without scores of its
    own (`wallyredcpu`) has those of the one that its name begins with.
    """
    general, seconds = benchmarks(data), timed(data)
    found = {}
    for name in sorted(names):
        named = next((each for each in general if name.startswith(each)), None)
        if named is not None:
            cpu, io = general[named]
            own = {kind: 1 / took for kind, took in seconds.get(named, {}).items() if took > 0}
            scores = {"cpu": cpu, "io": io, **own}
            found[name] = Worker(name=name, cores=CORES, memory=MEMORY, scores=scores)
    return found


def timed(data: Path) -> dict[str, dict[str, float]]:
    """By machine, the median seconds of the three short runs of each kind; -1 where missing.

    The rows of asok01 and asok02 are swapped in that file; the authors' own reader swaps them back.
    """
    found: dict[str, dict[str, float]] = {}
    with (data / "lotaru" / "benchmarks_per_task.csv").open(encoding="utf-8", newline="") as text:
        for row in csv.DictReader(text):
            node = SWAPPED.get(row["node"], row["node"])
            middle = float(np.median([float(row[f"realtime{i}"]) for i in (1, 2, 3)]))
            found.setdefault(node, {})[f"{row['workflow']}/{row['task']}"] = middle
    return found


def groups_of(rows: list[Row], part: NDArray[np.int64]) -> NDArray[np.str_]:
    """The group of each row of a part, for a bootstrap over groups."""
    return np.array([rows[i].group for i in part])


def _rows(file: Path) -> Iterator[Row]:
    with gzip.open(file, "rt", encoding="utf-8", newline="") as text:
        for place, cells in enumerate(csv.DictReader(text)):
            yield Row(_record(cells, place), cells["label"], _group(cells))


def _group(cells: Mapping[str, str]) -> str:
    return "/".join(cells[name] for name in ("workflow", "workflowinputsize", "numbersequences"))


def _record(cells: Mapping[str, str], place: int) -> TaskRecord:
    """Seconds, bytes and cores; a peak of zero was not observed."""
    peak = float(cells["peak_rss"])
    return TaskRecord(
        run=f"{cells['machine']}/{_group(cells)}",
        task=f"{cells['task']}/{place}",
        kind=f"{cells['workflow']}/{cells['task']}",
        workflow=cells["workflow"],
        worker=cells["machine"],
        outcome=Outcome.SUCCEEDED,
        duration=max(float(cells["realtime"]), 1.0) / 1000,
        peak_memory=peak if peak > 0 else None,
        cpu=max(float(cells["%cpu"]), 1.0) / 100,
        requested_cores=float(cells["cpus"]),
        requested_memory=float(cells["memory"]),
        sizes={name: float(cells[name]) for name in SIZES},
        measured={name: float(cells[name]) for name in ("rchar", "wchar")},
    )
