"""What is promised of a schedule, against closed forms and against runs of the real dispatch."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from strategies import ganged, problems, quick, rich_problems
from worlds import GB, changed, placed, problem_of, schedule_of

from scheduler.cluster import Cluster
from scheduler.errors import Infeasible, InvalidInput
from scheduler.execution.events import AttemptEnded
from scheduler.execution.executors.simulator import AsForecast, Simulator
from scheduler.planning.objective import Objective
from scheduler.planning.planners.heft import Heft
from scheduler.planning.problem import Problem
from scheduler.planning.promise import Promise, makespans, promise, stretch
from scheduler.planning.schedule import Placement, Schedule
from scheduler.workloads.synthetic import random_problem

Z90 = 1.2815515655446004
SAMPLES = 20_000
ONE = 0.02  # about the third standard error of a P90 of SAMPLES, as a share


def uncertain(problem: Problem, sigma: float, *, failure: float = 0.0) -> Problem:
    """The same problem with log-normal durations around its own, and attempts that may fail."""
    band = np.exp(sigma * Z90 * np.array([-1.0, 0.0, 1.0]))
    forecast = replace(
        problem.forecast,
        duration=problem.forecast.duration[..., 1:2] * band,
        memory=np.repeat(problem.forecast.memory[..., 1:2], 3, axis=2),
        failure=np.full_like(problem.forecast.failure, failure),
    )
    return replace(problem, forecast=forecast)


def promised(problem: Problem, *rows: tuple[str, str, float], **options: float) -> Promise:
    schedule = schedule_of(problem, *rows)
    return promise(problem, schedule, rng=np.random.default_rng(1), samples=SAMPLES, **options)


def test_one_task_ends_by_its_own_quantiles() -> None:
    found = promised(uncertain(problem_of([[10.0]]), 0.4), ("t1", "w1", 0.0))
    assert found.end[0] == pytest.approx([10.0, 10 * np.exp(0.4 * Z90)], rel=ONE)


def compared(problem: Problem, *rows: tuple[str, str, float]) -> np.ndarray:
    schedule = schedule_of(problem, *rows)
    return makespans(problem, schedule, rng=np.random.default_rng(1), samples=SAMPLES)


def believing(problem: Problem, *quantiles: Sequence[float]) -> Problem:
    """The same problem with such quantiles on its workers in turn."""
    band = np.broadcast_to(np.array(quantiles, dtype=np.float64), problem.forecast.duration.shape)
    return replace(problem, forecast=replace(problem.forecast, duration=band))


def test_plans_are_compared_by_a_log_normal_law_as_it_is() -> None:
    ends = compared(uncertain(problem_of([[10.0, 20.0]]), 0.4), ("t1", "w2", 0.0))
    found = np.quantile(ends, [0.5, 0.9, 0.99])
    assert found == pytest.approx(20 * np.exp(0.4 * np.array([0.0, Z90, 2.326])), rel=2 * ONE)


def test_plans_are_not_compared_by_hours_that_two_modes_do_not_tell_of() -> None:
    ends = compared(believing(problem_of([[40.0]]), [39, 40, 505]), ("t1", "w1", 0.0))
    assert np.quantile(ends, 0.9) == pytest.approx(505.0, rel=5 * ONE)
    assert ends.max() < 505 * (40 / 39) ** 4


def test_no_worker_is_thought_more_certain_than_another_where_plans_are_compared() -> None:
    problem = believing(problem_of([[40.0, 80.0]]), [40, 40, 40], [80, 80, 80 * 4**2])
    levels = np.array([0.5, 0.9])
    for worker, usual in (("w1", 40.0), ("w2", 80.0)):
        found = np.quantile(compared(problem, ("t1", worker, 0.0)), levels)
        assert found == pytest.approx([usual, usual * 4], rel=5 * ONE)  # between 1 and 4 ** 2


def test_what_a_worker_that_cannot_take_the_task_is_believed_to_do_does_not_count() -> None:
    problem = problem_of([[40.0, 80.0]], skills=["gpu"], worker_skills=["gpu", ""])
    ends = compared(believing(problem, [40, 40, 40], [80, 80, 8000]), ("t1", "w1", 0.0))
    assert ends.max() == pytest.approx(40.0)


def test_what_runs_longer_than_ever_believed_is_not_about_to_end() -> None:
    problem = uncertain(problem_of([[10.0]]), 0.05)
    running = replace(placed(problem, "t1", "w1", 0.0), end=41.0)
    ends = compared(replace(problem, fixed={"t1": running}, now=40.0), ("t1", "w1", 0.0))
    assert np.median(ends) == pytest.approx(50.0, rel=ONE)


def test_what_is_late_but_not_beyond_belief_ends_by_its_forecast() -> None:
    problem = uncertain(problem_of([[10.0]]), 0.05)
    now = 10 * np.exp(0.05 * Z90)
    running = replace(placed(problem, "t1", "w1", 0.0), end=12.0)
    ends = compared(replace(problem, fixed={"t1": running}, now=now), ("t1", "w1", 0.0))
    assert np.median(ends) == pytest.approx(10 * np.exp(0.05 * 1.6449), rel=ONE)  # P95


def test_the_makespan_of_a_chain_is_the_sum_of_its_durations() -> None:
    problem = uncertain(problem_of([[10.0], [10.0]], {(1, 2): 0.0}), 0.4)
    found = promised(problem, ("t1", "w1", 0.0), ("t2", "w1", 10.0))
    drawn = 10 * np.exp(0.4 * np.random.default_rng(2).normal(size=(10**6, 2))).sum(axis=1)
    ends = [found.makespan(0.5), found.makespan(0.9)]
    assert ends == pytest.approx(np.quantile(drawn, [0.5, 0.9]), rel=ONE)


def test_the_makespan_of_tasks_side_by_side_is_the_longest() -> None:
    problem = uncertain(problem_of([[10.0] * 5] * 5), 0.4)
    found = promised(problem, *((f"t{i}", f"w{i}", 0.0) for i in range(1, 6)))
    score_of_each = 2.035  # the normal score of 0.9 ** (1 / 5)
    assert found.makespan(0.9) == pytest.approx(10 * np.exp(0.4 * score_of_each), rel=ONE)


def test_tasks_that_have_all_in_common_are_late_together() -> None:
    problem = uncertain(problem_of([[10.0] * 5] * 5), 0.4)
    rows = [(f"t{i}", f"w{i}", 0.0) for i in range(1, 6)]
    found = promised(problem, *rows, by_kind=1.0)
    assert found.makespan(0.9) == pytest.approx(10 * np.exp(0.4 * Z90), rel=ONE)


def test_tasks_on_one_worker_share_what_the_worker_does_to_them() -> None:
    problem = uncertain(problem_of([[10.0], [10.0]]), 0.4)
    found = promised(problem, ("t1", "w1", 0.0), ("t2", "w1", 10.0), by_worker=1.0)
    assert found.makespan(0.9) == pytest.approx(20 * np.exp(0.4 * Z90), rel=ONE)


def test_a_failed_attempt_is_followed_by_another() -> None:
    problem = uncertain(problem_of([[10.0]]), 0.0, failure=0.2)
    found = promised(problem, ("t1", "w1", 0.0))
    shares = [found.chance_by(time) for time in (10.0, 20.0, 30.0)]
    assert shares == pytest.approx([0.8, 0.96, 0.992], abs=0.01)
    assert found.complete == pytest.approx(0.992, abs=0.003)


def test_what_waits_for_a_task_that_is_given_up_never_ends() -> None:
    problem = uncertain(problem_of([[1.0], [1.0]], {(1, 2): 0.0}), 0.0, failure=1.0)
    found = promised(problem, ("t1", "w1", 0.0), ("t2", "w1", 1.0))
    assert (found.complete, np.isinf(found.end).all()) == (0.0, True)


def test_the_chance_of_a_deadline_is_that_of_ending_by_then() -> None:
    problem = changed(
        uncertain(problem_of([[10.0]]), 0.4), tasks={"t1": {"deadline": 10 * np.exp(0.4 * Z90)}}
    )
    assert promised(problem, ("t1", "w1", 0.0)).deadlines["t1"] == pytest.approx(0.9, abs=0.01)


def test_an_attempt_without_enough_memory_dies_halfway_and_gets_twice_as_much() -> None:
    problem = problem_of([[10.0]], memory=[GB])
    needs_more = replace(problem.forecast, memory=np.full((1, 1, 3), 1.5 * GB))
    found = promised(replace(problem, forecast=needs_more), ("t1", "w1", 0.0))
    assert (found.memory["t1"], found.makespan(0.5)) == (0.0, 15.0)


def test_the_chance_that_memory_suffices_is_that_of_the_forecast() -> None:
    problem = problem_of([[10.0]], memory=[2 * GB])
    band = np.array([[[0.5 * GB, GB, 2 * GB]]])
    found = promised(
        replace(problem, forecast=replace(problem.forecast, memory=band)), ("t1", "w1", 0.0)
    )
    assert found.memory["t1"] == pytest.approx(0.9)


def without_requests(problem: Problem) -> Problem:
    band = np.broadcast_to([[[0.5 * GB, GB, 2 * GB]]], problem.forecast.memory.shape)
    asked = {task: {"memory": None} for task in problem.workflow.index}
    return replace(
        changed(problem, tasks=asked), forecast=replace(problem.forecast, memory=band.copy())
    )


@pytest.mark.parametrize("chance", [0.6, 0.9, 0.99])
def test_memory_suffices_with_the_chance_that_the_objective_asks_for(chance: float) -> None:
    problem = without_requests(problem_of([[10.0]]))
    problem = changed(problem, objective=Objective(memory_chance=chance, memory_margin=1.0))
    found = promised(problem, ("t1", "w1", 0.0))
    at_least = max(chance, 0.9)  # what is reserved at the usual quantile
    assert found.memory["t1"] == pytest.approx(at_least, abs=1e-6)


def test_a_worker_without_the_memory_that_suffices_with_the_chance_may_not_take_the_task() -> None:
    problem = without_requests(problem_of([[1.0, 9.0]], worker_memory=[2 * GB, 8 * GB]))
    sure = changed(problem, objective=Objective(memory_chance=0.99))
    assert sure.eligible.tolist() == [[False, True]]


def test_nothing_starts_before_its_release_or_in_a_closed_window() -> None:
    problem = changed(
        problem_of([[2.0]]),
        tasks={"t1": {"release": 3.0}},
        workers={"w1": {"closed": ((4.0, 7.0),)}},
    )
    assert promised(problem, ("t1", "w1", 7.0)).start[0].tolist() == [7.0, 7.0]


def test_tasks_that_share_a_pool_wait_for_one_another() -> None:
    wants = {"pools": {"licence": 1.0}}
    problem = changed(
        problem_of([[2.0, 2.0], [2.0, 2.0]]),
        tasks={"t1": wants, "t2": wants},
        pools={"licence": 1.0},
    )
    found = promised(problem, ("t1", "w1", 0.0), ("t2", "w2", 2.0))
    assert found.end[:, 0].tolist() == [2.0, 4.0]


def test_a_task_that_runs_now_is_promised_to_last_longer_than_it_has() -> None:
    problem = uncertain(problem_of([[10.0], [10.0]]), 0.4)
    allocation = problem.allocation(0, 0)
    gone = 10 * np.exp(0.4 * Z90)
    begun = {"t1": Placement("t1", "w1", 0.0, 2 * gone, allocation)}
    found = promised(replace(problem, fixed=begun, now=gone), ("t2", "w1", 2 * gone))
    of_those_left = 1.6448536269514722  # the normal score of 0.95, halfway from 0.9 to 1
    assert found.end[0, 0] == pytest.approx(10 * np.exp(0.4 * of_those_left), rel=ONE)


def test_what_is_over_stays_as_it_was() -> None:
    problem = uncertain(problem_of([[10.0], [10.0]], {(1, 2): 0.0}), 0.0)
    done = {"t1": Placement("t1", "w1", 0.0, 4.0, problem.allocation(0, 0))}
    found = promised(replace(problem, fixed=done, now=6.0), ("t2", "w1", 6.0))
    assert found.end.tolist() == [[4.0, 4.0], [16.0, 16.0]]


@pytest.mark.parametrize("shape", ["chain", "layered", "montage", "tree"])
def test_without_any_doubt_the_planned_times_are_promised(shape: str) -> None:
    problem = uncertain(random_problem(np.random.default_rng(4), 60, 4, shape=shape), 0.0)
    schedule = Heft().plan(problem)
    found = promise(problem, schedule, rng=np.random.default_rng(1), samples=2)
    starts = [schedule.by_task[task].start for task in found.tasks]
    assert found.start[:, 0] == pytest.approx(starts, rel=1e-9, abs=1e-9)
    assert found.makespan(0.9) == pytest.approx(schedule.makespan, rel=1e-9)


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 10**6))
def test_without_any_doubt_it_is_what_the_dispatch_does(seed: int) -> None:
    problem = uncertain(random_problem(np.random.default_rng(seed), 25, 3), 0.0)
    rng = np.random.default_rng(seed)
    true = uncertain(problem, 0.0).forecast.duration * rng.lognormal(0, 0.5, (25, 1, 1))
    schedule = Heft().plan(problem)  # a plan that nothing keeps to
    otherwise = replace(problem, forecast=replace(problem.forecast, duration=true))
    found = promise(otherwise, schedule, rng=rng, samples=1)
    assert found.makespan(0.5) == pytest.approx(_realised(otherwise, schedule, seed), rel=1e-9)


@quick
@given(problem=rich_problems(), seed=st.integers(0, 10**6))
def test_with_windows_pools_and_releases_too_it_is_what_the_dispatch_does(
    problem: Problem, seed: int
) -> None:
    equal = {task: {"priority": 0} for task in problem.workflow.index}
    problem = replace(changed(problem, tasks=equal), fixed={}, now=0.0)
    schedule = Heft().plan(problem)
    rng = np.random.default_rng(seed)
    true = problem.forecast.duration * rng.lognormal(0, 0.5, (len(problem.workflow), 1, 1))
    otherwise = replace(problem, forecast=replace(problem.forecast, duration=true))
    found = promise(otherwise, schedule, rng=rng, samples=1)
    assert found.makespan(0.5) == pytest.approx(_realised(otherwise, schedule, seed), rel=1e-9)


def test_tasks_that_share_a_row_of_beliefs_are_promised_as_if_each_had_its_own() -> None:
    problem = uncertain(problem_of([[10.0, 7.0], [4.0, 9.0], [10.0, 7.0]]), 0.4, failure=0.1)
    shared = {
        name: getattr(problem.forecast, name)[:2]
        for name in ("duration", "memory", "cpu", "failure", "affinity")
    }
    alike = replace(problem.forecast, **shared, rows=np.array([0, 1, 0]))
    schedule = schedule_of(problem, ("t1", "w1", 0.0), ("t2", "w1", 10.0), ("t3", "w2", 0.0))
    apart, together = (
        promise(each, schedule, rng=np.random.default_rng(5), samples=100)
        for each in (problem, replace(problem, forecast=alike))
    )
    assert np.array_equal(apart.end, together.end)
    run = [_realised(each, schedule, 3) for each in (problem, replace(problem, forecast=alike))]
    assert run[0] == run[1]


def test_equal_generators_give_equal_promises() -> None:
    problem = uncertain(random_problem(np.random.default_rng(4), 60, 4), 0.3, failure=0.1)
    schedule = Heft().plan(problem)
    first, second = (
        promise(problem, schedule, rng=np.random.default_rng(9), samples=50) for _ in range(2)
    )
    assert np.array_equal(first.end, second.end)


def test_simulated_runs_keep_the_p90_about_nine_times_in_ten() -> None:
    problem = uncertain(random_problem(np.random.default_rng(8), 30, 3), 0.4, failure=0.05)
    schedule = Heft().plan(problem)
    found = promise(problem, schedule, rng=np.random.default_rng(1), samples=4000)
    realised = [_realised(problem, schedule, seed) for seed in range(200)]
    kept = np.mean(np.array(realised) <= found.makespan(0.9))
    assert abs(kept - 0.9) <= 3 * np.sqrt(0.9 * 0.1 / 200)


def test_a_promise_that_was_never_kept_is_stretched_until_it_is() -> None:
    problem = uncertain(problem_of([[10.0]]), 0.2)
    found = promised(problem, ("t1", "w1", 0.0))
    rng = np.random.default_rng(3)
    realised = 10 * np.exp(0.6 * rng.normal(size=2000))  # thrice as uncertain as was believed
    factor = stretch([(found, float(each)) for each in realised], 0.9)
    assert factor == pytest.approx(3.0, rel=0.1)
    assert found.makespan(0.9, stretch=factor) == pytest.approx(10 * np.exp(0.6 * Z90), rel=0.05)


def test_eight_runs_are_too_few_to_correct_a_p90() -> None:
    found = promised(uncertain(problem_of([[10.0]]), 0.2), ("t1", "w1", 0.0))
    assert [stretch([(found, 10.0)] * runs, 0.9) for runs in (8, 9)] == [
        np.inf,
        pytest.approx(0.0, abs=0.05),
    ]


@pytest.mark.parametrize(
    "wrong", [{"samples": 0}, {"levels": (0.5, 1.0)}, {"by_kind": 0.7, "by_worker": 0.4}]
)
def test_options_that_make_no_sense_are_refused(wrong: dict) -> None:
    problem = problem_of([[1.0]])
    with pytest.raises(InvalidInput, match="found"):
        promise(
            problem, schedule_of(problem, ("t1", "w1", 0.0)), rng=np.random.default_rng(1), **wrong
        )


def _realised(problem: Problem, schedule: Schedule, seed: int) -> float:
    events: Sequence[object] = list(Simulator(AsForecast(), seed=seed).run(problem, schedule))
    return max(each.at for each in events if isinstance(each, AttemptEnded))


def test_a_gang_is_promised_to_start_when_the_last_of_its_workers_is_free() -> None:
    both = {"gang": "g"}
    problem = changed(problem_of([[10.0, 10.0]] * 3), tasks={"t1": {}, "t2": both, "t3": both})
    rows = (("t1", "w1", 0.0), ("t2", "w1", 10.0), ("t3", "w2", 10.0))
    found = promised(uncertain(problem, 0.4), *rows)
    assert np.array_equal(found.start[1], found.end[0])
    assert np.array_equal(found.start[2], found.end[0])


@quick
@given(ganged(problems()))
def test_gangs_of_a_plan_that_comes_true_start_together_and_no_later(problem: Problem) -> None:
    old = problem.cluster  # what waits for another worker counts a latency, so there is none
    at_once = Cluster(old.name, old.workers, bandwidth=old.bandwidth, links=old.links)
    problem = replace(problem, cluster=at_once)
    try:
        plan = Heft().plan(problem)
    except Infeasible:
        reject()
    found = promise(problem, plan, rng=np.random.default_rng(1), samples=1)
    start = dict(zip(found.tasks, found.start[:, 0].tolist(), strict=True))
    for gang in problem.workflow.gangs.values():
        assert np.ptp([start[each] for each in gang]) <= 1e-9 * max(plan.makespan, 1.0)
    assert found.makespans[0] <= plan.makespan * (1 + 1e-9)
