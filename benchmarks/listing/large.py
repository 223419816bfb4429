"""Large layered problems, drawn without a Python object per dependency where that is possible."""

from itertools import combinations

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from scheduler.cluster import Cluster, Worker
from scheduler.forecast import Forecast, uniform_affinity
from scheduler.planning.problem import Problem
from scheduler.workflow import Dependency, Task, Workflow

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
LONG_EDGES = 0.2  # share of tasks that also wait for a task of any earlier layer
GB = 10**9


def layered_edges(rng: Generator, n: int) -> tuple[Ints, Ints]:
    """Layers of about sqrt(n) tasks, 1 to 5 parents in the layer before, and some long edges."""
    first = [0]
    while first[-1] < n:
        first.append(min(n, first[-1] + max(1, int(n**0.5 * rng.uniform(0.5, 1.5)))))
    begin = np.array(first)
    task = np.arange(begin[1], n)
    layer = np.searchsorted(begin, task, side="right") - 1
    child = np.repeat(np.arange(len(task)), rng.integers(1, 6, len(task)))
    above, here = begin[layer[child] - 1], begin[layer[child]]
    parent = above + (rng.random(len(child)) * (here - above)).astype(np.int64)
    far = np.flatnonzero(rng.random(len(task)) < LONG_EDGES)
    distant = (rng.random(len(far)) * begin[layer[far]]).astype(np.int64)
    source = np.concatenate([parent, distant])
    target = task[np.concatenate([child, far])]
    pair = np.unique(source * n + target)
    return pair // n, pair % n


def problem(
    n: int, m: int, *, seed: int, links: bool = True, shared: bool = False, sorts: int = 0
) -> Problem:
    """A layered problem at a communication to computation ratio of one.

    Work and bytes uniform in 0.1 to 1.9, speeds lognormal (sigma 0.5), bandwidths uniform in 0.5 to
    1.5 with `links`, else alike. With `shared`, workers have 4 to 16 cores and 2 GB for each, tasks
    take 1 to 4 cores and 0.5 to 4 GB; else each worker runs one task at a time. With `sorts` only
    so many tasks differ in what is believed of them, else all do.
    """
    rng = np.random.default_rng([n, m, seed])
    source, target = layered_edges(rng, n)
    rows = sorts or n
    duration = rng.uniform(0.1, 1.9, rows)[:, None] / rng.lognormal(0.0, 0.5, m)
    size = rng.uniform(0.1, 1.9, len(source)) * float(duration.mean())
    cores = rng.choice([1.0, 1.0, 2.0, 4.0], n) if shared else np.ones(n)
    memory = (rng.integers(5, 41, n) * GB // 10) if shared else np.full(n, GB)
    ids = [f"t{i}" for i in range(n)]
    tasks = [
        Task(id=task, kind="work", cores=c, memory=b)
        for task, c, b in zip(ids, cores.tolist(), memory.tolist(), strict=True)
    ]
    edges = zip(source.tolist(), target.tolist(), size.tolist(), strict=True)
    workflow = Workflow(
        f"layered-{n}", tasks, (Dependency(ids[a], ids[b], each) for a, b, each in edges)
    )
    cluster = _cluster(rng, m, links=links, shared=shared)
    row = rng.integers(0, rows, n) if sorts else None
    return Problem(workflow, cluster, _certain(workflow, cluster, duration, row))


def _cluster(rng: Generator, m: int, *, links: bool, shared: bool) -> Cluster:
    cores = [16.0, *rng.choice([4.0, 8.0, 16.0], m - 1).tolist()] if shared else [1.0] * m
    workers = [
        Worker(name=f"w{i}", cores=each, memory=int(each * 2 * GB)) for i, each in enumerate(cores)
    ]
    pairs = combinations(range(m), 2) if links else []
    rate = {(f"w{a}", f"w{b}"): float(rng.uniform(0.5, 1.5)) for a, b in pairs}
    return Cluster(f"unlike-{m}", workers, bandwidth=1.0, links=rate)


def _certain(workflow: Workflow, cluster: Cluster, duration: Floats, row: Ints | None) -> Forecast:
    pairs = duration.shape
    seconds = np.broadcast_to(duration[..., None], (*pairs, 2))
    return Forecast(
        tasks=tuple(workflow.index),
        workers=tuple(cluster.index),
        duration=seconds,
        memory=np.broadcast_to(float(GB), seconds.shape),
        cpu=np.broadcast_to(1.0, seconds.shape),
        failure=np.broadcast_to(0.0, pairs),
        affinity=uniform_affinity(*pairs),
        quantiles=(0.5, 0.9),
        rows=row,
    )
