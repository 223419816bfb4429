"""Learned: list scheduling by a taste that was learned from what the search found."""

from dataclasses import dataclass
from pathlib import Path

from scheduler.errors import InvalidInput
from scheduler.planning.aiming import best, listed
from scheduler.planning.bounds import lower_bound
from scheduler.planning.listing import placed
from scheduler.planning.planners.base import Planner
from scheduler.planning.policy import SHIPPED, load
from scheduler.planning.policy_view import learned
from scheduler.planning.problem import Problem
from scheduler.planning.ranking import by_upward_rank
from scheduler.planning.schedule import Schedule


@dataclass(frozen=True)
class Learned(Planner):
    """One pass of list scheduling for each of the first `variants` policies of a file.

    HEFT takes its pass beside them, so that what was learned never makes a plan worse, and the
    schedule that the objective likes best is kept. `policies` is the file, empty for the one that
    comes along; `python -m learner.planning` makes one. Raises InvalidInput, at the first plan,
    where the file is no policy.
    """

    variants: int = 3
    policies: str = ""

    def __post_init__(self) -> None:
        if self.variants < 1:
            raise InvalidInput(f"Learned: variants must be at least 1, found {self.variants!r}.")

    def plan(self, problem: Problem) -> Schedule:
        """The same schedule for the same problem, on every machine."""
        known = load(Path(self.policies) if self.policies else SHIPPED)[: self.variants]
        tried = [listed(problem, by_upward_rank(problem)), *learned(problem, known)]
        found = best(tried)
        rows = placed(problem, found.worker, found.start, found.end)
        return Schedule(rows, planner="learned", lower_bound=lower_bound(problem))
