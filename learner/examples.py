"""Observed attempts as examples to learn from, in parts that time keeps apart."""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from learner.features import Columns, Inputs
from learner.targets import targets
from learner.targets.base import AttemptTarget
from scheduler.errors import InvalidInput
from scheduler.records import TaskRecord

if TYPE_CHECKING:
    from learner.training.streamed import Beyond

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
SHARES = (0.70, 0.85)  # where training ends, and where validation ends
LEAST = 20  # attempts below which nothing can be learned and checked
BEGINNING = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, eq=False)
class Split:
    """Rows to fit, to choose the best epoch and calibrate, and to judge: apart from each other."""

    train: Ints
    validation: Ints
    test: Ints


@dataclass(frozen=True, eq=False)
class Examples:
    """Attempts with what was known before and what was observed after.

    Shape
    - records, inputs: n attempts, oldest first
    - truth: by target, n values on the target's scale, NaN where not observed
    - at_least: by target, n bounds below a truth that was cut off, NaN elsewhere

    `beyond` is the whole of a log of which memory holds only these.
    """

    records: tuple[TaskRecord, ...]
    columns: Columns
    inputs: Inputs
    truth: Mapping[str, Floats]
    at_least: Mapping[str, Floats]
    split: Split
    beyond: "Beyond | None" = None

    @classmethod
    def of(
        cls,
        records: Sequence[TaskRecord],
        *,
        split: Split | None = None,
        columns: Columns | None = None,
        known_beforehand: Collection[str] = (),
    ) -> "Examples":
        """Examples of records, split by time unless a split is given.

        The columns are learned from the training rows unless they are given. Raises InvalidInput
        for too few attempts, for logs of which nothing can be set apart to learn from or to check
        with, and for sizes that could not be known before the start.
        """
        ordered = tuple(records if split is not None else in_order(records))
        if len(ordered) < LEAST:
            raise InvalidInput(
                f"Learning needs at least {LEAST} attempts, found {len(ordered)}; "
                "read more logs with: allot ingest"
            )
        parts = split or _whole_split(ordered)
        taught = [ordered[i] for i in parts.train]
        columns = columns or Columns.learn(taught, known_beforehand=known_beforehand)
        seen = [each for each in targets().values() if isinstance(each, AttemptTarget)]
        return cls(
            records=ordered,
            columns=columns,
            inputs=columns.encode_records(ordered),
            truth={each.name: np.array([each.truth(r) for r in ordered]) for each in seen},
            at_least={each.name: np.array([each.at_least(r) for r in ordered]) for each in seen},
            split=parts,
        )

    def __len__(self) -> int:
        return len(self.records)

    def part(self, rows: Ints) -> list[TaskRecord]:
        """The records behind some rows."""
        return [self.records[i] for i in rows]


def in_order(records: Sequence[TaskRecord]) -> list[TaskRecord]:
    """Oldest first by end, or start; those without a time come before, as they arrived."""
    return sorted(records, key=lambda record: when(record) or BEGINNING)


def when(record: TaskRecord) -> datetime | None:
    """The time at which an attempt was known; None when its log has no times."""
    return record.ended or record.started


def split_by_time(ordered: Sequence[TaskRecord]) -> Split:
    """The first 70 % to train, the next 15 % to validate, the last 15 % to test.

    A task that was tried again across a border loses its earlier attempts, so that no part holds a
    hint on another. Where a log has no times its order says nothing (logs arrive worker by
    worker): such attempts are drawn by the piece of work, and no work lies in two parts.
    """
    timed = [i for i, record in enumerate(ordered) if when(record) is not None]
    untimed = [i for i, record in enumerate(ordered) if when(record) is None]
    part = np.full(len(ordered), -1)
    part[timed] = parts_by_rank(len(timed))
    _drop_torn(ordered, timed, part)
    part[untimed] = parts_by_work([ordered[i] for i in untimed])
    split = Split(*(np.flatnonzero(part == each) for each in range(3)))
    refuse_leaking_split(ordered, split)
    return split


def _whole_split(ordered: Sequence[TaskRecord]) -> Split:
    split = split_by_time(ordered)
    for name, part in (("learn from", split.train), ("check with", split.validation)):
        if not len(part):
            works = len({work_of(record) for record in ordered})
            raise InvalidInput(
                f"Learning needs at least 1 attempt to {name}, found 0 of {len(ordered)}: attempts "
                f"without times are set apart by kind and sizes, of which these hold {works}; "
                "read more logs, or logs with times, with: allot ingest"
            )
    return split


def refuse_leaking_split(records: Sequence[TaskRecord], split: Split) -> None:
    """Raises InvalidInput when parts overlap, or a later part holds an earlier attempt."""
    parts = {"train": split.train, "validation": split.validation, "test": split.test}
    rows = np.concatenate(list(parts.values()))
    if len(np.unique(rows)) < len(rows):
        raise InvalidInput(
            "The parts of the examples must not share rows, found rows in two parts."
        )
    latest, before = None, ""
    for name, part in parts.items():
        times = [time for i in part if (time := when(records[i])) is not None]
        if latest is not None and times and min(times) < latest:
            raise InvalidInput(
                f"No attempt of the {name} part may come before one of the {before} part, "
                f"found {min(times).isoformat()} before {latest.isoformat()}."
            )
        if times:
            latest, before = max(times), name


def work_of(record: TaskRecord) -> tuple[object, ...]:
    """Which piece of work an attempt did: its kind and sizes, to about one percent."""
    sizes = sorted((name, round(float(np.log1p(size)), 2)) for name, size in record.sizes.items())
    return (record.workflow, record.kind, *sizes)


def parts_by_rank(count: int) -> Ints:
    """The part of each of so many attempts in the order of time: 0, 1 or 2."""
    return np.digitize((np.arange(count) + 0.5) / max(count, 1), SHARES)


def parts_by_work(records: Sequence[TaskRecord]) -> Ints:
    """The part of each attempt of which no time is known, drawn by its piece of work."""
    drawn = [_uniform(repr(work_of(record))) for record in records]
    return np.digitize(drawn, SHARES) if drawn else np.zeros(0, dtype=np.int64)


def _uniform(text: str) -> float:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) / 2**64


def _drop_torn(ordered: Sequence[TaskRecord], rows: Sequence[int], part: Ints) -> None:
    attempts: dict[tuple[str, str], list[int]] = {}
    for i in rows:
        attempts.setdefault((ordered[i].run, ordered[i].task), []).append(i)
    for group in attempts.values():
        tried_again = any(ordered[i].attempt > 1 for i in group)
        last = max(part[i] for i in group)
        if tried_again:
            part[[i for i in group if part[i] < last]] = -1
