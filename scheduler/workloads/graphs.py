"""Seeded instances of the planning problem that others measure: one task at a time on a worker.

Durations are work over speed, speeds are lognormal, and every pair of workers has a bandwidth of
its own. The communication to computation ratio (CCR) is the mean transfer over the mean duration.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from scheduler.cluster import Cluster, Worker
from scheduler.forecast import Forecast, uniform_affinity
from scheduler.planning.problem import Problem
from scheduler.workflow import Dependency, Task, Workflow

Floats = NDArray[np.float64]
Pair = tuple[int, int]
MEMORY = 10**9
SPREAD = 0.5  # of the logarithm of speeds


@dataclass(frozen=True)
class Shape:
    """Who waits for whom: the kind of each task, and the dependencies as pairs of tasks."""

    kinds: tuple[int, ...]
    edges: tuple[Pair, ...]


def layered(rng: Generator, n: int) -> Shape:
    """Layers about the root of n wide, 1 to 5 parents in the layer before, some long edges."""
    layers, width = [range(max(1, int(n**0.5 * rng.uniform(0.5, 1.5))))], n**0.5
    while layers[-1].stop < n:
        first = layers[-1].stop
        layers.append(range(first, min(n, first + max(1, int(width * rng.uniform(0.5, 1.5))))))
    edges: set[Pair] = set()
    for above, layer in pairwise(layers):
        for task in layer:
            count = min(int(rng.integers(1, 6)), len(above))
            edges.update((int(each), task) for each in rng.choice(above, count, replace=False))
            if rng.random() < 0.2:
                edges.add((int(rng.integers(0, above[-1] + 1)), task))
    return Shape((0,) * n, tuple(sorted(edges)))


def out_tree(rng: Generator, n: int) -> Shape:
    """Every task but the first waits for one, which has two or three that wait for it."""
    fan = int(rng.integers(2, 4))
    return Shape((0,) * n, tuple(((i - 1) // fan, i) for i in range(1, n)))


def in_tree(rng: Generator, n: int) -> Shape:
    """An out-tree read backwards: everything comes together in the last task."""
    edges = out_tree(rng, n).edges
    return Shape((0,) * n, tuple(sorted((n - 1 - b, n - 1 - a) for a, b in edges)))


def chains(rng: Generator, n: int) -> Shape:
    """Chains side by side between a first and a last task."""
    length = max(2, int(n**0.5 * rng.uniform(0.7, 1.5)))
    count = max(2, (n - 2) // length)
    last = count * length + 1
    edges = []
    for chain in range(count):
        tasks = range(1 + chain * length, 1 + (chain + 1) * length)
        edges += [(0, tasks[0]), *pairwise(tasks), (tasks[-1], last)]
    return Shape((0,) * (last + 1), tuple(edges))


def fork_join(rng: Generator, n: int) -> Shape:
    """Several rounds of tasks side by side, each round between two single tasks."""
    width = max(2, int(n**0.5 * rng.uniform(0.7, 1.5)))
    edges, joint = [], 0
    for _ in range(max(1, (n - 1) // (width + 1))):
        after = joint + width + 1
        edges += [e for i in range(joint + 1, after) for e in ((joint, i), (i, after))]
        joint = after
    return Shape((0,) * (joint + 1), tuple(edges))


def cholesky(rng: Generator, n: int) -> Shape:
    """The tiled factorisation of a symmetric matrix, with about n tasks of four kinds."""
    del rng
    tiles = 2
    while (tiles + 1) * (tiles + 2) * (tiles + 3) // 6 <= n:
        tiles += 1
    written: dict[Pair, int] = {}
    kinds: list[int] = []
    edges: list[Pair] = []

    def add(kind: int, target: Pair, *read: Pair) -> None:
        edges.extend((written[tile], len(kinds)) for tile in (target, *read) if tile in written)
        written[target] = len(kinds)
        kinds.append(kind)

    for k in range(tiles):
        add(0, (k, k))
        for i in range(k + 1, tiles):
            add(1, (i, k), (k, k))
        for i in range(k + 1, tiles):
            add(2, (i, i), (i, k))
            for j in range(k + 1, i):
                add(3, (i, j), (i, k), (j, k))
    return Shape(tuple(kinds), tuple(edges))


def gauss(rng: Generator, n: int) -> Shape:
    """Gaussian elimination by columns: one pivot, then an update of every column after it."""
    del rng
    size = 2
    while (size + 1) ** 2 + size - 1 <= 2 * n:
        size += 1
    last: dict[int, int] = {}
    kinds: list[int] = []
    edges: list[Pair] = []
    for k in range(size - 1):
        pivot = len(kinds)
        kinds.append(0)
        edges += [(last[k], pivot)] if k in last else []
        for column in range(k + 1, size):
            update = len(kinds)
            kinds.append(1)
            edges += [(pivot, update), *([(last[column], update)] if column in last else [])]
            last[column] = update
    return Shape(tuple(kinds), tuple(edges))


def fft(rng: Generator, n: int) -> Shape:
    """The fast Fourier transform: a tree of splits, then butterflies."""
    del rng
    points = 2
    while 4 * points - 1 + 2 * points * (points.bit_length()) <= n:
        points *= 2
    splits = 2 * points - 1
    kinds = [0] * splits
    edges = [((i - 1) // 2, i) for i in range(1, splits)]
    above = list(range(points - 1, splits))
    stride = 1
    while stride < points:
        row = list(range(len(kinds), len(kinds) + points))
        kinds += [1] * points
        edges += [(above[i ^ far], row[i]) for i in range(points) for far in (0, stride)]
        above, stride = row, 2 * stride
    return Shape(tuple(kinds), tuple(edges))


def montage(rng: Generator, n: int) -> Shape:
    """A sky mosaic: project, overlap of neighbours, one fit, correction, one sum, three steps."""
    width = max(2, (n - 5) // 4)
    near = [(i, i + 1) for i in range(width - 1)]
    far = [(int(i), int(i + 2)) for i in rng.choice(width - 1, width // 2)] if width > 3 else []
    overlaps = sorted({(a, b) for a, b in [*near, *far] if b < width})
    fit = width + len(overlaps)
    model, first = fit + 1, fit + 2
    table = first + width
    edges = [(side, width + i) for i, pair in enumerate(overlaps) for side in pair]
    edges += [(width + i, fit) for i in range(len(overlaps))] + [(fit, model)]
    for i in range(width):
        edges += [(model, first + i), (i, first + i), (first + i, table)]
    edges += [(table, table + 1), (table + 1, table + 2)]
    kinds = [0] * width + [1] * len(overlaps) + [2, 3] + [4] * width + [5, 6, 7]
    return Shape(tuple(kinds), tuple(edges))


def epigenomics(rng: Generator, n: int) -> Shape:
    """Lanes of a sequencer: each split into pieces, four steps a piece, merged, all merged."""
    lanes = int(rng.integers(1, 5))
    pieces = max(1, (n - 3 - 2 * lanes) // (4 * lanes))
    kinds: list[int] = []
    edges: list[Pair] = []
    merges = []
    for _ in range(lanes):
        split = len(kinds)
        kinds.append(0)
        merge = split + 4 * pieces + 1
        for piece in range(pieces):
            steps = [split, *range(split + 1 + 4 * piece, split + 5 + 4 * piece), merge]
            edges += pairwise(steps)
            kinds += [1, 2, 3, 4]
        kinds.append(5)
        merges.append(merge)
    top = len(kinds)
    edges += [(each, top) for each in merges] + [(top, top + 1), (top + 1, top + 2)]
    return Shape((*kinds, 6, 7, 8), tuple(edges))


def ligo(rng: Generator, n: int) -> Shape:
    """A search for gravitational waves: groups of banks, two passes, each pass coming together."""
    groups = max(1, n // int(rng.integers(16, 40)))
    width = max(2, (n // groups - 2) // 4)
    kinds: list[int] = []
    edges: list[Pair] = []
    for _ in range(groups):
        first = len(kinds)
        bank, joint = range(first, first + width), first + 2 * width
        tail = joint + 1 + 2 * width
        for i in bank:
            trig = joint + 1 + i - first
            edges += [(i, i + width), (i + width, joint), (joint, trig)]
            edges += [(trig, trig + width), (trig + width, tail)]
        kinds += [0] * width + [1] * width + [2] + [3] * width + [4] * width + [5]
    return Shape(tuple(kinds), tuple(edges))


def streams(rng: Generator, n: int) -> Shape:
    """A few steps on a stream of readings: clean, several views side by side, join, publish."""
    del n
    views = int(rng.integers(2, 5))
    join = 3 + views
    edges = [(0, 1), (1, 2), *((2, 3 + i) for i in range(views))]
    edges += [*((3 + i, join) for i in range(views)), (join, join + 1)]
    return Shape((0,) * (join + 2), tuple(edges))


FAMILIES: dict[str, Callable[[Generator, int], Shape]] = {
    "layered": layered,
    "out_tree": out_tree,
    "in_tree": in_tree,
    "chains": chains,
    "fork_join": fork_join,
    "cholesky": cholesky,
    "gauss": gauss,
    "fft": fft,
    "montage": montage,
    "epigenomics": epigenomics,
    "ligo": ligo,
    "streams": streams,
}


def instance(rng: Generator, family: str, n: int, m: int, *, ccr: float = 1.0) -> Problem:
    """About n tasks of one of FAMILIES on m workers; `streams` run on three tiers of slow links.

    Work and bytes are uniform between 0.1 and 1.9 of what is usual for the kind of task.
    """
    shape = FAMILIES[family](rng, n)
    kinds = np.array(shape.kinds)
    usual = rng.lognormal(0.0, 0.8, (kinds.max() + 1, 2)) if kinds.max() else np.ones((1, 2))
    work = usual[kinds, 0] * rng.uniform(0.1, 1.9, len(kinds))
    sources = np.array([a for a, _ in shape.edges], dtype=np.int64)
    carried = usual[kinds[sources], 1] * rng.uniform(0.1, 1.9, len(sources))
    speed, rate = _tiers(rng, m) if family == "streams" else unlike_workers(rng, m)
    return joined(f"{family}-{len(kinds)}", shape.edges, work, carried, speed, rate, ccr=ccr)


def joined(
    name: str,
    edges: Sequence[Pair],
    work: Floats,
    carried: Floats,
    speed: Floats,
    rate: Floats,
    *,
    ccr: float | None,
) -> Problem:
    """The problem of this work (n) and these bytes (one per edge) on workers of these speeds (m).

    `rate` (m x m, symmetric) is relative: all bandwidths are scaled so that the mean transfer
    between two workers is `ccr` times the mean duration. Without a `ccr` it is taken as it is.
    """
    n, m = len(work), len(speed)
    duration = work[:, None] / speed
    pairs = list(combinations(range(m), 2))
    per_byte = float(np.mean([1 / rate[a, b] for a, b in pairs])) if pairs else 1.0
    mean = float(carried.mean()) * per_byte if len(carried) else 0.0
    scale = mean / (ccr * float(duration.mean())) if mean > 0 and ccr else 1.0
    tasks = [Task(id=f"t{i}", kind="work", memory=MEMORY) for i in range(n)]
    workers = [
        Worker(name=f"w{k}", cores=1.0, memory=MEMORY, speed=float(speed[k])) for k in range(m)
    ]
    links = {(f"w{a}", f"w{b}"): float(rate[a, b] * scale) for a, b in pairs}
    dependencies = [
        Dependency(f"t{a}", f"t{b}", float(each))
        for (a, b), each in zip(edges, carried, strict=True)
    ]
    workflow = Workflow(name, tasks, dependencies)
    cluster = Cluster(f"unlike-{m}", workers, bandwidth=scale, links=links)
    return Problem(
        workflow=workflow, cluster=cluster, forecast=certain(workflow, cluster, duration)
    )


def certain(workflow: Workflow, cluster: Cluster, duration: Floats) -> Forecast:
    """A forecast without doubt: every quantile is the value given (n x m)."""
    seconds = np.repeat(duration[..., None], 3, axis=2)
    return Forecast(
        tasks=tuple(workflow.index),
        workers=tuple(cluster.index),
        duration=seconds,
        memory=np.full_like(seconds, float(MEMORY)),
        cpu=np.ones_like(seconds),
        failure=np.zeros(duration.shape),
        affinity=uniform_affinity(*duration.shape),
        source="truth",
    )


def unlike_workers(rng: Generator, m: int) -> tuple[Floats, Floats]:
    """Lognormal speeds (m), and bandwidths (m x m) uniform between a half and three halves."""
    rate = np.triu(rng.uniform(0.5, 1.5, (m, m)), 1)
    return rng.lognormal(0.0, SPREAD, m), rate + rate.T + np.eye(m)


def _tiers(rng: Generator, m: int) -> tuple[Floats, Floats]:
    """Many slow workers at the edge, some in between, few fast ones far away behind slow links."""
    tier = np.sort(rng.choice(3, m, p=(0.7, 0.2, 0.1)))
    speed = np.array([1.0, 6.0, 50.0])[tier] * rng.lognormal(0.0, 0.2, m)
    between = np.array([[0.5, 1.0, 1.0], [1.0, 5.0, 2.0], [1.0, 2.0, 100.0]])
    rate = between[tier[:, None], tier] * rng.uniform(0.8, 1.2, (m, m))
    rate = np.triu(rate, 1)
    return speed, rate + rate.T + np.eye(m)
