"""What a schedule is worth under the aims of its problem, on flat arrays."""

import numpy as np

from scheduler.planning.flat import Flat, Floats, Ints
from scheduler.planning.kernels.compiling import compiled

RELATIVE, ABSOLUTE = 1e-9, 1e-6  # what the judge forgives
BROKEN = 1e15  # what a broken limit weighs: more than the aims of any real schedule


@compiled
def score(flat: Flat, worker: Ints, start: Floats, end: Floats) -> float:
    """The weighted sum of the aims, lower is better; infinite where a task has no worker (-1).

    With a hard limit broken BROKEN is added, and again times the share by which limits are broken:
    seconds late over the deadline, money over the budget. So a schedule that breaks none beats each
    that does, and of two that do the one that breaks less is better. Shape: n each, in the order of
    the tasks; fixed tasks included. Units as in `Objective`. A makespan alone costs one pass over
    the ends.
    """
    aims, makespan = flat.aims, 0.0
    for t in range(worker.size):
        if worker[t] < 0:
            return np.inf
        makespan = max(makespan, end[t])
    value, broken = aims.makespan * makespan, 0.0
    if aims.tardiness > 0 or aims.flow > 0 or aims.hard_deadlines:
        late, flow, broken = _lateness(flat, end)
        value += aims.tardiness * late + aims.flow * flow
    if aims.cost > 0 or aims.energy > 0 or aims.budget < np.inf:
        cost, energy = spent(flat, worker, start, end)
        value += aims.cost * cost + aims.energy * energy
        if cost > aims.budget * (1 + RELATIVE):
            broken += (cost - aims.budget) / (aims.budget if aims.budget > 0 else 1.0)
    if aims.fairness > 0:
        value += aims.fairness * furthest_behind(flat, end)
    return value if broken == 0 else value + BROKEN * (1 + broken)


@compiled
def _lateness(flat: Flat, end: Floats) -> tuple[float, float, float]:
    """Weighted seconds late, weighted seconds in flow, and by what share deadlines are broken."""
    late, flow, broken, hard = 0.0, 0.0, 0.0, flat.aims.hard_deadlines
    for t in range(end.size):
        flow += flat.weight[t] * (end[t] - flat.release[t])
        over = end[t] - flat.deadline[t]
        if over > 0:
            late += flat.weight[t] * over
            leeway = RELATIVE * flat.deadline[t] + ABSOLUTE
            if hard and flat.fixed_worker[t] < 0 and over > leeway:
                broken += over / flat.deadline[t]
    return late, flow, broken


@compiled
def spent(flat: Flat, worker: Ints, start: Floats, end: Floats) -> tuple[float, float]:
    """Money and joules: price and power of the workers, by the share of their cores in use."""
    cost, energy = 0.0, 0.0
    for t in range(worker.size):
        w = worker[t]
        cores = flat.cores[t] if flat.fixed_worker[t] < 0 else flat.fixed_cores[t]
        used = (end[t] - start[t]) * cores / flat.worker_cores[w]
        cost += used * flat.price[w]
        energy += used * flat.power[w]
    return cost, energy


@compiled
def furthest_behind(flat: Flat, end: Floats) -> float:
    """The most by which the last end of an owner comes after the least it could have alone."""
    last, most = np.zeros(flat.alone.size), 0.0
    for t in range(end.size):
        last[flat.owner[t]] = max(last[flat.owner[t]], end[t])
    for owner in range(last.size):
        most = max(most, last[owner] - flat.alone[owner])
    return most
