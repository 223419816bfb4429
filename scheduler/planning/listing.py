"""List scheduling of a problem: from an order of its tasks to placements."""

import numpy as np

from scheduler.errors import Infeasible
from scheduler.planning.flat import Floats, Ints
from scheduler.planning.kernels.lists import list_schedule
from scheduler.planning.problem import Problem
from scheduler.planning.schedule import Placement

NO_BIAS = np.zeros((0, 0))


def placements(
    problem: Problem,
    order: Ints,
    *,
    duration_weight: float = 1.0,
    insertion: bool = True,
    bias: Floats = NO_BIAS,
) -> tuple[Placement, ...]:
    """Each task, in this order, where start + duration_weight x duration + bias is least.

    `order` must hold every task after its predecessors; what has happened stays as it is. Weight 1
    looks for the earliest finish, weight 0 for the earliest start. With `insertion` gaps before
    placed tasks are used. `bias` (seconds, tasks x workers) prefers workers. Raises Infeasible for
    a task that no worker can ever start.
    """
    timed = list_schedule(problem.flat, order, bias, float(duration_weight), insertion)
    return placed(problem, *timed)


def placed(problem: Problem, worker: Ints, start: Floats, end: Floats) -> tuple[Placement, ...]:
    """Placements from arrays in the order of the tasks; raises Infeasible where a worker is -1."""
    tasks, workers, fixed = problem.workflow.tasks, problem.cluster.workers, problem.fixed
    if (worker < 0).any():
        first = tasks[int(np.argmax(worker < 0))].id
        raise Infeasible([f"Task {first!r} finds no worker and no time at which it could start."])
    rows = zip(tasks, worker.tolist(), start.tolist(), end.tolist(), strict=True)
    return tuple(
        fixed.get(task.id)
        or Placement(task.id, workers[w].name, begin, finish, problem.allocation(t, w))
        for t, (task, w, begin, finish) in enumerate(rows)
    )


def placed_or_queued(
    problem: Problem, worker: Ints, start: Floats, end: Floats
) -> tuple[Placement, ...]:
    """Placements from arrays, or those of a queue in the order given where that ends earlier."""
    queue = list_schedule(problem.flat, problem.flat.order, NO_BIAS, 0.0, False)
    if (worker >= 0).all() and not queue[2].max() < end.max():
        return placed(problem, worker, start, end)
    return placed(problem, *queue)
