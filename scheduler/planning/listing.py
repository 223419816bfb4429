"""List scheduling of a problem: from an order of its tasks to placements."""

import numpy as np

from scheduler.planning.kernels.lists import list_schedule
from scheduler.planning.problem import Ints, Problem
from scheduler.planning.schedule import Placement


def placements(
    problem: Problem, order: Ints, *, duration_weight: float, insertion: bool
) -> tuple[Placement, ...]:
    """Each task, in this order, where start + duration_weight x duration is least.

    `order` must hold every task after its predecessors. Weight 1 looks for the earliest finish,
    weight 0 for the earliest start. With `insertion` gaps before placed tasks are used.
    """
    edges, cluster = problem.predecessors, problem.cluster
    capacity = [(each.cores, each.memory) for each in cluster.workers]
    cores, memory = np.array(capacity, dtype=np.float64).T.copy()
    worker, start, end = list_schedule(
        order,
        edges.start,
        edges.task,
        edges.bytes,
        np.ascontiguousarray(problem.duration),
        problem.cores,
        np.ascontiguousarray(problem.memory),
        cores,
        memory,
        float(cluster.latency),
        1.0 / cluster.bandwidth,
        float(duration_weight),
        insertion,
    )
    rows = zip(problem.workflow.tasks, worker.tolist(), start.tolist(), end.tolist(), strict=True)
    return tuple(
        Placement(task.id, cluster.workers[w].name, begin, finish, problem.allocation(t, w))
        for t, (task, w, begin, finish) in enumerate(rows)
    )
