"""Why tasks are late: pieces that sum up to the delay, and name whom it is about."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.lateness import Lateness, Why, lateness, sentence
from dashboard.reading import Plan, RunView
from scheduler.cluster import Allocation, Cluster, Worker
from scheduler.execution.events import Action, Controlled, Event, Observation
from scheduler.forecast import Forecast
from scheduler.planning.objective import Objective
from scheduler.planning.schedule import Placement, Schedule
from scheduler.records import Outcome
from scheduler.store.values import Attempt, RunSummary
from scheduler.workflow import Dependency, Task, Workflow

START = datetime(2026, 5, 4, 9, tzinfo=UTC)
HALF = Allocation(1.0, 1000)
TASKS = ("first", "other", "last")  # `last` waits for `first`; all on one worker with one core
PLACED = (("first", 0.0, 10.0), ("other", 0.0, 10.0), ("last", 10.0, 15.0))


def a_view(*tries: tuple[str, float, float | None], state: str = "running") -> RunView:
    workflow = Workflow(
        "w", [Task(id=each, kind="k") for each in TASKS], [Dependency("first", "last", 0.0)]
    )
    cluster = Cluster("c", [Worker(name="w0", cores=2, memory=10_000)])
    ones = np.ones((3, 1, 3))
    forecast = Forecast(
        tasks=TASKS, workers=("w0",), duration=ones, memory=ones, cpu=ones,
        failure=np.zeros((3, 1)), affinity=np.ones((3, 1)), source="s",
    )  # fmt: skip
    placed = tuple(Placement(task, "w0", start, end, HALF) for task, start, end in PLACED)
    plan = Plan(workflow, cluster, Objective(), forecast, Schedule(placed, "p"))
    summary = RunSummary(
        1, "w", "", state, "p", "e", "s", 3, 15.0, 0.0, None, START, None, ""
    )  # fmt: skip
    numbers: dict[str, int] = {}
    attempts = []
    for task, start, end in tries:
        numbers[task] = numbers.get(task, 0) + 1
        seen = None if end is None else Observation(Outcome.SUCCEEDED)
        at = START + timedelta(seconds=start)
        attempts.append(Attempt(task, numbers[task], "w0", start, at, HALF, end, seen))
    return RunView(summary, plan, tuple(attempts), {})


def control(action: Action, at: float, *tasks: str, worker: str = "") -> Event:
    return Controlled(action, at, START, "ann", "lunch", tasks, worker)


def of(found: Lateness | None) -> dict[Why, float]:
    assert found is not None
    return {each.why: each.seconds for each in found.pieces}


def test_a_late_predecessor_is_named_with_the_time_that_it_cost() -> None:
    view = a_view(("first", 0.0, 17.0), ("last", 17.0, 22.0))
    found = lateness(view, "last", now=30.0)
    assert found is not None
    assert of(found) == {Why.PREDECESSOR: pytest.approx(7.0)}
    assert found.pieces[0].tasks == ("first",)
    assert sentence(found.pieces[0]) == "it waited for first, which ended later than planned"


def test_a_busy_worker_is_told_with_what_held_it() -> None:
    view = a_view(("first", 0.0, 10.0), ("other", 0.0, 14.0), ("last", 14.0, 19.0))
    found = lateness(view, "last", now=30.0)
    assert found is not None
    assert of(found) == {Why.WORKER: pytest.approx(4.0)}
    assert found.pieces[0].tasks == ("other",)


def test_a_retry_counts_from_the_first_start_to_the_last() -> None:
    view = a_view(("first", 0.0, 10.0), ("last", 10.0, 13.0), ("last", 16.0, 21.0))
    assert of(lateness(view, "last", now=30.0)) == {Why.RETRY: pytest.approx(6.0)}


def test_a_pause_is_told_apart_from_a_busy_worker() -> None:
    view = a_view(("first", 0.0, 10.0), ("last", 16.0, 21.0))
    steering = [control(Action.PAUSE, 11.0), control(Action.RESUME, 15.0)]
    found = lateness(view, "last", now=30.0, steering=steering)
    assert found is not None
    assert of(found) == {Why.HELD: pytest.approx(4.0), Why.WORKER: pytest.approx(2.0)}
    assert found.pieces[0].words == "pause by ann (lunch)"


def test_what_holds_other_tasks_or_workers_back_is_not_blamed() -> None:
    view = a_view(("first", 0.0, 10.0), ("last", 16.0, 21.0))
    steering = [
        control(Action.WITHHOLD, 10.0, "other"), control(Action.DRAIN, 10.0, worker="w9")
    ]  # fmt: skip
    found = of(lateness(view, "last", now=30.0, steering=steering))
    assert found == {Why.WORKER: pytest.approx(6.0)}


def test_what_has_not_begun_says_what_it_waits_for() -> None:
    found = lateness(a_view(("first", 0.0, None)), "last", now=12.0)
    assert found is not None
    assert (found.ended, found.waits) == (False, ("first",))


def test_a_task_that_was_never_tried_in_a_run_that_is_over_has_no_delay() -> None:
    view = a_view(("first", 0.0, 10.0), state="failed")
    assert lateness(view, "last", now=99.0) is None


@given(
    first=st.floats(0.1, 50), wait=st.floats(0, 50), took=st.floats(0.1, 50),
    again=st.floats(0, 20), pause=st.floats(0, 100), ended=st.booleans(),
)  # fmt: skip
def test_the_pieces_sum_up_to_the_delay(
    first: float, wait: float, took: float, again: float, pause: float, ended: bool
) -> None:
    begin = first + wait
    tries: list[tuple[str, float, float | None]] = [("first", 0.0, first)]
    if again:
        tries.append(("last", begin, begin + 0.1))
        begin += 0.1 + again
    now = begin + took
    view = a_view(*tries, ("last", begin, now if ended else None))
    found = lateness(view, "last", now=now, steering=[control(Action.PAUSE, pause)])
    assert found is not None
    assert sum(each.seconds for each in found.pieces) == pytest.approx(found.seconds, abs=1e-5)


@given(now=st.floats(0.1, 60), first=st.one_of(st.none(), st.floats(0.1, 60)))
def test_the_pieces_of_what_has_not_begun_sum_up_too(now: float, first: float | None) -> None:
    ended = first is not None and first <= now
    view = a_view(("first", 0.0, first if ended else None))
    found = lateness(view, "last", now=now)
    assert found is not None
    assert sum(each.seconds for each in found.pieces) == pytest.approx(found.seconds, abs=1e-5)
