"""What goes into the store comes out of it, once, on SQLite and PostgreSQL alike."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from strategies import records as any_record
from worlds import chain, problem_of

from scheduler.documents import cluster_document, workflow_document
from scheduler.errors import NotFound
from scheduler.execution.events import AttemptEnded, AttemptStarted, Event, TaskGivenUp
from scheduler.execution.executors.simulator import AsForecast, Simulator
from scheduler.logs.base import Refused
from scheduler.planning.planners.heft import Heft
from scheduler.planning.problem import Problem
from scheduler.planning.schedule import Schedule
from scheduler.records import Outcome, TaskRecord
from scheduler.store import Store
from scheduler.store.values import Metric, ModelVersion

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def record(task: str = "t", **values: object) -> TaskRecord:
    return TaskRecord(run="r", task=task, kind="sort", outcome=Outcome.SUCCEEDED, **values)  # type: ignore[arg-type]


def keep(store: Store, *records: TaskRecord) -> int:
    return store.add_records([(each.key(), each) for each in records], "log")


def begin(store: Store, problem: Problem, schedule: Schedule, at: datetime = NOW) -> int:
    return store.begin_run(
        workflow=workflow_document(problem.workflow),
        cluster=cluster_document(problem.cluster),
        objective={},
        forecast=problem.forecast,
        schedule=schedule,
        executor="Simulator",
        label="planned",
        at=at,
    )


@settings(
    max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(given_record=any_record())
def test_a_record_comes_out_as_it_went_in(store: Store, given_record: TaskRecord) -> None:
    mine = replace(given_record, run="mine")
    keep(store, mine)
    assert mine in list(store.records(run="mine"))


def test_a_record_is_kept_once_however_often_it_is_added(store: Store) -> None:
    assert [keep(store, record("a"), record("b")), keep(store, record("b"), record("c"))] == [2, 1]
    assert store.record_count() == 3


def test_records_come_oldest_first(store: Store) -> None:
    ends = [NOW + timedelta(hours=each) for each in (2, 0, 1)]
    keep(store, *(record(f"t{i}", ended=end) for i, end in enumerate(ends)))
    assert [each.ended for each in store.records()] == sorted(ends)


def test_kinds_are_summed_up_by_worker_over_what_succeeded(store: Store) -> None:
    failed = TaskRecord(
        run="r", task="x", kind="sort", outcome=Outcome.FAILED, worker="w", duration=99.0
    )
    keep(
        store, record("a", worker="w", duration=1.0), record("b", worker="w", duration=3.0), failed
    )
    (found,) = store.kinds()
    assert (found.attempts, found.succeeded, found.duration) == (3, 2, 2.0)


def test_a_refused_line_is_kept_once_with_its_reason(store: Store) -> None:
    line = Refused("log.csv", 7, "duration", "must not be negative", "-3", "t,-3")
    assert [store.quarantine([line], "log", at=NOW) for _ in range(2)] == [1, 0]
    assert [each.refused for each in store.quarantined()] == [line]


def test_a_run_comes_back_with_its_plan_and_its_beliefs(store: Store) -> None:
    problem = chain()
    schedule = Heft().plan(problem)
    run = begin(store, problem, schedule)
    assert set(store.run_schedule(run).placements) == set(schedule.placements)
    np.testing.assert_array_equal(store.run_forecast(run).duration, problem.forecast.duration)
    assert store.run_documents(run)[0] == workflow_document(problem.workflow)


def test_attempts_are_what_the_executor_said(store: Store) -> None:
    problem = problem_of([[1.0], [2.0]], {(1, 2): 0.0})
    run = begin(store, problem, Heft().plan(problem))
    events: list[Event] = list(Simulator(AsForecast()).run(problem, Heft().plan(problem)))
    store.append_events(run, events, at=NOW)
    starts = {each.task: each.at for each in events if isinstance(each, AttemptStarted)}
    ends = {
        each.task: (each.at, each.observation) for each in events if isinstance(each, AttemptEnded)
    }
    assert {each.task: each.start for each in store.run_attempts(run)} == starts
    assert {each.task: (each.end, each.observation) for each in store.run_attempts(run)} == ends


def test_an_attempt_that_still_runs_has_no_end(store: Store) -> None:
    problem = problem_of([[1.0]])
    run = begin(store, problem, Heft().plan(problem))
    started = next(each for each in Simulator(AsForecast()).run(problem, Heft().plan(problem)))
    store.append_events(run, [started], at=NOW)
    assert [(each.end, each.observation) for each in store.run_attempts(run)] == [(None, None)]


def test_a_task_given_up_is_told_with_its_reason(store: Store) -> None:
    run = begin(store, chain(), Heft().plan(chain()))
    store.append_events(run, [TaskGivenUp("t1", 1.0, NOW, "no attempt left")], at=NOW)
    assert store.run_given_up(run) == {"t1": "no attempt left"}


def test_a_run_that_fell_silent_is_shown_as_lost(store: Store) -> None:
    run = begin(store, chain(), Heft().plan(chain()))
    states = [store.run(run, now=NOW + timedelta(seconds=each)).state for each in (10, 600)]
    assert states == ["running", "lost"]


def test_a_run_that_ended_is_never_shown_as_lost(store: Store) -> None:
    run = begin(store, chain(), Heft().plan(chain()))
    store.end_run(run, state="succeeded", makespan=5.0, message="", at=NOW)
    assert store.run(run, now=NOW + timedelta(days=9)).state == "succeeded"


def test_an_unknown_run_is_said_to_be_unknown(store: Store) -> None:
    with pytest.raises(NotFound, match="no run 7"):
        store.run(7, now=NOW)


def test_metrics_are_there_while_the_training_runs_and_a_retold_epoch_replaces_itself(
    store: Store,
) -> None:
    training = store.begin_training(sharing="cgc", workers=2, settings={"seed": 1}, at=NOW)
    for value in (3.0, 2.0):
        store.report_metrics(training, [Metric(0, "duration", "loss", value)], at=NOW)
    assert store.training_metrics(training) == (Metric(0, "duration", "loss", 2.0),)
    assert store.trainings(now=NOW)[0].state == "running"


def version(name: str) -> ModelVersion:
    return ModelVersion(name, "cgc", NOW, "0" * 64, metrics={"duration": {"error": 0.1}})


def test_rolling_back_returns_the_former_champion_and_never_the_one_that_lost(
    store: Store,
) -> None:
    for name in ("v1", "v2"):
        store.add_version(version(name))
        store.promote(name, reason="better", by="me", at=NOW)
    assert store.aliases() == {"champion": "v2", "previous": "v1"}
    assert store.roll_back(reason="worse", by="me", at=NOW).id == "v1"
    assert store.aliases() == {"champion": "v1"}


def test_every_change_of_a_champion_is_told_with_reason_and_name(store: Store) -> None:
    store.add_version(version("v1"))
    store.promote("v1", reason="first", by="ada", at=NOW)
    (told,) = store.promotions()
    assert (told.version, told.replaced, told.reason, told.by) == ("v1", None, "first", "ada")


def test_a_challenger_that_is_promoted_challenges_no_more(store: Store) -> None:
    store.add_version(version("v1"))
    store.challenge("v1", reason="new", by="me", at=NOW)
    store.promote("v1", reason="won", by="me", at=NOW)
    assert store.aliases() == {"champion": "v1"}


def test_promoting_an_unknown_version_changes_nothing(store: Store) -> None:
    with pytest.raises(NotFound, match="'v9'"):
        store.promote("v9", reason="?", by="me", at=NOW)
    assert (store.aliases(), store.promotions()) == ({}, ())


def test_a_request_is_open_until_it_is_answered(store: Store) -> None:
    request = store.ask("retrain", {"why": "drift"}, by="ada", at=NOW)
    assert [each.payload for each in store.requests(state="open")] == [{"why": "drift"}]
    store.answer(request, state="done", answer="v3", at=NOW)
    assert (store.requests(state="open"), store.requests()[0].answer) == ((), "v3")
