"""Problems that we draw, and problems of workflows that were really run."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from scheduler.logs.wfformat import workflow_of
from scheduler.planning.problem import Problem
from scheduler.workloads.graphs import FAMILIES, Floats, instance, joined, unlike_workers

Drawn = tuple[str, float, Problem]  # family, CCR, problem

CCRS = (0.1, 1.0, 5.0, 10.0)
SIZES = (((60, 4), (150, 16)), ((100, 8), (240, 32)))
LAYERED = ((100, 4), (100, 16), (100, 64))  # what the rivals' figures are known for
WIDE = ("cholesky", "fft", "montage")  # also on 64 workers
APPLICATIONS = ("1000genome", "epigenomics", "montage", "seismology", "srasearch", "blast")
RUNTIMES = 0.1  # seconds: what the logs round to zero


def ours() -> Iterator[Drawn]:
    """Our families in different sizes, on 4 to 64 workers."""
    shapes = [("layered", n, m) for n, m in LAYERED]
    for number, family in enumerate(each for each in FAMILIES if each != "layered"):
        sizes = SIZES[0][:1] if family == "streams" else SIZES[number % 2]
        shapes += [(family, n, m) for n, m in sizes]
    shapes += [(family, 120, 64) for family in WIDE]
    for number, (family, n, m) in enumerate(shapes):
        for ccr in CCRS:
            rng = np.random.default_rng((number, int(10 * ccr)))
            yield family, ccr, instance(rng, family, n, m, ccr=ccr)


def logged(data: Path | None) -> Iterator[Drawn]:
    """Workflows that were really run, their runtimes as work, on unlike workers of ours."""
    if data is None:
        return
    for number, application in enumerate(APPLICATIONS):
        fitting = [
            (n, content)
            for file in sorted((data / "wfinstances").rglob("*.json.gz"))
            if application in str(file)
            for n, content in [_read(file)]
            if 20 <= n <= 250
        ]
        for k, (_, content) in enumerate(sorted(fitting, key=lambda each: each[0])[-4:]):
            rng = np.random.default_rng((number, k))
            ccr = (0.1, 1.0, 2.0, 5.0)[k]
            yield f"logged {application}", ccr, _as_problem(content, rng, (8, 16)[k % 2], ccr)


def least_work(seconds: Floats) -> Floats:
    """Runtimes without those that a log rounds to zero."""
    return np.maximum(RUNTIMES, seconds)


def _read(file: Path) -> tuple[int, dict[str, object]]:
    with gzip.open(file, "rt", encoding="utf-8") as stream:
        content = json.load(stream)
    return len(content["workflow"]["specification"]["tasks"]), content


def _as_problem(
    content: dict[str, object], rng: np.random.Generator, m: int, ccr: float
) -> Problem:
    workflow = workflow_of(content, "logged")
    seconds = _runtimes(content)
    work = least_work(np.array([seconds.get(task.id, 0.0) for task in workflow.tasks]))
    index, speed_and_rate = workflow.index, unlike_workers(rng, m)
    edges = [(index[each.source], index[each.target]) for each in workflow.dependencies]
    carried = np.array([max(each.bytes, 1.0) for each in workflow.dependencies])
    return joined(workflow.name, edges, work, carried, *speed_and_rate, ccr=ccr)


def _runtimes(content: dict[str, object]) -> dict[str, float]:
    workflow = content["workflow"]
    assert isinstance(workflow, dict)
    return {each["id"]: each["runtimeInSeconds"] for each in workflow["execution"]["tasks"]}
