"""Problems to practise on, with what HEFT makes of them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.random import Generator

from scheduler.planning.flat import Flat
from scheduler.planning.kernels.policy import TERMS, guided
from scheduler.planning.policy import Policy, heft
from scheduler.planning.policy_view import UNSEEN, View
from scheduler.planning.problem import Problem
from scheduler.workloads.graphs import instance

PRACTISED = ("layered", "out_tree", "chains", "cholesky", "fft", "montage", "ligo")
UNKNOWN = ("in_tree", "fork_join", "gauss", "epigenomics", "streams")  # never practised on
TRANSFERS = (0.1, 0.5, 1.0, 2.0, 5.0, 10.0)
WORKERS = (4, 8, 16, 32)
SMALLEST, SMALL, LARGEST = 30, 200, 1000  # tasks
BELIEVED = 0.5  # deviation of the logarithm of a believed duration from the true one
TOLD = 0.3  # the same of what an affinity was read from
SHARP = 0.5  # of that logarithm: differences of which an affinity makes a factor of e


@dataclass(frozen=True, eq=False)
class Drill:
    """A problem as policies see it, the truth that plans are carried out in, and HEFT's makespan.

    `family` and `transfers` say how it was drawn.
    """

    problem: Problem
    view: View
    truth: Flat
    heft: float
    family: str
    transfers: float

    def excess(self, policy: Policy) -> float:
        """The logarithm of the policy's makespan over HEFT's; below zero is better."""
        return float(np.log(_carried_out(self.view, self.truth, policy) / self.heft))


def drills(
    rng: Generator, families: Sequence[str], count: int, *, largest: int = LARGEST
) -> list[Drill]:
    """So many drills, the families in turn; sizes, workers and transfers are drawn."""
    return [_drill(rng, families[i % len(families)], largest) for i in range(count)]


def unsure_drills(
    rng: Generator, families: Sequence[str], count: int, *, told: float = TOLD
) -> list[Drill]:
    """Drills with wrong durations, whose affinity says better which worker is the right one.

    `told` is the deviation of what the affinity was read from; infinite for one that knows nothing.
    """
    return [_unsure(rng, each, told) for each in drills(rng, families, count, largest=SMALL)]


def _drill(rng: Generator, family: str, largest: int) -> Drill:
    n = round(float(np.exp(rng.uniform(np.log(SMALLEST), np.log(largest)))))
    transfers = float(rng.choice(TRANSFERS))
    problem = instance(rng, family, n, int(rng.choice(WORKERS)), ccr=transfers)
    return _of(problem, problem.flat, family, transfers)


def _unsure(rng: Generator, drill: Drill, told: float) -> Drill:
    forecast = drill.problem.forecast
    true = forecast.duration[..., 0] * np.exp(rng.normal(0, BELIEVED, forecast.affinity.shape))
    noise = rng.normal(0, 1, true.shape)
    read = noise if np.isinf(told) else -np.log(true) + told * noise
    share = np.exp((read - read.max(axis=1, keepdims=True)) / SHARP)
    believed = replace(forecast, affinity=share / share.sum(axis=1, keepdims=True))
    problem = replace(drill.problem, forecast=believed)
    known = replace(problem, forecast=replace(forecast, duration=np.repeat(true[..., None], 3, 2)))
    return _of(problem, known.flat, drill.family, drill.transfers)


def _of(problem: Problem, truth: Flat, family: str, transfers: float) -> Drill:
    view = View(problem)
    return Drill(problem, view, truth, _carried_out(view, truth, heft()), family, transfers)


def _carried_out(view: View, truth: Flat, policy: Policy) -> float:
    worker, start, end = view.timed(policy)
    if truth is view.flat:
        return float(end.max())
    order = np.argsort(start, kind="stable")
    blind = view.guide(np.zeros((worker.size, TERMS)))
    return float(guided(truth, order, blind, worker, UNSEEN)[2].max())
