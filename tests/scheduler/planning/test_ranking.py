from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from strategies import problems, quick, thorough
from worlds import chain, problem_of, schedule_of, textbook

from scheduler.planning.feasibility import violations
from scheduler.planning.planners.fifo import Fifo
from scheduler.planning.planners.heft import Heft
from scheduler.planning.problem import Problem
from scheduler.planning.ranking import (
    by_upward_rank,
    critical_path,
    mean_duration,
    slack,
    upward_rank,
)
from scheduler.planning.schedule import Schedule


def test_upward_ranks_are_those_of_the_paper() -> None:
    ranks = [108.0, 77.0, 80.0, 80.0, 69.0, 63.333, 42.667, 35.667, 44.333, 14.667]
    assert upward_rank(textbook()) == pytest.approx(ranks, abs=5e-4)


def test_the_order_of_the_paper_follows_from_the_ranks() -> None:
    first_to_last = by_upward_rank(textbook()) + 1
    assert first_to_last.tolist() == [1, 3, 4, 2, 5, 6, 9, 7, 8, 10]


@quick
@given(problem=problems())
def test_no_task_is_ranked_before_its_predecessors(problem: Problem) -> None:
    position = np.argsort(by_upward_rank(problem))
    index = problem.workflow.index
    assert all(
        position[index[e.source]] < position[index[e.target]] for e in problem.workflow.dependencies
    )


def test_only_workers_that_can_take_a_task_count_in_its_mean() -> None:
    problem = problem_of([[2.0, 4.0, 90.0]], skills=["a"], worker_skills=["a", "a", ""])
    assert mean_duration(problem).tolist() == [3.0]


def test_a_lone_worker_has_no_transfers_to_rank() -> None:
    assert upward_rank(problem_of([[2.0], [3.0]], {(1, 2): 50.0})).tolist() == [5.0, 3.0]


def test_the_critical_path_follows_the_longest_way() -> None:
    assert critical_path(textbook()) == ("t1", "t2", "t9", "t10")


def test_every_task_of_a_tight_chain_is_critical() -> None:
    problem = chain()
    assert set(slack(Heft().plan(problem), problem).values()) == {0.0}


def test_slack_is_what_the_longer_branch_and_the_transfer_leave() -> None:
    problem = problem_of([[1.0, 1.0], [9.0, 9.0], [2.0, 2.0], [1.0, 1.0]], {
        (1, 2): 0.0, (1, 3): 1.0, (2, 4): 0.0, (3, 4): 3.0,
    })  # fmt: skip
    rows = ("t1", "w1", 0.0), ("t2", "w1", 1.0), ("t3", "w2", 2.0), ("t4", "w1", 10.0)
    assert slack(schedule_of(problem, *rows), problem) == {"t1": 0, "t2": 0, "t3": 3, "t4": 0}


def test_a_task_has_no_slack_against_the_next_one_on_its_worker() -> None:
    problem = problem_of([[4.0], [4.0]])
    found = slack(schedule_of(problem, ("t1", "w1", 0.0), ("t2", "w1", 4.0)), problem)
    assert found == {"t1": 0.0, "t2": 0.0}


@thorough
@given(problem=problems())
@pytest.mark.parametrize("planner", [Heft(), Fifo()], ids=["heft", "fifo"])
def test_all_tasks_at_their_latest_start_are_still_a_plan_of_the_same_length(
    planner, problem: Problem
) -> None:
    schedule = planner.plan(problem)
    spare = slack(schedule, problem)
    latest = Schedule(
        tuple(
            replace(each, start=each.start + spare[each.task], end=each.end + spare[each.task])
            for each in schedule.placements
        )
    )
    assert violations(latest, problem) == ()
    assert latest.makespan == schedule.makespan


@quick
@given(problem=problems())
def test_some_task_is_critical_in_every_plan(problem: Problem) -> None:
    assert min(slack(Heft().plan(problem), problem).values()) == pytest.approx(0.0, abs=1e-9)
