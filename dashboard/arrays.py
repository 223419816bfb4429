"""A run as flat arrays: pure. Tasks and workers are places in the workflow and the cluster."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scheduler.forecast import Forecast
from scheduler.planning.objective import Objective
from scheduler.planning.schedule import Placement, Schedule
from scheduler.records import Outcome
from scheduler.store.values import Attempt
from scheduler.workflow import Workflow

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
FINE, FAILED, RUNNING = 0, 1, 2
LOW, HIGH = 0.1, 0.9  # levels of a whisker


@dataclass(frozen=True, eq=False)
class Spans:
    """What holds a worker from `start` to `end`, in order of its start: one entry each.

    `low` and `high` are the P10 and P90 of the end where its task starts as planned; for attempts
    they are the end. `state` is FINE, FAILED or RUNNING, and `attempt` counts from one, zero in
    a plan.
    """

    task: Ints
    worker: Ints
    start: Floats
    end: Floats
    low: Floats
    high: Floats
    cores: Floats
    memory: Floats
    state: Ints
    attempt: Ints

    def of(self, chosen: NDArray[np.bool_]) -> "Spans":
        """Those that are chosen."""
        return Spans(*(getattr(self, name)[chosen] for name in self.__dataclass_fields__))


def planned(
    workflow: Workflow, workers: Mapping[str, int], plan: Schedule, forecast: Forecast,
    objective: Objective,
) -> Spans:  # fmt: skip
    """A plan: what is sure of the end is what the forecast says of the duration on that worker.

    The whisker moves the planned end by how far P10 and P90 lie from the level planned with.
    """
    placed = plan.placements
    task, worker = _places(placed, workflow, workers)
    start, end = _numbers([each.start for each in placed]), _numbers([each.end for each in placed])
    away = _away(forecast, placed, objective.duration_quantile)
    none = np.zeros(len(placed), np.int64)
    return Spans(
        task, worker, start, end,
        np.maximum(end + away[0], start), np.maximum(end + away[1], start),
        _numbers([each.allocation.cores for each in placed]),
        _numbers([each.allocation.memory for each in placed]), none, none,
    )  # fmt: skip


def tried(workflow: Workflow, workers: Mapping[str, int], found: Sequence[Attempt]) -> Spans:
    """Attempts; what has not ended reaches to infinity."""
    task, worker = _places(found, workflow, workers)
    end = _numbers([np.inf if each.end is None else each.end for each in found])
    return Spans(
        task, worker, _numbers([each.start for each in found]), end, end, end,
        _numbers([each.allocation.cores for each in found]),
        _numbers([each.allocation.memory for each in found]),
        np.array([_state(each) for each in found], np.int64),
        np.array([each.attempt for each in found], np.int64),
    )  # fmt: skip


def until(spans: Spans, moment: float) -> Spans:
    """The same, cut where it has not ended: what still runs reaches to this moment."""
    ends = np.where(np.isinf(spans.end), np.maximum(spans.start, moment), spans.end)
    given = {name: getattr(spans, name) for name in spans.__dataclass_fields__}
    return Spans(**given | {"end": ends, "low": ends, "high": ends})


def with_later(workers: Sequence[str], found: Sequence[Placement | Attempt]) -> tuple[str, ...]:
    """These workers, then those that came while the run went on."""
    later = {each.worker for each in found} - set(workers)
    return (*workers, *sorted(later))


def last_ends(spans: Spans, tasks: int) -> Floats:
    """When the last attempt of each task ended; minus infinity for those without any."""
    ends = np.full(tasks, -np.inf)
    np.maximum.at(ends, spans.task, spans.end)
    return ends


def _places(
    found: Sequence[Placement] | Sequence[Attempt], workflow: Workflow, workers: Mapping[str, int]
) -> tuple[Ints, Ints]:
    task = np.array([workflow.index[each.task] for each in found], np.int64)
    return task, np.array([workers[each.worker] for each in found], np.int64)


def _numbers(values: Sequence[float]) -> Floats:
    return np.array(values, np.float64)


def _state(attempt: Attempt) -> int:
    if attempt.observation is not None and attempt.observation.outcome is not Outcome.SUCCEEDED:
        return FAILED
    return RUNNING if attempt.end is None else FINE


def _away(forecast: Forecast, placed: Sequence[Placement], level: float) -> tuple[Floats, Floats]:
    """By how much P10 and P90 of each duration lie from the level; nothing where none is known."""
    row = {name: place for place, name in enumerate(forecast.tasks)}
    column = {name: place for place, name in enumerate(forecast.workers)}
    task = np.array([row.get(each.task, -1) for each in placed], np.int64)
    worker = np.array([column.get(each.worker, -1) for each in placed], np.int64)
    known = (task >= 0) & (worker >= 0)
    rows = task if forecast.rows is None else forecast.rows[task]
    beliefs = forecast.duration[np.where(known, rows, 0), worker]
    middle = _level(beliefs, forecast.quantiles, level)
    low, high = (_level(beliefs, forecast.quantiles, each) - middle for each in (LOW, HIGH))
    return np.where(known, low, 0.0), np.where(known, high, 0.0)


def _level(beliefs: Floats, levels: Sequence[float], wanted: float) -> Floats:
    """As Forecast.at, of these beliefs alone: n x q to n."""
    upper = int(np.clip(np.searchsorted(levels, wanted), 1, len(levels) - 1))
    low, high = levels[upper - 1], levels[upper]
    share = float(np.clip((wanted - low) / (high - low), 0.0, 1.0))
    part: Floats = beliefs[:, upper - 1] * (1 - share) + beliefs[:, upper] * share
    return part
