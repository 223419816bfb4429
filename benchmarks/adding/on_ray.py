"""One task on Ray: how much later it is known to have ended than Ray's own round trip takes.

Both do nothing, one after the other, on the same Ray, in turns. Ours goes through everything that a
kept run does: the step committed to a store before it begins, the claim, a process of its own, the
end kept with the claim, and the event committed. Each claim is safe on the disk.
"""

import statistics
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import ray

from benchmarks.adding.nothing import nothing
from benchmarks.base import Goal, Part
from scheduler.agent import Agent
from scheduler.cluster import Cluster, Worker
from scheduler.execution.events import AttemptEnded, AttemptStarted, Event
from scheduler.execution.executors.ray_cluster import RayCluster, local_ray
from scheduler.planning.planners.fifo import Fifo
from scheduler.predictors.history import HistoryPredictor
from scheduler.store import Store
from scheduler.workflow import Dependency, Task, Workflow

GOAL = 0.020
MB = 10**6
CLUSTER = Cluster("one", [Worker(name="w", cores=1, memory=1000 * MB)])
NOTHING = "benchmarks.adding.nothing:nothing"


def measured(*, quick: bool) -> Part:
    """Medians of a chain of tasks and of as many round trips of Ray."""
    count = 30 if quick else 200
    with local_ray(CLUSTER), tempfile.TemporaryDirectory() as folder:
        trips = round_trips(count)
        ours = latencies(count, Path(folder))
        trips += round_trips(count)
    mine, rays = statistics.median(ours), statistics.median(trips)
    added = mine - rays
    return Part(
        ours={
            "ray_latency_seconds": mine,
            "ray_latency_added_seconds": added,
            "ray_latency_p90_seconds": statistics.quantiles(ours, n=10)[-1],
        },
        peers={"ray_round_trip_seconds": rays},
        goals=(
            Goal(
                "latency added to a task on Ray, median",
                f"at most {GOAL * 1000:.0f} ms",
                f"{added * 1000:.1f} ms beyond Ray's own {rays * 1000:.1f} ms",
                added <= GOAL,
            ),
        ),
    )


def round_trips(count: int) -> list[float]:
    """Seconds from a call to its answer, in a Ray that is warm."""
    call = ray.remote(nothing)
    found = []
    for turn in range(count + 5):
        began = time.perf_counter()
        ray.get(call.remote())
        if turn >= 5:
            found.append(time.perf_counter() - began)
    return found


def latencies(count: int, folder: Path) -> list[float]:
    """Seconds from the decision to start a task to the moment at which its end is known.

    Raises RuntimeError where a task did not succeed.
    """
    tasks = [
        Task(id=f"t{i}", kind="nothing", memory=500 * MB, action=NOTHING) for i in range(count + 5)
    ]
    chain = [Dependency(f"t{i}", f"t{i + 1}") for i in range(count + 4)]
    began, found = dict[str, float](), dict[str, float]()

    def watch(event: Event) -> None:
        if isinstance(event, AttemptStarted):
            began[event.task] = time.perf_counter()
        elif isinstance(event, AttemptEnded):
            found[event.task] = time.perf_counter() - began[event.task]

    with Store.open(f"sqlite:///{folder / 'store.db'}") as store:
        agent = Agent(
            HistoryPredictor.learn([]),
            Fifo(),
            RayCluster(runs=folder / "runs"),
            store,
            lambda: datetime.now(UTC),
        )
        report = agent.run(Workflow("chain", tasks, chain), CLUSTER, watch=watch)
    if report.state != "succeeded":
        raise RuntimeError(f"The chain must succeed, found {report.state}: {report.given_up}.")
    return [found[f"t{i}"] for i in range(5, count + 5)]
