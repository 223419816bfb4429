"""Releases, windows, pools, quotas, links, limits and history: each fault is named as what it is.

A schedule that runs one task at a time keeps every rule; one change to the schedule or to the
problem breaks one rule, and exactly that rule is told.
"""

from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from strategies import few, rich_problems
from worlds import GB, changed, one_by_one, problem_of, schedule_of

from scheduler.cluster import Allocation
from scheduler.planning.feasibility import Rule, violations
from scheduler.planning.objective import Objective
from scheduler.planning.problem import Problem
from scheduler.planning.schedule import Placement, Schedule

POOLS = ("licence", "disk")


def rules(schedule: Schedule, problem: Problem) -> set[Rule]:
    return {each.rule for each in violations(schedule, problem)}


def moved(schedule: Schedule, task: str, **changes) -> Schedule:
    rows = (replace(each, **changes) if each.task == task else each for each in schedule.placements)
    return Schedule(tuple(rows))


def some_free(data: st.DataObject, problem: Problem) -> str:
    free = [task for task in problem.workflow.order if task not in problem.fixed]
    return data.draw(st.sampled_from(free))


@few
@given(problem=rich_problems())
def test_one_task_at_a_time_breaks_no_rule(problem: Problem) -> None:
    assert violations(one_by_one(problem), problem) == ()


@few
@given(problem=rich_problems(hard=True))
def test_one_task_at_a_time_keeps_the_limits_drawn_from_it(problem: Problem) -> None:
    assert violations(one_by_one(problem), problem) == ()


@few
@given(problem=rich_problems(), data=st.data())
def test_a_start_before_the_release_is_told(problem: Problem, data: st.DataObject) -> None:
    schedule, task = one_by_one(problem), some_free(data, problem)
    later = {"release": schedule.by_task[task].start + data.draw(st.sampled_from([0.5, 1e9]))}
    assert rules(schedule, changed(problem, tasks={task: later})) == {Rule.BEFORE_RELEASE}


@few
@given(problem=rich_problems(), data=st.data())
def test_a_free_start_before_now_is_told(problem: Problem, data: st.DataObject) -> None:
    schedule, task = one_by_one(problem), some_free(data, problem)
    found = violations(schedule, changed(problem, now=schedule.by_task[task].start + 0.5))
    assert {each.rule for each in found} == {Rule.BEFORE_NOW}
    assert task in {each.task for each in found}


@few
@given(problem=rich_problems(), data=st.data())
def test_a_task_in_a_closed_window_is_told(problem: Problem, data: st.DataObject) -> None:
    schedule, task = one_by_one(problem), some_free(data, problem)
    each = schedule.by_task[task]
    before, after = (data.draw(st.sampled_from([0.0, 0.25, 7.0])) for _ in range(2))
    window = (max(0.0, each.start - before), each.end + after)
    closed = (*problem.cluster.worker(each.worker).closed, window)
    shut = changed(problem, workers={each.worker: {"closed": closed}})
    assert rules(schedule, shut) == {Rule.CLOSED}


@few
@given(problem=rich_problems(), data=st.data())
def test_a_pool_with_too_little_is_told(problem: Problem, data: st.DataObject) -> None:
    task = some_free(data, problem)
    asks = changed(problem, tasks={task: {"pools": {"disk": 1.0}}}, pools=dict.fromkeys(POOLS, 9.0))
    schedule = one_by_one(asks)
    assert violations(schedule, asks) == ()
    asks.cluster.pools["disk"] = 0.5  # a problem made with so little would have been refused
    assert rules(schedule, asks) == {Rule.POOL_OVER_CAPACITY}


@few
@given(problem=rich_problems(), data=st.data())
def test_an_owner_over_the_quota_is_told(problem: Problem, data: st.DataObject) -> None:
    schedule, task = one_by_one(problem), some_free(data, problem)
    own, quotas = problem.workflow.task(task), {"": 9.0, "ann": 9.0, "bob": 9.0}
    tight = changed(problem, objective=replace(problem.objective, quotas=quotas))
    assert violations(schedule, tight) == ()
    quotas[own.owner] = own.cores * 0.99
    assert rules(schedule, tight) == {Rule.OVER_QUOTA}


@few
@given(problem=rich_problems(hard=True), data=st.data())
def test_an_end_after_a_hard_deadline_is_told(problem: Problem, data: st.DataObject) -> None:
    schedule, task = one_by_one(problem), some_free(data, problem)
    sooner = changed(problem, tasks={task: {"deadline": schedule.by_task[task].end - 0.25}})
    found = violations(schedule, sooner)
    assert [(each.rule, each.task) for each in found] == [(Rule.AFTER_DEADLINE, task)]


@few
@given(problem=rich_problems(hard=True))
def test_money_over_the_budget_is_told(problem: Problem) -> None:
    budget = problem.objective.budget
    assume(budget)
    poorer = changed(problem, objective=replace(problem.objective, budget=budget * 0.999))
    (found,) = violations(one_by_one(problem), poorer)
    assert found.rule is Rule.OVER_BUDGET
    assert found.facts["found"] == pytest.approx(budget)


@few
@given(problem=rich_problems(), data=st.data())
def test_a_change_of_what_has_happened_is_told(problem: Problem, data: st.DataObject) -> None:
    assume(problem.fixed)
    schedule, task = one_by_one(problem), data.draw(st.sampled_from(sorted(problem.fixed)))
    each = schedule.by_task[task]
    half = (each.start + each.end) / 2
    change = data.draw(
        st.sampled_from(
            [
                {"end": half},
                {"start": half},
                {"allocation": Allocation(each.allocation.cores / 2, each.allocation.memory)},
            ]
        )
    )
    found = violations(moved(schedule, task, **change), problem)
    assert [(each.rule, each.task) for each in found] == [(Rule.HISTORY_CHANGED, task)]


@few
@given(problem=rich_problems(), data=st.data())
def test_a_link_slower_than_planned_is_told(problem: Problem, data: st.DataObject) -> None:
    schedule = one_by_one(problem)
    at = schedule.by_task
    parted = [
        (at[each.source], at[each.target])
        for each in problem.workflow.dependencies
        if each.bytes > 0
        and at[each.source].worker != at[each.target].worker
        and each.target not in problem.fixed
    ]
    assume(parted)
    source, target = data.draw(st.sampled_from(parted))
    slow = {**problem.cluster.links, (source.worker, target.worker): 1e-6}
    assert rules(schedule, changed(problem, links=slow)) == {Rule.PRECEDENCE}


def test_a_link_counts_for_both_directions_until_the_other_is_named() -> None:
    problem = changed(
        problem_of([[1.0, 1.0]] * 2, {(1, 2): 8.0}, bandwidth=4.0), links={("w2", "w1"): 1.0}
    )
    backwards = changed(problem, links={("w2", "w1"): 1.0, ("w1", "w2"): 4.0})
    soon = schedule_of(problem, ("t1", "w1", 0.0), ("t2", "w2", 3.0))
    assert rules(soon, problem) == {Rule.PRECEDENCE}
    assert violations(soon, backwards) == ()


def test_a_task_may_end_when_its_worker_closes_and_start_when_it_opens() -> None:
    problem = changed(problem_of([[0.1], [0.2]]), workers={"w1": {"closed": ((0.1, 0.3),)}})
    rows = ("t1", "w1", 0.0), ("t2", "w1", 0.1 + 0.2)
    assert violations(schedule_of(problem, *rows), problem) == ()


def test_a_long_window_hides_behind_no_short_one() -> None:
    windows = ((0.0, 50.0), (10.0, 11.0), (20.0, 21.0))
    problem = changed(problem_of([[1.0]]), workers={"w1": {"closed": windows}})
    assert rules(schedule_of(problem, ("t1", "w1", 30.0)), problem) == {Rule.CLOSED}


def test_two_tasks_share_a_pool_across_workers() -> None:
    problem = changed(
        problem_of([[4.0, 4.0]] * 2),
        tasks={task: {"pools": {"licence": 1.0}} for task in ("t1", "t2")},
        pools={"licence": 1.0},
    )
    together = schedule_of(problem, ("t1", "w1", 0.0), ("t2", "w2", 3.0))
    (found,) = violations(together, problem)
    assert found.rule is Rule.POOL_OVER_CAPACITY
    assert found.message == (
        "Pool 'licence' has 1, but from 3 s on the tasks 't1', 't2' together hold 2."
    )
    assert violations(moved(together, "t2", start=4.0, end=8.0), problem) == ()


def test_a_quota_counts_the_cores_of_one_owner_on_all_workers() -> None:
    owners = {"t1": {"owner": "ann"}, "t2": {"owner": "ann"}, "t3": {"owner": "bob"}}
    aims = Objective(quotas={"ann": 1.0})
    problem = changed(problem_of([[4.0] * 3] * 3), tasks=owners, objective=aims)
    rows = ("t1", "w1", 0.0), ("t2", "w2", 2.0), ("t3", "w3", 0.0)
    (found,) = violations(schedule_of(problem, *rows), problem)
    assert (found.rule, found.facts["tasks"]) == (Rule.OVER_QUOTA, ["t1", "t2"])


def test_what_has_happened_breaks_no_rule_by_itself() -> None:
    problem = problem_of([[4.0], [4.0]], {(1, 2): 0.0}, worker_memory=[GB])
    overran = [
        Placement("t1", "w1", 0.0, 1.0, Allocation(0.5, 2 * GB)),
        Placement("t2", "w1", 0.5, 9.0, Allocation(1.0, 2 * GB)),
    ]
    done = changed(problem, fixed=overran, now=9.0)
    assert violations(Schedule(tuple(overran)), done) == ()


def test_nothing_may_run_beside_what_still_holds_the_worker() -> None:
    problem = problem_of([[4.0], [4.0]])
    (running,) = schedule_of(problem, ("t1", "w1", 0.0)).placements
    under_way = changed(problem, fixed=[running], now=2.0)
    early = schedule_of(under_way, ("t1", "w1", 0.0), ("t2", "w1", 3.0))
    assert rules(early, under_way) == {Rule.CORES_OVER_CAPACITY}


def test_leaving_out_what_has_happened_is_a_missing_task() -> None:
    problem = problem_of([[4.0], [4.0]])
    (running,) = schedule_of(problem, ("t1", "w1", 0.0)).placements
    under_way = changed(problem, fixed=[running], now=4.0)
    assert rules(schedule_of(problem, ("t2", "w1", 4.0)), under_way) == {Rule.MISSING_TASK}


def test_soft_deadlines_break_nothing() -> None:
    problem = changed(problem_of([[4.0]]), tasks={"t1": {"deadline": 1.0}})
    assert violations(one_by_one(problem), problem) == ()


def test_the_budget_counts_the_share_of_the_worker_that_is_held() -> None:
    half = problem_of([[3600.0]], cores=[2.0], worker_cores=[4.0])
    problem = changed(half, workers={"w1": {"price": 8.0}}, objective=Objective(budget=4.0))
    assert violations(one_by_one(problem), problem) == ()
    poorer = changed(problem, objective=Objective(budget=3.9))
    assert rules(one_by_one(problem), poorer) == {Rule.OVER_BUDGET}
