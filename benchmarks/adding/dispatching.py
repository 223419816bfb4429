"""Dispatches a second in the simulator, every event kept in a store on disk."""

import tempfile
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from benchmarks.base import Goal, Part
from scheduler.agent import Agent
from scheduler.cluster import Cluster, Worker
from scheduler.execution.events import Start
from scheduler.execution.executors.simulator import AsForecast, Draw, Simulator, Truth
from scheduler.planning.planners.fifo import Fifo
from scheduler.planning.problem import Problem
from scheduler.predictors.history import HistoryPredictor
from scheduler.store import Store
from scheduler.workflow import Dependency, Task, Workflow

LEAST, MOST_SECONDS = 1000.0, 15.0
MB = 10**6


@dataclass(frozen=True)
class Uneventful(Truth):
    """Durations as forecast, so that few end at one moment; nothing fails, nothing needs memory."""

    def draw(self, problem: Problem, start: Start, rng: np.random.Generator) -> Draw:
        """As the forecast says, without its failures."""
        return replace(AsForecast().draw(problem, start, rng), fails=False, memory=0.5 * MB)


def measured(*, quick: bool) -> Part:
    """No-op tasks a second, and the seconds of a large workflow, planning included in neither."""
    flat = seconds(workflow(1000 if quick else 5000, wide=True), workers(8))
    large, size = seconds(workflow(2000 if quick else 10_000, wide=False), workers(64)), 10_000
    rate = (1000 if quick else 5000) / flat
    scaled = large * (5 if quick else 1)
    told = f"{scaled:.1f} s" + (" (2,000 tasks, times five)" if quick else "")
    return Part(
        ours={"dispatches_per_second": rate, f"seconds_of_{size}_tasks": scaled},
        goals=(
            Goal("dispatches a second", f"at least {LEAST:,.0f}", f"{rate:,.0f}", rate >= LEAST),
            Goal(
                "10,000 tasks on 64 workers", f"at most {MOST_SECONDS:.0f} s", told,
                scaled <= MOST_SECONDS,
            ),
        ),
    )  # fmt: skip


def workers(count: int) -> Cluster:
    """Equal workers."""
    each = [Worker(name=f"w{i}", cores=4, memory=4000 * MB) for i in range(count)]
    return Cluster("many", each)


def workflow(count: int, *, wide: bool) -> Workflow:
    """Tasks that wait for nothing, or in layers of a hundred for two of the layer before."""
    tasks = [Task(id=f"t{i}", kind="nothing", memory=MB) for i in range(count)]
    edges = [] if wide else [
        Dependency(f"t{i - 100 - step}", f"t{i}") for i in range(200, count) for step in (0, 1)
    ]  # fmt: skip
    return Workflow("wide" if wide else "layers", tasks, edges)


def seconds(work: Workflow, cluster: Cluster) -> float:
    """Seconds of carrying it out, from the first event to the report.

    Raises RuntimeError where a task did not succeed.
    """
    moments: list[float] = []
    with (
        tempfile.TemporaryDirectory() as folder,
        Store.open(f"sqlite:///{Path(folder) / 'store.db'}") as store,
    ):
        agent = Agent(
            HistoryPredictor.learn([]),
            Fifo(),
            Simulator(Uneventful()),
            store,
            lambda: datetime.now(UTC),
        )
        report = agent.run(work, cluster, watch=lambda _: moments.append(time.perf_counter()))
        ended = time.perf_counter()
    if report.state != "succeeded":
        raise RuntimeError(f"The tasks must all succeed, found {report.state}.")
    return ended - moments[0]
