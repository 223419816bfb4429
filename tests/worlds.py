"""Worlds whose truth we know, small enough to think through, and tools to write more by hand."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from scheduler.cluster import Allocation, Cluster, Worker
from scheduler.forecast import Forecast, uniform_affinity
from scheduler.planning.objective import Objective
from scheduler.planning.problem import Problem
from scheduler.planning.schedule import Placement, Schedule
from scheduler.workflow import Dependency, Task, Workflow
from scheduler.workloads.synthetic import random_problem

GB = 10**9


def problem_of(
    durations: Sequence[Sequence[float]],
    edges: Mapping[tuple[int, int], float] | None = None,
    *,
    cores: Sequence[float] | None = None,
    memory: Sequence[int] | None = None,
    skills: Sequence[str] | None = None,
    worker_cores: Sequence[float] | None = None,
    worker_memory: Sequence[int] | None = None,
    worker_skills: Sequence[str] | None = None,
    bandwidth: float = 1.0,
    latency: float = 0.0,
) -> Problem:
    """A problem by hand: seconds of tasks t1.. on workers w1.., bytes on edges (counted from 1).

    Left out, tasks and workers have one core, tasks take 1 GB, workers have 1000 GB and no skills
    are asked for; skills are words parted by blanks. At the given bandwidth of one byte per second
    an edge's bytes are the seconds of its transfer.
    """
    n, m = len(durations), len(durations[0])
    tasks = [
        Task(
            id=f"t{i + 1}",
            kind="work",
            cores=cores[i] if cores else 1.0,
            memory=memory[i] if memory else GB,
            skills=frozenset(skills[i].split()) if skills else frozenset(),
        )
        for i in range(n)
    ]
    workers = [
        Worker(
            name=f"w{j + 1}",
            cores=worker_cores[j] if worker_cores else 1.0,
            memory=worker_memory[j] if worker_memory else 1000 * GB,
            skills=frozenset(worker_skills[j].split()) if worker_skills else frozenset(),
        )
        for j in range(m)
    ]
    dependencies = [Dependency(f"t{a}", f"t{b}", size) for (a, b), size in (edges or {}).items()]
    workflow = Workflow("by-hand", tasks, dependencies)
    cluster = Cluster("by-hand", workers, bandwidth=bandwidth, latency=latency)
    return Problem(
        workflow=workflow, cluster=cluster, forecast=certain(workflow, cluster, durations)
    )


def certain(
    workflow: Workflow, cluster: Cluster, durations: Sequence[Sequence[float]], memory: float = GB
) -> Forecast:
    """A forecast without any doubt: every quantile is the value given."""
    seconds = np.repeat(np.array(durations, dtype=np.float64)[..., None], 3, axis=2)
    n, m, _ = seconds.shape
    return Forecast(
        tasks=tuple(workflow.index),
        workers=tuple(cluster.index),
        duration=seconds,
        memory=np.full_like(seconds, memory),
        cpu=np.ones_like(seconds),
        failure=np.zeros((n, m)),
        affinity=uniform_affinity(n, m),
    )


def schedule_of(problem: Problem, *rows: tuple[str, str, float]) -> Schedule:
    """A schedule by hand: (task, worker, start), with the end and allocation that are asked."""
    return Schedule(tuple(placed(problem, *row) for row in rows), planner="by-hand")


def placed(problem: Problem, task: str, worker: str, start: float) -> Placement:
    """One placement that gives the task what it needs there, whether it is eligible or not."""
    row, column = problem.workflow.index[task], problem.cluster.index[worker]
    level = problem.objective.duration_quantile
    end = start + float(problem.forecast.at("duration", level)[row, column])
    cores, memory = float(problem.cores[row]), int(problem.memory[row, column])
    return Placement(task, worker, start, end, Allocation(cores, memory))


def single_task() -> Problem:
    return problem_of([[3.0, 2.0]])


def one_worker() -> Problem:
    return problem_of([[3.0], [1.0], [2.0], [4.0]], {(1, 2): 5.0, (1, 3): 5.0})


def chain() -> Problem:
    """Five tasks in a row on two equal workers; parting would cost a transfer."""
    seconds = (3.0, 1.0, 4.0, 1.0, 5.0)
    edges = {(i, i + 1): 2.0 for i in range(1, len(seconds))}
    return problem_of([[each, each] for each in seconds], edges)


def fork_join() -> Problem:
    """One task of 2 s, seven of 3 s, one of 1 s on three equal workers, without transfers."""
    seconds = [2.0, *[3.0] * 7, 1.0]
    edges = {edge: 0.0 for i in range(2, 9) for edge in ((1, i), (i, 9))}
    return problem_of([[each] * 3 for each in seconds], edges)


def textbook() -> Problem:
    """The example of Topcuoglu, Hariri and Wu (2002), figure 2: ten tasks, three processors."""
    seconds = [
        [14, 16, 9],
        [13, 19, 18],
        [11, 13, 19],
        [13, 8, 17],
        [12, 13, 10],
        [13, 16, 9],
        [7, 15, 11],
        [5, 11, 14],
        [18, 12, 20],
        [21, 7, 16],
    ]
    edges = {
        (1, 2): 18,
        (1, 3): 12,
        (1, 4): 9,
        (1, 5): 11,
        (1, 6): 14,
        (2, 8): 19,
        (2, 9): 16,
        (3, 7): 23,
        (4, 8): 27,
        (4, 9): 23,
        (5, 9): 13,
        (6, 8): 15,
        (7, 10): 17,
        (8, 10): 11,
        (9, 10): 13,
    }
    return problem_of(seconds, edges)


def slow_network() -> Problem:
    """Two equal halves whose parts exchange much more than they compute."""
    edges = {(1, 2): 50.0, (2, 3): 50.0, (4, 5): 50.0, (5, 6): 50.0, (3, 7): 50.0, (6, 7): 50.0}
    return problem_of([[4.0, 5.0, 6.0]] * 7, edges, latency=1.0)


def scarce_memory() -> Problem:
    """Six tasks of one core and 6 GB on workers of 8 cores, where memory lets few run together."""
    return problem_of(
        [[2.0, 3.0]] * 6,
        {(1, 6): 1.0},
        memory=[6 * GB] * 6,
        worker_cores=[8.0, 8.0],
        worker_memory=[8 * GB, 13 * GB],
    )


def mixed_cores() -> Problem:
    """Wide and narrow tasks that must be packed side by side."""
    return problem_of(
        [[4.0, 6.0], [2.0, 2.0], [3.0, 5.0], [1.0, 1.0], [5.0, 4.0], [2.0, 3.0]],
        {(1, 5): 1.0, (2, 6): 1.0},
        cores=[3.0, 1.0, 2.0, 0.5, 4.0, 1.5],
        worker_cores=[4.0, 6.0],
    )


def rare_skill() -> Problem:
    """Half of the tasks can run on one worker only."""
    return problem_of(
        [[2.0, 9.0], [2.0, 1.0], [3.0, 9.0], [2.0, 1.0], [4.0, 9.0], [2.0, 1.0]],
        {(1, 2): 1.0, (3, 4): 1.0, (5, 6): 1.0},
        skills=["gpu", "", "gpu", "", "gpu", ""],
        worker_skills=["gpu", ""],
    )


def unlike_workers() -> Problem:
    return random_problem(np.random.default_rng(7), 60, 5, shape="layered", ccr=0.5)


def mosaic() -> Problem:
    return random_problem(np.random.default_rng(11), 46, 6, shape="montage", ccr=1.0)


def busy_cluster() -> Problem:
    return random_problem(np.random.default_rng(3), 300, 12, shape="tree", ccr=0.1)


NAMED: dict[str, Callable[[], Problem]] = {
    each.__name__: each
    for each in (
        single_task,
        one_worker,
        chain,
        fork_join,
        textbook,
        slow_network,
        scarce_memory,
        mixed_cores,
        rare_skill,
        unlike_workers,
        mosaic,
        busy_cluster,
    )
}


def planned_by(objective: Objective, problem: Problem) -> Problem:
    """The same problem under another objective."""
    return Problem(
        workflow=problem.workflow,
        cluster=problem.cluster,
        forecast=problem.forecast,
        objective=objective,
    )


def changed(
    problem: Problem,
    *,
    tasks: Mapping[str, Mapping[str, Any]] | None = None,
    workers: Mapping[str, Mapping[str, Any]] | None = None,
    links: Mapping[tuple[str, str], float] | None = None,
    pools: Mapping[str, float] | None = None,
    objective: Objective | None = None,
    fixed: Iterable[Placement] = (),
    now: float = 0.0,
) -> Problem:
    """The same problem with some fields of some tasks and workers replaced, and the rules given."""
    old, cluster = problem.workflow, problem.cluster
    return Problem(
        Workflow(
            old.name,
            [replace(each, **(tasks or {}).get(each.id, {})) for each in old.tasks],
            old.dependencies,
        ),
        Cluster(
            cluster.name,
            [replace(each, **(workers or {}).get(each.name, {})) for each in cluster.workers],
            bandwidth=cluster.bandwidth,
            latency=cluster.latency,
            links=cluster.links if links is None else links,
            pools=cluster.pools if pools is None else pools,
        ),
        problem.forecast,
        objective or problem.objective,
        fixed={each.task: each for each in fixed} or problem.fixed,
        now=now or problem.now,
    )


def one_by_one(problem: Problem) -> Schedule:
    """A feasible schedule that shows its own feasibility: never two tasks at a time.

    What has happened, then each other task, on all able workers in turn, after all others and
    their transfers, when its worker is open for long enough.
    """
    rows = dict(problem.fixed)
    clock = max([problem.now, *(each.end for each in rows.values())])
    for task in (each for each in problem.workflow.order if each not in rows):
        at = problem.workflow.index[task]
        able = np.flatnonzero(problem.eligible[at])
        worker = problem.cluster.workers[able[at % len(able)]]
        arrivals = [
            rows[edge.source].end
            + problem.cluster.transfer_seconds(edge.bytes, rows[edge.source].worker, worker.name)
            for edge in problem.workflow.dependencies
            if edge.target == task
        ]
        start = max([clock, problem.workflow.task(task).release, *arrivals])
        each = placed(problem, task, worker.name, start)
        for first, last in sorted(worker.closed):
            if each.start < last and first < each.end:
                each = placed(problem, task, worker.name, last)
        rows[task], clock = each, each.end
    return Schedule(tuple(rows.values()), planner="one-by-one")
