"""PSPLIB's resource-constrained projects: one worker that is never full, four pools."""

import csv
import gzip
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from scheduler.cluster import Cluster, Worker
from scheduler.errors import NotFound
from scheduler.forecast import Forecast, uniform_affinity
from scheduler.planning.problem import Problem
from scheduler.workflow import Dependency, Task, Workflow


@dataclass(frozen=True)
class Known:
    """What is known of an instance: no plan is shorter than `least`, and `best` has been found."""

    least: float
    best: float


def instances(data: Path, group: str) -> list[str]:
    """The names of a set (j30, j60, j120), by parameter group and number."""
    names = [file.name.removesuffix(".sm.gz") for file in (data / "psplib" / group).glob("*.gz")]
    if not names:
        raise NotFound(f"No instances of PSPLIB {group} below {data}; expected psplib/{group}.")
    return sorted(names, key=lambda name: [int(part) for part in name[1:].split("_")])


def known(data: Path, group: str) -> dict[str, Known]:
    """The bounds of a set by the names of its instances."""
    with (data / "psplib" / group / "bounds.csv").open(encoding="utf-8") as lines:
        return {row[0].removesuffix(".sm"): bounds(row[1]) for row in list(csv.reader(lines))[1:]}


def bounds(text: str) -> Known:
    """`43`, or `104..105` where the two have not met, or `..89` where only plans are known."""
    least, _, best = text.strip().partition("..")
    return Known(float(least or 0), float(best or least))


def read(data: Path, group: str, name: str) -> Problem:
    """One instance as a problem: times in seconds, resources as pools."""
    file = data / "psplib" / group / f"{name}.sm.gz"
    return parsed(name, gzip.decompress(file.read_bytes()).decode("latin-1"))


def parsed(name: str, text: str) -> Problem:
    """The problem of an instance in the single-mode format; activities of no duration fall away."""
    lines = text.splitlines()
    after = {int(row[0]): [int(s) for s in row[3:]] for row in _rows(lines, "PRECEDENCE RELATIONS")}
    mode = {int(row[0]): [int(each) for each in row[2:]] for row in _rows(lines, "REQUESTS/")}
    limit = [float(each) for each in _rows(lines, "RESOURCEAVAILABILITIES")[0]]
    real = [job for job, (seconds, *_) in mode.items() if seconds > 0]
    pools = {f"r{i + 1}": amount for i, amount in enumerate(limit)}
    tasks = [
        Task(
            id=str(job),
            kind="activity",
            memory=1,
            pools={pool: float(a) for pool, a in zip(pools, mode[job][1:], strict=True) if a},
        )
        for job in real
    ]
    edges = {(a, b) for a in real for b in _real_after(a, after, mode)}
    workflow = Workflow(name, tasks, [Dependency(str(a), str(b)) for a, b in sorted(edges)])
    whole = Worker(name="all", cores=float(len(tasks)), memory=len(tasks))
    cluster = Cluster(name, [whole], pools=pools)
    return certain(workflow, cluster, np.array([[float(mode[job][0])] for job in real]))


def certain(workflow: Workflow, cluster: Cluster, duration: np.ndarray) -> Problem:
    """A problem without any doubt about its durations (n x m)."""
    n, m = duration.shape
    forecast = Forecast(
        tasks=tuple(workflow.index),
        workers=tuple(cluster.index),
        duration=np.repeat(duration[..., None], 3, axis=2),
        memory=np.ones((n, m, 3)),
        cpu=np.ones((n, m, 3)),
        failure=np.zeros((n, m)),
        affinity=uniform_affinity(n, m),
    )
    return Problem(workflow=workflow, cluster=cluster, forecast=forecast)


def _real_after(job: int, after: dict[int, list[int]], mode: dict[int, list[int]]) -> set[int]:
    found: set[int] = set()
    for each in after[job]:
        found |= {each} if mode[each][0] > 0 else _real_after(each, after, mode)
    return found


def _rows(lines: list[str], title: str) -> list[list[str]]:
    """The rows of numbers below a title."""
    first = next(i for i, line in enumerate(lines) if line.startswith(title)) + 1
    rows: list[list[str]] = []
    for line in lines[first:]:
        words = line.split()
        if words and all(word.lstrip("-").isdigit() for word in words):
            rows.append(words)
        elif rows:
            break
    return rows
