"""Where and when each task runs."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from scheduler.cluster import Allocation


@dataclass(frozen=True, slots=True)
class Placement:
    """One task on one worker from `start` to `end` (seconds from the start of the run)."""

    task: str
    worker: str
    start: float
    end: float
    allocation: Allocation


@dataclass(frozen=True)
class Schedule:
    """All placements of one workflow, who planned them, and the least makespan any plan can have.

    A schedule states; whether it keeps the rules of its problem is asked of
    `feasibility.violations(schedule, problem)`.
    """

    placements: tuple[Placement, ...]
    planner: str = "unknown"
    lower_bound: float = 0.0

    @cached_property
    def makespan(self) -> float:
        """Seconds from the start of the run to the end of the last task; zero without any."""
        return max((each.end for each in self.placements), default=0.0)

    @cached_property
    def by_task(self) -> Mapping[str, Placement]:
        """The placement of each task (the last one, should a broken schedule hold several)."""
        return {each.task: each for each in self.placements}

    @property
    def gap(self) -> float:
        """How far the makespan lies above the lower bound, as a share of the bound."""
        return self.makespan / self.lower_bound - 1 if self.lower_bound > 0 else 0.0

    def on(self, worker: str) -> tuple[Placement, ...]:
        """The placements of one worker in order of their start."""
        return _by_start(each for each in self.placements if each.worker == worker)


def _by_start(placements: Iterable[Placement]) -> tuple[Placement, ...]:
    return tuple(sorted(placements, key=lambda each: (each.start, each.end, each.task)))
