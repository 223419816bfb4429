"""A problem as numbers alone: what compiled code reads, and nothing else."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scheduler.planning.objective import least_alone, owners, urgency

if TYPE_CHECKING:
    from scheduler.planning.problem import Problem

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Aims(NamedTuple):
    """Weights of the aims and the limits of an objective; an absent limit is infinite."""

    makespan: float
    tardiness: float
    flow: float
    cost: float
    energy: float
    fairness: float
    hard_deadlines: bool
    budget: float


class Flat(NamedTuple):
    """n tasks, m workers, p pools, k rows of beliefs, in the order of the problem's values.

    Tasks that are alike share a row of beliefs: `row` says which (n). Shape: `duration` (seconds,
    infinite where the worker cannot take the task) and `memory` (bytes) k x m.
    `before_*` and `after_*` are the dependencies in compressed rows, by target and by source: those
    of task i lie in start[i]:start[i + 1], with the task at the other end and the bytes.
    `order` has every task after its predecessors. `release`, `deadline` (infinite without one),
    `weight` (its urgency), `owner` (an index), `cores`: n. `need` n x p of the pools' `limit`
    p; quotas of owners are pools. `worker_cores`, `worker_memory`, `price` and `power` (per second
    in full use): m. `per_byte` m x m and `latency`: seconds between workers, zero on the diagonal
    of per_byte; `uniform` where all links are alike. Worker w is closed in
    closed[closed_start[w]:closed_start[w + 1]], rows of (from, to). `fixed_worker` n, -1 where the
    task is still free; `fixed_start`, `fixed_end`, `fixed_cores`, `fixed_memory` where it is not;
    no free task starts before `now`. `affinity` k x m, each row summing to one. `alone`, by
    owner, is the least end that it could have alone, zeros where fairness weighs nothing.
    """

    row: Ints
    duration: Floats
    memory: Floats
    affinity: Floats
    before_start: Ints
    before_task: Ints
    before_bytes: Floats
    after_start: Ints
    after_task: Ints
    after_bytes: Floats
    order: Ints
    cores: Floats
    need: Floats
    release: Floats
    deadline: Floats
    weight: Floats
    owner: Ints
    worker_cores: Floats
    worker_memory: Floats
    price: Floats
    power: Floats
    limit: Floats
    per_byte: Floats
    latency: float
    uniform: bool
    closed_start: Ints
    closed: Floats
    fixed_worker: Ints
    fixed_start: Floats
    fixed_end: Floats
    fixed_cores: Floats
    fixed_memory: Floats
    now: float
    aims: Aims
    alone: Floats


def flatten(problem: "Problem") -> Flat:
    """The problem as numbers."""
    tasks, cluster = problem.workflow.tasks, problem.cluster
    workers = cluster.workers
    before, after = problem.predecessors, problem.successors
    need, limit = _pools(problem)
    windows = [np.array(sorted(each.closed), dtype=np.float64).reshape(-1, 2) for each in workers]
    owner = {name: i for i, name in enumerate(owners(problem.workflow))}
    fixed_worker, fixed = _fixed(problem)
    return Flat(
        row=problem.alike.row,
        duration=np.ascontiguousarray(problem.alike.duration),
        memory=np.ascontiguousarray(problem.alike.memory),
        affinity=problem.alike.affinity,
        before_start=before.start,
        before_task=before.task,
        before_bytes=before.bytes,
        after_start=after.start,
        after_task=after.task,
        after_bytes=after.bytes,
        order=problem.topological,
        cores=problem.cores,
        need=need,
        release=_floats([task.release for task in tasks]),
        deadline=_floats([np.inf if task.deadline is None else task.deadline for task in tasks]),
        weight=_floats([urgency(task.priority) for task in tasks]),
        owner=np.array([owner[task.owner] for task in tasks], dtype=np.int64),
        worker_cores=_floats([each.cores for each in workers]),
        worker_memory=_floats([each.memory for each in workers]),
        price=_floats([each.price / 3600 for each in workers]),
        power=_floats([each.power for each in workers]),
        limit=limit,
        per_byte=_per_byte(problem),
        latency=float(cluster.latency),
        uniform=not cluster.links,
        closed_start=np.cumsum([0, *(len(each) for each in windows)], dtype=np.int64),
        closed=np.concatenate(windows),
        fixed_worker=fixed_worker,
        fixed_start=fixed[0],
        fixed_end=fixed[1],
        fixed_cores=fixed[2],
        fixed_memory=fixed[3],
        now=float(problem.now),
        aims=_aims(problem),
        alone=_alone(problem),
    )


def _aims(problem: "Problem") -> Aims:
    aim = problem.objective
    budget = np.inf if aim.budget is None else aim.budget
    return Aims(
        makespan=float(aim.makespan),
        tardiness=float(aim.tardiness),
        flow=float(aim.flow),
        cost=float(aim.cost),
        energy=float(aim.energy),
        fairness=float(aim.fairness),
        hard_deadlines=aim.hard_deadlines,
        budget=float(budget),
    )


def _alone(problem: "Problem") -> Floats:
    """What fairness compares the end of each owner with; a pass over the tasks, so not in vain."""
    if not problem.objective.fairness:
        return np.zeros(len(owners(problem.workflow)))
    cores = sum(each.cores for each in problem.cluster.workers)
    least = least_alone(problem.workflow, problem.duration.min(axis=1), cores)
    return _floats(list(least.values()))


def _pools(problem: "Problem") -> tuple[Floats, Floats]:
    """What each task takes of each pool (n x p) and how much there is (p), quotas last."""
    tasks, cluster, quotas = problem.workflow.tasks, problem.cluster, problem.objective.quotas
    need = np.zeros((len(tasks), len(cluster.pools) + len(quotas)))
    for column, pool in enumerate(cluster.pools):
        need[:, column] = [task.pools.get(pool, 0.0) for task in tasks]
    for column, owner in enumerate(quotas, start=len(cluster.pools)):
        need[:, column] = [task.cores if task.owner == owner else 0.0 for task in tasks]
    return need, _floats([*cluster.pools.values(), *quotas.values()])


def _per_byte(problem: "Problem") -> Floats:
    cluster = problem.cluster
    rate = np.full((len(cluster), len(cluster)), 1.0 / cluster.bandwidth)
    for source, target in cluster.links:
        a, b = cluster.index[source], cluster.index[target]
        rate[a, b] = 1.0 / cluster.bandwidth_between(source, target)
        rate[b, a] = 1.0 / cluster.bandwidth_between(target, source)
    np.fill_diagonal(rate, 0.0)
    return rate


def _fixed(problem: "Problem") -> tuple[Ints, Floats]:
    """The worker of each task that is fixed, and its start, end, cores and memory: n, 4 x n."""
    n = len(problem.workflow)
    worker, rest = np.full(n, -1, dtype=np.int64), np.zeros((4, n))
    for task, placed in problem.fixed.items():
        row, held = problem.workflow.index[task], placed.allocation
        worker[row] = problem.cluster.index[placed.worker]
        rest[:, row] = placed.start, placed.end, held.cores, held.memory
    return worker, rest


def _floats(values: Sequence[float]) -> Floats:
    return np.array(values, dtype=np.float64)
