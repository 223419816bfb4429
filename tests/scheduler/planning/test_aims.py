"""Planners that serve deadlines, owners and money: closed forms, theorems, and HEFT beside them."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import few, quick, rich_problems
from worlds import changed, problem_of

from scheduler.planning.feasibility import violations
from scheduler.planning.kernels.aims import by_apparent_tardiness, by_key, latest_ends, quickest
from scheduler.planning.kernels.scoring import score
from scheduler.planning.measures import measured
from scheduler.planning.objective import AIMS, Objective
from scheduler.planning.planners.base import Planner
from scheduler.planning.planners.heft import Heft
from scheduler.planning.planners.portfolio import Portfolio
from scheduler.planning.planners.thrifty import Thrifty
from scheduler.planning.planners.urgent import Urgent
from scheduler.planning.problem import Problem


def due(durations: list[float], deadlines: list[float], **aims) -> Problem:
    """Independent tasks on one worker."""
    return changed(
        problem_of([[each] for each in durations]),
        tasks={f"t{i + 1}": {"deadline": each} for i, each in enumerate(deadlines)},
        objective=Objective(**({"makespan": 0.0} | aims)),
    )


def test_on_one_worker_the_earliest_due_dates_meet_all_deadlines_that_can_be_met() -> None:
    problem = due([5.0, 1.0, 2.0, 4.0], [12.0, 1.0, 3.0, 7.0], tardiness=1.0)
    found = measured(Urgent().plan(problem), problem)
    assert (found.tardiness, found.late) == (0.0, ())
    assert measured(Heft().plan(problem), problem).tardiness > 0


def test_hard_deadlines_are_met_where_the_plain_order_breaks_them() -> None:
    problem = due([5.0, 1.0, 2.0], [9.0, 1.0, 3.0], makespan=1.0, hard_deadlines=True)
    assert violations(Urgent().plan(problem), problem) == ()
    assert violations(Heft().plan(problem), problem) != ()


def test_a_deadline_at_the_end_of_a_chain_hurries_its_first_task() -> None:
    problem = changed(
        problem_of([[9.0], [1.0], [2.0]], {(2, 3): 0.0}),
        tasks={"t3": {"deadline": 3.0}},
        objective=Objective(makespan=0.0, tardiness=1.0),
    )
    assert [each.task for each in Urgent().plan(problem).on("w1")] == ["t2", "t3", "t1"]


@quick
@given(data=st.data(), count=st.integers(1, 5))
def test_deadlines_that_some_order_meets_are_met(data: st.DataObject, count: int) -> None:
    numbers = st.lists(st.integers(1, 9).map(float), min_size=count, max_size=count)
    seconds, spare = data.draw(numbers), data.draw(numbers)
    order = data.draw(st.permutations(range(count)))
    ends = dict(zip(order, np.cumsum([seconds[i] for i in order]), strict=True))
    deadlines = [float(ends[i]) + spare[i] - 1 for i in range(count)]
    problem = due(seconds, deadlines, makespan=1.0, hard_deadlines=True)
    assert violations(Urgent().plan(problem), problem) == ()


def test_more_urgent_tasks_flow_first_and_short_ones_before_long_ones() -> None:
    problem = changed(
        problem_of([[4.0], [1.0], [2.0], [3.0]]),
        tasks={"t1": {"priority": 9}},
        objective=Objective(makespan=0.0, flow=1.0),
    )
    smith = ["t1", "t2", "t3", "t4"]  # by weight over duration: 10/4, 1/1, 1/2, 1/3
    assert [each.task for each in Urgent().plan(problem).on("w1")] == smith


def test_a_small_owner_does_not_wait_for_a_large_one() -> None:
    problem = changed(
        problem_of([[3.0]] * 4 + [[1.0]]),
        tasks={f"t{i}": {"owner": "large" if i < 5 else "small"} for i in range(1, 6)},
        objective=Objective(makespan=0.0, fairness=1.0),
    )
    found = measured(Urgent().plan(problem), problem)
    assert found.behind == {"large": 1.0, "small": 0.0}
    assert measured(Heft().plan(problem), problem).fairness == 12.0


def dear_and_cheap(**aims) -> Problem:
    """Four tasks; w1 takes half as long as w2 and costs 10 times as much an hour."""
    return changed(
        problem_of([[1800.0, 3600.0]] * 4),
        workers={"w1": {"price": 10.0}, "w2": {"price": 1.0}},
        objective=Objective(**aims),
    )


def test_where_only_money_counts_the_cheapest_worker_does_it_all() -> None:
    problem = dear_and_cheap(makespan=0.0, cost=1.0)
    assert measured(Thrifty().plan(problem), problem).cost == pytest.approx(4.0)


@pytest.mark.parametrize(("budget", "makespan"), [(4.0, 14400), (8.0, 10800), (12.0, 7200)])
def test_a_budget_buys_as_many_fast_tasks_as_it_can(budget: float, makespan: float) -> None:
    problem = dear_and_cheap(budget=budget)
    schedule = Thrifty().plan(problem)
    assert violations(schedule, problem) == ()
    assert schedule.makespan == makespan


def test_energy_is_saved_as_money_is() -> None:
    problem = changed(
        problem_of([[10.0, 20.0]] * 3),
        workers={"w1": {"power": 300.0}, "w2": {"power": 100.0}},
        objective=Objective(makespan=0.0, energy=1.0),
    )
    assert measured(Thrifty().plan(problem), problem).energy == pytest.approx(3 * 2000.0)


@quick
@given(problem=rich_problems(tasks=4, workers=2), weight=st.sampled_from([0.01, 1.0, 100.0]))
def test_no_saving_goes_below_the_cheapest_choice_for_each_task(problem, weight) -> None:
    asked = changed(problem, objective=replace(problem.objective, cost=weight))
    rate = [each.price / 3600 / each.cores for each in asked.cluster.workers]
    least = sum(
        min(
            asked.duration[i, w] * task.cores * rate[w]
            for w in range(len(rate))
            if asked.eligible[i, w]
        )
        for i, task in enumerate(asked.workflow.tasks)
        if task.id not in asked.fixed
    )
    assert measured(Thrifty().plan(asked), asked).cost >= least * (1 - 1e-9)


def worth(planner: Planner, problem: Problem) -> float:
    schedule, index = planner.plan(problem), problem.cluster.index
    rows = [schedule.by_task[task] for task in problem.workflow.index]
    times = np.array([(each.start, each.end) for each in rows])
    worker = np.array([index[each.worker] for each in rows], dtype=np.int64)
    return score(problem.flat, worker, times[:, 0].copy(), times[:, 1].copy())


@few
@given(
    problem=rich_problems(hard=True),
    aims=st.fixed_dictionaries({aim: st.sampled_from([0.0, 0.01, 1.0, 100.0]) for aim in AIMS}),
)
def test_the_portfolio_is_worth_no_less_than_the_thrifty_and_the_urgent(problem, aims) -> None:
    weights = aims if any(aims.values()) else aims | {"cost": 1.0}
    asked = changed(problem, objective=problem.objective.weighing(**weights))
    found = worth(Portfolio(), asked)
    assert found <= worth(Thrifty(), asked)
    assert found <= worth(Urgent(), asked)


@pytest.mark.parametrize("unit", [1e-3, 1.0, 1e3])
def test_the_portfolio_saves_in_any_currency(unit: float) -> None:
    problem = changed(
        problem_of([[180.0, 90.0]]),
        workers={"w1": {"price": unit}, "w2": {"price": 5 * unit}},
        objective=Objective(makespan=0.0, cost=1.0),
    )
    assert measured(Portfolio().plan(problem), problem).cost == pytest.approx(0.05 * unit)


@pytest.mark.parametrize(("budget", "makespan"), [(4.0, 14400), (8.0, 10800), (12.0, 7200)])
def test_the_portfolio_keeps_every_budget_that_can_be_kept(budget: float, makespan: float) -> None:
    problem = dear_and_cheap(budget=budget)
    schedule = Portfolio().plan(problem)
    assert violations(schedule, problem) == ()
    assert schedule.makespan <= makespan


@pytest.mark.parametrize("planner", [Urgent(), Thrifty()], ids=["urgent", "thrifty"])
@quick
@given(problem=rich_problems(), aims=st.fixed_dictionaries({
    aim: st.sampled_from([0.0, 1.0, 3.0]) for aim in AIMS
}).filter(lambda each: any(each.values())))  # fmt: skip
def test_under_any_aims_the_plan_is_feasible_and_worth_no_less_than_hefts(
    planner, problem: Problem, aims: dict[str, float]
) -> None:
    asked = changed(problem, objective=replace(problem.objective, **aims))
    schedule = planner.plan(asked)
    assert violations(schedule, asked) == ()
    value = measured(schedule, asked).value(asked.objective)
    assert value <= measured(Heft().plan(asked), asked).value(asked.objective) * (1 + 1e-9) + 1e-9


@quick
@given(problem=rich_problems(), data=st.data())
def test_every_order_keeps_the_precedence(problem: Problem, data: st.DataObject) -> None:
    flat, n = problem.flat, len(problem.workflow)
    keys = st.lists(st.integers(0, 3).map(float), min_size=n, max_size=n)
    key, seconds = np.array(data.draw(keys)), quickest(flat)
    for order in (
        by_key(flat, key),
        by_apparent_tardiness(flat, key, key + 1, seconds, patience=2.0),
    ):
        place = np.argsort(order)
        assert sorted(order) == list(range(n))
        for t, e in product(range(n), range(flat.before_start[n])):
            if flat.before_start[t] <= e < flat.before_start[t + 1]:
                assert place[flat.before_task[e]] < place[t]


def test_the_latest_end_leaves_time_for_all_that_follows() -> None:
    problem = problem_of([[1.0, 5.0], [4.0, 2.0], [3.0, 3.0]], {(1, 2): 9.0, (2, 3): 9.0})
    flat = problem.flat
    latest = latest_ends(flat, np.array([np.inf, np.inf, 10.0]), quickest(flat))
    assert latest.tolist() == [10.0 - 3.0 - 2.0, 10.0 - 3.0, 10.0]
