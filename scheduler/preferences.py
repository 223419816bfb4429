"""What people's overrides say: which workers they take kinds of tasks away from, and how surely.

An override is a vote of two workers on one kind: away from the one that was planned, to another.
Votes are few and people are consistent or not, so a worker counts as not wanted for a kind only
where the chance that the next vote goes against it too is surely above one half: the posterior of
a Beta(1, 1) prior, the rule of succession.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from math import comb
from typing import Any

from scheduler.errors import Infeasible
from scheduler.planning.bars import Bar
from scheduler.planning.measures import measured
from scheduler.planning.planners.base import Planner
from scheduler.planning.problem import Problem
from scheduler.planning.schedule import Schedule

SURE = 0.95
PRICE = 0.05  # share by which a plan may be worse so that it is as people want it
NEWEST = 500  # overrides that count


@dataclass(frozen=True)
class Vote:
    """Somebody put a task of this kind on `chosen`, though the plan had it on `rejected`."""

    kind: str
    chosen: str
    rejected: str

    @classmethod
    def of(cls, details: Mapping[str, Any]) -> "Vote":
        """From what an audit of an override keeps."""
        return cls(str(details["kind"]), str(details["chosen"]), str(details["rejected"]))


def preferences(votes: Iterable[Vote]) -> tuple[Bar, ...]:
    """A bar for each kind and worker that people surely take it away from, told in words."""
    kept = list(votes)
    against = Counter((each.kind, each.rejected) for each in kept)
    in_favour = Counter((each.kind, each.chosen) for each in kept)
    return tuple(
        Bar(kinds=(kind,), workers=(worker,), why=_why(kind, worker, count, in_favour))
        for (kind, worker), count in sorted(against.items())
        if chance_above_half(count, in_favour[kind, worker]) >= SURE
    )


def chance_above_half(against: int, in_favour: int) -> float:
    """The probability that more than half of all votes are against, after those seen.

    The upper tail of Beta(1 + against, 1 + in_favour) at one half, by its binomial sum.
    """
    votes = against + in_favour + 1
    return float(sum(comb(votes, each) for each in range(against + 1)) / 2.0**votes)


def preferred(
    problem: Problem, schedule: Schedule, wanted: tuple[Bar, ...], planner: Planner
) -> Schedule:
    """A plan as people want it, where that costs little; else the one given.

    It may be worse under the objective by a share of `PRICE`: what people want is no limit.
    """
    task = problem.workflow.task
    open_ = [each for each in schedule.placements if each.task not in problem.fixed]
    bars = tuple(bar for bar in wanted if any(map(bar.speaks_of, problem.workflow.tasks)))
    if not any(
        each.worker in bar.workers and bar.speaks_of(task(each.task))
        for bar in bars
        for each in open_
    ):
        return schedule
    objective = replace(problem.objective, bars=(*problem.objective.bars, *bars))
    try:
        plan = planner.plan(replace(problem, objective=objective))
    except Infeasible:
        return schedule
    before, after = (measured(each, problem).value(problem.objective) for each in (schedule, plan))
    return plan if after <= before * (1 + PRICE) else schedule


def _why(kind: str, worker: str, count: int, in_favour: Counter[tuple[str, str]]) -> str:
    total = count + in_favour[kind, worker]
    return f"people took tasks of the kind {kind!r} away from it {count} of {total} times"
