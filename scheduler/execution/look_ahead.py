"""What the forecast says of attempts that run now, and of tasks that wait for them."""

from collections.abc import Callable, Mapping
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from scheduler.execution.holding import Held
from scheduler.planning.problem import Problem
from scheduler.planning.promise import BROKEN, LONGER
from scheduler.planning.schedule import Placement
from scheduler.planning.spread import at_score, score_of
from scheduler.planning.timeline import CLOCK

SURE = 0.9  # past this level of its duration an attempt is overdue, and nobody waits for it
_LAW = NormalDist()


def expected_end(problem: Problem, task: Held, now: float) -> float:
    """When an attempt that runs now ends, at the median of those that last as long as it has.

    Past what 999 in 1,000 take, the forecast is taken to be wrong of it: then it is expected to
    take a quarter longer than it has.
    """
    assert task.began is not None
    usual = task.began + float(problem.duration[task.row, problem.cluster.index[task.worker]])
    if usual > now:
        return usual
    values, levels = _believed(problem, task), problem.forecast.quantiles
    gone = max(now - task.began, 1e-12)
    reached = float(score_of(values[None], levels, np.array([gone]))[0])
    if not reached < BROKEN:
        just_over = now <= usual * (1 + CLOCK)
        return now if just_over else task.began + (1 + LONGER) * gone
    middle = _LAW.inv_cdf((1 + _LAW.cdf(reached)) / 2)
    return max(now, task.began + float(at_score(values, levels, middle)))


def taking(problem: Problem, placed: Placement, level: float) -> float:
    """Seconds that a share of `level` of all attempts there take at most, by the forecast."""
    row, column = problem.workflow.index[placed.task], problem.cluster.index[placed.worker]
    rows, levels = problem.forecast.rows, problem.forecast.quantiles
    believed = problem.forecast.duration[row if rows is None else rows[row], column]
    return float(at_score(believed, levels, _LAW.inv_cdf(level)))


def ready_by(
    problem: Problem,
    tasks: Mapping[str, Held],
    task: Held,
    now: float,
    transfer: Callable[[float, str, str], float],
) -> float | None:
    """When a waiting task will be ready, as far as the forecast knows; None where it does not.

    Known are tasks whose predecessors are over or run now and are not overdue. Before its planned
    start, a task of which nothing better is known is taken to be ready then.
    """
    moment = problem.workflow.tasks[task.row].release
    for source, edge in problem.workflow.graph.pred[task.name].items():
        before = tasks[source]
        end = before.ended if before.over else _known_end(problem, before, now)
        if end is None:
            return task.rank if task.rank > now else None
        moment = max(moment, end + transfer(edge["bytes"], before.worker, task.worker))
    return moment if moment > now else None


def _known_end(problem: Problem, task: Held, now: float) -> float | None:
    if task.began is None:
        return None
    usual = task.began + float(problem.duration[task.row, problem.cluster.index[task.worker]])
    if usual > now:
        return usual
    values, levels = _believed(problem, task), problem.forecast.quantiles
    late = task.began + float(at_score(values, levels, _LAW.inv_cdf(SURE)))
    return late if late > now else None


def _believed(problem: Problem, task: Held) -> NDArray[np.float64]:
    column = problem.cluster.index[task.worker]
    rows = problem.forecast.rows
    return np.asarray(
        problem.forecast.duration[task.row if rows is None else rows[task.row], column]
    )
