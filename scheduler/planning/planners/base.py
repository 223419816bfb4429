"""The seam for planners: one file each, one method."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from scheduler.planning.problem import Problem
from scheduler.planning.schedule import Schedule


@dataclass(frozen=True)
class Planner(ABC):
    """Turns a problem into a schedule. Its fields are its configuration."""

    @abstractmethod
    def plan(self, problem: Problem) -> Schedule:
        """A feasible, complete schedule, with its lower bound; equal problems, equal schedules."""
