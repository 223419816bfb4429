"""Seeded workflows and clusters whose truth is known: for tests, benchmarks and the simulator.

Every task follows one law. With x its `input_bytes` in megabytes, a task of a kind takes
`seconds * x ** exponent / speed(kind, worker)` seconds and holds `memory * (0.25 + 0.75 * x) * 1e6`
bytes at its peak. What is drawn are the sizes, the shapes and how well each worker does each kind.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from scheduler.cluster import Cluster, Worker
from scheduler.forecast import Forecast, uniform_affinity
from scheduler.planning.objective import Objective
from scheduler.planning.problem import Problem
from scheduler.workflow import Dependency, Task, Workflow

Floats = NDArray[np.float64]
Pair = tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class Kind:
    """The law of one kind: seconds and peak memory (megabytes) at an input of one megabyte."""

    name: str
    seconds: float
    exponent: float
    memory: float
    output: float  # bytes handed on per byte taken in
    cores: float = 1.0
    skills: frozenset[str] = frozenset()


KINDS = (
    Kind(name="fetch", seconds=2.0, exponent=0.6, memory=40, output=1.0),
    Kind(name="sort", seconds=4.0, exponent=1.05, memory=120, output=1.0),
    Kind(name="align", seconds=12.0, exponent=0.9, memory=400, output=0.6, cores=2.0),
    Kind(name="solve", seconds=20.0, exponent=0.7, memory=250, output=0.2, cores=4.0),
    Kind(
        name="render", seconds=9.0, exponent=0.8, memory=200, output=0.4, skills=frozenset({"gpu"})
    ),
    Kind(name="merge", seconds=3.0, exponent=0.5, memory=300, output=0.5),
)


@dataclass(frozen=True, eq=False)
class World:
    """A workflow, a cluster, and what is true of every task on every worker.

    Shape: duration (seconds), memory (peak bytes), failure (probability that an attempt fails for
    reasons other than memory): n tasks x m workers. `cores_used` (mean cores): n x m.
    """

    workflow: Workflow
    cluster: Cluster
    duration: Floats
    memory: Floats
    failure: Floats
    cores_used: Floats

    def true_duration(self, task_id: str, worker_name: str) -> float:
        """Seconds that an attempt takes there when nothing goes wrong."""
        return float(self.duration[self._at(task_id, worker_name)])

    def true_memory(self, task_id: str, worker_name: str) -> float:
        """Bytes that an attempt holds at its peak there."""
        return float(self.memory[self._at(task_id, worker_name)])

    def true_cpu(self, task_id: str, worker_name: str) -> float:
        """Cores that an attempt keeps busy on the average there."""
        return float(self.cores_used[self._at(task_id, worker_name)])

    def failure_probability(self, task_id: str, worker_name: str) -> float:
        """How likely an attempt there fails for reasons other than memory."""
        return float(self.failure[self._at(task_id, worker_name)])

    def forecast(self, *, spread: float = 0.2) -> Forecast:
        """What somebody who knows the truth would forecast: medians true, P10 and P90 around them.

        `spread` is the half width of the band as a share: P90 lies at (1 + spread) x the truth.
        """
        band = np.array([1 / (1 + spread), 1.0, 1 + spread])
        n, m = self.duration.shape
        return Forecast(
            tasks=tuple(self.workflow.index),
            workers=tuple(self.cluster.index),
            duration=self.duration[..., None] * band,
            memory=self.memory[..., None] * band,
            cpu=self.cores_used[..., None] * band,
            failure=self.failure,
            affinity=uniform_affinity(n, m),
            source="truth",
        )

    def problem(self, objective: Objective | None = None, *, spread: float = 0.2) -> Problem:
        """The problem of planning this world by its true forecast."""
        return Problem(
            workflow=self.workflow,
            cluster=self.cluster,
            forecast=self.forecast(spread=spread),
            objective=objective or Objective(),
        )

    def _at(self, task_id: str, worker_name: str) -> Pair:
        return self.workflow.index[task_id], self.cluster.index[worker_name]


def truth_of(
    workflow: Workflow,
    cluster: Cluster,
    rng: Generator,
    *,
    unlikeness: float = 0.4,
    failure: float = 0.02,
) -> World:
    """The truth of tasks that follow KINDS on workers that differ by kind.

    A worker does a kind `speed * lognormal(0, unlikeness)` times as fast as a usual one; unlikeness
    0 makes durations related (task over speed). `failure` is the mean failure probability.
    """
    kinds = {each.name: i for i, each in enumerate(KINDS)}
    row = np.array([kinds[task.kind] for task in workflow.tasks])
    size = np.array([task.sizes["input_bytes"] for task in workflow.tasks]) / 1e6
    skill = rng.lognormal(0.0, unlikeness, (len(KINDS), len(cluster)))
    speed = np.array([each.speed for each in cluster.workers]) * skill[row]
    law = np.array([(each.seconds, each.exponent, each.memory, each.cores) for each in KINDS])[row]
    pairs = (len(workflow), len(cluster))
    memory = law[:, 2] * (0.25 + 0.75 * size) * 1e6
    return World(
        workflow,
        cluster,
        duration=(law[:, 0] * size ** law[:, 1])[:, None] / speed,
        memory=np.broadcast_to(memory[:, None], pairs).copy(),
        failure=np.clip(rng.exponential(failure, (len(KINDS), len(cluster))), 0, 0.9)[row],
        cores_used=np.broadcast_to(0.9 * law[:, 3:], pairs).copy(),
    )


def chain(rng: Generator, n: int) -> Workflow:
    """Each task waits for the one before."""
    kinds = [i % len(KINDS) for i in range(n)]
    return _workflow("chain", rng, kinds, [(i, i + 1) for i in range(n - 1)])


def fork_join(rng: Generator, width: int) -> Workflow:
    """One task, then `width` tasks of one kind side by side, then one that waits for all."""
    kinds = [0, *[2] * width, 5]
    edges = [edge for i in range(1, width + 1) for edge in ((0, i), (i, width + 1))]
    return _workflow("fork-join", rng, kinds, edges)


def layered(rng: Generator, n: int, *, parents: int = 3) -> Workflow:
    """Layers of about the square root of n tasks, with 1 to `parents` parents in the layer before.

    A fifth of the tasks also wait for a task of any earlier layer.
    """
    layers = _layers(rng, n)
    edges: set[Pair] = set()
    for above, layer in pairwise(layers):
        for task in layer:
            count = min(int(rng.integers(1, parents + 1)), len(above))
            edges.update((int(each), task) for each in rng.choice(above, count, replace=False))
            if rng.random() < 0.2:
                edges.add((int(rng.integers(0, above[-1] + 1)), task))
    return _workflow("layered", rng, rng.integers(0, len(KINDS), n).tolist(), sorted(edges))


def montage(rng: Generator, width: int) -> Workflow:
    """The shape of a sky mosaic: project, overlap of neighbours, one fit, correction, one sum."""
    project, overlap = range(width), range(width, 2 * width - 1)
    fit, correct, total = 2 * width - 1, range(2 * width, 3 * width), 3 * width
    edges = [(i + side, width + i) for i in range(width - 1) for side in (0, 1)]
    edges += [(each, fit) for each in overlap] or [(0, fit)]
    for i in project:
        edges += [(fit, 2 * width + i), (i, 2 * width + i), (2 * width + i, total)]
    kinds = [2] * len(project) + [1] * len(overlap) + [3] + [4] * len(correct) + [5]
    return _workflow("montage", rng, kinds, edges)


def tree(rng: Generator, n: int, *, fan: int = 3) -> Workflow:
    """Every task but the root waits for its parent, and a parent has at most `fan` children."""
    kinds = rng.integers(0, len(KINDS), n).tolist()
    return _workflow("tree", rng, kinds, [((i - 1) // fan, i) for i in range(1, n)])


SHAPES: dict[str, Callable[[Generator, int], Workflow]] = {
    "chain": chain,
    "fork_join": lambda rng, n: fork_join(rng, max(n - 2, 1)),
    "layered": layered,
    "montage": lambda rng, n: montage(rng, max((n - 1) // 3, 1)),
    "tree": tree,
}


def cluster(
    rng: Generator,
    m: int,
    *,
    cores: Sequence[int] = (4, 8, 16),
    bandwidth: float = 125e6,
    latency: float = 0.0,
) -> Cluster:
    """Unlike workers: speeds lognormal around 1, a third without a GPU.

    The first is the largest and has every skill, so that each task of KINDS has a worker.
    """
    size = [max(cores), *rng.choice(cores, m - 1).tolist()]
    gpu = [True, *(rng.random(m - 1) < 2 / 3).tolist()]
    speed = np.round(rng.lognormal(0.0, 0.4, m), 3)
    return Cluster(
        f"synthetic-{m}",
        [
            Worker(
                name=f"w{i}",
                cores=float(size[i]),
                memory=int(size[i] * 2e9),
                skills=frozenset({"gpu"} if gpu[i] else ()),
                speed=float(speed[i]),
                price=round(0.05 * size[i] * float(speed[i]), 3),
            )
            for i in range(m)
        ],
        bandwidth=bandwidth,
        latency=latency,
    )


def random_world(
    rng: Generator,
    n: int,
    m: int,
    *,
    shape: str = "layered",
    ccr: float = 0.5,
    unlikeness: float = 0.4,
) -> World:
    """About n tasks of one of SHAPES on m unlike workers.

    `ccr` is the communication to computation ratio: the mean transfer between two workers over the
    mean duration; the bandwidth is chosen for it.
    """
    workflow, workers = SHAPES[shape](rng, n), cluster(rng, m)
    world = truth_of(workflow, workers, rng, unlikeness=unlikeness)
    carried = [each.bytes for each in workflow.dependencies]
    if not carried or ccr <= 0:
        return world
    bandwidth = float(np.mean(carried) / (ccr * world.duration.mean()))
    joined = Cluster(workers.name, workers.workers, bandwidth=bandwidth, latency=workers.latency)
    return World(workflow, joined, world.duration, world.memory, world.failure, world.cores_used)


def random_problem(
    rng: Generator,
    n: int,
    m: int,
    *,
    shape: str = "layered",
    ccr: float = 0.5,
    unlikeness: float = 0.4,
) -> Problem:
    """The problem of a random world, planned by its true forecast."""
    return random_world(rng, n, m, shape=shape, ccr=ccr, unlikeness=unlikeness).problem()


def _layers(rng: Generator, n: int) -> list[range]:
    layers, width = [range(1)], max(n**0.5, 1.0)
    while layers[-1].stop < n:
        first = layers[-1].stop
        layers.append(range(first, min(first + max(1, int(width * rng.uniform(0.5, 1.5))), n)))
    return layers


def _workflow(name: str, rng: Generator, kinds: Sequence[int], edges: Sequence[Pair]) -> Workflow:
    size = np.round(rng.lognormal(0.0, 0.6, len(kinds)).clip(0.1, 6.0) * 1e6)
    tasks = [_task(i, KINDS[kind], float(size[i])) for i, kind in enumerate(kinds)]
    carried = [float(np.round(size[source] * KINDS[kinds[source]].output)) for source, _ in edges]
    dependencies = [
        Dependency(tasks[a].id, tasks[b].id, each)
        for (a, b), each in zip(edges, carried, strict=True)
    ]
    return Workflow(f"{name}-{len(tasks)}", tasks, dependencies)


def _task(number: int, kind: Kind, size: float) -> Task:
    return Task(
        id=f"{kind.name}-{number}",
        kind=kind.name,
        sizes={"input_bytes": size},
        cores=kind.cores,
        skills=kind.skills,
    )
