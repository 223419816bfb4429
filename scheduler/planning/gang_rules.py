"""The rules of gangs: their tasks start together, some of them on workers of their own."""

from collections.abc import Iterator

import numpy as np

from scheduler.planning.columns import Columns, leeway
from scheduler.planning.problem import Problem
from scheduler.planning.violation import Rule, Violation


def gang_rules(free: Columns, problem: Problem) -> Iterator[Violation]:
    """A violation for each task that starts after the first of its gang, or shares its worker.

    Asked of the placements that have not happened: those that have begun cannot be changed.
    """
    tasks, workers = problem.workflow.tasks, problem.cluster.workers
    rows: dict[str, list[int]] = {}
    for row, task in enumerate(free.task.tolist() if problem.workflow.gangs else ()):
        if tasks[task].gang:
            rows.setdefault(tasks[task].gang, []).append(row)
    for gang, members in rows.items():
        first = members[int(np.argmin(free.start[members]))]
        begins, taken = free.start[first], dict[int, str]()
        for row in members:
            task, column = tasks[free.task[row]], int(free.worker[row])
            worker = workers[column].name
            late = free.start[row] - begins
            if late > leeway(free.start[row]):
                other = tasks[free.task[first]].id
                message = (
                    f"Task {task.id!r} must start together with the others of gang {gang!r}, of "
                    f"which {other!r} starts at {begins:.9g} s, found {free.start[row]:.9g} s."
                )
                facts = {"start": float(free.start[row]), "together": float(begins), "gang": gang}
                yield Violation(Rule.GANG, task.id, worker, message, facts)
            if not task.apart:
                continue
            if column in taken:
                message = (
                    f"Task {task.id!r} of gang {gang!r} must share its worker with no other that "
                    f"is apart, found {taken[column]!r} on {worker!r} too."
                )
                facts = {"with": taken[column], "gang": gang}
                yield Violation(Rule.APART, task.id, worker, message, facts)
            taken.setdefault(column, task.id)
