"""A run's problem with changes: what they do to it, and what cannot be understood."""

from dataclasses import replace

import numpy as np
import pytest

from dashboard import trying
from dashboard.reading import Plan
from dashboard.trying import ALL, Change
from scheduler.cluster import Cluster
from scheduler.errors import InvalidInput
from scheduler.planning.planners.heft import Heft
from scheduler.planning.problem import Problem
from tests.dashboard.filler import a_problem


@pytest.fixture(scope="module")
def plan() -> Plan:
    made = a_problem(np.random.default_rng(4), 30)
    priced = [replace(each, price=1.0 + i) for i, each in enumerate(made.cluster.workers)]
    cluster = Cluster("c", priced, bandwidth=made.cluster.bandwidth)
    problem = Problem(made.workflow, cluster, made.forecast)
    schedule = Heft().plan(problem)
    return Plan(problem.workflow, cluster, problem.objective, problem.forecast, schedule)


WHOLE = Change(
    removed=("w1",), copies={"w0": 2}, prices={"w2": 9.5}, priorities={"sort": 3},
    deadlines={ALL: 50.0, "sort": 20.0}, quantile=0.9, aims={"makespan": 1.0, "cost": 2.0},
    budget=4.0, hard=True, planner="thrifty",
)  # fmt: skip


@pytest.mark.parametrize("change", [Change(), WHOLE, Change(hard=False), Change(quantile=0.3)])
def test_a_change_comes_back_from_its_json(change: Change) -> None:
    assert trying.change_from(change.plain()) == change


@pytest.mark.parametrize(
    "plain",
    [[], "x", {"odd": 1}, {"copies": 3}, {"copies": {"w0": "many"}}, {"quantile": "nan"},
     {"prices": {"w0": float("inf")}}, {"deadlines": [1]}, {"removed": 4}],
)  # fmt: skip
def test_what_is_no_change_is_refused(plain: object) -> None:
    with pytest.raises(InvalidInput):
        trying.change_from(plain)


def test_nothing_changed_is_the_problem_of_the_run(plan: Plan) -> None:
    found = trying.changed(plan, Change())
    assert (found.workflow, found.cluster.workers) == (plan.workflow, plan.cluster.workers)
    assert np.array_equal(found.duration, plan.problem.duration)


def test_a_worker_left_out_takes_its_beliefs_along(plan: Plan) -> None:
    found = trying.changed(plan, Change(removed=("w1",)))
    assert list(found.cluster.index) == ["w0", "w2"]
    assert np.array_equal(found.forecast.duration, plan.forecast.duration[:, [0, 2]])
    assert np.allclose(found.forecast.affinity.sum(axis=1), 1.0)


def test_a_copy_is_believed_to_be_as_the_worker_that_it_copies(plan: Plan) -> None:
    found = trying.changed(plan, Change(copies={"w2": 2}, prices={"w2": 7.0}))
    assert list(found.cluster.index) == ["w0", "w1", "w2", "w2 (2)", "w2 (3)"]
    assert np.array_equal(found.forecast.duration[:, 4], plan.forecast.duration[:, 2])
    assert [each.price for each in found.cluster.workers] == [1.0, 2.0, 7.0, 7.0, 7.0]


def test_what_is_said_of_a_task_counts_more_than_of_its_kind_and_of_all(plan: Plan) -> None:
    kind, named = plan.workflow.tasks[0].kind, plan.workflow.tasks[0].id
    found = trying.changed(
        plan, Change(priorities={ALL: 1, kind: 2, named: 3}, deadlines={ALL: 9.0})
    ).workflow
    assert {each.deadline for each in found.tasks} == {9.0}
    assert found.task(named).priority == 3
    others = {each.kind == kind: each.priority for each in found.tasks if each.id != named}
    assert others == {True: 2, False: 1}


@pytest.mark.parametrize(
    ("change", "words"),
    [(Change(removed=("w9",)), "no worker 'w9'"), (Change(copies={"w9": 1}), "no worker 'w9'"),
     (Change(copies={"w0": 99}), "0 to 20"), (Change(prices={"w0": -1.0}), "negative"),
     (Change(removed=("w0", "w1", "w2")), "at least one worker"),
     (Change(priorities={"nobody": 1}), "no task and no kind 'nobody'"),
     (Change(aims={"beauty": 1.0}), "beauty"), (Change(quantile=1.5), "quantile")],
)  # fmt: skip
def test_a_change_that_makes_no_sense_is_refused_in_words(
    plan: Plan, change: Change, words: str
) -> None:
    with pytest.raises(InvalidInput, match=words):
        trying.changed(plan, change)


def test_a_tried_plan_keeps_the_rules_and_says_what_it_comes_to(plan: Plan) -> None:
    found = trying.tried(trying.changed(plan, Change(copies={"w0": 1})), "heft")
    figures = found.figures()
    assert found.broken == ()
    assert figures["makespan"] == max(each.end for each in found.schedule.placements)
    assert figures["promise P50"] <= figures["promise P90"]
    assert figures["cost"] == pytest.approx(found.measures.cost)


def test_a_plan_above_its_budget_breaks_a_limit_and_promises_nothing(plan: Plan) -> None:
    found = trying.tried(trying.changed(plan, Change(budget=0.0)), "heft")
    assert found.broken
    assert found.figures()["promise P90"] is None


def test_only_planners_that_are_offered_plan(plan: Plan) -> None:
    with pytest.raises(InvalidInput, match="cp_sat"):
        trying.tried(plan.problem, "cp_sat")


def test_a_front_trades_time_for_money_and_each_point_can_be_planned_again(plan: Plan) -> None:
    points = trying.front(plan.problem)
    lengths = [each.measures.makespan for each in points]
    costs = [each.measures.cost for each in points]
    assert len(points) > 1
    assert lengths == sorted(lengths)
    assert costs == sorted(costs, reverse=True)
    change = trying.objective_change(Change(), points[-1].objective)
    again = trying.tried(trying.changed(plan, change), change.planner)
    assert again.measures.cost == pytest.approx(costs[-1])
