"""A seeded world on paper: attempts take the time that a truth says, at no time at all."""

import heapq
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import ClassVar

import numpy as np

from scheduler.execution.charge import NEW, Charge
from scheduler.execution.events import AttemptEnded, Observation, Start, Stop
from scheduler.execution.executors.base import Executor, Session
from scheduler.execution.fates import Fate, NotBegun
from scheduler.forecast import Forecast
from scheduler.planning.problem import Problem
from scheduler.planning.spread import at_score
from scheduler.records import Outcome

EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
TIME_TO_DEATH = 0.5  # share of the duration after which an attempt over its memory dies


@dataclass(frozen=True)
class Draw:
    """What one attempt would need: seconds, bytes, mean cores, and whether it fails by itself."""

    duration: float
    memory: float
    cpu: float
    fails: bool = False


class Truth(ABC):
    """What really happens when a task runs on a worker.

    `teaches` says whether attempts drawn from it tell anything that the forecast did not.
    """

    teaches: ClassVar[bool] = True

    @abstractmethod
    def draw(self, problem: Problem, start: Start, rng: np.random.Generator) -> Draw:
        """One attempt's needs; the same generator in the same state gives the same answer."""


@dataclass(frozen=True)
class AsForecast(Truth):
    """A world in which beliefs are right: attempts are drawn from the problem's own forecast."""

    teaches: ClassVar[bool] = False

    def draw(self, problem: Problem, start: Start, rng: np.random.Generator) -> Draw:
        """Each from the distribution that its quantiles stand for; failure by its risk."""
        row, column = problem.workflow.index[start.task], problem.cluster.index[start.worker]
        if problem.forecast.rows is not None:
            row = int(problem.forecast.rows[row])
        duration, memory, cpu = (
            _drawn(problem.forecast, name, (row, column), score)
            for name, score in zip(("duration", "memory", "cpu"), rng.normal(size=3), strict=True)
        )
        return Draw(
            duration, memory, cpu, bool(rng.uniform() < problem.forecast.failure[row, column])
        )


@dataclass(frozen=True)
class Simulator(Executor):
    """Runs schedules in simulated time. `began` is the clock's time at which the run begins.

    `outages` says, worker by worker, from when until when it is missing (seconds, finite).
    """

    truth: Truth
    seed: int = 0
    began: datetime = EPOCH
    outages: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    @property
    def records(self) -> bool:
        """Not of a world that is the forecast: that would confirm beliefs with themselves."""
        return self.truth.teaches

    @property
    def real(self) -> bool:
        """Nothing but numbers."""
        return False

    @contextmanager
    def open(self, problem: Problem, charge: Charge = NEW) -> Iterator["SimulatedSession"]:
        """A fresh run; equal seeds give equal runs."""
        rng = np.random.default_rng(self.seed)
        session = SimulatedSession(problem, self.truth, rng, self.began, self.outages)
        session.go_on_from(charge.since)
        yield session


class SimulatedSession(Session):
    """One simulated run: a clock that jumps to the next end of an attempt."""

    def __init__(
        self,
        problem: Problem,
        truth: Truth,
        rng: np.random.Generator,
        began: datetime,
        outages: Mapping[str, tuple[float, float]],
    ) -> None:
        self._problem, self._truth, self._rng, self._began = problem, truth, rng, began
        self._outages, self._at = outages, 0.0
        self._running: list[tuple[float, int, Start, Observation]] = []
        self._count = 0

    def go_on_from(self, since: float) -> None:
        """The moment, in simulated seconds, at which a run is taken up again."""
        self._at = since

    def recall(self, begun: Sequence[Start]) -> Sequence[Fate]:
        """Nothing that was simulated outlives its simulator: all begin anew."""
        return [NotBegun()] * len(begun)

    def now(self) -> float:
        """Simulated seconds."""
        return self._at

    def clock(self) -> datetime:
        """Simulated clock."""
        return self._began + timedelta(seconds=self._at)

    def transfer(self, size: float, source: str, target: str) -> float:
        """Bytes travel as the cluster says."""
        return self._problem.cluster.transfer_seconds(size, source, target)

    def follow(self, problem: Problem) -> None:
        """Draws attempts of this problem from now on."""
        self._problem = problem

    def missing(self) -> frozenset[str]:
        """The workers of which an outage has begun and not ended."""
        return frozenset(
            worker for worker, (lost, back) in self._outages.items() if lost <= self._at < back
        )

    def start(self, instruction: Start) -> None:
        """Draws what the attempt needs, and when it will end."""
        limit = self._problem.workflow.task(instruction.task).timeout
        observed = _outcome(
            self._truth.draw(self._problem, instruction, self._rng), instruction, limit
        )
        end = self._at + (observed.duration or 0.0)
        lost, back = self._outages.get(instruction.worker, (np.inf, np.inf))
        if lost < end and self._at < back:
            end = max(lost, self._at)
            observed = Observation(Outcome.LOST, end - self._at, message="its worker is gone")
        self._count += 1
        heapq.heappush(self._running, (end, self._count, instruction, observed))

    def stop(self, instruction: Stop) -> None:
        """The attempt ends at this moment."""
        for row, (_, count, start, observed) in enumerate(self._running):
            if (start.task, start.attempt) == (instruction.task, instruction.attempt):
                lasted = max(0.0, (observed.duration or 0.0) - (self._running[row][0] - self._at))
                ended = Observation(Outcome.CANCELLED, lasted, message="stopped on request")
                self._running[row] = (self._at, count, start, ended)
                heapq.heapify(self._running)
                return

    def wait(self, until: float | None) -> Sequence[AttemptEnded]:
        """Jumps to the next end, or to `until`, or to where an outage begins or ends, if sooner."""
        turns = [each for pair in self._outages.values() for each in pair]
        turns = [each for each in turns if each > self._at]
        until = min(turns if until is None else [until, *turns], default=None)
        if not self._running or (until is not None and until < self._running[0][0]):
            self._at = max(self._at, until if until is not None else self._at)
            return ()
        end, _, start, observed = heapq.heappop(self._running)
        self._at = end
        return (AttemptEnded(start.task, start.attempt, start.worker, end, self.clock(), observed),)


def _outcome(draw: Draw, start: Start, limit: float | None) -> Observation:
    allowed = float(start.allocation.memory)
    if draw.memory > allowed:
        return Observation(
            Outcome.OUT_OF_MEMORY,
            draw.duration * TIME_TO_DEATH,
            allowed,
            draw.cpu,
            137,
            "took more memory than was allocated",
        )
    if limit is not None and draw.duration > limit:
        return Observation(
            Outcome.TIMED_OUT, limit, draw.memory, draw.cpu, 124, "took longer than its time limit"
        )
    if draw.fails:
        return Observation(Outcome.FAILED, draw.duration, draw.memory, draw.cpu, 1, "failed")
    return Observation(Outcome.SUCCEEDED, draw.duration, draw.memory, draw.cpu, 0)


def _drawn(forecast: Forecast, quantity: str, where: tuple[int, int], score: float) -> float:
    values: np.ndarray[tuple[int, ...], np.dtype[np.float64]] = getattr(forecast, quantity)
    return float(at_score(values[where], forecast.quantiles, score))
