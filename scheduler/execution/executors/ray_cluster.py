"""Real work through Ray: each attempt is a Ray task on the worker that its placement names.

A worker `w` is the Ray resource `allot:w`, as many units as it has cores; a Ray node that offers
that resource is (or houses) the worker. On one machine the executor makes such a Ray itself.
"""

import atexit
import json
import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import ray

from scheduler.cluster import Cluster
from scheduler.errors import AllotError, InvalidWorkflow
from scheduler.execution.charge import NEW, Charge
from scheduler.execution.events import AttemptEnded, Observation, Start
from scheduler.execution.executors.base import Executor, Session
from scheduler.execution.executors.ray_start import ray_running
from scheduler.execution.measured import Nursery
from scheduler.execution.place import Place
from scheduler.planning.problem import Problem
from scheduler.records import Outcome

PATIENCE = 2.0  # seconds between two looks at what workers there are


@dataclass(frozen=True)
class RayCluster(Executor):
    """Runs actions on a Ray cluster.

    `address` is `local` for a Ray of our own, `auto` or `host:port` for one that is there.
    With `hold_memory` an attempt that takes more than its allocation is stopped.
    """

    address: str = "local"
    hold_memory: bool = True

    @contextmanager
    def open(self, problem: Problem, charge: Charge = NEW) -> Iterator["RaySession"]:
        """Connects, checks that every worker is there and every task has an action."""
        idle = [task.id for task in problem.workflow.tasks if task.action is None]
        if idle:
            raise InvalidWorkflow(
                f"Task {idle[0]!r} has no action to run ({len(idle)} such tasks); give each one "
                "an action 'module:function', or use the simulator.",
                idle,
            )
        with local_ray(problem.cluster, address=self.address):
            _check_workers(problem.cluster)
            session = RaySession(problem, hold_memory=self.hold_memory, since=charge.since)
            try:
                yield session
            finally:
                session.close()


def local_ray(cluster: Cluster, *, address: str = "local") -> Any:
    """Ray with one resource per worker of the cluster, for the length of a block."""
    offered = {resource(each.name): each.cores for each in cluster.workers}
    return ray_running(address=address, cpus=math.ceil(sum(offered.values())), resources=offered)


def resource(worker: str) -> str:
    """The Ray resource that stands for a worker."""
    return f"allot:{worker}"


class RaySession(Session):
    """One run on Ray: attempts in flight, and the clock since it began."""

    def __init__(self, problem: Problem, *, hold_memory: bool, since: float = 0.0) -> None:
        self._problem, self._hold = problem, hold_memory
        self._flying: dict[Any, Start] = {}
        self._began = time.monotonic() - since
        self._missing: frozenset[str] = frozenset()
        self._looked = -PATIENCE

    def now(self) -> float:
        """Seconds since the run began."""
        return time.monotonic() - self._began

    def clock(self) -> datetime:
        """The clock of this process."""
        return datetime.now(UTC)

    def transfer(self, size: float, source: str, target: str) -> float:  # noqa: ARG002
        """Nothing: an attempt fetches its own inputs, inside its measured time."""
        return 0.0

    def follow(self, problem: Problem) -> None:
        """Goes on with it; a worker that is new must be offered by a Ray node by then."""
        self._problem = problem

    def missing(self) -> frozenset[str]:
        """The workers whose resources no Ray node offers, looked up every few seconds at most."""
        if self.now() - self._looked >= PATIENCE:
            self._looked = self.now()
            self._missing = frozenset(_missing(self._problem.cluster))
        return self._missing

    def start(self, instruction: Start) -> None:
        """Submits the attempt to Ray; Ray itself never tries again."""
        options = {
            "num_cpus": instruction.allocation.cores,
            "max_retries": 0,
            "resources": {resource(instruction.worker): instruction.allocation.cores},
        }
        reference = _attempt().options(**options).remote(self._order(instruction))
        self._flying[reference] = instruction

    def wait(self, until: float | None) -> Sequence[AttemptEnded]:
        """Waits for the next attempt to end."""
        timeout = None if until is None else max(0.0, until - self.now())
        if not self._flying:  # Ray would not wait at all
            time.sleep(PATIENCE if timeout is None else min(timeout, PATIENCE))
            return []
        ready, _ = ray.wait(list(self._flying), num_returns=1, timeout=timeout)
        return [self._ended(each) for each in ready]

    def close(self) -> None:
        """Stops what still runs."""
        for reference in self._flying:
            ray.cancel(reference, force=True)

    def _ended(self, reference: Any) -> AttemptEnded:
        start = self._flying.pop(reference)
        try:
            observed = ray.get(reference)
        except (
            ray.exceptions.WorkerCrashedError,
            ray.exceptions.NodeDiedError,
            ray.exceptions.OutOfMemoryError,
        ) as error:
            self._looked = -PATIENCE  # a worker may be gone: look at once
            observed = Observation(Outcome.LOST, message=f"{type(error).__name__}: {error}")
        except ray.exceptions.RayTaskError as error:  # carrying out the order broke, not the action
            why = f"{type(error.cause).__name__}: {error.cause}"
            observed = Observation(Outcome.LOST, message=f"the order could not be run: {why}")
        return AttemptEnded(
            start.task, start.attempt, start.worker, self.now(), self.clock(), observed
        )

    def _order(self, start: Start) -> dict[str, Any]:
        task = self._problem.workflow.task(start.task)
        labels = dict(self._problem.cluster.worker(start.worker).labels)
        place = Place(start.worker, start.allocation.cores, start.allocation.memory, labels)
        return {
            "action": task.action,
            "arguments": dict(task.arguments),
            "place": asdict(place),
            "timeout": task.timeout,
            "hold": self._hold,
        }


_nurseries: dict[int, Nursery] = {}  # of one Ray worker process, by number of threads


def carry_out(order: dict[str, Any]) -> Observation:
    """In a Ray worker process: runs one order in this process's nursery."""
    threads = max(1, round(order["place"]["cores"]))
    nursery = _nurseries.get(threads)
    if nursery is None or not nursery.alive:
        nursery = _nurseries[threads] = Nursery(threads)
        atexit.register(nursery.close)
    return nursery.carry_out(order)


def _attempt() -> Any:
    return ray.remote(carry_out)


def _missing(cluster: Cluster) -> list[str]:
    offered: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
    return [
        each.name for each in cluster.workers if offered.get(resource(each.name), 0.0) < each.cores
    ]


def _check_workers(cluster: Cluster) -> None:
    missing = _missing(cluster)
    if missing:
        offer = {resource(name): cluster.worker(name).cores for name in missing}
        raise AllotError(
            f"Ray offers no place for the workers {', '.join(map(repr, missing))}: start a node "
            f"with --resources='{json.dumps(offer)}'."
        )
