"""Allot: learns from task logs, plans whole workflows, runs the plan, and learns again.

A workflow and a cluster, a forecast, and a plan:

>>> from scheduler import Cluster, Dependency, Fifo, Heft, HistoryPredictor, Problem, Task, Worker
>>> from scheduler import Workflow, violations
>>> workflow = Workflow("report", [
...     Task(id="load", kind="load"), Task(id="sum", kind="sum"), Task(id="draw", kind="draw"),
... ], [Dependency("load", "sum", bytes=1e6), Dependency("load", "draw", bytes=1e6)])
>>> cluster = Cluster("office", [
...     Worker(name="a", cores=1, memory=8 * 10**9),
...     Worker(name="b", cores=1, memory=8 * 10**9, speed=2),
... ])
>>> forecast = HistoryPredictor.learn([]).predict(workflow, cluster)  # nothing seen yet: by speed
>>> problem = Problem(workflow, cluster, forecast)
>>> schedule = Heft().plan(problem)
>>> violations(schedule, problem)
()
>>> [(each.task, each.worker) for each in schedule.on("b")][0]
('load', 'b')
>>> schedule.lower_bound <= schedule.makespan <= Fifo().plan(problem).makespan
True
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from scheduler.agent import Agent
    from scheduler.cluster import Allocation, Cluster, Worker
    from scheduler.errors import AllotError
    from scheduler.forecast import Forecast
    from scheduler.planning.bounds import lower_bound
    from scheduler.planning.explain import reasons
    from scheduler.planning.feasibility import violations
    from scheduler.planning.objective import Objective
    from scheduler.planning.planners.fifo import Fifo
    from scheduler.planning.planners.heft import Heft
    from scheduler.planning.problem import Problem
    from scheduler.planning.schedule import Placement, Schedule
    from scheduler.predictors.history import HistoryPredictor
    from scheduler.records import Outcome, TaskRecord
    from scheduler.store import Store
    from scheduler.workflow import Dependency, Task, Workflow

_HOMES = {
    "Agent": "agent",
    "Allocation": "cluster",
    "AllotError": "errors",
    "Cluster": "cluster",
    "Dependency": "workflow",
    "Fifo": "planning.planners.fifo",
    "Forecast": "forecast",
    "Heft": "planning.planners.heft",
    "HistoryPredictor": "predictors.history",
    "Objective": "planning.objective",
    "Outcome": "records",
    "Placement": "planning.schedule",
    "Problem": "planning.problem",
    "Schedule": "planning.schedule",
    "Store": "store",
    "Task": "workflow",
    "TaskRecord": "records",
    "Worker": "cluster",
    "Workflow": "workflow",
    "lower_bound": "planning.bounds",
    "reasons": "planning.explain",
    "violations": "planning.feasibility",
}

__all__ = [  # noqa: RUF022  as in the imports above
    "Agent",
    "Allocation",
    "Cluster",
    "Worker",
    "AllotError",
    "Forecast",
    "lower_bound",
    "reasons",
    "violations",
    "Fifo",
    "Heft",
    "Objective",
    "Problem",
    "Placement",
    "Schedule",
    "HistoryPredictor",
    "Outcome",
    "TaskRecord",
    "Store",
    "Dependency",
    "Task",
    "Workflow",
]


def __getattr__(name: str) -> object:
    """Public words are imported when they are first used: `import scheduler` costs nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module 'scheduler' has no attribute {name!r}")
    return getattr(import_module(f"scheduler.{_HOMES[name]}"), name)
