"""One run as the screens need it, read from the store; no streamlit here."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, wraps
from typing import TypeVar
from weakref import WeakKeyDictionary

from dashboard import arrays
from dashboard.arrays import Spans
from scheduler.cluster import Cluster
from scheduler.documents import cluster_from, objective_from, workflow_from
from scheduler.errors import AllotError
from scheduler.forecast import Forecast
from scheduler.planning.feasibility import Violation, violations
from scheduler.planning.objective import Objective
from scheduler.planning.problem import Problem
from scheduler.planning.ranking import critical_path
from scheduler.planning.schedule import Placement, Schedule
from scheduler.recovery import plan_of
from scheduler.store import Store
from scheduler.store.values import Attempt, RunSummary
from scheduler.workflow import Workflow

Kept = TypeVar("Kept")
Found = TypeVar("Found")


@dataclass(frozen=True, eq=False)
class Plan:
    """What a run was planned from, and the plan: it never changes once the run exists.

    Of a later plan `fixed` is what had happened when it was made, at `now` (seconds of the run);
    `number` counts the changes before it.
    """

    workflow: Workflow
    cluster: Cluster
    objective: Objective
    forecast: Forecast
    schedule: Schedule
    fixed: Mapping[str, Placement] = field(default_factory=dict)
    now: float = 0.0
    number: int = 0

    @cached_property
    def problem(self) -> Problem:
        """The problem that was planned.

        Raises InvalidInput or Infeasible when the store's documents do not make one.
        """
        return Problem(
            self.workflow, self.cluster, self.forecast, self.objective, fixed=self.fixed,
            now=self.now,
        )  # fmt: skip

    @cached_property
    def violations(self) -> tuple[Violation, ...] | None:
        """The rules that the plan breaks; None when its problem cannot be rebuilt."""
        try:
            return violations(self.schedule, self.problem)
        except AllotError:
            return None

    @cached_property
    def critical(self) -> tuple[str, ...]:
        """The longest way through the workflow, first to last; empty without a problem."""
        try:
            return critical_path(self.problem)
        except AllotError:
            return ()

    @cached_property
    def workers(self) -> tuple[str, ...]:
        """The workers of the cluster in its order, then others that the plan places tasks on."""
        return arrays.with_later(tuple(self.cluster.index), self.schedule.placements)

    @cached_property
    def spans(self) -> Spans:
        """The plan as arrays."""
        places = {name: place for place, name in enumerate(self.workers)}
        return arrays.planned(self.workflow, places, self.schedule, self.forecast, self.objective)


@dataclass(frozen=True, eq=False)
class RunView:
    """A run: its first plan, what happened so far, and the newest plan where there is another."""

    summary: RunSummary
    plan: Plan
    attempts: tuple[Attempt, ...]
    given_up: Mapping[str, str]
    newest: Plan | None = None

    @property
    def running(self) -> bool:
        """Whether more may happen."""
        return self.summary.state == "running"

    @cached_property
    def by_newest(self) -> "RunView":
        """The same run beside its newest plan."""
        return self if self.newest is None else replace(self, plan=self.newest, newest=None)

    @cached_property
    def workers(self) -> tuple[str, ...]:
        """The workers of the plan, then those that came while the run went on."""
        return arrays.with_later(self.plan.workers, self.attempts)

    @cached_property
    def spans(self) -> Spans:
        """The attempts as arrays; what still runs reaches to infinity."""
        places = {name: place for place, name in enumerate(self.workers)}
        return arrays.tried(self.plan.workflow, places, self.attempts)

    @cached_property
    def tries(self) -> Mapping[str, tuple[Attempt, ...]]:
        """The attempts of each task, first to last; tasks that never started are left out."""
        tries: dict[str, list[Attempt]] = {}
        for each in self.attempts:
            tries.setdefault(each.task, []).append(each)
        return {task: tuple(sorted(all_, key=_number)) for task, all_ in tries.items()}


def kept(compute: Callable[[Kept], Found]) -> Callable[[Kept], Found]:
    """Computes it once for a view or plan, kept as long as that lives; none may change it."""
    found: WeakKeyDictionary[Kept, Found] = WeakKeyDictionary()

    @wraps(compute)
    def known(whose: Kept) -> Found:
        if whose not in found:
            found[whose] = compute(whose)
        return found[whose]

    return known


def read_plan(store: Store, run: int) -> Plan:
    """Reads what a run was planned from.

    Raises NotFound when it is gone, and InvalidInput when its documents cannot be understood.
    """
    workflow, cluster, objective = store.run_documents(run)
    return Plan(
        workflow_from(workflow),
        cluster_from(cluster),
        objective_from(objective),
        store.run_forecast(run),
        store.run_schedule(run),
    )


def plan_numbered(store: Store, run: int, number: int) -> Plan:
    """Reads one plan of a run: zero is the first, each change of the plan makes the next.

    Raises as `read_plan`, and NotFound where there is no plan of that number.
    """
    found = plan_of(store, run, number)
    made = found.problem
    return Plan(
        made.workflow, made.cluster, made.objective, made.forecast, found.schedule, made.fixed,
        made.now, number,
    )  # fmt: skip


def newest_plan(store: Store, run: int, first: Plan) -> Plan | None:
    """Reads by which plan a run goes on, if not by its first one."""
    changes = store.run_plans(run)
    if not changes:
        return None
    placed = dict(first.schedule.by_task)
    workflow, cluster, forecast = first.workflow, first.cluster, first.forecast
    for each in changes:
        placed |= {one.task: one for one in each.placements}
        workflow = workflow_from(each.workflow) if each.workflow else workflow
        cluster = cluster_from(each.cluster) if each.cluster else cluster
        forecast = each.forecast or forecast
    last = changes[-1]
    schedule = Schedule(tuple(placed.values()), last.planner, last.lower_bound)
    return Plan(workflow, cluster, first.objective, forecast, schedule)


def read_run(store: Store, run: RunSummary, plan: Plan, newest: Plan | None = None) -> RunView:
    """Reads what happened in a run so far."""
    return RunView(run, plan, store.run_attempts(run.id), store.run_given_up(run.id), newest)


def _number(attempt: Attempt) -> int:
    return attempt.attempt
