"""A log in Parquet files, for logs that memory does not hold: written and read by the shard."""

import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from learner.examples import parts_by_rank, parts_by_work, when
from learner.kinship import subject_of
from scheduler.records import Outcome, TaskRecord

Ints = NDArray[np.int64]
SHARD = 20_000  # records in one file
OPEN = 4  # shards that are held in memory at once
NEVER = np.iinfo(np.int64).max  # a time that no log tells
NUMBERS = pa.map_(pa.string(), pa.float64())
TYPES = {
    "attempt": pa.int64(), "exit_code": pa.int64(), "sizes": NUMBERS, "measured": NUMBERS,
    "predecessors": pa.list_(pa.string()),
    **dict.fromkeys(("submitted", "started", "ended"), pa.timestamp("us", tz="UTC")),
    **dict.fromkeys(("run", "task", "kind", "outcome", "worker", "workflow"), pa.string()),
}  # fmt: skip
NAMES = [each.name for each in fields(TaskRecord)]
NUMBER = "number"  # of a record in its snapshot
SCHEMA = pa.schema(
    [(NUMBER, pa.int64()), *((name, TYPES.get(name, pa.float64())) for name in NAMES)]
)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, eq=False)
class Index:
    """What of each record stays in memory, n values each: a few bytes where a record has thousands.

    `place` is where the record stands in the order of time, those without a time first; `asked` and
    `ended` are microseconds, NEVER where not told; `part` is 0 to learn from, 1 to validate, 2 to
    test, -1 for none. `graph` says whether it names predecessors.
    """

    place: Ints
    asked: Ints
    ended: Ints
    part: Ints
    run: Ints
    graph: NDArray[np.bool_]
    subjects: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.place)


@dataclass(frozen=True, eq=False)
class Snapshot:
    """Records in shards, in the order in which the store tells them, and their index."""

    folder: Path
    index: Index

    @classmethod
    def write(cls, records: Iterable[TaskRecord], folder: Path) -> "Snapshot":
        """Writes records into a folder of its own, a shard at a time; what was there is replaced.

        The records come oldest first.
        """
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        indexer = _Indexer()
        for number, shard in enumerate(_shards(records)):
            first = number * SHARD
            rows = [{NUMBER: first + i, **_row(each)} for i, each in enumerate(shard)]
            table = pa.Table.from_pylist(rows, schema=SCHEMA)
            pq.write_table(table, folder / f"part-{number:05d}.parquet")
            indexer.take(shard)
        return cls(folder, indexer.done())

    def __len__(self) -> int:
        return len(self.index)

    @property
    def files(self) -> list[Path]:
        """The shards, in order."""
        return sorted(self.folder.glob("part-*.parquet"))

    def shards(self) -> Iterator[tuple[Ints, Sequence[TaskRecord]]]:
        """Every shard: the numbers of its records, and the records."""
        begin = 0
        for file in self.files:
            records = read(file)
            yield np.arange(begin, begin + len(records)), records
            begin += len(records)

    def pick(self, numbers: Iterable[int]) -> Iterator[TaskRecord]:
        """Records by number; quick where neighbours are asked for one after the other."""
        held = lru_cache(maxsize=OPEN)(read)
        files = self.files
        for number in numbers:
            yield held(files[number // SHARD])[number % SHARD]


def read(file: Path) -> Sequence[TaskRecord]:
    """The records of one shard."""
    return records_of(pq.read_table(file))


def records_of(table: pa.Table) -> Sequence[TaskRecord]:
    """The records of a table in SCHEMA."""
    return [_record(row) for row in table.select(NAMES).to_pylist()]


class _Indexer:
    """Gathers the index shard by shard."""

    def __init__(self) -> None:
        self.parts: list[tuple[NDArray[Any], ...]] = []
        self.runs: dict[str, int] = {}
        self.subjects: set[str] = set()
        self.count = 0

    def take(self, shard: Sequence[TaskRecord]) -> None:
        untimed = [each for each in shard if when(each) is None]
        drawn = iter(parts_by_work(untimed))
        rows = [
            (
                when(each) is not None,
                _time(each.submitted or each.started),
                _time(each.ended),
                self.runs.setdefault(each.run, len(self.runs)),
                bool(each.predecessors),
                next(drawn) if when(each) is None else -1,
                hash((each.run, each.task)),
                each.attempt,
            )
            for each in shard
        ]
        self.subjects |= {s for each in shard if (s := subject_of(each.task)) is not None}
        self.parts.append(tuple(np.array(column) for column in zip(*rows, strict=True)))
        self.count += len(shard)

    def done(self) -> Index:
        columns = [np.concatenate(each) for each in zip(*self.parts, strict=True)]
        timed, asked, ended, run, graph, part, task, attempt = columns
        place = np.empty(self.count, dtype=np.int64)
        place[~timed] = np.arange((~timed).sum())
        place[timed] = (~timed).sum() + np.arange(timed.sum())
        part[timed] = parts_by_rank(int(timed.sum()))
        _drop_torn(part, np.flatnonzero(timed), task, attempt)
        return Index(place, asked, ended, part, run, graph, tuple(sorted(self.subjects)))


def _drop_torn(part: Ints, timed: Ints, task: Ints, attempt: Ints) -> None:
    """Earlier attempts lose their part where a task was tried again across a border."""
    again = np.isin(task[timed], np.unique(task[timed][attempt[timed] > 1]))
    rows = timed[again]
    _, group = np.unique(task[rows], return_inverse=True)
    last = np.full(group.max(initial=-1) + 1, -1)
    np.maximum.at(last, group, part[rows])
    part[rows[part[rows] < last[group]]] = -1


def _shards(records: Iterable[TaskRecord]) -> Iterator[list[TaskRecord]]:
    shard: list[TaskRecord] = []
    for record in records:
        shard.append(record)
        if len(shard) == SHARD:
            yield shard
            shard = []
    if shard:
        yield shard


def _row(record: TaskRecord) -> dict[str, Any]:
    row = {each.name: getattr(record, each.name) for each in fields(record)}
    maps = {name: list(row[name].items()) for name in ("sizes", "measured")}
    return row | maps | {"outcome": str(record.outcome), "predecessors": list(record.predecessors)}


def _record(row: dict[str, Any]) -> TaskRecord:
    row["outcome"], row["predecessors"] = Outcome(row["outcome"]), tuple(row["predecessors"])
    for name in ("sizes", "measured"):
        row[name] = dict(row[name])
    for name in ("submitted", "started", "ended"):
        row[name] = row[name] and row[name].astimezone(UTC)
    return TaskRecord(**row)


def _time(moment: datetime | None) -> int:
    if moment is None:
        return int(NEVER)
    past = moment - EPOCH
    return (past.days * 86_400 + past.seconds) * 1_000_000 + past.microseconds
