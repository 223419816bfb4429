"""What the database sums up of many runs, on every engine that is there."""

from datetime import timedelta

import numpy as np
import pytest

from scheduler.errors import NotFound
from scheduler.execution.events import Action, AttemptStarted, Controlled, Event, PlanChanged
from scheduler.planning.planners.heft import Heft
from scheduler.store import Store
from scheduler.store.summaries import Progress, RunsWanted
from tests.dashboard.filler import START, a_problem, begin, carry_out

NOW = START + timedelta(hours=9)
WORKFLOW = {"name": "nightly", "tasks": [{"id": "a"}, {"id": "b"}]}


@pytest.fixture
def filled(store: Store) -> Store:
    """Run 1 succeeded, 2 failed with a task given up, 3 goes on with one attempt, 4 is lost."""
    rng = np.random.default_rng(4)
    problem = a_problem(rng, 60)
    plan = Heft().plan(problem)
    for hour, give_up in ((1, False), (2, True)):
        at = START + timedelta(hours=hour)
        owner = "" if give_up else "ann"
        run = begin(store, problem, plan, label=f"day {hour} 100%", at=at, owner=owner)
        carry_out(store, run, problem, plan, rng, at=at, give_up=give_up)
    first = plan.placements[0]
    for at in (NOW - timedelta(seconds=10), START + timedelta(hours=3)):
        run = begin(store, problem, plan, label="live", at=at)
        started = AttemptStarted(first.task, 1, first.worker, 0.5, at, first.allocation)
        store.append_events(run, [started], at=at)
    return store


ASKED = [
    (RunsWanted(), [4, 3, 2, 1]),
    (RunsWanted(states=frozenset({"running"})), [3]),
    (RunsWanted(states=frozenset({"lost", "failed"})), [4, 2]),
    (RunsWanted(workflows=frozenset({"another"})), []),
    (RunsWanted(owners=frozenset({"ann"})), [1]),
    (RunsWanted(owners=frozenset({"bob"})), []),
    (RunsWanted(text="LIVE"), [4, 3]),
    (RunsWanted(text="2 100%"), [2]),
    (RunsWanted(text="%"), [2, 1]),
    (RunsWanted(since=START + timedelta(hours=2)), [4, 3, 2]),
    (RunsWanted(until=START + timedelta(hours=2)), [1]),
]


def test_runs_are_found_and_counted_by_what_is_asked_for(filled: Store) -> None:
    found = [
        [each.id for each in filled.find_runs(wanted, now=NOW, limit=10)] for wanted, _ in ASKED
    ]
    assert found == [runs for _, runs in ASKED]
    counted = [filled.count_runs(wanted, now=NOW) for wanted, _ in ASKED]
    assert counted == [len(runs) for _, runs in ASKED]


def test_runs_are_read_in_the_order_in_which_they_are_asked_for(filled: Store) -> None:
    assert [each.id for each in filled.runs_of([1, 99, 3], now=NOW)] == [1, 3]


def test_what_the_database_sums_up_is_what_the_events_say(filled: Store) -> None:
    told = filled.progress_of((1, 2, 3, 99))
    assert told == {
        1: Progress(60, 0, 1, 0), 2: Progress(59, 1, 1, 0), 3: Progress(0, 0, 0, 1), 99: Progress()
    }  # fmt: skip
    attempts = filled.run_attempts(2)
    uses = filled.uses_of(2)
    key = [(each.task, each.worker, each.start, each.end, each.cores) for each in uses]
    assert sorted(key) == sorted(
        (each.task, each.worker, each.start, each.end, each.allocation.cores) for each in attempts
    )
    assert [each.outcome for each in uses].count("out_of_memory") == 1
    assert [(each.end, each.outcome) for each in filled.uses_of(3)] == [(None, "")]
    assert filled.run_states(now=NOW) == {"succeeded": 1, "failed": 1, "running": 1, "lost": 1}
    assert filled.run_states(now=NOW, since=NOW - timedelta(hours=1)) == {"running": 1}


def test_a_question_that_is_open_counts_for_its_run(filled: Store) -> None:
    for _ in range(2):
        number = filled.put_question("plan", "it", answers=["yes"], reasons=[], at=NOW, run=3)
    filled.decide(number, "yes", by="ann", reason="", at=NOW)
    assert filled.progress_of([3])[3].questions == 1


def test_owners_and_workflows_are_named_once(filled: Store) -> None:
    assert filled.run_owners() == ("ann",)
    assert filled.owners_of([1, 2]) == {1: "ann"}
    assert [each.owner for each in filled.runs_of([1, 2], now=NOW)] == ["ann", ""]
    assert filled.run_workflows() == (filled.run(1, now=NOW).workflow,)


def test_what_waits_for_the_agent_is_told_in_its_order_without_documents(store: Store) -> None:
    for by, priority in (("ann", 0), ("bob", 5), ("cem", 0)):
        store.ask("run", {"workflow": WORKFLOW, "priority": priority}, by=by, at=NOW)
    found = store.submissions()
    assert [(each.owner, each.priority) for each in found] == [("bob", 5), ("ann", 0), ("cem", 0)]
    assert {(each.workflow, each.tasks) for each in found} == {("nightly", 2)}


def test_what_steered_a_run_is_told_without_its_attempts(filled: Store) -> None:
    paused: Event = Controlled(Action.PAUSE, 7.0, NOW, "ann", "lunch")
    filled.append_events(3, [paused], at=NOW)
    assert filled.steering_of(3) == (paused,)


def test_runs_that_were_heard_of_since_are_told_apart_from_those_that_are_over(
    filled: Store,
) -> None:
    assert filled.runs_since(NOW - timedelta(minutes=1)) == ((3, False),)
    assert dict(filled.runs_since(START)) == {1: True, 2: True, 3: False, 4: False}


def test_the_mark_of_a_task_changes_with_its_own_attempts_and_the_plan_alone(
    filled: Store,
) -> None:
    first, other = filled.run_schedule(3).placements[:2]
    marks = [filled.mark_of(3, first.task)]
    started = [AttemptStarted(each.task, 9, each.worker, 8.0, NOW, each.allocation)
               for each in (other, first)]  # fmt: skip
    filled.append_events(3, started[:1], at=NOW)
    assert filled.mark_of(3, first.task) == marks[0] != filled.mark_of(3, other.task)
    filled.append_events(3, started[1:], at=NOW)
    marks.append(filled.mark_of(3, first.task))
    changed = PlanChanged(9.0, NOW, ("it failed",), 0, (), 10.0, 12.0)
    filled.append_events(3, [changed], at=NOW)
    marks.append(filled.mark_of(3, first.task))
    assert len(set(marks)) == 3


def test_the_mark_of_a_run_changes_with_whatever_is_kept_of_it(filled: Store) -> None:
    marks = [filled.mark_of(3)]
    assert filled.mark_of(3) == marks[0]
    filled.append_events(3, [Controlled(Action.PAUSE, 7.0, NOW, "ann", "lunch")], at=NOW)
    marks.append(filled.mark_of(3))
    filled.end_run(3, state="failed", makespan=9.0, message="", at=NOW)
    marks.append(filled.mark_of(3))
    assert len(set(marks)) == 3
    with pytest.raises(NotFound):
        filled.mark_of(99)
