"""Compiles what plans, explains and promises, ahead of its first use.

`python -m scheduler.commands.compiling` is what `make` does after an installation.

Compiled code is kept on disk, so this takes a minute or two once, and a second afterwards.
"""

from dataclasses import replace

import numpy as np

from scheduler.planning.explain import reasons
from scheduler.planning.planners.heft import Heft
from scheduler.planning.planners.search import Search
from scheduler.planning.problem import Problem
from scheduler.planning.promise import promise
from scheduler.workflow import Task, Workflow
from scheduler.workloads.synthetic import random_problem


def main() -> None:
    """Plans small problems, and one too large for CP-SAT, in every way that people meet first."""
    problem = random_problem(np.random.default_rng(0), 12, 3)
    schedule = Heft().plan(problem)
    Search(evaluations=20).plan(problem)
    Search(evaluations=20).plan(random_problem(np.random.default_rng(0), 160, 3))
    Heft().plan(_with_a_gang(problem))
    reasons(problem, schedule, problem.workflow.order[-1])
    promise(problem, schedule, rng=np.random.default_rng(0), samples=10)


def _with_a_gang(problem: Problem) -> Problem:
    """The problem, the last two tasks of which start together."""
    tasks, last = problem.workflow.tasks, problem.workflow.tasks[-2:]
    pair = [Task(id=each.id, kind=each.kind, gang="last") for each in last]
    workflow = Workflow("gang", [*tasks[:-2], *pair])
    return replace(problem, workflow=workflow)


if __name__ == "__main__":
    main()
