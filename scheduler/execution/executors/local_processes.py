"""Real work on this machine, without Ray: attempts as processes held to their allocation.

The machine stands for every worker of the cluster. Each attempt runs in a nursery that leads a
session of its own and outlives this process: where the agent dies, the attempt goes on, is held to
its limits, and leaves its end with its claim for whoever takes the run over.
"""

import os
import select
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from scheduler.execution.charge import NEW, Charge
from scheduler.execution.claims import Claims, Name, claims_root
from scheduler.execution.events import AttemptEnded, AttemptUnknown, Observation, Start, Stop
from scheduler.execution.executors.base import Executor, Session
from scheduler.execution.fates import Ended, Fate, Running, Unknown
from scheduler.execution.measured import Nursery
from scheduler.execution.ordering import Ordering, demand_work, ended, fate_of, name_of
from scheduler.execution.place import Place
from scheduler.planning.problem import Problem
from scheduler.processes import Identity
from scheduler.records import Outcome

PATIENCE = 2.0  # seconds to wait for nothing in particular
LOOK = 0.05  # seconds between two looks at attempts that somebody else had begun


@dataclass(frozen=True)
class LocalProcesses(Executor):
    """Runs actions and commands as processes of this machine.

    With `hold_memory` an attempt that takes more than its allocation is stopped. `runs` is the
    folder of the claims of all runs; without it the environment's ALLOT_RUNS, or one at home.
    """

    hold_memory: bool = True
    runs: Path | None = None

    @contextmanager
    def open(self, problem: Problem, charge: Charge = NEW) -> Iterator["LocalSession"]:
        """Checks that every task has something to run."""
        demand_work(problem)
        runs = claims_root(os.environ) if self.runs is None else self.runs
        ordering = Ordering(charge, dict(os.environ), runs, hold=self.hold_memory, survives=True)
        session = LocalSession(problem, ordering, Claims(runs, charge.token))
        try:
            yield session
        finally:
            session.close()


class LocalSession(Session):
    """One run on this machine: nurseries at work, those at rest, and attempts taken over."""

    def __init__(self, problem: Problem, ordering: Ordering, claims: Claims) -> None:
        self._problem, self._ordering, self._claims = problem, ordering, claims
        self._began = time.monotonic() - ordering.charge.since
        self._busy: dict[Nursery, Start] = {}
        self._idle: list[Nursery] = []
        self._adopted: dict[Name, Start] = {}
        self._unsent: list[tuple[Start, str]] = []

    def now(self) -> float:
        """Seconds since the run began."""
        return time.monotonic() - self._began

    def clock(self) -> datetime:
        """The clock of this machine."""
        return datetime.now(UTC)

    def transfer(self, size: float, source: str, target: str) -> float:  # noqa: ARG002
        """Nothing: all workers are this machine."""
        return 0.0

    def follow(self, problem: Problem) -> None:
        """Goes on with it."""
        self._problem = problem

    def start(self, instruction: Start) -> None:
        """Gives the attempt to a nursery that rests, or to a new one."""
        threads = Place("", instruction.allocation.cores, 0).threads
        nursery = self._rested(threads) or Nursery(threads)
        try:
            nursery.begin(self._ordering.order(self._problem, instruction))
            self._busy[nursery] = instruction
        except (TypeError, ValueError) as error:  # arguments that no order can tell
            self._idle.append(nursery)
            self._unsent.append((instruction, f"{type(error).__name__}: {error}"))

    def wait(self, until: float | None) -> Sequence[AttemptEnded | AttemptUnknown]:
        """Waits for the next attempts to end."""
        if self._unsent:
            start, why = self._unsent.pop()
            masker = self._ordering.masker(self._problem, start)
            told = masker.masked(f"the order could not be run: {why}")
            lost = Observation(Outcome.LOST, message=told)
            return [ended(start, lost, doubtful=False, at=self.now(), time=self.clock())]
        while True:
            left = float("inf") if until is None else max(0.0, until - self.now())
            quiet = PATIENCE if not self._busy and not self._adopted else float("inf")
            pause = min(left, quiet, LOOK if self._adopted else float("inf"))
            over = [*self._answered(pause), *self._found()]
            if over or pause in (left, quiet):
                return over

    def recall(self, begun: Sequence[Start]) -> Sequence[Fate]:
        """Asks the claims; takes over what runs."""
        fates = [self._recalled(each) for each in begun]
        running = zip(begun, fates, strict=True)
        self._adopted |= {name_of(start): start for start, fate in running if fate == Running()}
        return fates

    def stop(self, instruction: Stop) -> None:
        """Asks the attempt to end; it is ended when it does not."""
        wanted = (instruction.task, instruction.attempt)
        for nursery, start in self._busy.items():
            if (start.task, start.attempt) == wanted:
                nursery.stop()
        for name in self._adopted:
            if (name.task, name.attempt) == wanted:
                self._claims.ask_to_stop(name)

    def let_go(self) -> None:
        """Leaves everything that runs to whoever takes the run over."""
        for nursery in (*self._busy, *self._idle):
            nursery.let_go()
        self._busy, self._idle, self._adopted = {}, [], {}

    def close(self) -> None:
        """Stops what still runs."""
        for nursery in self._busy:
            nursery.stop()
        for name in self._adopted:
            with suppress(OSError):  # then it ends by itself
                self._claims.ask_to_stop(name)
        for nursery in (*self._busy, *self._idle):
            nursery.close()
        self._busy, self._idle, self._adopted = {}, [], {}

    def _rested(self, threads: int) -> Nursery | None:
        for nursery in self._idle:
            if nursery.threads == threads:
                self._idle.remove(nursery)
                return nursery if nursery.alive else self._rested(threads)
        return None

    def _answered(self, seconds: float) -> Iterator[AttemptEnded | AttemptUnknown]:
        poll = select.poll()
        by_number = {each.fileno(): each for each in self._busy}
        for number in by_number:
            poll.register(number, select.POLLIN)
        for number, _ in poll.poll(None if seconds == float("inf") else seconds * 1000):
            nursery = by_number[number]
            observed = nursery.answer()
            start = self._busy.pop(nursery)
            if nursery.alive:
                self._idle.append(nursery)
            if observed.outcome is Outcome.LOST:
                yield self._ended_by(start, self._kept_end(start) or Unknown(observed.message))
            else:
                yield self._ended_by(start, Ended(observed))

    def _found(self) -> Iterator[AttemptEnded | AttemptUnknown]:
        """The ends of attempts that were taken over."""
        for name, start in list(self._adopted.items()):
            fate = fate_of(self._claims.state(name))
            if fate != Running():
                del self._adopted[name]
                yield self._ended_by(start, fate)

    def _kept_end(self, start: Start) -> Fate | None:
        """What its claim tells of an attempt whose nursery has died."""
        return fate_of(self._claims.state(name_of(start))) if self._ordering.kept else None

    def _ended_by(self, start: Start, fate: Fate) -> AttemptEnded | AttemptUnknown:
        doubtful = self._ordering.kept and not self._problem.workflow.task(start.task).idempotent
        observed = (
            fate.observation
            if isinstance(fate, Ended)
            else Observation(Outcome.LOST, message=getattr(fate, "why", "it did not begin"))
        )
        return ended(start, observed, doubtful=doubtful, at=self.now(), time=self.clock())

    def _recalled(self, start: Start) -> Fate:
        try:
            return fate_of(self._claims.recall(name_of(start), by=Identity.here()))
        except OSError as error:
            return Unknown(f"its claim cannot be read ({error})")
