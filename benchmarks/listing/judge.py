"""The rules of feasibility on arrays, for schedules too large for the judge of the package.

It shares nothing with the planners; at the sizes where both can run, the benchmark asks both.
"""

import numpy as np
from numpy.typing import NDArray

from scheduler.planning.flat import Flat

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
LEEWAY = 1e-9


def demand_feasible(flat: Flat, worker: Ints, start: Floats, end: Floats) -> None:
    """Raises AssertionError where tasks are missing, too short, too early or too many at a time."""
    assert ((worker >= 0) & (worker < flat.worker_cores.size)).all(), "a task is placed nowhere"
    leeway = LEEWAY * end.max()
    assert (start >= -leeway).all(), "a task starts before the run"
    assert (end - start >= flat.duration[flat.row, worker] - leeway).all(), "a task is too short"
    target = np.repeat(np.arange(flat.row.size), np.diff(flat.before_start))
    source = flat.before_task
    travel = flat.latency + flat.before_bytes * flat.per_byte[worker[source], worker[target]]
    ready = end[source] + np.where(worker[source] == worker[target], 0.0, travel)
    assert (start[target] >= ready - leeway).all(), "a task starts before what it waits for"
    for amount, capacity in (
        (flat.cores, flat.worker_cores),
        (flat.memory[flat.row, worker], flat.worker_memory),
    ):
        _demand_room(worker, start, end - leeway, amount, capacity)


def _demand_room(
    worker: Ints, start: Floats, end: Floats, amount: Floats, capacity: Floats
) -> None:
    moment = np.concatenate([end, start])
    change = np.concatenate([-amount, amount])
    place = np.concatenate([worker, worker])
    order = np.lexsort((change, moment, place))  # what ends makes room for what starts then
    held = np.cumsum(change[order])
    first = np.searchsorted(place[order], np.arange(capacity.size))
    before = np.concatenate([[0.0], held])[first]
    here = held - before[place[order]]
    most = capacity[place[order]] * (1 + LEEWAY) + LEEWAY * float(amount.max())
    assert (here <= most).all(), "a worker gives more than it has"
