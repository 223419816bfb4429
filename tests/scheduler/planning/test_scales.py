"""Amounts of any size: how many cores a unit is, or how much of a pool, changes no plan."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import few, problems
from worlds import changed, problem_of, schedule_of

from scheduler.discover import implementations
from scheduler.planning import planners
from scheduler.planning.feasibility import violations
from scheduler.planning.kernels.lanes import empty_lanes, first_start, take
from scheduler.planning.kernels.lists import list_on_profiles
from scheduler.planning.kernels.serial import decoded
from scheduler.planning.listing import NO_BIAS
from scheduler.planning.packing import packed, room_for
from scheduler.planning.planners.base import Planner
from scheduler.planning.problem import Problem
from scheduler.planning.promise import promise
from scheduler.planning.timeline import Timeline

SMALL = 2e-9  # cores in a unit: half a unit is the least that a task may ask for
PLANNERS = implementations(planners, Planner)
SCALES = st.sampled_from([SMALL, 1e-3 / 3, 1e9 / 3])


def crowd(scale: float) -> Problem:
    """Three tasks of one unit for a second each, on a worker of one unit and with a pool of one."""
    return changed(
        problem_of([[1.0]] * 3, cores=[scale] * 3, worker_cores=[scale]),
        tasks={f"t{i}": {"pools": {"disk": scale}} for i in (1, 2, 3)},
        pools={"disk": scale},
    )


def scaled(problem: Problem, scale: float) -> Problem:
    """The problem with cores counted in another unit."""
    return changed(
        problem,
        tasks={each.id: {"cores": each.cores * scale} for each in problem.workflow.tasks},
        workers={each.name: {"cores": each.cores * scale} for each in problem.cluster.workers},
    )


@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e9 + 0.1])
@pytest.mark.parametrize("planner", [part() for part in PLANNERS.values()], ids=PLANNERS)
def test_no_planner_overloads_a_worker_of_any_size(planner: Planner, scale: float) -> None:
    tasks = problem_of([[1.0]] * 3, cores=[scale] * 3, worker_cores=[scale])
    for problem in (tasks, crowd(scale)):
        schedule = planner.plan(problem)
        assert violations(schedule, problem) == ()
        assert schedule.makespan == 3.0


@few
@given(problem=problems(), scale=SCALES)
def test_lists_are_the_same_in_any_unit(problem: Problem, scale: float) -> None:
    found = [
        list_on_profiles(each.flat, each.topological, NO_BIAS, 1.0, True)
        for each in (problem, scaled(problem, scale))
    ]
    for one, other in zip(*found, strict=True):
        assert one.tolist() == other.tolist()


@few
@given(problem=problems(), scale=SCALES)
def test_serial_schedules_are_the_same_in_any_unit(problem: Problem, scale: float) -> None:
    ends = []
    for each in (problem, scaled(problem, scale)):
        serial, n = packed(each.flat)[0], len(each.workflow)
        end = np.zeros(n)
        decoded(
            serial._replace(gridded=False), room_for(serial), each.topological, np.full(n, -1),
            -1.0, np.zeros(n), end,
        )  # fmt: skip
        ends.append(end.tolist())
    assert ends[0] == ends[1]


@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e9 + 0.1])
def test_a_full_lane_of_any_size_has_room_when_it_is_free_again(scale: float) -> None:
    flat = crowd(scale).flat
    slot, place = empty_lanes(flat)
    starts = []
    for task in range(3):
        start = first_start(slot, place, 0, flat.need, task, 0.0, 1.0, scale, 1.0, np.inf)
        take(slot, place, 0, flat.need, task, start, start + 1.0, scale, 1.0)
        starts.append(start)
    assert starts == [0.0, 1.0, 2.0]


@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e9 + 0.1])
def test_a_run_on_full_workers_of_any_size_is_promised_task_by_task(scale: float) -> None:
    problem = crowd(scale)
    schedule = schedule_of(problem, ("t1", "w1", 0.0), ("t2", "w1", 0.0), ("t3", "w1", 0.0))
    found = promise(problem, schedule, rng=np.random.default_rng(1), samples=1)
    assert found.makespan(0.5) == pytest.approx(3.0)


def test_a_promise_gives_back_all_of_a_large_pool() -> None:
    need = [333333333.3, 123456789.7, 333333333.3, 123456789.7, 1e9 + 0.1]
    problem = changed(
        problem_of([[each] for each in (1.0, 2.0, 3.0, 4.0, 1.0)], worker_cores=[20.0]),
        tasks={f"t{i + 1}": {"pools": {"disk": each}} for i, each in enumerate(need)},
        pools={"disk": 1e9 + 0.1},
    )
    rows = [(f"t{i}", "w1", 0.0) for i in range(1, 5)]
    schedule = schedule_of(problem, *rows, ("t5", "w1", 4.0))
    found = promise(problem, schedule, rng=np.random.default_rng(1), samples=1)
    assert found.makespan(0.5) == pytest.approx(5.0)


@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e9 + 0.1])
def test_a_timeline_of_any_size_is_full_while_all_is_held(scale: float) -> None:
    problem = crowd(scale)
    held = schedule_of(problem, ("t1", "w1", 0.0)).placements
    timeline = Timeline.of(problem.cluster.workers[0], held)
    assert timeline.earliest(0.0, 1.0, cores=scale, memory=1.0) == 1.0


@few
@given(windows=st.lists(st.tuples(st.integers(0, 3), st.integers(1, 4)), max_size=5))
def test_closed_windows_lie_flat_by_start_and_end_in_whatever_order_they_come(windows) -> None:
    closed = [(float(first), float(first + lasts)) for first, lasts in windows]
    problem = changed(problem_of([[1.0]]), workers={"w1": {"closed": tuple(closed)}})
    assert problem.flat.closed.tolist() == [list(each) for each in sorted(closed)]
