"""Allocations for a workflow that is to be planned: the policy on top of a forecast."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from scheduler.forecast import Forecast
from scheduler.sizing.beliefs import Told
from scheduler.sizing.memory import MemorySizing
from scheduler.workflow import Task, Workflow

Array = NDArray[np.float64]
ATTEMPTS = 4  # planned ahead for each task
_ROUGHLY = 100  # parts of a factor e, by which tasks count as alike


def told(forecast: Forecast) -> Mapping[str, Told]:
    """By task, the quantiles of its memory; their geometric mean over the workers."""
    usual = np.exp(np.log(forecast.by_task().memory).mean(axis=1))
    return {
        task: Told(forecast.quantiles, tuple(map(float, row)))
        for task, row in zip(forecast.tasks, usual, strict=True)
    }


def with_allocations(forecast: Forecast, workflow: Workflow, sizing: MemorySizing) -> Forecast:
    """The forecast, and what the attempts of each task should get in turn.

    Costs about a millisecond for each task that differs from all before it by more than a percent
    in its sizes or its forecast.
    """
    forecast = forecast.by_task()
    said, planned = told(forecast), dict[object, list[float]]()
    rows = []
    for task in workflow.tasks:
        alike = _alike(task, said[task.id], sizing)
        if alike not in planned:
            planned[alike] = _planned(task, said[task.id], sizing)
        rows.append(planned[alike])
    return replace(forecast, allocations=np.array(rows))


def _alike(task: Task, said: Told, sizing: MemorySizing) -> object:
    sizes = tuple((name, _rough(value)) for name, value in sorted(task.sizes.items()))
    return task.kind, sizes, sizing.groups(task.kind, task.id), tuple(map(_rough, said.memory))


def _rough(value: float) -> int:
    return round(_ROUGHLY * float(np.log1p(value)))


def _planned(task: Task, said: Told, sizing: MemorySizing) -> list[float]:
    """The first allocations of the task's ladder; what follows them is left to be doubled."""
    ladder = sizing.allocate(task.kind, sizes=task.sizes, subject=task.id, told=said)
    given = [ladder.first]
    while len(given) < ATTEMPTS:
        given.append(ladder.after(given[-1]) or given[-1])
    return given
