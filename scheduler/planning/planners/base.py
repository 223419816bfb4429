"""The seam for planners: one file each, one method."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, ClassVar

from scheduler.planning.problem import Problem
from scheduler.planning.schedule import Schedule
from scheduler.planning.together import together


@dataclass(frozen=True)
class Planner(ABC):
    """Turns a problem into a schedule. Its fields are its configuration.

    It may plan as if there were no gangs: what it plans is put right afterwards (`together`),
    unless it says that it `plans_gangs` itself.
    """

    plans_gangs: ClassVar[bool] = False

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "plan" in vars(cls) and not cls.plans_gangs:
            cls.plan = _with_gangs(cls.plan)  # type: ignore[method-assign,assignment]

    @abstractmethod
    def plan(self, problem: Problem) -> Schedule:
        """A feasible, complete schedule, with its lower bound; equal problems, equal schedules."""


def _with_gangs(plan: Callable[[Any, Problem], Schedule]) -> Callable[[Any, Problem], Schedule]:
    @wraps(plan)
    def planned(self: Any, problem: Problem) -> Schedule:
        return together(problem, plan(self, problem))

    return planned
