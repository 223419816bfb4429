"""Real work through Ray: each attempt is a Ray task on the worker that its placement names.

A worker `w` is the Ray resource `allot:w`, as many units as it has cores; a Ray node that offers
that resource is (or houses) the worker. On one machine the executor makes such a Ray itself.

Attempts of a kept run are no children of Ray's processes: they outlive the agent, whose end would
otherwise end them, but not their node. Their claims lie on the node that they run on, and are
asked for there. An attempt is bound to the node that houses its worker when it begins: so it is
known whose claims tell of it, and nothing of it begins elsewhere behind our back.
"""

import json
import math
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
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
from scheduler.execution.executors.ray_housing import Housing, missing_from, resource
from scheduler.execution.executors.ray_nodes import living
from scheduler.execution.executors.ray_start import ray_running
from scheduler.execution.executors.ray_watch import Watch
from scheduler.execution.fates import Ended, Fate, NotBegun, Running, Unknown
from scheduler.execution.ordering import Ordering, demand_work, ended, fate_of, name_of
from scheduler.planning.problem import Problem
from scheduler.processes import Identity
from scheduler.records import Outcome

SLICE = 0.5  # seconds that nodes which are gone stay unseen while something is waited for
SECONDS_TO_ANSWER = 15.0  # of a node that is asked about claims while all else waits
SECONDS_TO_TELL = 60.0  # of a node that is asked while the run goes on
TRIES = 3  # at a question of which the process that was to answer it died
LOOK = 1.0  # seconds that a look at attempts which were taken over waits for an end

News = AttemptEnded | AttemptUnknown


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
            _demand_workers(problem.cluster)
            with Watch() as watch:
                housing = Housing(problem.cluster, watch)
                session = RaySession(problem, ordering, housing, guarded=self.address != "local")
                try:
                    yield session
                finally:
                    session.close()


def local_ray(cluster: Cluster, *, address: str = "local") -> Any:
    """Ray with one resource per worker of the cluster, for the length of a block."""
    offered = {resource(each.name): each.cores for each in cluster.workers}
    return ray_running(address=address, cpus=math.ceil(sum(offered.values())), resources=offered)


def _demand_workers(cluster: Cluster) -> None:
    missing = sorted(missing_from(cluster, living()))
    if missing:
        offer = {resource(name): cluster.worker(name).cores for name in missing}
        raise AllotError(
            f"Ray offers no place for the workers {', '.join(map(repr, missing))}: start a node "
            f"with --resources='{json.dumps(offer)}'."
        )


@dataclass(frozen=True)
class _Call:
    """A question on its way to a node: how these attempts stand, of which Ray said `why`."""

    starts: tuple[Start, ...]
    node: str
    asked: float
    why: str = ""
    tries: int = 1

    @property
    def look(self) -> bool:
        """Whether it waits for ends, and does not ask for fates."""
        return not self.why


class RaySession(Session):
    """Attempts in flight, attempts taken over, and the clock since the run began.

    Where it is `guarded`, attempts end with the Ray of their node.
    """

    def __init__(
        self, problem: Problem, ordering: Ordering, housing: Housing, *, guarded: bool
    ) -> None:
        self._problem, self._ordering, self._guarded = problem, ordering, guarded
        self._housing = housing
        self._flying: dict[Any, Start] = {}
        self._adopted: dict[Name, Start] = {}
        self._calls: dict[Any, _Call] = {}
        self._homes: dict[Name, str] = {}
        self._left: dict[str, list[Start]] = {}  # given up, on nodes that may come back
        self._seen = 0  # looks at the nodes
        self._began = time.monotonic() - ordering.charge.since

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
        self._housing.follow(problem.cluster)

    def missing(self) -> frozenset[str]:
        """The workers that no Ray node offers which answers."""
        self._housing.look()
        return self._housing.missing

    def start(self, instruction: Start) -> None:
        """Submits the attempt to the node of its worker; Ray itself never tries again.

        Where there is no such node Ray waits for one.
        """
        options: dict[str, Any] = {
            "num_cpus": instruction.allocation.cores,
            "max_retries": 0,
            "resources": {resource(instruction.worker): instruction.allocation.cores},
        }
        self._housing.look()
        home = self._housing.home(instruction.worker)
        if home is not None:
            self._homes[name_of(instruction)] = home
            options["scheduling_strategy"] = ray_nodes.on(home)
        order = self._ordering.order(self._problem, instruction) | {"guarded": self._guarded}
        reference = ray_nodes.remote(ray_nodes.carry_out).options(**options).remote(order)
        self._flying[reference] = instruction

    def wait(self, until: float | None) -> Sequence[News]:
        """Waits for the next attempt to end."""
        gone = [*self._cut_off(), *self._look()]
        if gone:
            return gone
        timeout = SLICE if until is None else max(0.0, min(until - self.now(), SLICE))
        if not self._flying and not self._calls:  # Ray would not wait at all
            time.sleep(timeout)
            return []
        ready, _ = ray.wait([*self._flying, *self._calls], num_returns=1, timeout=timeout)
        found: list[News] = []
        for each in ready:
            found += self._told(each) if each in self._calls else self._ended(each)
        return found

    def recall(self, begun: Sequence[Start]) -> Sequence[Fate]:
        """Asks the claims on the nodes of the workers; takes over what runs."""
        self._housing.look(at_once=True)
        calls = {self._asking(each): each for each in self._together(begun)}
        fates: dict[Name, Fate] = {}
        ready: list[Any] = []
        if calls:
            ready, _ = ray.wait(
                list(calls), num_returns=len(calls), timeout=SECONDS_TO_ANSWER, fetch_local=True
            )
        for each in ready:
            with suppress(ray.exceptions.RayError):  # unknown, as below
                found = map(fate_of, ray.get(each))
                fates |= dict(zip(map(name_of, calls[each].starts), found, strict=True))
                self._homes |= {name_of(start): calls[each].node for start in calls[each].starts}
        for start in begun:
            fates.setdefault(
                name_of(start), Unknown(f"its worker {start.worker!r} does not answer")
            )
            if fates[name_of(start)] == Running():
                self._adopted[name_of(start)] = start
        return [fates[name_of(start)] for start in begun]

    def stop(self, instruction: Stop) -> None:
        """Asks the attempt to end; it is ended when it does not."""
        wanted = (instruction.task, instruction.attempt)
        for reference, start in self._flying.items():
            if (start.task, start.attempt) == wanted and not self._ordering.kept:
                ray.cancel(reference, force=True)
        self._ask_to_stop([each for each in self._all() if (each.task, each.attempt) == wanted])

    def let_go(self) -> None:
        """Leaves everything that runs to whoever takes the run over."""
        if self._ordering.kept:
            self._flying, self._adopted, self._calls = {}, {}, {}

    def close(self) -> None:
        """Stops what still runs."""
        asked = self._ask_to_stop(self._all())
        if asked:
            ends = [*asked, *self._flying]
            ray.wait(ends, num_returns=len(ends), timeout=SECONDS_TO_ANSWER)
        for reference in (*self._flying, *self._calls):
            ray.cancel(reference, force=True)
        self._flying, self._adopted, self._calls = {}, {}, {}

    def _all(self) -> list[Start]:
        """Every attempt that is not over."""
        asked = [start for call in self._calls.values() if not call.look for start in call.starts]
        return [*self._flying.values(), *self._adopted.values(), *asked]

    def _ended(self, reference: Any) -> Sequence[News]:
        start = self._flying.pop(reference)
        masker = self._ordering.masker(self._problem, start)
        try:
            observed: Observation = ray.get(reference)
        except ray.exceptions.TaskUnschedulableError:
            return self._unplaced(start)
        except ray.exceptions.TaskCancelledError:
            observed = Observation(Outcome.CANCELLED, message="stopped as asked")
        except ray.exceptions.RayTaskError as error:  # carrying out the order broke, not the action
            why = f"{type(error.cause).__name__}: {error.cause}"
            return self._lost(start, masker.masked(f"the order could not be run: {why}"))
        except ray.exceptions.RayError as error:  # its process or node is gone, or what it told
            self._housing.look(at_once=True)
            return self._lost(start, masker.masked(f"{type(error).__name__}: {error}"))
        if observed.outcome is Outcome.LOST:
            return self._lost(start, observed.message or "it was lost")
        return [self._ended_by(start, Ended(observed))]

    def _unplaced(self, start: Start) -> Sequence[News]:
        """Ray never began it: the node was gone by then, or has less than the attempt needs."""
        self._housing.look(at_once=True)
        was, home = self._homes.pop(name_of(start), None), self._housing.home(start.worker)
        if home is not None and home != was:
            self.start(start)
            return []
        why = "is gone" if home is None else f"has no {start.allocation.cores:g} cores for it"
        return [self._ended_by(start, NotBegun(), f"the node of its worker {why}")]

    def _lost(self, start: Start, why: str) -> Sequence[News]:
        """An attempt of which Ray knows nothing any more: its claim may."""
        calls = self._together([start], why) if self._ordering.kept else []
        if not calls:
            return [self._ended_by(start, Unknown(why), why)]
        self._calls[self._asking(calls[0])] = calls[0]
        return []

    def _ended_by(self, start: Start, fate: Fate, why: str = "") -> News:
        self._homes.pop(name_of(start), None)
        self._adopted.pop(name_of(start), None)
        task = self._problem.workflow.task(start.task)
        doubtful = self._ordering.kept and not task.idempotent and not isinstance(fate, NotBegun)
        observed = (
            fate.observation
            if isinstance(fate, Ended)
            else Observation(Outcome.LOST, message=getattr(fate, "why", f"it did not begin: {why}"))
        )
        return ended(start, observed, doubtful=doubtful, at=self.now(), time=self.clock())

    def _cut_off(self) -> Iterator[News]:
        """Gives up what was on nodes that are gone, and questions that nobody answers."""
        self._housing.look()
        if self._seen == self._housing.looks:
            return
        self._seen = self._housing.looks
        self._see_to_the_left()
        flying = [each for each, start in self._flying.items() if self._is_gone(start)]
        ready = ray.wait(flying, num_returns=len(flying), timeout=0)[0] if flying else []
        for reference in set(flying) - set(ready):
            start = self._flying.pop(reference)
            ray.cancel(reference, force=True)
            self._left.setdefault(self._homes[name_of(start)], []).append(start)
            yield self._ended_by(start, Unknown(_gone(start)))
        for reference, call in list(self._calls.items()):
            late = time.monotonic() - call.asked > SECONDS_TO_TELL
            if late or not self._housing.lives(call.node):
                del self._calls[reference]
                self._left.setdefault(call.node, []).extend(call.starts)
                for start in call.starts:
                    yield self._ended_by(start, _with(call.why, Unknown(_gone(start))))

    def _see_to_the_left(self) -> None:
        """On nodes that are back nothing begins that was given up, and nothing runs in vain."""
        for node in [each for each in self._left if self._housing.lives(each)]:
            starts, by = self._left.pop(node), vars(Identity.here())
            if self._ordering.kept:
                ray_nodes.call(node, ray_nodes.recalled, self._claims(starts), by, True)
                tasks = self._problem.workflow
                again = [each for each in starts if tasks.task(each.task).idempotent]
                ray_nodes.call(node, ray_nodes.ask_to_stop, self._claims(again))

    def _is_gone(self, start: Start) -> bool:
        home = self._homes.get(name_of(start))
        return home is not None and not self._housing.lives(home)

    def _look(self) -> Iterator[News]:
        """Sends somebody to each node to wait for the ends of what was taken over there."""
        seen = {name_of(each) for call in self._calls.values() for each in call.starts}
        new = [each for name, each in self._adopted.items() if name not in seen]
        if not new:
            return
        calls = self._together(new)
        for call in calls:
            self._calls[self._asking(call, look=True)] = call
        for start in set(map(name_of, new)) - {name_of(s) for call in calls for s in call.starts}:
            yield self._ended_by(self._adopted[start], Unknown(_gone(self._adopted[start])))

    def _together(self, starts: Sequence[Start], why: str = "") -> list[_Call]:
        """A question for each node about what is there; none about what is on no node."""
        at: dict[str, list[Start]] = {}
        for start in starts:
            node = self._homes.get(name_of(start)) or self._housing.home(start.worker)
            if node is not None and self._housing.lives(node):
                at.setdefault(node, []).append(start)
        return [_Call(tuple(there), node, time.monotonic(), why) for node, there in at.items()]

    def _asking(self, call: _Call, *, look: bool = False) -> Any:
        claims = self._claims(call.starts)
        if look:
            return ray_nodes.call(call.node, ray_nodes.ends, claims, LOOK)
        sure = not self._guarded or all(name_of(each) in self._homes for each in call.starts)
        by = vars(Identity.here())
        return ray_nodes.call(call.node, ray_nodes.recalled, claims, by, sure)

    def _told(self, reference: Any) -> Iterator[News]:
        call = self._calls.pop(reference)
        try:
            fates = [fate_of(each) for each in ray.get(reference)]
        except ray.exceptions.RayError as error:
            self._housing.look(at_once=True)
            if self._housing.lives(call.node) and call.tries < TRIES:
                again = replace(call, tries=call.tries + 1)
                self._calls[self._asking(again, look=call.look)] = again
                return
            fates = [Unknown(f"its node does not tell ({type(error).__name__})")] * len(call.starts)
        for start, fate in zip(call.starts, fates, strict=True):
            if fate == Running():
                self._adopted[name_of(start)] = start
            else:
                yield self._ended_by(start, _with(call.why, fate), call.why)

    def _ask_to_stop(self, starts: Sequence[Start]) -> list[Any]:
        """Lets the watchers know; what was on a node that is gone has ended with it."""
        if not self._ordering.kept:
            return []
        return [
            ray_nodes.call(each.node, ray_nodes.ask_to_stop, self._claims(each.starts))
            for each in self._together(starts)
        ]

    def _claims(self, starts: Sequence[Start]) -> list[Mapping[str, Any] | None]:
        return [self._ordering.claim(each) for each in starts]


def _gone(start: Start) -> str:
    return f"the node of its worker {start.worker!r} is gone, or does not answer"


def _with(why: str, fate: Fate) -> Fate:
    """What nobody knows, with all that is known of why."""
    if isinstance(fate, Unknown) and why and why != fate.why:
        return Unknown(f"{why}; {fate.why}")
    return fate
