"""Trying every task on every worker that may take it, to learn what each is good at."""

import numpy as np

from scheduler.cluster import Allocation, Cluster
from scheduler.forecast import QUANTILES, Forecast, uniform_affinity
from scheduler.planning.problem import Problem
from scheduler.planning.schedule import Placement, Schedule
from scheduler.workflow import Workflow


def nothing_known(workflow: Workflow, cluster: Cluster) -> Forecast:
    """The beliefs of somebody who has seen nothing: a second, a byte and a core for everything."""
    pairs = (len(workflow), len(cluster))
    same = np.ones((*pairs, len(QUANTILES)))
    return Forecast(
        tuple(workflow.index),
        tuple(cluster.index),
        duration=same,
        memory=same,
        cpu=same,
        failure=np.zeros(pairs),
        affinity=uniform_affinity(*pairs),
        source="nothing",
    )


def probe(problem: Problem, turn: int) -> Schedule:
    """A schedule whose assignment rotates with `turn`, task by task.

    Over as many turns as there are workers, every task visits each worker that may take it.
    Each worker does one task after the other. As nothing is known of memory yet, each attempt is
    given all that its worker has.
    """
    placed: dict[str, Placement] = {}
    free = dict.fromkeys(problem.cluster.index, 0.0)
    for row in problem.topological.tolist():
        able = np.flatnonzero(problem.eligible[row])
        column = int(able[(row + turn) % len(able)])
        worker, task = problem.cluster.workers[column], problem.workflow.tasks[row]
        start = max(free[worker.name], _inputs_there(problem, task.id, worker.name, placed))
        end = free[worker.name] = start + float(problem.duration[row, column])
        placed[task.id] = Placement(
            task.id, worker.name, start, end, Allocation(task.cores, worker.memory)
        )
    return Schedule(tuple(placed.values()), planner="probe")


def _inputs_there(problem: Problem, task: str, worker: str, placed: dict[str, Placement]) -> float:
    return max(
        (
            placed[source].end
            + problem.cluster.transfer_seconds(edge["bytes"], placed[source].worker, worker)
            for source, edge in problem.workflow.graph.pred[task].items()
        ),
        default=0.0,
    )
