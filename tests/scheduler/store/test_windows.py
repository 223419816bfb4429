"""What the store says of all runs of a window of time, on every engine that is there."""

from datetime import timedelta

import numpy as np
import pytest

from scheduler.documents import cluster_document, workflow_document
from scheduler.execution.events import AttemptStarted, AttemptUnknown, PlanChanged, TaskGivenUp
from scheduler.planning.planners.heft import Heft
from scheduler.planning.schedule import Placement, Schedule
from scheduler.store import Store
from scheduler.store.intents import Kept
from scheduler.store.plans import NewPlan
from scheduler.store.runs import lease_of
from scheduler.store.windows import GIVEN_UP, PLANNED, UNKNOWN, Bar
from tests.dashboard.filler import START, a_problem, begin, carry_out

HOUR = timedelta(hours=1)
NOW = START + 9 * HOUR
PROBLEM = a_problem(np.random.default_rng(4), 20)  # the 18th fails once
PLAN = Heft().plan(PROBLEM)


@pytest.fixture
def filled(store: Store) -> Store:
    """Run 1 succeeded at the hour 1, 2 goes on since the hour 8, 3 was lost at the hour 3."""
    rng = np.random.default_rng(4)
    run = begin(store, PROBLEM, PLAN, label="done", at=START + HOUR)
    carry_out(store, run, PROBLEM, PLAN, rng, at=START + HOUR)
    first = PLAN.placements[0]
    for at, heard in ((NOW - HOUR, NOW), (START + 3 * HOUR, START + 3 * HOUR)):
        run = begin(store, PROBLEM, PLAN, label="live", at=at)
        started = AttemptStarted(first.task, 1, first.worker, 0.5, at, first.allocation)
        store.append_events(run, [started], at=heard)
    return store


@pytest.mark.parametrize(
    ("since", "until", "found"),
    [(0, 9, [3, 2, 1]), (8.5, 9, [2]), (10, 12, [2]), (0, 2, [1]), (0, 1, []), (4, 8, [])],
)
def test_the_runs_of_a_window_are_those_that_went_on_in_it_or_may_yet(
    filled: Store, since: float, until: float, found: list[int]
) -> None:
    window = START + since * HOUR, START + until * HOUR
    assert [each.id for each in filled.runs_within(*window, now=NOW, limit=9)] == found
    assert [each.id for each in filled.runs_within(*window, now=NOW, limit=1)] == found[:1]


def test_a_run_that_waits_for_people_is_there_however_long_nobody_has_heard_of_it(
    filled: Store,
) -> None:
    filled.end_run(3, state="waiting", makespan=None, message="", at=START + 3 * HOUR)
    window = NOW, NOW + HOUR
    assert [each.id for each in filled.runs_within(*window, now=NOW, limit=9)] == [3, 2]


def test_the_bars_of_runs_are_their_attempts(filled: Store) -> None:
    found = filled.bars_of([1, 2])
    assert {each[:5] for each in found if each.run == 1} == {
        (1, each.task, each.attempt, each.worker, each.start) for each in filled.run_attempts(1)
    }
    ends = {(each.task, each.attempt): each.end for each in filled.run_attempts(1)}
    assert all(ends[each.task, each.attempt] == each.end for each in found if each.run == 1)
    (failed,) = [each for each in found if each.outcome == "out_of_memory"]
    assert failed.attempt == 1
    (open_,) = [each for each in found if each.run == 2]
    first = PLAN.placements[0]
    held = first.allocation
    assert open_ == Bar(2, first.task, 1, first.worker, 0.5, None, held.cores, held.memory, "")


def test_what_is_to_come_stands_as_the_newest_plan_has_it(store: Store) -> None:
    run = _replanned(store)
    planned = {each.task: each for each in store.bars_of([run], coming=[run])}
    newest = dict(PLAN.by_task)
    one, two = PLAN.placements[:2]
    newest |= {one.task: _later(one, 7), two.task: _later(two, 3)}
    assert {task: (each.worker, each.start, each.end) for task, each in planned.items()} == {
        task: (each.worker, each.start, each.end) for task, each in newest.items()
    }
    assert {(each.attempt, each.outcome) for each in planned.values()} == {(0, PLANNED)}
    assert {each.memory for each in planned.values()} == {
        float(each.allocation.memory) for each in PLAN.placements
    }
    assert store.bars_of([run]) == ()
    assert store.changes_of([run, 99]) == {run: 2}


def test_runs_are_described_as_their_newest_plans_have_them(store: Store) -> None:
    run = _replanned(store)
    old = begin(store, PROBLEM, PLAN, label="old", at=START)
    found = store.described([run, old])
    assert found[run].cluster["name"] == "smaller"
    assert found[old].cluster == cluster_document(PROBLEM.cluster)
    assert found[run].workflow == found[old].workflow


def test_what_nobody_knows_and_what_was_given_up_is_told(filled: Store) -> None:
    first, other = PLAN.placements[0], PLAN.placements[-1]
    at = NOW
    filled.append_events(
        2,
        [
            AttemptUnknown(first.task, 1, first.worker, 4.0, at, "its node is gone"),
            TaskGivenUp(other.task, 5.0, at, "no attempt is left"),
        ],
        at=at,
    )
    found = {each.task: each for each in filled.bars_of([2], coming=[2]) if each.attempt == 1}
    assert (found[first.task].end, found[first.task].outcome) == (4.0, UNKNOWN)
    given = [each for each in filled.bars_of([2], coming=[2]) if each.outcome == GIVEN_UP]
    assert [(each.task, each.start) for each in given] == [(other.task, 5.0)]


def test_an_attempt_that_begins_again_in_another_charge_is_there_once(filled: Store) -> None:
    first = PLAN.placements[0]
    worker = next(each.name for each in PROBLEM.cluster.workers if each.name != first.worker)
    again = AttemptStarted(first.task, 1, worker, 6.0, NOW, first.allocation, epoch=2)
    filled.append_events(2, [again], at=NOW)
    assert [(each.worker, each.start) for each in filled.bars_of([2])] == [(worker, 6.0)]


def _later(placed: Placement, by: float) -> Placement:
    return Placement(
        placed.task, placed.worker, placed.start + by, placed.end + by, placed.allocation
    )


def _replanned(store: Store) -> int:
    """A run whose plan has changed twice."""
    run = store.begin_run(
        workflow=workflow_document(PROBLEM.workflow),
        cluster=cluster_document(PROBLEM.cluster), objective={}, forecast=PROBLEM.forecast,
        schedule=Schedule(PLAN.placements, "heft", 1.0), executor="Simulator", label="", at=START,
        holder="somebody",
    )  # fmt: skip
    one, two = PLAN.placements[:2]
    smaller = cluster_document(PROBLEM.cluster) | {"name": "smaller"}
    plans = (
        NewPlan("heft", 1.0, (_later(one, 2), _later(two, 3))),
        NewPlan("repair", 2.0, (_later(one, 7),), cluster=smaller),
    )
    events = [PlanChanged(5.0, START, ("late",), 1, ("so",), 10.0, 20.0) for _ in plans]
    lease = store.lease(lease_of(run))
    assert lease is not None
    store.keep(run, Kept(events, plans), lease=lease, at=START)
    return run
