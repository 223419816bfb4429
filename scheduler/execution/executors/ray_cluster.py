"""Real work through Ray: each attempt is a Ray task on the worker that its placement names.

A worker `w` is the Ray resource `allot:w`, as many units as it has cores; a Ray node that offers
that resource is (or houses) the worker. On one machine the executor makes such a Ray itself.

Attempts of a kept run are no children of Ray's processes: they outlive the agent, whose end would
otherwise end them, but not their node. Their claims lie on the node that they run on, and are
asked for there.
"""

import atexit
import json
import math
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import ray

from scheduler.cluster import Cluster
from scheduler.errors import AllotError
from scheduler.execution.charge import NEW, Charge
from scheduler.execution.claims import Name
from scheduler.execution.events import AttemptEnded, AttemptUnknown, Observation, Start, Stop
from scheduler.execution.executors import ray_nodes
from scheduler.execution.executors.base import Executor, Session
from scheduler.execution.executors.ray_nodes import NotThere
from scheduler.execution.executors.ray_start import ray_running
from scheduler.execution.fates import Ended, Fate, NotBegun, Running, Unknown
from scheduler.execution.measured import Nursery
from scheduler.execution.ordering import Ordering, demand_work, ended, fate_of, name_of
from scheduler.execution.place import Place
from scheduler.planning.problem import Problem
from scheduler.processes import Identity
from scheduler.records import Outcome

PATIENCE = 2.0  # seconds between two looks at what workers there are
SECONDS_TO_ANSWER = 10.0  # of a node that is asked about claims
LOOK = 1.0  # seconds that a look at attempts which were taken over waits for an end
_GONE = (
    ray.exceptions.WorkerCrashedError,
    ray.exceptions.NodeDiedError,
    ray.exceptions.OutOfMemoryError,
)


@dataclass(frozen=True)
class RayCluster(Executor):
    """Runs actions and commands on a Ray cluster.

    `address` is `local` for a Ray of our own, `auto` or `host:port` for one that is there. With
    `hold_memory` an attempt that takes more than its allocation is stopped. `runs` is the folder of
    the claims on every node; without it what ALLOT_RUNS says there, or one at home.
    """

    address: str = "local"
    hold_memory: bool = True
    runs: Path | None = None

    @contextmanager
    def open(self, problem: Problem, charge: Charge = NEW) -> Iterator["RaySession"]:
        """Connects, checks that every worker is there and every task has something to run."""
        demand_work(problem)
        ordering = Ordering(
            charge, dict(os.environ), self.runs, hold=self.hold_memory, survives=True
        )
        with local_ray(problem.cluster, address=self.address):
            _check_workers(problem.cluster)
            session = RaySession(problem, ordering, guarded=self.address != "local")
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
    """One run on Ray: attempts in flight, attempts taken over, and the clock since it began.

    Where it is `guarded`, attempts end with the Ray of their node.
    """

    def __init__(self, problem: Problem, ordering: Ordering, *, guarded: bool) -> None:
        self._problem, self._ordering, self._guarded = problem, ordering, guarded
        self._flying: dict[Any, Start] = {}
        self._adopted: dict[Name, Start] = {}
        self._looks: dict[Any, list[Start]] = {}
        self._began = time.monotonic() - ordering.charge.since
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
        order = self._ordering.order(self._problem, instruction) | {"guarded": self._guarded}
        reference = ray_nodes.remote(carry_out).options(**options).remote(order)
        self._flying[reference] = instruction

    def wait(self, until: float | None) -> Sequence[AttemptEnded | AttemptUnknown]:
        """Waits for the next attempt to end."""
        gone = list(self._look())
        if gone:
            return gone
        timeout = None if until is None else max(0.0, until - self.now())
        if not self._flying and not self._looks:  # Ray would not wait at all
            time.sleep(PATIENCE if timeout is None else min(timeout, PATIENCE))
            return []
        ready, _ = ray.wait([*self._flying, *self._looks], num_returns=1, timeout=timeout)
        found: list[AttemptEnded | AttemptUnknown] = []
        for each in ready:
            found += self._seen(each) if each in self._looks else self._ended(each)
        return found

    def recall(self, begun: Sequence[Start]) -> Sequence[Fate]:
        """Asks the claims on the nodes of the workers; takes over what runs."""
        fates = self._asked(begun)
        running = zip(begun, fates, strict=True)
        self._adopted |= {name_of(start): start for start, fate in running if fate == Running()}
        return fates

    def stop(self, instruction: Stop) -> None:
        """Asks the attempt to end; it is ended when it does not."""
        wanted = (instruction.task, instruction.attempt)
        for reference, start in self._flying.items():
            if (start.task, start.attempt) == wanted and not self._ordering.kept:
                ray.cancel(reference, force=True)
        every = (*self._flying.values(), *self._adopted.values())
        self._ask_to_stop([each for each in every if (each.task, each.attempt) == wanted])

    def let_go(self) -> None:
        """Leaves everything that runs to whoever takes the run over."""
        if self._ordering.kept:
            self._flying, self._adopted, self._looks = {}, {}, {}

    def close(self) -> None:
        """Stops what still runs."""
        if self._ordering.kept and (self._flying or self._adopted):
            self._ask_to_stop([*self._flying.values(), *self._adopted.values()])
            flying = list(self._flying)
            ray.wait(flying, num_returns=len(flying), timeout=SECONDS_TO_ANSWER) if flying else None
        for reference in (*self._flying, *self._looks):
            ray.cancel(reference, force=True)
        self._flying, self._adopted, self._looks = {}, {}, {}

    def _ended(self, reference: Any) -> Sequence[AttemptEnded | AttemptUnknown]:
        start = self._flying.pop(reference)
        masker = self._ordering.masker(self._problem, start)
        try:
            observed: Observation = ray.get(reference)
        except _GONE as error:
            self._looked = -PATIENCE  # a worker may be gone: look at once
            why = f"{type(error).__name__}: {error}"
            return self._lost(start, masker.masked(why))
        except ray.exceptions.TaskCancelledError:
            observed = Observation(Outcome.CANCELLED, message="stopped as asked")
        except ray.exceptions.RayTaskError as error:  # carrying out the order broke, not the action
            why = f"{type(error.cause).__name__}: {error.cause}"
            return self._lost(start, masker.masked(f"the order could not be run: {why}"))
        if observed.outcome is Outcome.LOST:
            return self._lost(start, observed.message)
        return [self._ended_by(start, Ended(observed))]

    def _lost(self, start: Start, why: str) -> Sequence[AttemptEnded | AttemptUnknown]:
        """An attempt of which Ray knows nothing any more: its claim may."""
        fate = self._asked([start])[0] if self._ordering.kept else Unknown(why)
        if fate == Running():
            self._adopted[name_of(start)] = start
            return []
        if isinstance(fate, Unknown):
            fate = Unknown(why if why == fate.why else f"{why}; {fate.why}")
        return [self._ended_by(start, fate, why)]

    def _ended_by(self, start: Start, fate: Fate, why: str = "") -> AttemptEnded | AttemptUnknown:
        task = self._problem.workflow.task(start.task)
        doubtful = self._ordering.kept and not task.idempotent and not isinstance(fate, NotBegun)
        observed = (
            fate.observation
            if isinstance(fate, Ended)
            else Observation(Outcome.LOST, message=getattr(fate, "why", f"it did not begin: {why}"))
        )
        return ended(start, observed, doubtful=doubtful, at=self.now(), time=self.clock())

    def _look(self) -> Iterator[AttemptEnded | AttemptUnknown]:
        """Sends somebody to each node to wait for the ends of what was taken over there."""
        looked_at = {name_of(each) for starts in self._looks.values() for each in starts}
        new = [each for name, each in self._adopted.items() if name not in looked_at]
        for worker in {each.worker for each in new}:
            starts = [each for each in new if each.worker == worker]
            claims = self._claims(starts)
            try:
                look = ray_nodes.call(resource(worker), ray_nodes.ends, claims, LOOK)
                self._looks[look] = starts
            except NotThere:
                for each in starts:
                    del self._adopted[name_of(each)]
                    yield self._ended_by(each, Unknown(f"its worker {worker!r} is gone"))

    def _seen(self, look: Any) -> Iterator[AttemptEnded | AttemptUnknown]:
        starts = self._looks.pop(look)
        try:
            fates = [fate_of(each) for each in ray.get(look)]
        except ray.exceptions.RayError as error:
            self._looked = -PATIENCE
            fates = [Unknown(f"its worker is gone ({type(error).__name__})")] * len(starts)
        for start, fate in zip(starts, fates, strict=True):
            if fate != Running():
                del self._adopted[name_of(start)]
                yield self._ended_by(start, fate)

    def _asked(self, starts: Sequence[Start]) -> list[Fate]:
        """What the claims tell; of those on nodes that do not answer nobody knows."""
        fates: dict[Name, Fate] = {}
        for worker in {each.worker for each in starts}:
            there = [each for each in starts if each.worker == worker]
            by = vars(Identity.here())
            try:
                claims = self._claims(there)
                asked = ray_nodes.call(resource(worker), ray_nodes.recalled, claims, by)
                found = ray.get(asked, timeout=SECONDS_TO_ANSWER)
                fates |= {name_of(a): fate_of(b) for a, b in zip(there, found, strict=True)}
            except (ray.exceptions.RayError, NotThere) as error:
                unknown = Unknown(f"its worker {worker!r} is not there ({type(error).__name__})")
                fates |= {name_of(each): unknown for each in there}
        return [fates[name_of(each)] for each in starts]

    def _ask_to_stop(self, starts: Sequence[Start]) -> None:
        if not self._ordering.kept:
            return
        for worker in {each.worker for each in starts}:
            there = [each for each in starts if each.worker == worker]
            with suppress(ray.exceptions.RayError, NotThere):  # what ran there ends with it
                claims = self._claims(there)
                asked = ray_nodes.call(resource(worker), ray_nodes.ask_to_stop, claims)
                ray.get(asked, timeout=SECONDS_TO_ANSWER)

    def _claims(self, starts: Sequence[Start]) -> list[Mapping[str, Any] | None]:
        return [self._ordering.claim(each) for each in starts]


_nurseries: dict[int, Nursery] = {}  # of one Ray worker process, by number of threads


def carry_out(order: dict[str, Any]) -> Observation:
    """In a Ray worker process: runs one order in this process's nursery."""
    threads = Place(**order["place"]).threads
    if order.pop("guarded"):
        raylet = Identity.of(os.getppid())
        order["guardian"] = None if raylet is None else vars(raylet)
    nursery = _nurseries.get(threads)
    if nursery is None or not nursery.alive:
        nursery = _nurseries[threads] = Nursery(threads, apart=True)
        atexit.register(nursery.hang_up)
    return nursery.carry_out(order)


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
