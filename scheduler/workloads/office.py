"""An office of three unlike agents on one machine, and the nightly workflows that they share.

`arrays` works with numpy, `columns` with Arrow, `plain` with nothing but Python. Each is the best
at some kinds, `columns` lacks the skill `numeric`, and holds so little memory that the largest
inputs do not fit there. They wait for almost as long as they work, so that the three do not fight
for the two cores of a small machine. An agent may have become slower (its pace is below one):
nothing but the time that its attempts take tells a forecast of that.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from math import exp, log

import numpy as np

from scheduler.cluster import Cluster, Worker
from scheduler.workflow import Dependency, Task, Workflow

MEGABYTE = 10**6
WAITS = 0.75  # seconds for each second of work


@dataclass(frozen=True)
class Kind:
    """A kind of work: its one size by name, the least and the most of it, and bytes per unit.

    `asked` are the megabytes that careful people ask for: what the largest task of the kind takes
    on the agent that takes most, rounded up to the next 25.
    """

    name: str
    size: str
    least: float
    most: float
    bytes: float
    stage: int
    asked: int
    skills: frozenset[str] = frozenset()


NUMERIC = frozenset({"numeric"})
KINDS = (
    Kind("load", "rows", 2e4, 2e5, 48, 0, 175),
    Kind("parse", "rows", 1.5e4, 1.6e5, 60, 0, 175),
    Kind("sort", "rows", 2e5, 2.4e6, 8, 1, 225),
    Kind("aggregate", "rows", 6e4, 7e5, 16, 1, 150),
    Kind("count_words", "size", 1e6, 8e6, 1, 1, 200),
    Kind("score", "rows", 2e3, 2.4e4, 96, 1, 75, NUMERIC),
    Kind("multiply", "side", 80, 220, 2e3, 1, 50, NUMERIC),
    Kind("blur", "side", 250, 800, 8e3, 1, 150, NUMERIC),
    Kind("route", "nodes", 5e3, 4e4, 40, 1, 75, NUMERIC),
    Kind("sign", "messages", 60, 600, 64, 2, 50, NUMERIC),
    Kind("compress", "size", 4e5, 6e6, 1, 2, 75),
    Kind("digest", "size", 4e6, 4e7, 1, 2, 150),
)


def agents(*, pace: Mapping[str, float] | None = None) -> Cluster:
    """The three agents, one core each; `pace` tells which are slower than they were, 0 to 1."""
    slower = pace or {}

    def agent(name: str, library: str, memory: float, skills: frozenset[str]) -> Worker:
        slowed = {"pace": str(slower[name])} if name in slower else {}
        return Worker(
            name=name,
            cores=1,
            memory=int(memory * MEGABYTE),
            skills=skills,
            labels={"library": library, "waits": str(WAITS)} | slowed,
        )

    return Cluster(
        "office",
        [
            agent("arrays", "numpy", 1000, NUMERIC),
            agent("columns", "arrow", 112, frozenset()),
            agent("plain", "stdlib", 1000, NUMERIC),
        ],
        bandwidth=1e9,
    )


def asked(task: Task) -> int:
    """The bytes that careful people would ask for, for a task of the office."""
    return _kind(task).asked * MEGABYTE


def night(name: str, tasks: int, rng: np.random.Generator, *, reach: float = 1.0) -> Workflow:
    """A nightly workflow: inputs are read, worked on, then packed and fingerprinted.

    Sizes are drawn evenly on a log scale; `reach` above one lets them go that much beyond the
    most that the usual nights see. The same generator gives the same night.
    """
    kinds = _kinds(tasks, rng)
    made = [_task(f"{kind.name}-{i + 1:03d}", kind, rng, reach) for i, kind in enumerate(kinds)]
    width = max(4, round(tasks**0.5))
    layers = [made[at : at + width] for at in range(0, tasks, width)]
    dependencies = [
        dependency
        for before, after in pairwise(layers)
        for dependency in _between(before, after, rng)
    ]
    return Workflow(name, made, dependencies)


def _kinds(tasks: int, rng: np.random.Generator) -> list[Kind]:
    """Every kind about equally often, in drawn order, inputs first and packing last."""
    drawn = [KINDS[i] for i in rng.permutation(np.arange(tasks) % len(KINDS))]
    return sorted(drawn, key=lambda kind: kind.stage)


def _task(task_id: str, kind: Kind, rng: np.random.Generator, reach: float) -> Task:
    size = round(exp(rng.uniform(log(kind.least), log(kind.most * reach))))
    return Task(
        id=task_id,
        kind=kind.name,
        sizes={kind.size: size},
        skills=kind.skills,
        action=f"scheduler.workloads.realwork:{kind.name}",
        arguments={kind.size: size, "seed": int(rng.integers(2**31))},
        timeout=60.0,
    )


def _between(before: list[Task], after: list[Task], rng: np.random.Generator) -> list[Dependency]:
    found: list[Dependency] = []
    for task in after:
        sources = rng.choice(
            len(before), size=min(len(before), int(rng.integers(1, 3))), replace=False
        )
        found.extend(
            Dependency(before[i].id, task.id, _output(before[i])) for i in sorted(sources.tolist())
        )
    return found


def _output(task: Task) -> float:
    kind = _kind(task)
    return kind.bytes * task.sizes[kind.size]


def _kind(task: Task) -> Kind:
    return next(each for each in KINDS if each.name == task.kind)
