"""Sizey's Nextflow traces as records, and the split of each kind in time."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from learner.examples import Split
from scheduler.errors import NotFound
from scheduler.logs.base import Source
from scheduler.logs.nextflow import Nextflow
from scheduler.records import Outcome, TaskRecord

Ints = NDArray[np.int64]
LEAST_ROWS = 34  # of a kind
LEARNED = 0.70  # of each kind, by the time of submission
TAUGHT = 0.80  # of these, to fit; the later ones to choose by
INPUT = "rchar"  # what the published sizers take for the size of the input
_EXCLUDED = "GUNZIP_BINS"  # left out of the published tables: many rows, no memory


@dataclass(frozen=True, eq=False)
class Trace:
    """One workflow. The peaks are `rss`, as published figures have it.

    Shape
    - records: n attempts, by submission
    - learn, judge: the rows of each kind that come first, and those that come later
    - aside: rows of kinds that are not judged
    """

    workflow: str
    records: tuple[TaskRecord, ...]
    learn: Ints
    judge: Ints
    aside: Ints

    def split(self) -> Split:
        """The rows to judge as test; of those to learn from the later ones of each kind choose."""
        train, validation = _first(self.records, self.taught(), TAUGHT)
        return Split(train, validation, self.judge)

    def taught(self) -> Ints:
        """The rows to learn from, and as many of the kinds that are not judged."""
        before, _ = _first(self.records, self.aside, LEARNED)
        return np.union1d(self.learn, before)

    def declared(self) -> "Trace":
        """The same with the bytes that each attempt will read declared as known beforehand."""
        known = [
            replace(record, sizes={INPUT: record.measured[INPUT]})
            if INPUT in record.measured
            else record
            for record in self.records
        ]
        return replace(self, records=tuple(known))


def workflows(data: Path) -> list[str]:
    """The names of the traces there are; raises NotFound where there is none."""
    folder = data / "sizey"
    found = sorted(file.name for file in folder.glob("trace_*.csv.gz"))
    if not found:
        raise NotFound(f"There are no traces at {folder}; give --data DIR.")
    return [name.removeprefix("trace_").removesuffix(".csv.gz") for name in found]


def read(data: Path, workflow: str) -> Trace:
    """One trace, by the product's own reader. A line that it refuses is left out."""
    file = data / "sizey" / f"trace_{workflow}.csv.gz"
    source = Source(path=file, run=workflow, timezone=ZoneInfo("UTC"))
    found = [each for each in Nextflow().read(source) if isinstance(each, TaskRecord)]
    found.sort(key=lambda record: record.submitted or record.started or record.ended)  # type: ignore[arg-type,return-value]
    records = tuple(_published(record) for record in found)
    rows = _judged(records)
    learn, judge = _first(records, rows, LEARNED)
    aside = np.setdiff1d(np.arange(len(records)), rows)
    return Trace(workflow, records, learn, judge, aside)


def _published(record: TaskRecord) -> TaskRecord:
    """The peak that published figures are about; what the attempt measured stays beside it."""
    return replace(record, peak_memory=record.measured.get("rss") or None)


def _judged(records: Sequence[TaskRecord]) -> Ints:
    """Rows with a peak, of kinds that are large enough and never too short to be timed."""
    kinds: dict[str, list[int]] = {}
    for i, record in enumerate(records):
        if record.peak_memory:
            kinds.setdefault(record.kind, []).append(i)
    kept = [
        rows
        for kind, rows in kinds.items()
        if len(rows) >= LEAST_ROWS
        and not kind.endswith(_EXCLUDED)
        and all(_timed(records[i]) for i in rows)
    ]
    return np.array(sorted(i for rows in kept for i in rows), dtype=np.int64)


def _timed(record: TaskRecord) -> bool:
    return record.duration is not None or record.outcome is not Outcome.SUCCEEDED


def _first(records: Sequence[TaskRecord], rows: Ints, share: float) -> tuple[Ints, Ints]:
    """The first rows of each kind, and the others."""
    kinds: dict[str, list[int]] = {}
    for i in rows:
        kinds.setdefault(records[i].kind, []).append(int(i))
    first = sorted(i for own in kinds.values() for i in own[: math.ceil(share * len(own))])
    return np.array(first, dtype=np.int64), np.setdiff1d(rows, first)
