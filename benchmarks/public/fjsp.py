"""Brandimarte's flexible job shops: chains of operations on workers that take one at a time."""

import csv
from pathlib import Path

import numpy as np

from benchmarks.public.psplib import Known, bounds, certain
from scheduler.cluster import Cluster, Worker
from scheduler.errors import NotFound
from scheduler.planning.problem import Problem
from scheduler.workflow import Dependency, Task, Workflow

FOLDER = Path("fjsp") / "brandimarte"


def instances(data: Path) -> list[str]:
    """The names of the instances, Mk01 to Mk10."""
    names = sorted(file.stem for file in (data / FOLDER).glob("*.fjs"))
    if not names:
        raise NotFound(f"No flexible job shops below {data}; expected {FOLDER}.")
    return names


def known(data: Path) -> dict[str, Known]:
    """The bounds by the names of the instances."""
    with (data / FOLDER / "optimum" / "optimum.csv").open(encoding="utf-8") as lines:
        rows = list(csv.reader(lines))[1:]
    return {row[0].removesuffix(".fjs"): bounds(row[1]) for row in rows if row}


def read(data: Path, name: str) -> Problem:
    """One instance as a problem: each operation a skill of its own, which some machines have."""
    return parsed(name, (data / FOLDER / f"{name}.fjs").read_text("utf-8"))


def parsed(name: str, text: str) -> Problem:
    """The problem of an instance in the `.fjs` format."""
    lines = [line.split() for line in text.splitlines() if line.strip()]
    machines, jobs = int(lines[0][1]), lines[1 : 1 + int(lines[0][0])]
    tasks: list[Task] = []
    edges: list[Dependency] = []
    skills: list[set[str]] = [set() for _ in range(machines)]
    rows: list[list[float]] = []
    for job, words in enumerate(jobs):
        for step, choices in enumerate(_operations([int(float(word)) for word in words])):
            task = f"{job + 1}.{step + 1}"
            tasks.append(Task(id=task, kind="operation", memory=1, skills=frozenset({task})))
            # where no machine can take it the duration says nothing; it must only be positive
            rows.append([float(choices.get(machine, 1)) for machine in range(1, machines + 1)])
            for machine in choices:
                skills[machine - 1].add(task)
            if step:
                edges.append(Dependency(f"{job + 1}.{step}", task))
    workers = [
        Worker(name=f"m{i + 1}", cores=1.0, memory=1, skills=frozenset(each))
        for i, each in enumerate(skills)
    ]
    return certain(Workflow(name, tasks, edges), Cluster(name, workers), np.array(rows))


def _operations(numbers: list[int]) -> list[dict[int, int]]:
    """For each operation of a job its machines with their durations."""
    count, at = numbers[0], 1
    found: list[dict[int, int]] = []
    for _ in range(count):
        pairs = numbers[at + 1 : at + 1 + 2 * numbers[at]]
        found.append(dict(zip(pairs[::2], pairs[1::2], strict=True)))
        at += 1 + len(pairs)
    return found
