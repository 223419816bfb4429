"""Audits, the requests that runs take up, and money by record, on SQLite and PostgreSQL alike."""

from datetime import UTC, datetime, timedelta

import pytest
from worlds import changed, problem_of, schedule_of

from scheduler.cluster import Allocation
from scheduler.documents import cluster_document, workflow_document
from scheduler.execution.events import (
    Action,
    AttemptEnded,
    AttemptStarted,
    Controlled,
    Observation,
    TaskGivenUp,
)
from scheduler.planning.problem import Problem
from scheduler.records import Outcome
from scheduler.store import Store

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def begun(store: Store, problem: Problem | None = None) -> int:
    problem = problem or problem_of([[1.0]])
    return store.begin_run(
        workflow=workflow_document(problem.workflow),
        cluster=cluster_document(problem.cluster),
        objective={},
        forecast=problem.forecast,
        schedule=schedule_of(problem, ("t1", "w1", 0.0)),
        executor="Local",
        label="planned",
        at=NOON,
    )


def test_what_was_done_comes_out_newest_first_and_can_be_asked_for(store: Store) -> None:
    store.audit("promote", "version 3", by="ann", at=NOON, reason="better")
    store.audit("pause", "run 1", by="bob", at=NOON, details={"words": "paused"})
    assert [(each.by, each.action) for each in store.audits()] == [
        ("bob", "pause"),
        ("ann", "promote"),
    ]
    (found,) = store.audits(subject="run 1")
    assert (found.details, found.at) == ({"words": "paused"}, NOON)
    assert [each.reason for each in store.audits(action="promote")] == ["better"]


def test_an_event_that_carries_a_request_out_answers_and_audits_it(store: Store) -> None:
    run = begun(store)
    number = store.ask("control", {"run": run}, by="ann", at=NOON)
    assert [each.id for each in store.waiting_requests("control")] == [number]
    asked = Controlled(Action.PAUSE, 1.0, NOON, "ann", "lunch", request=number)
    store.append_events(run, [asked], at=NOON)
    assert store.waiting_requests("control") == ()
    answered = store.request(number)
    assert answered is not None
    assert (answered.state, answered.answer) == ("done", "paused: nothing more begins")
    (audit,) = store.audits(subject=f"run {run}")
    assert (audit.by, audit.action, audit.reason) == ("ann", "pause", "lunch")


@pytest.mark.parametrize("action", Action)
def test_a_control_comes_out_as_it_went_in(store: Store, action: Action) -> None:
    run = begun(store)
    asked = Controlled(action, 2.5, NOON, "ann", "so", ("t1", "t2"), "w1", 3, 9)
    store.append_events(run, [asked], at=NOON)
    assert store.run_events(run) == (asked,)


def test_a_task_that_was_given_up_and_tried_again_is_not_given_up_until_it_is_again(
    store: Store,
) -> None:
    run = begun(store)
    store.append_events(run, [TaskGivenUp("t1", 1.0, NOON, "failed")], at=NOON)
    assert store.run_given_up(run) == {"t1": "failed"}
    started = AttemptStarted("t1", 4, "w1", 2.0, NOON, Allocation(1.0, 1))
    store.append_events(run, [started], at=NOON)
    assert store.run_given_up(run) == {}
    store.append_events(run, [TaskGivenUp("t1", 3.0, NOON, "failed again")], at=NOON)
    assert store.run_given_up(run) == {"t1": "failed again"}


def attempt(run: int, store: Store, *, began: datetime, hours: float | None) -> None:
    where = ("t1", 1, "w1")
    events = [AttemptStarted(*where, 0.0, began, Allocation(2.0, 1))]
    store.append_events(run, events, at=NOON)
    if hours is not None:
        ended = began + timedelta(hours=hours)
        seen = Observation(Outcome.SUCCEEDED, hours * 3600)
        store.append_events(run, [AttemptEnded(*where, hours * 3600, ended, seen)], at=NOON)


def priced() -> Problem:
    """A worker of four cores at 8 an hour: two of its cores cost 4 an hour."""
    four = problem_of([[1.0]], worker_cores=[4.0])
    return changed(four, workers={"w1": {"price": 8.0}})


@pytest.mark.parametrize(
    ("began", "hours", "money"),
    [
        (NOON, 2.0, 8.0),
        (NOON, None, 12.0),  # it runs still, and it is 15:00
        (NOON - timedelta(days=1), 1.0, 0.0),
    ],
)
def test_money_is_the_share_of_the_price_for_the_time_that_attempts_took(
    store: Store, began: datetime, hours: float | None, money: float
) -> None:
    attempt(begun(store, priced()), store, began=began, hours=hours)
    midnight = NOON.replace(hour=0)
    assert store.spent(midnight, now=NOON + timedelta(hours=3)) == pytest.approx(money)


def test_an_attempt_without_an_end_of_a_run_that_is_over_costs_nothing_more(store: Store) -> None:
    run = begun(store, priced())
    attempt(run, store, began=NOON, hours=None)
    store.end_run(run, state="interrupted", makespan=None, message="", at=NOON)
    assert store.spent(NOON.replace(hour=0), now=NOON + timedelta(hours=3)) == 0.0
