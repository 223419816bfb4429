"""Begins attempts of a kept run and stays: a process for tests to kill.

`python begin_and_stay.py EXECUTOR FOLDER` reads a workflow's document from the standard input,
begins an attempt of every task, says so on the standard output, and lets go when it is told to.
"""

import json
import sys
from pathlib import Path

from scheduler.cluster import Allocation, Cluster, Worker
from scheduler.documents import workflow_from
from scheduler.execution.charge import Charge
from scheduler.execution.events import Start
from scheduler.execution.executors.base import Executor
from scheduler.execution.executors.local_processes import LocalProcesses
from scheduler.planning.problem import Problem
from scheduler.workflow import Workflow
from scheduler.workloads.probing import nothing_known

MB = 10**6
CLUSTER = Cluster("one", [Worker(name="w", cores=4, memory=4000 * MB)])
TOKEN = "store 1, run 7"


def problem_of(workflow: Workflow) -> Problem:
    return Problem(workflow, CLUSTER, nothing_known(workflow, CLUSTER))


def executor_of(name: str, folder: Path) -> Executor:
    if name == "local":
        return LocalProcesses(runs=folder)
    from scheduler.execution.executors.ray_cluster import RayCluster

    return RayCluster(runs=folder)


def starts_of(problem: Problem, *, epoch: int) -> list[Start]:
    return [
        Start(each.id, 1, "w", Allocation(each.cores, each.memory or 100 * MB), epoch)
        for each in problem.workflow.tasks
    ]


def main() -> None:
    problem = problem_of(workflow_from(json.loads(sys.stdin.readline())))
    executor = executor_of(sys.argv[1], Path(sys.argv[2]))
    with executor.open(problem, Charge(TOKEN, epoch=1)) as session:
        for each in starts_of(problem, epoch=1):
            session.start(each)
        sys.stdout.write("begun\n")
        sys.stdout.flush()
        told = sys.stdin.readline()
        if told == "let go\n":
            session.let_go()


if __name__ == "__main__":
    main()
