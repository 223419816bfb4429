"""How far a run has refuted the forecast by which it is planned."""

import numpy as np

from scheduler.planning.problem import Problem
from scheduler.planning.spread import score_of, scores

KNOWN = 4.0  # attempts that "as far from the forecast as believed" counts for
FAIR = 2.0  # times the believed variance: forecasts that are no further off are not doubted
MOST = 5.0  # normal scores: however far an attempt is off, it counts for no more
ALIKE = 0.04  # of its time, by which an attempt may be off for each normal score


def doubt(problem: Problem) -> float:
    """How many times twice the believed variance the durations of this run show; at least 1.

    Of each attempt that has ended, or runs longer than the highest level of its forecast, the
    normal score of how long it took: the mean square of these is 1 where the forecast is right, and
    25 at most. Few attempts say little: "as believed" counts for four. A forecast that is certain,
    or nearly, is not refuted by a few hundredths. A task that was given up refutes nothing.
    """
    flat, levels = problem.flat, problem.forecast.quantiles
    known = np.flatnonzero((flat.fixed_worker >= 0) & (flat.fixed_end > flat.fixed_start))
    if not known.size:
        return 1.0
    rows = problem.forecast.rows
    believed = problem.forecast.duration[
        known if rows is None else rows[known], flat.fixed_worker[known]
    ]
    over = flat.fixed_end[known] <= flat.now
    until = np.where(over, flat.fixed_end[known], flat.now)
    took = np.maximum(until - flat.fixed_start[known], 1e-9)
    usual = believed[:, len(levels) // 2]
    off = np.abs(np.log(took / usual)) / ALIKE
    score = score_of(believed, levels, took)
    far = np.minimum(np.minimum(np.abs(score), off), MOST)
    counts = over | ((score > scores(levels)[-1]) & (off > scores(levels)[-1]))
    square = (KNOWN + (far[counts] ** 2).sum()) / (KNOWN + counts.sum())
    return max(1.0, float(square) / FAIR)
