"""Thrifty: as much money and energy saved as the objective's other aims are worth."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from scheduler.planning.aiming import Start, best, float_share, listed, orders, spending
from scheduler.planning.bounds import lower_bound
from scheduler.planning.flat import Floats, Ints
from scheduler.planning.listing import placed
from scheduler.planning.planners.base import Planner
from scheduler.planning.problem import Problem
from scheduler.planning.schedule import Schedule

STEPS = tuple(
    float(each) for each in range(-6, 7)
)  # powers of four about the rate at which seconds buy money


@dataclass(frozen=True)
class Thrifty(Planner):
    """List scheduling that takes the worker where the end plus so many seconds per money is least.

    The rate runs from where money only breaks ties to where the cheapest worker is always taken,
    once alike for all tasks and once for each by how far it is from the critical path, in the best
    of the orders of `urgent`; `refinements` halve the steps about the best rate. Where neither
    money nor energy counts, the schedule is that of `urgent`.
    """

    refinements: int = 4

    def plan(self, problem: Problem) -> Schedule:
        """The same schedule for the same problem, on every machine."""
        found = best(listed(problem, order) for order in orders(problem))
        spent = spending(problem)
        if spent.size:
            found = best([found, *self._saving(problem, found, spent)])
        rows = placed(problem, found.worker, found.start, found.end)
        return Schedule(rows, planner="thrifty", lower_bound=lower_bound(problem))

    def _saving(self, problem: Problem, usual: Start, spent: Floats) -> Iterator[Start]:
        usual_rate = (usual.end - usual.start).sum() / max(float(spent.max(axis=1).sum()), 1e-300)
        for share in (np.ones(len(spent)), float_share(problem)):
            money = spent * share[:, None] * usual_rate
            tried = {each: self._at(problem, usual.order, money, each) for each in STEPS}
            for step in 0.5 ** np.arange(1, self.refinements + 1):
                middle = min(tried, key=lambda each: (tried[each].score, each))
                for power in (middle - step, middle + step):
                    tried[power] = self._at(problem, usual.order, money, power)
            power = min(tried, key=lambda each: (tried[each].score, each))
            yield tried[power]
            for order in orders(problem):
                yield self._at(problem, order, money, power)

    def _at(self, problem: Problem, order: Ints, money: Floats, power: float) -> Start:
        return listed(problem, order, money * 4.0**power)
