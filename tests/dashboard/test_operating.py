"""Lists of runs and loads of workers, against what can be worked out by hand."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.bounds import bounds, nearest
from dashboard.operating import RunLine, deadline_of, held, load, mean_use, to_come, together
from scheduler.cluster import Allocation, Cluster, Worker
from scheduler.planning.bars import Bar
from scheduler.planning.objective import Objective
from scheduler.planning.schedule import Placement
from scheduler.policy import Approvals, Policy
from scheduler.records import Outcome, TaskRecord
from scheduler.store.summaries import Progress, Use
from scheduler.store.values import RunSummary
from scheduler.workflow import Task

START = datetime(2026, 5, 4, 9, tzinfo=UTC)
ZERO = START.timestamp()


def line(state: str, *, makespan: float | None = None, deadline: float | None = None) -> RunLine:
    over = state not in ("running", "waiting", "lost")
    ended = START + timedelta(seconds=makespan or 0.0) if over else None
    run = RunSummary(
        1, "w", "", state, "heft", "local", "history", 10, 100.0, 0.0, makespan, START, ended, ""
    )
    return RunLine(run, Progress(succeeded=4, given_up=1), 120.0, deadline)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def test_a_run_that_goes_on_ends_as_planned_now_but_not_before_now() -> None:
    run = line("running")
    assert run.done() == 0.5
    assert run.expected_end(at(50)) == 120.0
    assert run.late(at(50)) == 20.0
    assert run.late(at(150)) == 50.0


def test_a_run_that_is_over_is_judged_by_when_it_ended() -> None:
    run = line("succeeded", makespan=90.0, deadline=80.0)
    assert (run.done(), run.late(at(999)), run.misses(at(999))) == (1.0, -10.0, 10.0)


def test_a_run_without_an_end_of_its_own_is_not_called_late() -> None:
    assert line("lost").late(at(5)) is None
    assert line("interrupted", makespan=None).late(at(5)) is None


def test_a_deadline_is_the_last_of_the_tasks_and_kept_where_it_is_not_missed() -> None:
    tasks = [{"id": "a", "deadline": 5.0}, {"id": "b", "deadline": 130.0}, {"id": "c"}]
    deadline = deadline_of({"tasks": tasks})
    assert deadline == 130.0
    assert line("running", deadline=deadline).misses(at(50)) == 0.0
    assert line("running", deadline=deadline).misses(at(150)) == 20.0
    assert deadline_of({"tasks": [{"id": "c"}]}) is None


def use(start: float, end: float | None, *, worker: str = "w0", cores: float = 1.0) -> Use:
    outcome = "" if end is None else "succeeded"
    return Use("t", worker, start, end, cores, 1e9, outcome)


def test_what_has_no_end_is_held_until_now_only_while_its_run_goes_on() -> None:
    uses = [use(0.0, 10.0), use(5.0, None)]
    going = held(uses, START, now=at(30), goes_on=True)
    assert going.end.tolist() == [ZERO + 10, ZERO + 30]
    assert going.open.tolist() == [False, True]
    assert held(uses, START, now=at(30), goes_on=False).end.tolist() == [ZERO + 10]


def test_the_load_is_the_share_of_each_workers_cores() -> None:
    uses = [use(0.0, 10.0, cores=2.0), use(5.0, 10.0, worker="w1")]
    found = held(uses, START, now=at(30), goes_on=False)
    frame = load(found, {"w0": 4.0, "w1": 1.0, "w2": 8.0}, ZERO + np.array([0.0, 10.0, 20.0]))
    assert frame.to_numpy().tolist() == [[0.5, 0.0], [0.5, 0.0], [0.0, 0.0]]


def test_a_plan_holds_from_now_on_what_it_has_not_held_yet() -> None:
    placed = [
        Placement("a", "w0", 0.0, 10.0, Allocation(1.0, 5)),
        Placement("b", "w0", 8.0, 40.0, Allocation(2.0, 5)),
    ]
    found = to_come(placed, START, now=at(20))
    assert (found.start.tolist(), found.end.tolist()) == ([ZERO + 20], [ZERO + 40])


@given(
    st.lists(
        st.tuples(st.floats(0, 50), st.floats(0, 50), st.floats(0.5, 8)), min_size=0, max_size=12
    ),
    st.integers(1, 9),
)
def test_mean_use_is_the_area_that_attempts_cover(
    spans: list[tuple[float, float, float]], steps: int
) -> None:
    uses = [use(min(a, b), max(a, b), cores=cores) for a, b, cores in spans]
    found = together([held([each], START, now=at(99), goes_on=False) for each in uses])
    edges = ZERO + np.linspace(0.0, 60.0, steps + 1)
    mean = mean_use(found, found.cores, edges)
    for low, high, got in zip(edges[:-1] - ZERO, edges[1:] - ZERO, mean, strict=True):
        area = sum(
            max(0.0, min(each.end or 0.0, high) - max(each.start, low)) * each.cores
            for each in uses
        )
        assert got == pytest.approx(area / (high - low), abs=1e-5)


TASK = Task(id="t", kind="deploy", owner="ann", deadline=60.0, skills=frozenset({"gpu"}))
CLUSTER = Cluster(
    "c", [Worker(name=name, cores=1, memory=10, skills=frozenset({"gpu"})) for name in ("a", "b")]
)


def test_every_limit_that_concerns_a_task_is_told_and_no_other() -> None:
    objective = Objective(
        hard_deadlines=True, budget=40.0, quotas={"ann": 8.0, "bob": 1.0},
        bars=(Bar(kinds=("deploy",), workers=("b",), why="law"), Bar(kinds=("x",), workers=("a",))),
    )  # fmt: skip
    policy = Policy(approvals=Approvals(kinds=("deploy",)))
    assert list(bounds(TASK, CLUSTER, objective, policy)) == [
        "It may not run on b (law).",
        "The tasks of ann hold at most 8 cores at a time.",
        "The whole plan may cost at most 40.",
        "It must end 1 min 00 s after the run began.",
        "Its worker needs gpu.",
        "People decide first: tasks of the kind 'deploy' need an approval.",
    ]
    plain = replace(TASK, deadline=None, skills=frozenset(), kind="y")
    assert list(bounds(plain, CLUSTER, Objective(), policy)) == []


def test_those_come_first_whose_sizes_are_most_alike() -> None:
    known = [
        TaskRecord(run="r", task=name, kind="k", outcome=Outcome.SUCCEEDED, sizes=sizes)
        for name, sizes in (
            ("none", {}), ("far", {"bytes": 1e9}), ("near", {"bytes": 1.1e6}), ("x", {"rows": 1.0})
        )
    ]  # fmt: skip
    found = nearest({"bytes": 1e6}, known)
    assert [each.task for each in found] == ["near", "far", "none", "x"]
    assert nearest({}, known) == known
