"""From what a task would cost on each worker to how right each worker is."""

import numpy as np
from numpy.typing import NDArray

from scheduler.cluster import Cluster
from scheduler.workflow import Workflow

Array = NDArray[np.float64]
TEMPERATURE = 0.25  # twice the cost: a sixteenth of the affinity


def from_cost(cost: Array, able: NDArray[np.bool_], *, temperature: float = TEMPERATURE) -> Array:
    """Affinity proportional to `cost ** (-1 / temperature)` over the workers that are able.

    Shape: cost (expected seconds, above zero) and able: n x m; the answer: n x m, each row summing
    to one. Where no worker is able every worker counts the same.
    """
    return from_scores(-np.log(cost) / temperature, able)


def from_scores(scores: Array, able: NDArray[np.bool_]) -> Array:
    """The softmax of each row over the workers that are able; over all where none is."""
    allowed = able | ~able.any(axis=1, keepdims=True)
    weights: Array = np.where(allowed, scores, -np.inf)
    weights -= weights.max(axis=1, keepdims=True)
    np.exp(weights, out=weights)
    weights /= weights.sum(axis=1, keepdims=True)
    return weights


def able_workers(workflow: Workflow, cluster: Cluster) -> NDArray[np.bool_]:
    """Which worker has the skills and cores of which task: n x m."""
    needs: dict[tuple[frozenset[str], float], int] = {}
    place = [needs.setdefault((task.skills, task.cores), len(needs)) for task in workflow.tasks]
    table = [
        [skills <= w.skills and cores <= w.cores for w in cluster.workers]
        for skills, cores in needs
    ]
    return np.array(table, dtype=bool)[place]
