"""Which limits of people and policies concern a task, and which past attempts are like it: pure."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd

from dashboard.words import listed, money, seconds
from scheduler.cluster import Cluster
from scheduler.planning.objective import Objective
from scheduler.policy import Policy
from scheduler.records import TaskRecord
from scheduler.workflow import Task


def bounds(
    task: Task, cluster: Cluster, objective: Objective, policy: Policy, *, currency: str = ""
) -> Iterator[str]:
    """The limits that the plan of this task had to keep, and what people must approve, in words."""
    for bar in objective.bars:
        off = [each.name for each in cluster.workers if bar.keeps_off(each)]
        if bar.speaks_of(task) and off:
            why = f" ({bar.why})" if bar.why else ""
            yield f"It may not run on {listed(off, 5)}{why}."
    if (most := objective.quotas.get(task.owner)) is not None:
        yield f"The tasks of {task.owner or 'nobody'} hold at most {most:g} cores at a time."
    if objective.budget is not None:
        yield f"The whole plan may cost at most {money(objective.budget, currency)}."
    if task.deadline is not None:
        kept = "must" if objective.hard_deadlines else "should"
        yield f"It {kept} end {seconds(task.deadline)} after the run began."
    if task.skills:
        yield f"Its worker needs {listed(sorted(task.skills), 5)}."
    if (first := policy.approvals.of_task(task)) is not None:
        yield f"People decide first: {first}."


def nearest(sizes: Mapping[str, float], known: Sequence[TaskRecord]) -> list[TaskRecord]:
    """The records, those first whose sizes are most alike; as they came where that is equal.

    The distance is that of the logarithms of the sizes that both name; records that name none of
    them come last.
    """
    return sorted(known, key=lambda each: _distance(sizes, each.sizes))


def records(found: Sequence[TaskRecord]) -> pd.DataFrame:
    """One row for each past attempt."""
    return pd.DataFrame.from_records([
        {
            "task": each.task, "worker": each.worker or "",
            "outcome": str(each.outcome).replace("_", " "), "duration": each.duration,
            "peak memory": each.peak_memory, "cpu": each.cpu,
            "sizes": ", ".join(f"{name} {size:.6g}" for name, size in each.sizes.items()),
            "started": each.started, "run": each.run,
        }
        for each in found
    ])  # fmt: skip


def _distance(one: Mapping[str, float], other: Mapping[str, float]) -> float:
    both = [name for name in one if name in other]
    if one and not both:
        return float("inf")
    away = [np.log1p(one[name]) - np.log1p(other[name]) for name in both]
    return float(np.sqrt(np.sum(np.square(away))))
