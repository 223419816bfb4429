"""How many plans a second the search looks at."""

import time
from pathlib import Path

import numpy as np

from benchmarks.base import Benchmark, Found, Goal
from scheduler.planning.planners.heft import Heft
from scheduler.planning.planners.search import Search
from scheduler.planning.problem import Problem
from scheduler.workloads.graphs import instance

GOALS = {(100, 16): 40_000, (1_000, 16): 15_000}
BEFORE = {(100, 16): 19_000, (1_000, 16): 2_100}  # whole plans by list scheduling with a bias


class PlanningSearch(Benchmark):
    """Evaluations per second of CPU time: changes of a plan, each measured until its fate is sure.

    One that is kept is measured whole, makespan and all times; one that is refused until it is
    sure that the plan would be longer than what may be kept at that moment.

    The time of a search with few evaluations is taken off that of one with many, so that the
    lists, the bound and the conversion do not count. The best of several runs.
    """

    title = "Plans a second in the search, on layered problems"

    def run(self, *, data: Path | None, quick: bool) -> Found:
        """The figures for 100 and for 1,000 tasks on 16 workers."""
        del data
        rates, gains = {}, {}
        for n, m in GOALS:
            problem = instance(np.random.default_rng(1), "layered", n, m)
            count = max(4_000, (500_000 if quick else 2_000_000) // n)
            rates[n, m] = max(_rate(problem, count) for _ in range(2 if quick else 4))
            found = Search(seconds=60.0, evaluations=count).plan(problem)
            gains[f"{n} x {m}: below HEFT after {count:,} evaluations"] = (
                1 - found.makespan / Heft().plan(problem).makespan
            )
        return Found(
            work="layered problems, CCR 1, a bandwidth for every pair of workers",
            ours={f"{n} x {m}: evaluations a CPU second": each for (n, m), each in rates.items()},
            ratios={
                f"{n} x {m}: over whole evaluation": rates[n, m] / each
                for (n, m), each in BEFORE.items()
            }
            | gains,
            goals=tuple(
                Goal(f"evaluations a second, {n} x {m}", f">= {goal:,}", f"{rates[n, m]:,.0f}",
                     rates[n, m] >= goal)
                for (n, m), goal in GOALS.items()
            ),
        )  # fmt: skip


def _rate(problem: Problem, count: int) -> float:
    few = count // 10
    return (count - few) / max(1e-9, _seconds(problem, count) - _seconds(problem, few))


def _seconds(problem: Problem, count: int) -> float:
    begun = time.process_time()
    Search(seconds=600.0, evaluations=count, threads=1).plan(problem)
    return time.process_time() - begun
