"""What would be if: a run's problem with changes, planned and measured; no streamlit here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any

import numpy as np

from dashboard.reading import Plan
from dashboard.words import money
from scheduler.cluster import Cluster, Worker
from scheduler.discover import implementations, named
from scheduler.documents import cluster_document, objective_document, workflow_document
from scheduler.errors import InvalidInput
from scheduler.forecast import Forecast
from scheduler.numbers import not_negative
from scheduler.planning import planners
from scheduler.planning.feasibility import Violation, violations
from scheduler.planning.measures import Measures, measured
from scheduler.planning.objective import AIMS, Objective
from scheduler.planning.pareto import Point, pareto
from scheduler.planning.planners.base import Planner
from scheduler.planning.problem import Problem
from scheduler.planning.promise import Promise, promise
from scheduler.planning.schedule import Schedule
from scheduler.workflow import Task, Workflow

MOST_COPIES, MOST_WORKERS = 20, 500
QUICK = ("heft", "peft", "cpop", "fifo", "min_min", "max_min", "sufferage", "urgent", "thrifty")
SLOW = ("portfolio", "search")
TRADING = "thrifty"  # the planner that weighs cost against makespan
SECONDS = 3.0  # for a planner that takes what it is given
FEW_TASKS = 1000  # up to so many the promise and the front are drawn from many samples
ALL = "*"  # names every task


@dataclass(frozen=True)
class Change:
    """What is to be otherwise; all of it together. What is left out stays as it is.

    `removed` are workers, `copies` how many more there are like one, `prices` the money for an
    hour of one. `priorities` and `deadlines` (seconds from the start) are of tasks, of all tasks
    of a kind, or of ALL. `quantile` is the level at which durations are planned, `aims` the
    weights of the objective, `budget` a limit of the money, `hard` makes deadlines limits.
    """

    removed: tuple[str, ...] = ()
    copies: Mapping[str, int] = field(default_factory=dict)
    prices: Mapping[str, float] = field(default_factory=dict)
    priorities: Mapping[str, int] = field(default_factory=dict)
    deadlines: Mapping[str, float] = field(default_factory=dict)
    quantile: float | None = None
    aims: Mapping[str, float] = field(default_factory=dict)
    budget: float | None = None
    hard: bool | None = None
    planner: str = QUICK[0]

    def plain(self) -> dict[str, Any]:
        """As JSON values, without what stays as it is."""
        found = {each.name: getattr(self, each.name) for each in fields(self)}
        kept = {name: value for name, value in found.items() if value not in ((), {}, None)}
        return {
            name: list(value) if isinstance(value, tuple) else value for name, value in kept.items()
        }

    @property
    def asks(self) -> bool:
        """Whether anything of the problem is to be otherwise, not only who plans it."""
        return bool(self.plain().keys() - {"planner"})

    def sentences(self, currency: str = "") -> tuple[str, ...]:
        """What is changed, in words; prices are in this currency."""
        told = [f"without {each}" for each in self.removed]
        told += [f"{count} more like {name}" for name, count in self.copies.items()]
        prices = {name: money(price, currency) for name, price in self.prices.items()}
        told += [f"{name} costs {price} an hour" for name, price in prices.items()]
        told += [f"priority {value} for {_all(name)}" for name, value in self.priorities.items()]
        told += [f"{_all(name)} due at {value:g} s" for name, value in self.deadlines.items()]
        told += [] if self.quantile is None else [f"planned at P{self.quantile * 100:g}"]
        aims = " + ".join(f"{weight:g} {aim}" for aim, weight in self.aims.items())
        told += [f"aims: {aims}"] if aims else []
        told += [] if self.budget is None else [f"costs at most {money(self.budget, currency)}"]
        told += [] if self.hard is None else [f"deadlines {'must' if self.hard else 'should'} hold"]
        return tuple(told)


def change_from(plain: object) -> Change:
    """The change that JSON values describe; raises InvalidInput where they are none."""
    if not isinstance(plain, Mapping):
        raise InvalidInput(f"A change must be an object, found {type(plain).__name__}.")
    known = {each.name for each in fields(Change)}
    if odd := sorted(map(str, set(plain) - known)):
        raise InvalidInput(f"A change has no {odd[0]!r}; it has {', '.join(sorted(known))}.")
    try:
        return Change(
            removed=tuple(str(each) for each in plain.get("removed", ())),
            copies=_numbers(plain, "copies", int),
            prices=_numbers(plain, "prices", float),
            priorities=_numbers(plain, "priorities", int),
            deadlines=_numbers(plain, "deadlines", float),
            quantile=_number(plain, "quantile"),
            aims=_numbers(plain, "aims", float),
            budget=_number(plain, "budget"),
            hard=None if plain.get("hard") is None else bool(plain["hard"]),
            planner=str(plain.get("planner", QUICK[0])),
        )
    except (TypeError, ValueError, AttributeError) as error:
        raise InvalidInput(f"A change that cannot be understood: {error}") from None


def changed(plan: Plan, change: Change) -> Problem:
    """The problem of a run with the changes.

    Workers that are added are believed to be like those that they copy. Raises InvalidInput for
    names that there are not and numbers that make no sense, Infeasible where a task has no worker.
    """
    cluster, columns = _cluster(plan.cluster, change)
    workflow = _workflow(plan.workflow, change)
    return Problem(
        workflow, cluster, _forecast(plan.forecast, cluster, columns), _objective(plan, change)
    )


@dataclass(frozen=True, eq=False)
class Tried:
    """A plan of a problem, and what it comes to."""

    problem: Problem
    schedule: Schedule

    @cached_property
    def measures(self) -> Measures:
        """Under every aim."""
        return measured(self.schedule, self.problem)

    @cached_property
    def broken(self) -> tuple[Violation, ...]:
        """The limits that it does not keep."""
        return violations(self.schedule, self.problem)

    @cached_property
    def promise(self) -> Promise | None:
        """When it will end and how surely; None for a plan that breaks rules."""
        if self.broken:
            return None
        samples = 400 if len(self.problem.workflow) <= FEW_TASKS else 60
        return promise(self.problem, self.schedule, rng=np.random.default_rng(0), samples=samples)

    def figures(self) -> dict[str, Any]:
        """What is shown of it, as JSON values; None where there is no such number."""
        kept = self.promise
        return {
            "makespan": self.schedule.makespan,
            "promise P50": _finite(kept.makespan(0.5)) if kept else None,
            "promise P90": _finite(kept.makespan(0.9)) if kept else None,
            "chance to complete": kept.complete if kept else None,
            "cost": self.measures.cost,
            "energy": self.measures.energy,
            "late tasks": len(self.measures.late),
            "tardiness": self.measures.tardiness,
            "workers": len({each.worker for each in self.schedule.placements}),
            "rules broken": len(self.broken),
        }

    def as_plan(self) -> Plan:
        """The same as the screens of runs take it."""
        problem = self.problem
        return Plan(
            problem.workflow, problem.cluster, problem.objective, problem.forecast, self.schedule
        )


def tried(problem: Problem, planner: str) -> Tried:
    """The problem planned by the planner of that name.

    Raises InvalidInput for one that is not offered here, and what planners raise.
    """
    if planner not in (*QUICK, *SLOW):
        raise InvalidInput(f"Planners here are {', '.join((*QUICK, *SLOW))}; found {planner!r}.")
    return Tried(problem, _planner(planner).plan(problem))


def front(problem: Problem) -> tuple[Point, ...]:
    """Plans of which none is both shorter and cheaper than another, by rising makespan."""
    few = len(problem.workflow) <= FEW_TASKS
    return pareto(problem, _planner(TRADING), points=6 if few else 3)


def objective_change(change: Change, objective: Objective) -> Change:
    """The change with the aims and the budget of an objective instead of its own."""
    aims = {aim: weight for aim, weight in objective.weights.items() if weight}
    return replace(change, aims=aims, budget=objective.budget, planner=TRADING)


def untraded(change: Change) -> Change:
    """The change without what taking a point of the front put into it: whose front is drawn."""
    if change.planner != TRADING or not change.aims:
        return change
    return replace(change, aims={}, budget=None, planner=QUICK[0])


def documents(problem: Problem) -> dict[str, Any]:
    """The problem as the agent takes it: workflow, cluster and objective."""
    return {
        "workflow": workflow_document(problem.workflow),
        "cluster": cluster_document(problem.cluster),
        "objective": objective_document(problem.objective),
    }


def moved(before: Schedule, after: Schedule) -> int:
    """How many tasks run on another worker."""
    where = {each.task: each.worker for each in before.placements}
    return sum(where.get(each.task) != each.worker for each in after.placements)


def _planner(name: str) -> Planner:
    sort = named(name, implementations(planners, Planner), "planner")  # type: ignore[type-abstract]
    given: dict[str, Any] = {"seconds": SECONDS, "evaluations": None} if name == "search" else {}
    return sort(**given)


def _cluster(cluster: Cluster, change: Change) -> tuple[Cluster, list[int]]:
    """The workers with the changes, and of each which column of the forecast is believed of it."""
    for name in (*change.removed, *change.copies, *change.prices):
        if name not in cluster.index:
            known = ", ".join(list(cluster.index)[:10])
            raise InvalidInput(f"There is no worker {name!r} in this run; there are {known}.")
    kept = [each for each in cluster.workers if each.name not in change.removed]
    if not kept:
        raise InvalidInput("A plan needs at least one worker; all of them are left out.")
    found = [(_priced(each, change), cluster.index[each.name]) for each in kept]
    taken = set(cluster.index)
    for name, count in change.copies.items():
        if not 0 <= count <= MOST_COPIES:
            raise InvalidInput(f"Of a worker 0 to {MOST_COPIES} may be added, found {count}.")
        like = _priced(cluster.worker(name), change)
        for _ in range(count):
            fresh = _fresh(name, taken)
            found.append((replace(like, name=fresh), cluster.index[name]))
    if len(found) > MOST_WORKERS:
        raise InvalidInput(f"At most {MOST_WORKERS} workers are planned here, found {len(found)}.")
    links = {
        pair: link for pair, link in cluster.links.items() if not set(pair) & set(change.removed)
    }
    workers = [worker for worker, _ in found]
    whole = Cluster(
        cluster.name, workers, bandwidth=cluster.bandwidth, latency=cluster.latency, links=links,
        pools=cluster.pools,
    )  # fmt: skip
    return whole, [column for _, column in found]


def _priced(worker: Worker, change: Change) -> Worker:
    if worker.name not in change.prices:
        return worker
    price = change.prices[worker.name]
    not_negative(price, f"the price of {worker.name!r}", InvalidInput)
    return replace(worker, price=price)


def _fresh(name: str, taken: set[str]) -> str:
    number = 2
    while f"{name} ({number})" in taken:
        number += 1
    taken.add(f"{name} ({number})")
    return f"{name} ({number})"


def _forecast(forecast: Forecast, cluster: Cluster, columns: Sequence[int]) -> Forecast:
    if tuple(cluster.index) == forecast.workers:
        return forecast
    some = list(columns)
    return replace(
        forecast, workers=tuple(cluster.index), duration=forecast.duration[:, some],
        memory=forecast.memory[:, some], cpu=forecast.cpu[:, some],
        failure=forecast.failure[:, some], affinity=_shares(forecast.affinity[:, some]),
        gates={}, experts=(),
    )  # fmt: skip


def _shares(affinity: Any) -> Any:
    total = affinity.sum(axis=1, keepdims=True)
    return np.where(total > 0, affinity / np.where(total > 0, total, 1), 1 / affinity.shape[1])


def _workflow(workflow: Workflow, change: Change) -> Workflow:
    if not change.priorities and not change.deadlines:
        return workflow
    known = {ALL, *workflow.index, *(each.kind for each in workflow.tasks)}
    for name in (*change.priorities, *change.deadlines):
        if name not in known:
            raise InvalidInput(f"There is no task and no kind {name!r} in this workflow.")
    tasks = [_asked(each, change) for each in workflow.tasks]
    return Workflow(workflow.name, tasks, workflow.dependencies)


def _asked(task: Task, change: Change) -> Task:
    """What is said of a task itself counts more than what is said of its kind, or of all."""
    found: dict[str, Any] = {}
    for name in (ALL, task.kind, task.id):
        if name in change.priorities:
            found["priority"] = change.priorities[name]
        if name in change.deadlines:
            found["deadline"] = change.deadlines[name]
    return replace(task, **found) if found else task


def _objective(plan: Plan, change: Change) -> Objective:
    found = plan.objective
    if change.aims:
        if odd := sorted(set(change.aims) - set(AIMS)):
            raise InvalidInput(f"Aims are {', '.join(AIMS)}; found {odd[0]!r}.")
        found = found.weighing(**change.aims)
    given: dict[str, Any] = {
        "duration_quantile": change.quantile, "budget": change.budget,
        "hard_deadlines": change.hard,
    }  # fmt: skip
    return replace(found, **{name: value for name, value in given.items() if value is not None})


def _numbers(plain: Mapping[str, Any], name: str, sort: type[Any]) -> dict[str, Any]:
    found = {str(key): sort(value) for key, value in dict(plain.get(name, {})).items()}
    if not all(np.isfinite(value) for value in found.values()):
        raise ValueError(f"{name} must be finite numbers")
    return found


def _number(plain: Mapping[str, Any], name: str) -> float | None:
    if (value := plain.get(name)) is None:
        return None
    if not np.isfinite(found := float(value)):
        raise ValueError(f"{name} must be a finite number")
    return found


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None


def _all(name: str) -> str:
    return "all tasks" if name == ALL else name
