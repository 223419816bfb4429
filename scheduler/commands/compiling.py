"""Compiles what plans, explains and promises, ahead of its first use.

`python -m scheduler.commands.compiling` is what `make` does after an installation.

Compiled code is kept on disk, so this takes a minute or two once, and a second afterwards.
"""

import numpy as np

from scheduler.planning.explain import reasons
from scheduler.planning.planners.heft import Heft
from scheduler.planning.planners.search import Search
from scheduler.planning.promise import promise
from scheduler.workloads.synthetic import random_problem


def main() -> None:
    """Plans small problems, and one too large for CP-SAT, in every way that people meet first."""
    problem = random_problem(np.random.default_rng(0), 12, 3)
    schedule = Heft().plan(problem)
    Search(evaluations=20).plan(problem)
    Search(evaluations=20).plan(random_problem(np.random.default_rng(0), 160, 3))
    reasons(problem, schedule, problem.workflow.order[-1])
    promise(problem, schedule, rng=np.random.default_rng(0), samples=10)


if __name__ == "__main__":
    main()
