"""Changes of a problem's flat arrays that leave everything else as it lies."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from scheduler.cluster import Cluster, Worker
from scheduler.forecast import Forecast
from scheduler.planning.flat import Flat, Floats, Ints
from scheduler.planning.schedule import Placement
from scheduler.planning.shelf import Shelf

OF_TASKS = (
    "row", "cores", "need", "release", "deadline", "weight", "owner",
    "fixed_worker", "fixed_start", "fixed_end", "fixed_cores", "fixed_memory",
)  # fmt: skip
OF_ROWS = ("duration", "memory", "affinity")


def rows_of(forecast: Forecast, rows: Sequence[int]) -> Forecast:
    """What is believed of some of the tasks."""
    names = {name: getattr(forecast, name)[rows] for name in _held(forecast)}
    gates = {target: values[rows] for target, values in forecast.gates.items()}
    return replace(forecast, tasks=tuple(forecast.tasks[i] for i in rows), gates=gates, **names)


def beside(forecast: Forecast, other: Forecast, *, axis: int) -> Forecast:
    """Two forecasts as one: more tasks (axis 0) or more workers (axis 1); gates are left out.

    Affinities of more workers are a mean of what each forecast says, so that rows sum to one.
    """
    names = ("duration", "memory", "cpu", "failure")
    both: dict[str, Any] = {
        name: np.concatenate([getattr(forecast, name), getattr(other, name)], axis=axis)
        for name in names
    }
    affinity, new = forecast.affinity, other.affinity
    if axis == 1:
        share = affinity.shape[1] / (affinity.shape[1] + new.shape[1])
        affinity, new = affinity * share, new * (1 - share)
        both["workers"] = forecast.workers + other.workers
        allocations = _widened(forecast.allocations, len(other.workers))
    else:
        both["tasks"] = forecast.tasks + other.tasks
        allocations = _stacked(forecast.allocations, other.allocations)
    both["affinity"] = np.concatenate([affinity, new], axis=axis)
    return replace(forecast, allocations=allocations, gates={}, experts=(), **both)


def _stacked(upper: Floats | None, lower: Floats | None) -> Floats | None:
    if upper is None or lower is None:
        return None
    wide = max(upper.shape[2], lower.shape[2])
    padded = [
        np.pad(each, ((0, 0), (0, 0), (0, wide - each.shape[2])), mode="edge")
        for each in (upper, lower)
    ]
    return np.concatenate(padded)


def _widened(given: Floats | None, more: int) -> Floats | None:
    """With columns for more workers, for which nothing was chosen: the most of any worker."""
    if given is None:
        return None
    most = given.max(axis=1, keepdims=True)
    return np.concatenate([given, np.repeat(most, more, axis=1)], axis=1)


def _held(forecast: Forecast) -> tuple[str, ...]:
    names = ("duration", "memory", "cpu", "failure", "affinity")
    return names if forecast.allocations is None else (*names, "allocations")


def set_at(values: Any, row: int, value: float) -> Any:
    """A copy with one value changed."""
    copy = values.copy()
    copy[row] = value
    return copy


def with_fixed(flat: Flat, row: int, placed: Placement | None, cluster: Cluster) -> Flat:
    """The task has happened so, or (None) is free again."""
    worker = -1 if placed is None else cluster.index[placed.worker]
    start, end, cores, memory = 0.0, 0.0, 0.0, 0.0
    if placed is not None:
        start, end = placed.start, placed.end
        cores, memory = placed.allocation.cores, float(placed.allocation.memory)
    return flat._replace(
        fixed_worker=set_at(flat.fixed_worker, row, worker),
        fixed_start=set_at(flat.fixed_start, row, start),
        fixed_end=set_at(flat.fixed_end, row, end),
        fixed_cores=set_at(flat.fixed_cores, row, cores),
        fixed_memory=set_at(flat.fixed_memory, row, memory),
    )


def with_windows(flat: Flat, column: int, closed: Sequence[tuple[float, float]]) -> Flat:
    """The worker is closed in these windows."""
    first, last = flat.closed_start[column], flat.closed_start[column + 1]
    windows = np.array(sorted(closed), dtype=np.float64).reshape(-1, 2)
    start = flat.closed_start.copy()
    start[column + 1 :] += len(windows) - (last - first)
    rows = [flat.closed[:first], windows, flat.closed[last:]]
    return flat._replace(closed_start=start, closed=np.concatenate(rows))


def with_task(flat: Flat, row: int, alone: Flat, shelf: Shelf) -> Flat:
    """The task has what `alone`, the arrays of its own problem, says; it gets a row of its own."""
    rows: dict[str, Any] = {
        name: shelf.below(getattr(flat, name), getattr(alone, name)) for name in OF_ROWS
    }
    own: dict[str, Any] = {
        name: set_at(getattr(flat, name), row, getattr(alone, name)[0])
        for name in ("cores", "need", "release", "deadline", "weight")
    }
    return flat._replace(row=set_at(flat.row, row, len(flat.duration)), **own, **rows)


def scaled(flat: Flat, row: int, factor: float, shelf: Shelf) -> Flat:
    """The task takes so many times as long everywhere."""
    r = flat.row[row]
    rows: dict[str, Any] = {
        name: shelf.below(getattr(flat, name), getattr(flat, name)[r : r + 1]) for name in OF_ROWS
    }
    rows["duration"][-1] *= factor
    return flat._replace(row=set_at(flat.row, row, len(flat.duration)), **rows)


def with_more(
    flat: Flat, added: Flat, source: Ints, target: Ints, size: Floats, shelf: Shelf
) -> Flat:
    """The tasks of `added` come after all others, waiting for each other and for `source` tasks.

    `source` and `target` are indices of both together; `added` has the same workers and pools.
    """
    n = flat.row.size
    names: dict[str, Any] = {
        name: np.concatenate([getattr(flat, name), getattr(added, name)]) for name in OF_TASKS
    }
    names |= {name: shelf.below(getattr(flat, name), getattr(added, name)) for name in OF_ROWS}
    names["row"][n:] += len(flat.duration)
    names["order"] = np.concatenate([flat.order, added.order + n])
    for side, own, other in (("before", target, source), ("after", source, target)):
        start, task, sizes = (
            getattr(flat, f"{side}_{name}") for name in ("start", "task", "bytes")
        )
        more = [getattr(added, f"{side}_{name}") for name in ("start", "task", "bytes")]
        start = np.concatenate([start, start[-1] + more[0][1:]])
        rows = np.argsort(own, kind="stable")
        where = start[own[rows] + 1]
        start[1:] += np.cumsum(np.bincount(own, minlength=start.size - 1))
        task, sizes = np.concatenate([task, more[1] + n]), np.concatenate([sizes, more[2]])
        names[f"{side}_start"] = start
        names[f"{side}_task"] = np.insert(task, where, other[rows])
        names[f"{side}_bytes"] = np.insert(sizes, where, size[rows])
    return flat._replace(**names)


def without(flat: Flat, row: int) -> Flat:
    """The task is not there, nor what it waits for and what waits for it."""
    n = flat.row.size
    rows = np.delete(np.arange(n), row)
    new = np.full(n, -1)
    new[rows] = np.arange(n - 1)
    names: dict[str, Any] = {name: getattr(flat, name)[rows] for name in OF_TASKS}
    _, first, names["owner"] = np.unique(names["owner"], return_index=True, return_inverse=True)
    names["owner"] = np.argsort(np.argsort(first))[names["owner"]]  # by first appearance
    target = np.repeat(np.arange(n), np.diff(flat.before_start))
    kept = (target != row) & (flat.before_task != row)
    ends = (new[flat.before_task[kept]], new[target[kept]], flat.before_bytes[kept])
    order = new[flat.order[flat.order != row]]
    return _with_edges(flat._replace(order=order, **names), *ends)


def _with_edges(flat: Flat, source: Ints, target: Ints, size: Floats) -> Flat:
    n = flat.row.size
    names: dict[str, Any] = {}
    for side, own, other in (("before", target, source), ("after", source, target)):
        rows = np.argsort(own, kind="stable")
        names[f"{side}_start"] = np.concatenate([[0], np.cumsum(np.bincount(own, minlength=n))])
        names[f"{side}_task"], names[f"{side}_bytes"] = other[rows], size[rows]
    return flat._replace(**names)


def with_worker(
    flat: Flat, worker: Worker, duration: Floats, memory: Floats, rate: float, shelf: Shelf
) -> Flat:
    """The cluster has one worker more, its last, reached at `rate` seconds per byte.

    `duration` (infinite where it cannot take the task) and `memory` are of the tasks, n.
    """
    m = flat.worker_cores.size
    per_byte = np.full((m + 1, m + 1), rate)
    per_byte[:m, :m], per_byte[m, m] = flat.per_byte, 0.0
    windows = np.array(sorted(worker.closed), dtype=np.float64).reshape(-1, 2)
    affinity = shelf.beside(_of_each(flat, flat.affinity), np.full(len(duration), 1.0 / m))
    affinity *= m / (m + 1)
    return flat._replace(
        row=np.arange(len(duration)),
        duration=shelf.beside(_of_each(flat, flat.duration), duration),
        memory=shelf.beside(_of_each(flat, flat.memory), memory),
        affinity=affinity,
        worker_cores=np.append(flat.worker_cores, worker.cores),
        worker_memory=np.append(flat.worker_memory, worker.memory),
        price=np.append(flat.price, worker.price / 3600),
        power=np.append(flat.power, worker.power),
        per_byte=per_byte,
        closed_start=np.append(flat.closed_start, flat.closed_start[-1] + len(windows)),
        closed=np.concatenate([flat.closed, windows]),
    )


def _of_each(flat: Flat, rows: Floats) -> Floats:
    """Rows of beliefs, one for each task; as they lie where they do so already."""
    own = flat.row.size == len(rows) and bool((flat.row == np.arange(len(rows))).all())
    return rows if own else rows[flat.row]


def given_whole(flat: Flat, rows: Ints) -> bool:
    """Whether some of the tasks get all that their workers have, for want of a larger one."""
    rows = flat.row[rows]
    for w, most in enumerate(flat.worker_memory):
        rows = rows[(flat.memory[rows, w] == most) | np.isinf(flat.duration[rows, w])]
    return rows.size > 0
