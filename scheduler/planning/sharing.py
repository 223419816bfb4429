"""Whether each task fits into what all tasks share: pools of the cluster, quotas of owners."""

from collections.abc import Iterable, Iterator, Mapping

from scheduler.workflow import Task


def never_fitting(
    tasks: Iterable[Task], pools: Mapping[str, float], quotas: Mapping[str, float]
) -> Iterator[str]:
    """Why some of the tasks could not run even alone, one sentence for each limit."""
    for task in tasks:
        for pool, need in task.pools.items():
            if pool not in pools and need > 0:
                yield (
                    f"Task {task.id!r} needs {need:.9g} of the pool {pool!r}, which the cluster "
                    f"does not have; name it in the cluster's pools"
                )
            elif need > pools.get(pool, 0.0):
                yield (
                    f"Task {task.id!r} needs {need:.9g} of the pool {pool!r}, of which the cluster "
                    f"has {pools[pool]:.9g}"
                )
        if task.cores > quotas.get(task.owner, task.cores):
            yield (
                f"Task {task.id!r} needs {task.cores:.9g} cores, but its owner {task.owner!r} may "
                f"hold {quotas[task.owner]:.9g}"
            )
