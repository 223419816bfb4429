"""What the past says of a task before it starts: of its subject, of its kind and of its worker.

A large sample is large for every kind that works on it, so what earlier attempts on a subject took,
relative to what is usual of their kinds, says how large the next ones will be. All is told in
logarithms apart from the median of the kind, and nothing counts that had not ended by then.
`docs/decisions/history.md` says why.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from learner.kinship import Kinship, subject_of
from scheduler.records import Outcome, TaskRecord

Floats = NDArray[np.float64]
QUANTITIES = ("duration", "memory", "read", "written")
BOTH = 2  # of these, the first that kinds and workers also have a recent past of
_BYTES = {"read": ("rchar", "read_bytes"), "written": ("wchar", "write_bytes", "written_bytes")}
DOUBT = 0.5  # attempts that say "as usual", beside those of a subject
RECENT, CAUTION = 5, 1.0  # attempts that make a recent past, and those that say "as usual"
FARTHEST = 4.0  # no attempt counts as farther from the usual than e to this
TASK_COLUMNS = (
    *(f"{whose}_{name}" for whose in ("subject", "alike", "latest") for name in QUANTITIES),
    *(f"kind_{name}" for name in QUANTITIES[:BOTH]),
    "subject_attempts",
    "kind_attempts",
)
WORKER_COLUMNS = tuple(f"worker_{name}" for name in QUANTITIES[:BOTH])
COLUMNS = (*TASK_COLUMNS, *WORKER_COLUMNS)
Usual = Mapping[str, tuple[float, ...]]


def usual_of(records: Iterable[TaskRecord]) -> dict[str, tuple[float, ...]]:
    """The median logarithm of each of QUANTITIES by kind; NaN where it was never observed."""
    logs: dict[str, list[Floats]] = {}
    for record in records:
        logs.setdefault(record.kind, []).append(_logs(record))
    return {kind: tuple(_medians(np.array(rows))) for kind, rows in logs.items()}


def history_columns(records: Sequence[TaskRecord], *, usual: Usual) -> dict[str, Floats]:
    """What was known of each attempt when it was submitted, by column: n values, NaN if nothing.

    Every value comes from attempts among these that had ended before the attempt was submitted.
    `usual` is what the attempts are compared with: that of the rows to learn from.
    """
    past = Past(usual, _subjects(records))
    waiting = sorted(
        (record for record in records if record.ended is not None),
        key=lambda record: record.ended or datetime.max,
    )
    values = np.full((len(records), len(COLUMNS)), np.nan)
    ended = 0
    for i, asked in sorted(_asked(records), key=lambda each: each[1]):
        while ended < len(waiting) and _before(waiting[ended].ended, asked):
            past.observe(waiting[ended])
            ended += 1
        known = past.of(records[i].kind, records[i].task, records[i].worker)
        values[i] = [known[name] for name in COLUMNS]
    return {name: values[:, j] for j, name in enumerate(COLUMNS)}


@dataclass
class Recent:
    """The last residuals, newest last, and how many there ever were."""

    residuals: list[list[float]] = field(default_factory=list)
    attempts: int = 0

    def add(self, residual: Floats) -> None:
        """Takes one attempt's residuals in, and forgets the oldest."""
        self.residuals = [*self.residuals, residual[:BOTH].tolist()][-RECENT:]
        self.attempts += 1

    def means(self) -> Floats:
        """Means shrunk to zero; NaN where nothing was observed."""
        if not self.residuals:
            return np.full(BOTH, np.nan)
        rows = np.array(self.residuals)
        count = (~np.isnan(rows)).sum(0)
        return np.where(count > 0, np.nansum(rows, axis=0) / (count + CAUTION), np.nan)


class Past:
    """What ended so far, ready to be asked; it only grows.

    `subjects` are those it may meet: what it is told of others it does not keep.
    """

    def __init__(self, usual: Usual, subjects: Sequence[str]) -> None:
        self.usual = dict(usual)
        self.kinship = Kinship(subjects)
        self._place = {subject: i for i, subject in enumerate(self.kinship.subjects)}
        self._sums, self._counts, self._latest = (
            np.full((len(subjects), len(QUANTITIES)), start) for start in (0.0, 0.0, np.nan)
        )
        self._attempts = np.zeros(len(subjects))
        self._kinds: dict[str, Recent] = {}
        self._workers: dict[str, Recent] = {}

    @classmethod
    def learn(cls, records: Collection[TaskRecord], *, usual: Usual | None = None) -> "Past":
        """All that these records say, for the tasks that come after them."""
        past = cls(usual_of(records) if usual is None else usual, _subjects(records))
        ended = [record for record in records if record.ended is not None]
        for record in sorted(ended, key=lambda each: each.ended or datetime.max):
            past.observe(record)
        return past

    def observe(self, record: TaskRecord) -> None:
        """An attempt has ended; only successes say how much a kind takes."""
        if record.outcome is not Outcome.SUCCEEDED or record.kind not in self.usual:
            return
        residual = np.clip(_logs(record) - self.usual[record.kind], -FARTHEST, FARTHEST)
        self._kinds.setdefault(record.kind, Recent()).add(residual)
        if record.worker is not None:
            self._workers.setdefault(record.worker, Recent()).add(residual)
        if (subject := subject_of(record.task)) in self._place:
            self._add(self._place[subject], residual)

    def of(self, kind: str, task: str, worker: str | None = None) -> dict[str, float]:
        """The history of a task that waits, by column; NaN where nothing is known."""
        lately = self._kinds.get(kind, Recent())
        subject = subject_of(task)
        told = [*self._of_subject(subject), *lately.means(), self._attempts_on(subject)]
        values = [
            *told,
            np.log1p(lately.attempts),
            *self._workers.get(worker or "", Recent()).means(),
        ]
        return {name: float(value) for name, value in zip(COLUMNS, values, strict=True)}

    def of_worker(self, worker: str) -> dict[str, float]:
        """The part of a task's history that depends on the worker: WORKER_COLUMNS."""
        means = self._workers.get(worker, Recent()).means()
        return {name: float(value) for name, value in zip(WORKER_COLUMNS, means, strict=True)}

    def as_plain(self) -> dict[str, Any]:
        """JSON values from which `from_plain` makes the same past."""
        recent = {"kinds": self._kinds, "workers": self._workers}
        return {
            "usual": {kind: _told(each) for kind, each in self.usual.items()},
            "subjects": list(self.kinship.subjects),
            "sums": self._sums.tolist(),
            "counts": self._counts.tolist(),
            "latest": [_told(row) for row in self._latest],
            "attempts": self._attempts.tolist(),
        } | {
            name: {key: [[_told(row) for row in r.residuals], r.attempts] for key, r in of.items()}
            for name, of in recent.items()
        }

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> "Past":
        """The past that `as_plain` wrote."""
        usual = {kind: tuple(_known(each)) for kind, each in plain["usual"].items()}
        past = cls(usual, plain["subjects"])
        shape = past._sums.shape
        past._sums, past._counts, past._latest = (
            np.array([_known(row) for row in plain[name]], dtype=np.float64).reshape(shape)
            for name in ("sums", "counts", "latest")
        )
        past._attempts = np.array(plain["attempts"], dtype=np.float64)
        past._kinds, past._workers = (
            {key: Recent([_known(row) for row in rows], n) for key, (rows, n) in of.items()}
            for of in (plain["kinds"], plain["workers"])
        )
        return past

    def _add(self, i: int, residual: Floats) -> None:
        seen = ~np.isnan(residual)
        self._sums[i] += np.where(seen, residual, 0.0)
        self._counts[i] += seen
        self._latest[i] = np.where(seen, residual, self._latest[i])
        self._attempts[i] += 1

    def _of_subject(self, subject: str | None) -> Floats:
        unknown = np.full(len(QUANTITIES), np.nan)
        if subject is None:
            return np.concatenate([unknown] * 3)
        near, weight = self.kinship.alike(subject)
        alike = _shrunk(weight @ self._sums[near], weight @ self._counts[near])
        i = self._place.get(subject)
        if i is None:
            return np.concatenate([unknown, alike, unknown])
        return np.concatenate([_shrunk(self._sums[i], self._counts[i]), alike, self._latest[i]])

    def _attempts_on(self, subject: str | None) -> float:
        i = self._place.get(subject or "")
        return 0.0 if i is None else float(np.log1p(self._attempts[i]))


def _logs(record: TaskRecord) -> Floats:
    """Logarithms of QUANTITIES; NaN where not observed, or where a zero hides what was."""
    moved = (
        next((record.measured[name] for name in names if name in record.measured), None)
        for names in _BYTES.values()
    )
    values = [record.duration, record.peak_memory, *moved]
    return np.array([np.log(value) if value else np.nan for value in values])


def _medians(rows: Floats) -> Floats:
    known = ~np.isnan(rows)
    return np.array(
        [np.median(rows[seen, j]) if seen.any() else np.nan for j, seen in enumerate(known.T)]
    )


def _shrunk(total: Floats, count: Floats) -> Floats:
    return np.where(count > 0, total / (count + DOUBT), np.nan)


def _subjects(records: Iterable[TaskRecord]) -> list[str]:
    found = (subject_of(record.task) for record in records)
    return sorted({subject for subject in found if subject is not None})


def _asked(records: Sequence[TaskRecord]) -> list[tuple[int, datetime]]:
    """When each attempt was asked for; those whose log does not say have no past."""
    times = [(i, record.submitted or record.started) for i, record in enumerate(records)]
    return [(i, time) for i, time in times if time is not None]


def _told(values: Iterable[float]) -> list[float | None]:
    return [None if np.isnan(value) else float(value) for value in values]


def _known(values: Iterable[float | None]) -> list[float]:
    return [np.nan if value is None else value for value in values]


def _before(ended: datetime | None, asked: datetime) -> bool:
    return ended is not None and ended < asked
