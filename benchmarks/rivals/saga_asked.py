"""SAGA as a rival: asked through a process of its own, judged by our rules."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from scheduler.planning.feasibility import violations
from scheduler.planning.problem import Problem
from scheduler.planning.schedule import Placement, Schedule

INTERPRETER = "ALLOT_SAGA_PYTHON"  # a Python that has anrg-saga; ours is tried where it is not set
WORK = Path(__file__).with_name("saga_work.py")


@dataclass(frozen=True)
class Answer:
    """What one algorithm did: a makespan and its CPU seconds, or what was wrong with it."""

    makespan: float | None
    seconds: float
    fault: str | None


class Saga:
    """A running process that answers with all algorithms of SAGA; use it in a `with`."""

    def __init__(self) -> None:
        python = os.environ.get(INTERPRETER, sys.executable)
        self._process = subprocess.Popen(
            [python, "-P", str(WORK)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "PYTHONHASHSEED": "0"},
        )
        first = self._read()
        self.version: str | None = first["version"] if first else None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.communicate()

    def answers(
        self, problem: Problem, *, limit: float, without: tuple[str, ...] = ()
    ) -> Mapping[str, Answer]:
        """Each algorithm's answer within `limit` CPU seconds, by its name.

        The problem's durations must be a work over a speed. Raises RuntimeError where the process
        has ended.
        """
        asked = {"problem": {**_told(problem), "without": without}, "limit": limit}
        if self._process.stdin is None:
            raise RuntimeError("SAGA's process takes nothing in.")
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        found = self._read()
        if found is None:
            raise RuntimeError(
                "SAGA's process has ended; run benchmarks/rivals/saga_work.py alone."
            )
        return {name: _judged(problem, each) for name, each in found.items()}

    def _read(self) -> dict[str, Any] | None:
        line = self._process.stdout.readline() if self._process.stdout else ""
        return json.loads(line) if line else None


def _told(problem: Problem) -> dict[str, Any]:
    cluster = problem.cluster
    speed = [each.speed for each in cluster.workers]
    names = [each.name for each in cluster.workers]
    rate = [[cluster.bandwidth_between(a, b) if a != b else 0.0 for b in names] for a in names]
    index = problem.workflow.index
    return {
        "work": (problem.duration[:, 0] * speed[0]).tolist(),
        "speed": speed,
        "rate": rate,
        "edges": [
            (index[each.source], index[each.target], each.bytes)
            for each in problem.workflow.dependencies
        ],
    }


def _judged(problem: Problem, found: dict[str, Any]) -> Answer:
    if "fault" in found:
        return Answer(None, 0.0, found["fault"])
    rows = []
    for name, worker, start, end in found["rows"]:
        task = problem.workflow.tasks[int(name[1:])].id
        row, column = problem.workflow.index[task], problem.cluster.index[worker]
        rows.append(Placement(task, worker, start, end, problem.allocation(row, column)))
    schedule = Schedule(tuple(rows), planner="saga")
    broken = violations(schedule, problem)
    if broken:
        return Answer(None, found["seconds"], f"{len(broken)} violations: {broken[0].message}")
    return Answer(schedule.makespan, found["seconds"], None)
