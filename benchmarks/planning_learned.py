"""What one pass of the learned planner brings over HEFT, and what it costs."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.base import Benchmark, Found, Goal
from learner.planning.drills import PRACTISED, UNKNOWN, Drill, drills, unsure_drills
from scheduler.planning.aiming import Start, best
from scheduler.planning.feasibility import violations
from scheduler.planning.listing import placed
from scheduler.planning.planners.peft import Peft
from scheduler.planning.planners.search import Search
from scheduler.planning.policy import TERMS, Policy, heft, load
from scheduler.planning.policy_view import learned
from scheduler.planning.problem import Problem
from scheduler.planning.schedule import Schedule
from scheduler.planning.starts import starts
from scheduler.workloads.graphs import FAMILIES, instance

SEED = 20_000  # no tuning draws from it
LARGE = (1000, 16)
EVALUATIONS = 2000
Row = dict[str, float]


class PlanningLearned(Benchmark):
    """Single pass, best of the variants, and rivals, over HEFT on problems never practised on."""

    title = "The learned planner: one pass beside HEFT"

    def run(self, *, data: Path | None, quick: bool) -> Found:
        """Every schedule goes through the validator."""
        del data
        count = 84 if quick else 420
        seeds = drills(np.random.default_rng(SEED), PRACTISED, count)
        families = drills(np.random.default_rng(SEED + 1), UNKNOWN, count)
        known = load()
        rows = {"other seeds": _rows(seeds, known), "other families": _rows(families, known)}
        large = _large(known, quick=quick)
        doubt = _affinity(known[0], count)
        return Found(
            work=f"2 x {count} problems of 30 to 1,000 tasks on 4 to 32 workers, CCR 0.1 to 10; "
            f"{len(FAMILIES)} families of {LARGE[0]} tasks on {LARGE[1]} workers, thrice",
            ours={
                **{name: _ours(each) for name, each in rows.items()},
                "1,000 x 16": large,
                "affinity": doubt,
                **_by(
                    "transfers",
                    [*seeds, *families],
                    [*rows["other seeds"], *rows["other families"]],
                ),
                **_by(
                    "family", [*seeds, *families], [*rows["other seeds"], *rows["other families"]]
                ),
            },
            peers={name: _peers(each) for name, each in rows.items()},
            goals=_goals(rows, large, doubt),
        )


def _goals(
    rows: Mapping[str, Sequence[Row]], large: Mapping[str, float], doubt: Mapping[str, float]
) -> tuple[Goal, ...]:
    goals = [
        Goal(
            f"single pass, {name}, makespan over HEFT's",
            "<= 0.95",
            f"{(found := _mean(each, 'single')):.3f}",
            found <= 0.95,
        )
        for name, each in rows.items()
    ]
    spent, told = large["all passes, ms"], doubt["believed over not"]
    blind = doubt["believed over not, where it knows nothing"]
    return (
        *goals,
        Goal(
            "single pass, 1,000 x 16", "<= 0.95", f"{large['single']:.3f}", large["single"] <= 0.95
        ),
        Goal("CPU, 1,000 x 16, all passes", "<= 20 ms", f"{spent:.1f} ms", spent <= 20),
        Goal("affinity that knows more than the durations", "< 1", f"{told:.3f}", told < 1),
        Goal("affinity that knows nothing", "<= 1.02", f"{blind:.3f}", blind <= 1.02),
    )


def _rows(over: Iterable[Drill], known: Sequence[Policy]) -> list[Row]:
    return [_row(each, known) for each in over]


def _row(drill: Drill, known: Sequence[Policy]) -> Row:
    """Makespans over HEFT's, each of a schedule that breaks no rule."""
    problem = drill.problem
    plans = learned(problem, known)
    lists = starts(problem)
    search = Search(seconds=1e9, evaluations=EVALUATIONS, threads=1)
    ends = {
        "single": _judged(problem, plans[0]),
        "variants": _judged(problem, best(plans)),
        "peft": _sound(problem, Peft().plan(problem)),
        "portfolio": _judged(problem, best(lists)),
        "portfolio and variants": _judged(problem, best([*lists, *plans])),
        "search": _sound(problem, search.plan(problem)),
    }
    return {name: end / drill.heft for name, end in ends.items()}


def _judged(problem: Problem, plan: Start) -> float:
    rows = placed(problem, plan.worker, plan.start, plan.end)
    return _sound(problem, Schedule(rows, planner="learned"))


def _sound(problem: Problem, schedule: Schedule) -> float:
    if broken := violations(schedule, problem):
        raise ValueError(f"{schedule.planner} broke a rule: {broken[0]}")
    return schedule.makespan


def _ours(rows: Sequence[Row]) -> Row:
    worse = float(np.mean([each["single"] > 1 + 1e-9 for each in rows]))
    found = {name: _mean(rows, name) for name in ("single", "variants", "portfolio and variants")}
    return {**found, "share worse than HEFT": worse}


def _peers(rows: Sequence[Row]) -> Row:
    return {name: _mean(rows, name) for name in ("peft", "portfolio", "search")}


def _by(what: str, over: Sequence[Drill], rows: Sequence[Row]) -> dict[str, Row]:
    keys = [getattr(each, what) for each in over]
    return {
        f"{what} {key}": _ours([row for row, own in zip(rows, keys, strict=True) if own == key])
        for key in sorted(set(keys))
    }


def _mean(rows: Sequence[Row], name: str) -> float:
    return float(np.exp(np.mean([np.log(each[name]) for each in rows])))


def _large(known: Sequence[Policy], *, quick: bool) -> Row:
    rng, rows = np.random.default_rng(SEED + 2), []
    for family in [each for each in FAMILIES if each != "streams"]:
        for transfers in (1.0,) if quick else (0.1, 1.0, 5.0):
            problem = instance(rng, family, *LARGE, ccr=transfers)
            ends = [_judged(problem, each) for each in learned(problem, [heft(), *known])]
            rows.append({"single": ends[1] / ends[0], "variants": min(ends[1:]) / ends[0]})
    problem = instance(rng, "layered", *LARGE)
    return {
        "single": _mean(rows, "single"),
        "variants": _mean(rows, "variants"),
        "one pass, ms": _milliseconds(lambda: learned(problem, known[:1])),
        "all passes, ms": _milliseconds(lambda: learned(problem, known)),
    }


def _milliseconds(work: Callable[[], object]) -> float:
    spent = []
    for _ in range(7):
        begun = time.process_time()
        work()
        spent.append(time.process_time() - begun)
    return 1000 * min(spent)


def _affinity(policy: Policy, count: int) -> Row:
    """Makespans in truth, believing the affinity over not believing it, where durations err."""
    terms = policy.terms.copy()
    terms[TERMS.index("doubt")] = 0.0
    deaf = replace(policy, terms=terms)

    def gain(families: Sequence[str], told: float) -> float:
        over = unsure_drills(np.random.default_rng(SEED + 3), families, count, told=told)
        return float(np.exp(np.mean([each.excess(policy) - each.excess(deaf) for each in over])))

    return {
        "believed over not": gain(UNKNOWN, 0.3),
        "believed over not, where it knows little": gain(UNKNOWN, 0.8),
        "believed over not, where it knows nothing": gain(UNKNOWN, np.inf),
        "weight": float(policy.terms[TERMS.index("doubt"), 0]),
    }
