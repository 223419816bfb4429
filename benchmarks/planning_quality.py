"""How good plans are where workers run one task at a time: the search beside all of SAGA."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.base import Benchmark, Found, Goal
from benchmarks.quality.problems import CCRS, logged, ours
from benchmarks.quality.theirs import theirs
from benchmarks.rivals.saga_asked import INTERPRETER, Answer, Saga
from scheduler.planning.feasibility import violations
from scheduler.planning.planners.base import Planner
from scheduler.planning.planners.heft import Heft
from scheduler.planning.planners.portfolio import Portfolio
from scheduler.planning.planners.search import Search
from scheduler.planning.problem import Problem
from scheduler.workloads.graphs import instance

LARGE = (("layered", 1.0), ("layered", 5.0), ("cholesky", 1.0), ("montage", 1.0), ("ligo", 1.0),
         ("epigenomics", 2.0))  # fmt: skip
SECONDS, LARGE_SECONDS, LIMIT = 1.0, 5.0, 5.0
NEVER_DONE = ("GDL",)  # its plans are 6 to 50 times as long, at many times the time


@dataclass(frozen=True)
class Case:
    """One problem, where it comes from, and what everybody made of it."""

    family: str
    ccr: float
    ours: float
    portfolio: float
    heft: float
    bound: float
    saga: Mapping[str, Answer]

    @property
    def best_of_saga(self) -> float | None:
        """The least makespan of all its feasible schedules."""
        return min((each.makespan for each in self.saga.values() if each.makespan), default=None)


class PlanningQuality(Benchmark):
    """Makespans of the search, of HEFT, of the portfolio and of every algorithm of SAGA.

    SAGA runs in a process of its own, each algorithm within 5 CPU seconds. The variable
    ALLOT_SAGA_PYTHON names a Python that has anrg-saga (2.1 needs Python 3.12 or newer) and
    wfcommons, which also draw a part of the problems; without it the interpreter of the benchmark
    is asked, and what cannot be drawn or compared is said to be missing.
    """

    title = "Plans for workers that run one task at a time: makespans beside all of SAGA"

    def run(self, *, data: Path | None, quick: bool) -> Found:
        """Raises AssertionError where a schedule of ours breaks a rule."""
        seconds = 0.25 if quick else SECONDS
        Search(evaluations=10).plan(instance(np.random.default_rng(0), "layered", 20, 3))
        drawn_by_rivals, missing = theirs()
        drawn = [*ours(), *drawn_by_rivals, *logged(data)]
        if quick:
            drawn = drawn[:: max(1, len(drawn) // 30)]
        with Saga() as saga:
            cases = [_case(*each, seconds=seconds, saga=saga) for each in drawn]
            version = saga.version
        few = LARGE[:2] if quick else LARGE
        large = [_large(*each, seconds=1.0 if quick else LARGE_SECONDS) for each in few]
        return Found(
            work=f"{len(cases)} problems of {len({each.family for each in cases})} families, "
            f"CCR {min(CCRS):g} to {max(CCRS):g}, 4 to 64 workers, {seconds:g} s each; "
            f"{len(large)} problems of about 1,000 tasks; SAGA {version or 'not installed'}"
            + "".join(f"; nothing drawn by {each}" for each in missing),
            ours=_ours(cases, large),
            peers=_peers(cases),
            ratios=_ratios(cases, large),
            goals=_goals(cases, large),
        )


def _case(family: str, ccr: float, problem: Problem, *, seconds: float, saga: Saga) -> Case:
    asked = saga.version is not None
    return Case(
        family=family,
        ccr=ccr,
        ours=_makespan(Search(seconds=seconds, evaluations=None), problem),
        portfolio=_makespan(Portfolio(), problem),
        heft=_makespan(Heft(), problem),
        bound=Heft().plan(problem).lower_bound,
        saga=saga.answers(problem, limit=LIMIT, without=NEVER_DONE) if asked else {},
    )


def _large(family: str, ccr: float, *, seconds: float) -> Case:
    problem = instance(np.random.default_rng(7), family, 1000, 16, ccr=ccr)
    ours = _makespan(Search(seconds=seconds, evaluations=None), problem)
    portfolio, heft = _makespan(Portfolio(), problem), _makespan(Heft(), problem)
    return Case(family, ccr, ours, portfolio, heft, Heft().plan(problem).lower_bound, {})


def _makespan(planner: Planner, problem: Problem) -> float:
    schedule = planner.plan(problem)
    broken = violations(schedule, problem)
    assert not broken, f"{schedule.planner}: {broken[0].message}"
    return schedule.makespan


def _below(pairs: Sequence[tuple[float, float | None]]) -> float | None:
    """By what share the first lie below the second, in the geometric mean; None without any."""
    both = [(a, b) for a, b in pairs if b]
    if not both:
        return None
    return float(1 - np.exp(np.mean([np.log(a / b) for a, b in both])))


def _ours(cases: Sequence[Case], large: Sequence[Case]) -> dict[str, float]:
    return {
        "makespan over lower bound": 1 - (_below([(c.ours, c.bound) for c in cases]) or 0.0),
        "makespan over lower bound, 1,000 tasks": 1
        - (_below([(c.ours, c.bound) for c in large]) or 0.0),
    }


def _peers(cases: Sequence[Case]) -> dict[str, dict[str, float]]:
    """Each algorithm: makespan over ours, times the best of SAGA, failures, CPU seconds a plan."""
    found = {}
    for name in sorted({name for case in cases for name in case.saga}):
        pairs = [(case, case.saga[name]) for case in cases]
        made = [(case.ours, each.makespan) for case, each in pairs if each.makespan]
        first = [case.best_of_saga == each.makespan for case, each in pairs if each.makespan]
        below = _below(made)
        found[f"SAGA {name}"] = {
            "makespan over ours": 1 / (1 - below) if below is not None else float("nan"),
            "best of SAGA": sum(first),
            "faults": sum(each.makespan is None for _, each in pairs),
            "mean CPU seconds": float(np.mean([each.seconds for _, each in pairs])),
        }
    return found


def _ratios(cases: Sequence[Case], large: Sequence[Case]) -> dict[str, float]:
    found: dict[str, float] = {}
    for label, value in [(f"CCR {ccr:g}", ccr) for ccr in CCRS]:
        some = [each for each in cases if each.ccr == value]
        found |= _both(label, some)
    for family in dict.fromkeys(each.family for each in cases):
        found |= _both(family, [each for each in cases if each.family == family])
    for each in large:
        found[f"1,000 tasks, {each.family}, CCR {each.ccr:g}: below HEFT"] = (
            1 - each.ours / each.heft
        )
    return found


def _both(label: str, cases: Sequence[Case]) -> dict[str, float]:
    heft = _below([(each.ours, each.heft) for each in cases])
    saga = _below([(each.ours, each.best_of_saga) for each in cases])
    named = {f"{label}: below HEFT": heft, f"{label}: below the best of SAGA": saga}
    return {name: value for name, value in named.items() if value is not None}


def _goals(cases: Sequence[Case], large: Sequence[Case]) -> tuple[Goal, ...]:
    usual = [each for each in cases if each.ccr == 5.0]
    worse = Counter(
        each.family for each in [*cases, *large] if each.ours > each.portfolio * (1 + 1e-9)
    )
    saga = _below([(each.ours, each.best_of_saga) for each in cases])
    return (
        _least("makespan below the best of all SAGA", 0.09, saga),
        _least("makespan below HEFT", 0.12, _below([(each.ours, each.heft) for each in cases])),
        _least("makespan below HEFT at CCR 5", 0.30, _below([(c.ours, c.heft) for c in usual])),
        _least(
            f"makespan below HEFT, 1,000 tasks in {LARGE_SECONDS:g} s", 0.06,
            _below([(each.ours, each.heft) for each in large]),
        ),
        Goal("worse than the portfolio", "on none", f"on {sum(worse.values())}", not worse),
    )  # fmt: skip


def _least(name: str, goal: float, found: float | None) -> Goal:
    if found is None:
        return Goal(name, f">= {goal:.0%}", f"no rival: set {INTERPRETER}", met=False)
    return Goal(name, f">= {goal:.0%}", f"{found:.1%}", found >= goal)
