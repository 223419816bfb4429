"""Plans that spend less: seconds beside money, from hardly any saving to nothing but saving."""

from collections.abc import Iterator

import numpy as np

from scheduler.planning.aiming import Start, best, float_share, listed, orders, spending
from scheduler.planning.flat import Floats, Ints
from scheduler.planning.problem import Problem

STEPS = tuple(
    float(each) for each in range(-6, 7)
)  # powers of four about the rate at which seconds buy money
REFINEMENTS = 4  # halvings of a step


def savings(problem: Problem, usual: Start, *, refinements: int = REFINEMENTS) -> Iterator[Start]:
    """List schedules that take the worker where the end plus so many seconds per money is least.

    The rate runs from where money only breaks ties to where the cheapest worker is always taken,
    once alike for all tasks and once for each by how far it is from the critical path, in the order
    of `usual`; `refinements` halve the steps about the best rate, at which every order has its
    turn. The best for each of the two is told. Nothing where neither money nor energy counts.
    """
    spent = spending(problem)
    if not spent.size:
        return
    usual_rate = (usual.end - usual.start).sum() / max(float(spent.max(axis=1).sum()), 1e-300)
    for share in (np.ones(len(spent)), float_share(problem)):
        money = spent * share[:, None] * usual_rate
        tried = {each: _at(problem, usual.order, money, each) for each in STEPS}
        for step in 0.5 ** np.arange(1, refinements + 1):
            middle = _best_power(tried)
            for power in (middle - step, middle + step):
                tried[power] = _at(problem, usual.order, money, power)
        power = _best_power(tried)
        yield best(
            [tried[power], *(_at(problem, order, money, power) for order in orders(problem))]
        )


def _best_power(tried: dict[float, Start]) -> float:
    return min(tried, key=lambda each: (tried[each].score, each))


def _at(problem: Problem, order: Ints, money: Floats, power: float) -> Start:
    return listed(problem, order, money * 4.0**power)
