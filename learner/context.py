"""What surrounds a task before it starts: its place in the graph, and the past of its subject and
kind."""

from collections.abc import Mapping, Sequence

import numpy as np

from learner import position
from learner.history import TASK_COLUMNS, Past, Usual, history_columns, usual_of
from scheduler.records import TaskRecord
from scheduler.workflow import Workflow

__all__ = ["Usual", "context_of_records", "context_of_workflow", "usual_of"]
Context = dict[str, float]


def context_of_records(records: Sequence[TaskRecord], usual: Usual) -> list[Context]:
    """What was known of each attempt's surroundings when it was submitted, by column."""
    history = history_columns(records, usual=usual)
    placed = position.of_records(records, _seconds(usual))
    return [
        here | {name: history[name][i] for name in TASK_COLUMNS if not np.isnan(history[name][i])}
        for i, here in enumerate(placed)
    ]


def context_of_workflow(workflow: Workflow, usual: Usual, past: Past | None) -> list[Context]:
    """What is known of each waiting task's surroundings, by column; no history without a past."""
    placed = position.of_workflow(workflow, _seconds(usual))
    if past is None:
        return placed
    return [
        here | _known(past.of(task.kind, task.id))
        for task, here in zip(workflow.tasks, placed, strict=True)
    ]


def _known(told: Mapping[str, float]) -> Context:
    return {name: told[name] for name in TASK_COLUMNS if not np.isnan(told[name])}


def _seconds(usual: Usual) -> dict[str, float]:
    return {kind: each[0] for kind, each in usual.items() if not np.isnan(each[0])}
