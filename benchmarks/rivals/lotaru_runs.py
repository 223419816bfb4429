"""Lotaru's predictor and its baselines, rebuilt: small local runs tell of full runs.

Bader et al. 2022 (arXiv 2205.11181). Each is fitted on one task's runs, sizes in bytes and times
in seconds, and gives the seconds of other sizes. Independent of the product's own offsets.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
CORRELATED, RELATED = 0.75, 0.80  # below which Lotaru, and Online, take the median
GAMMA = 1e-6  # of the priors of both precisions
ROUNDS = 300


def lotaru(x: Floats, y: Floats, asked: Floats) -> tuple[Floats, bool]:
    """A Bayesian line, or the median; and whether a machine's factor applies to it."""
    if _correlation(x, y) < CORRELATED:
        return np.full(len(asked), np.median(y)), False
    return _bayesian_line(x, y, asked), True


def naive(x: Floats, y: Floats, asked: Floats) -> Floats:
    """The mean time of a byte."""
    said: Floats = np.mean(y / x) * asked
    return said


def online(x: Floats, y: Floats, asked: Floats) -> Floats:
    """Online-M: the time of a byte of the nearest size, or the median."""
    if _correlation(x, y) < RELATED:
        return np.full(len(asked), np.median(y))
    nearest = np.abs(asked[:, None] - x).argmin(1)
    said: Floats = (y / x)[nearest] * asked
    return said


def factors_of_tasks(machine: dict[str, float], local: dict[str, float]) -> dict[str, float]:
    """Factor A: how many times as long each task's short runs took as on the local machine; one
    of exactly 1 tells nothing and gets the median of the others, as tasks without one do ("")."""
    found = {task: machine[task] / local[task] for task in machine if task in local}
    usual = float(np.median([each for each in found.values() if each != 1]))
    return {task: usual if each == 1 else each for task, each in found.items()} | {"": usual}


def _bayesian_line(x: Floats, y: Floats, asked: Floats) -> Floats:
    """Evidence maximisation of both precisions (MacKay 1992), one slope, data centred."""
    moved, goal = x - x.mean(), y - y.mean()
    square, cross = float(moved @ moved), float(moved @ goal)
    noise, prior, slope = 1 / max(float(y.var()), 1e-12), 1.0, 0.0
    for _ in range(ROUNDS):
        before = slope
        precision = prior + noise * square
        slope = noise * cross / precision
        known = noise * square / precision
        prior = (known + 2 * GAMMA) / (slope**2 + 2 * GAMMA)
        left = float(((goal - slope * moved) ** 2).sum())
        noise = (len(x) - known + 2 * GAMMA) / (left + 2 * GAMMA)
        if abs(slope - before) <= 1e-12 * abs(slope):
            break
    said: Floats = y.mean() + slope * (asked - x.mean())
    return said


def _correlation(x: Floats, y: Floats) -> float:
    return float(np.corrcoef(x, y)[0, 1]) if len(np.unique(x)) > 1 and y.std() > 0 else 0.0
