"""The store as it was at a moment, and a check that nothing later is seen through it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Protocol

import numpy as np

from scheduler.backtesting.past import PastRun, span
from scheduler.errors import AllotError, NotFound
from scheduler.forecast import Forecast
from scheduler.predictors.base import Predictor
from scheduler.records import Outcome, TaskRecord
from scheduler.store.values import KindSummary, ModelVersion, Promotion, RunSummary, Training

TWISTS = (7.0, 1 / 7.0)  # what later durations and peaks are multiplied by in the check
ROUNDING = 1e-9


class Kept(Protocol):
    """What of a store does not depend on records."""

    @property
    def folder(self) -> Path: ...
    def version(self, name: str) -> ModelVersion: ...
    def promotions(self, *, limit: int = 200) -> tuple[Promotion, ...]: ...
    def training(self, training: int, *, now: datetime) -> Training: ...


@dataclass(frozen=True, eq=False)
class Known:
    """What a store had told at a moment: records that had ended, versions that had been promoted.

    It offers predictors what they ask a store for.
    """

    at: datetime
    observed: Sequence[TaskRecord]
    kept: Kept | None = None

    def records(
        self,
        *,
        kind: str | None = None,
        run: str | None = None,
        through: int | None = None,
        trusted: bool = False,
    ) -> Iterator[TaskRecord]:
        """The records that had ended, oldest first."""
        del through, trusted  # whatever had arrived then, of those that were read
        for each in self.observed:
            over = span(each)
            if over is None or over[1] >= self.at:
                continue
            if kind in (None, each.kind) and run in (None, each.run):
                yield each

    def runs(self, *, now: datetime, limit: int = 200) -> tuple[RunSummary, ...]:
        """None: forecasts of earlier runs are not looked at again."""
        del now, limit
        return ()

    def kinds(self) -> tuple[KindSummary, ...]:
        """Each kind on each worker, of the records that had ended."""
        groups: dict[tuple[str, str | None], list[TaskRecord]] = {}
        for each in self.records():
            groups.setdefault((each.kind, each.worker), []).append(each)
        return tuple(_summed(*key, group) for key, group in groups.items())

    def aliases(self) -> Mapping[str, str]:
        """The champion of that moment, where there was one."""
        if self.kept is None:
            return {}
        changes = (each for each in self.kept.promotions() if each.alias == "champion")
        before = [each for each in changes if each.at < self.at]
        newest = max(before, key=lambda each: each.at, default=None)
        return {} if newest is None else {"champion": newest.version}

    def version(self, name: str) -> ModelVersion:
        """The version of that name or alias; NotFound where it came later."""
        found = None if self.kept is None else self.kept.version(self.aliases().get(name, name))
        if found is None or found.created >= self.at:
            raise NotFound(f"There was no version {name!r} before {self.at.isoformat()}.")
        return found

    def training(self, training: int, *, now: datetime) -> Training:
        """A training, as the store tells it."""
        if self.kept is None:
            raise NotFound(f"There was no training {training!r} before {self.at.isoformat()}.")
        return self.kept.training(training, now=now)

    @property
    def folder(self) -> Path:
        """Where versions lie."""
        if self.kept is None:
            raise NotFound("There is no folder of versions.")
        return self.kept.folder


Learn = Callable[[Known], Predictor]


def demand_no_leak(learn: Learn, known: Known, past: PastRun) -> Forecast:
    """The forecast of a past run from what was known, made once more with another future.

    Raises AllotError where the two differ: the predictor then saw what had not happened yet.
    """
    forecast = learn(known).predict(past.workflow, past.cluster)
    other = replace(known, observed=[_twisted(each, i, known.at) for i, each in
                                     enumerate(known.observed)])  # fmt: skip
    again = learn(other).predict(past.workflow, past.cluster)
    for name in ("duration", "memory", "cpu", "failure"):
        one, two = getattr(forecast, name), getattr(again, name)
        if not np.allclose(one, two, rtol=ROUNDING, atol=0.0):
            raise AllotError(
                f"The forecast of {past.name!r} ({name}) changes with what was logged after it "
                f"began, at {known.at.isoformat()}: the predictor sees the future, so nothing that "
                "it promises of the past can be trusted."
            )
    return forecast


def _summed(kind: str, worker: str | None, group: Sequence[TaskRecord]) -> KindSummary:
    good = [each for each in group if each.outcome is Outcome.SUCCEEDED]

    def mean(name: str) -> float | None:
        values = [value for each in good if (value := getattr(each, name)) is not None]
        return float(np.mean(values)) if values else None

    means = {name: mean(name) for name in ("duration", "peak_memory", "cpu")}
    return KindSummary(kind, worker, len(group), len(good), **means)


def _twisted(record: TaskRecord, number: int, at: datetime) -> TaskRecord:
    over = span(record)
    if over is not None and over[1] < at:
        return record
    factor = TWISTS[number % len(TWISTS)]
    return replace(
        record,
        duration=None if record.duration is None else record.duration * factor,
        peak_memory=None if record.peak_memory is None else record.peak_memory * factor,
        cpu=None if record.cpu is None else record.cpu * factor,
    )
