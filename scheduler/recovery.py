"""What the store knows of a run, put together so that somebody can go on with it."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from scheduler.documents import cluster_from, objective_from, workflow_from
from scheduler.errors import NotFound
from scheduler.execution.charge import Answer
from scheduler.execution.events import (
    AttemptEnded,
    AttemptStarted,
    AttemptUnknown,
    Decision,
    Event,
    PlanChanged,
    TaskDecided,
    TaskGivenUp,
)
from scheduler.planning.problem import Problem
from scheduler.planning.schedule import Placement, Schedule
from scheduler.planning.timeline import CLOCK
from scheduler.records import Outcome
from scheduler.store import Store
from scheduler.store.plans import NewPlan


@dataclass(frozen=True)
class Known:
    """A run as it was kept: how it began, what happened since, and how to go on with it."""

    problem: Problem
    schedule: Schedule
    history: tuple[Event | Answer, ...]
    token: str
    how: Mapping[str, Any]

    @property
    def now(self) -> Answer:
        """The plan that is followed, of a problem that knows what has happened."""
        plan = Answer(self.problem, self.schedule)
        for each in self.history:
            plan = each if isinstance(each, Answer) else plan
        now, old = self.since(None), plan.problem
        happened = _happened(self.history, plan.schedule)
        for name, placed in happened.items():
            if placed.end >= _OPEN:
                row, column = old.workflow.index[name], old.cluster.index[placed.worker]
                end = min(placed.start + float(old.duration[row, column]), _OPEN)
                happened[name] = replace(placed, end=max(end, now * (1 + CLOCK) + CLOCK))
        return replace(plan, problem=replace(old, fixed=happened, now=now))

    def since(self, time: datetime | None) -> float:
        """How many seconds ago the run began, at this time; at its last event without a time."""
        last = max((each.at for each in self._events), default=0.0)
        if time is None or not self._events:
            return last
        newest = max(self._events, key=lambda each: each.time)
        return max(last, newest.at + (time - newest.time).total_seconds())

    @property
    def _events(self) -> list[Event]:
        return [each for each in self.history if not isinstance(each, Answer)]


def known(store: Store, run: int) -> Known:
    """All that is kept of a run; NotFound when there is none with this number."""
    begun = _first(store, run)
    token, how = store.run_how(run)
    history = tuple(_history(store, run, begun))
    return Known(begun.problem, begun.schedule, history, token, how)


def plan_of(store: Store, run: int, number: int) -> Answer:
    """One plan of a run, with a problem that knows what had happened when it was made.

    Zero is the first plan, each change makes the next. What ran then is believed to end as that
    plan says. Raises NotFound where the run has no plan of that number.
    """
    begun, told = _first(store, run), list[PlanChanged]()
    changes, past = store.run_plans(run)[:number], list[Event]()
    for event in store.run_events(run) if number else ():
        if isinstance(event, PlanChanged):
            told.append(event)
            if len(told) == number:
                break
        past.append(event)
    if len(told) < number or len(changes) < number:
        raise NotFound(f"Run {run} has no plan {number + 1}; it has {len(changes) + 1}.")
    if not number:
        return begun
    placed = dict(begun.schedule.by_task)
    for each in changes:
        placed |= {one.task: one for one in each.placements}
    fixed = _happened(past, Schedule(tuple(placed.values()), "", 0.0))
    now = told[-1].at
    for name, held in fixed.items():
        if held.end >= _OPEN:
            believed = placed[name].end if placed[name].worker == held.worker else now
            fixed[name] = replace(held, end=max(believed, held.start, now))
    old, last = begun.problem, changes[-1]
    workflows = [each.workflow for each in changes if each.workflow is not None]
    clusters = [each.cluster for each in changes if each.cluster is not None]
    forecasts = [each.forecast for each in changes if each.forecast is not None]
    problem = Problem(
        workflow_from(workflows[-1]) if workflows else old.workflow,
        cluster_from(clusters[-1]) if clusters else old.cluster,
        forecasts[-1] if forecasts else old.forecast,
        old.objective,
        fixed=fixed,
        now=now,
    )
    schedule = Schedule(tuple((placed | fixed).values()), last.planner, last.lower_bound)
    why = told[-1]
    return Answer(problem, schedule, why.reasons, why.moved, why.changes, why.before, why.ends)


def _first(store: Store, run: int) -> Answer:
    tasks, workers, aims = store.run_documents(run)
    problem = Problem(
        workflow_from(tasks), cluster_from(workers), store.run_forecast(run), objective_from(aims)
    )
    return Answer(problem, store.run_schedule(run))


def _history(store: Store, run: int, begun: Answer) -> Iterator[Event | Answer]:
    """The events, with the plan in the place of each that says that the plan changed."""
    plans, plan = iter(store.run_plans(run)), begun
    past: list[Event | Answer] = []
    for event in store.run_events(run):
        if isinstance(event, PlanChanged):
            plan = _after(plan, next(plans), event, _happened(past, plan.schedule))
            past.append(plan)
            yield plan
        else:
            past.append(event)
            yield event


def _after(
    before: Answer, plan: NewPlan, told: PlanChanged, happened: Mapping[str, Placement]
) -> Answer:
    old = before.problem
    problem = Problem(
        old.workflow if plan.workflow is None else workflow_from(plan.workflow),
        old.cluster if plan.cluster is None else cluster_from(plan.cluster),
        old.forecast if plan.forecast is None else plan.forecast,
        old.objective,
        fixed=happened,
        now=told.at,
    )
    placed = {**before.schedule.by_task, **{each.task: each for each in plan.placements}}
    schedule = Schedule(tuple(placed.values()), plan.planner, plan.lower_bound)
    return Answer(problem, schedule, told.reasons, told.moved, told.changes, told.before, told.ends)


def _happened(history: Iterable[Event | Answer], schedule: Schedule) -> dict[str, Placement]:
    """What is over and what runs, by task; the end of what runs is not known yet."""
    found: dict[str, Placement] = {}
    placed = schedule.by_task
    for each in history:
        match each:
            case AttemptStarted():
                found[each.task] = Placement(
                    each.task, each.worker, each.at, _OPEN, each.allocation
                )
            case AttemptEnded() if each.observation.outcome is Outcome.SUCCEEDED:
                found[each.task] = replace(found[each.task], end=each.at)
            case AttemptEnded() | AttemptUnknown():
                found.pop(each.task, None)
            case TaskGivenUp() | TaskDecided(decision=Decision.SUCCEEDED):
                found[each.task] = replace(placed[each.task], start=each.at, end=each.at)
    return found


_OPEN = 1e15  # seconds: the end of an attempt that has none yet
