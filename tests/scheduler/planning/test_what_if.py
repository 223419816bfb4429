"""Questions whose answers can be thought through, and both sides of every answer."""

import pytest
from worlds import GB, certain, changed, problem_of, schedule_of

from scheduler.cluster import Cluster, Worker
from scheduler.errors import Infeasible
from scheduler.planning.edits import (
    Allocated,
    Believed,
    Due,
    TaskRemoved,
    WorkerAdded,
    WorkerLost,
)
from scheduler.planning.feasibility import violations
from scheduler.planning.problem import Problem
from scheduler.planning.schedule import Schedule
from scheduler.planning.what_if import WhatIf


def four_on_two() -> tuple[Problem, Schedule]:
    """Four tasks of 3 s, two on each of two equal workers of one core."""
    problem = problem_of([[3.0, 3.0]] * 4)
    rows = (("t1", "w1", 0.0), ("t2", "w2", 0.0), ("t3", "w1", 3.0), ("t4", "w2", 3.0))
    return problem, schedule_of(problem, *rows)


def test_without_one_of_two_workers_the_run_takes_twice_as_long() -> None:
    answer = WhatIf(*four_on_two()).asked(WorkerLost(worker="w2"))
    assert (answer.before.makespan, answer.after.makespan) == (6.0, 12.0)
    assert answer.after.utilisation == {"w1": 1.0, "w2": 0.0}


def test_with_a_worker_more_the_run_is_no_longer_and_the_side_before_stays() -> None:
    problem, schedule = four_on_two()
    workers = [Worker(name=name, cores=1.0, memory=9 * GB) for name in ("w3", "w4")]
    added = [
        WorkerAdded(
            worker=each, forecast=certain(problem.workflow, Cluster("x", [each]), [[3.0]] * 4)
        )
        for each in workers
    ]
    answer = WhatIf(problem, schedule).asked(*added)
    assert (answer.before.makespan, answer.after.makespan) == (6.0, 3.0)


def test_tasks_that_need_both_cores_of_a_worker_run_one_by_one() -> None:
    problem = problem_of([[3.0]] * 2, worker_cores=[2.0])
    schedule = schedule_of(problem, ("t1", "w1", 0.0), ("t2", "w1", 0.0))
    answer = WhatIf(problem, schedule).asked(Allocated(task="t2", cores=2.0))
    assert (answer.before.makespan, answer.after.makespan) == (3.0, 6.0)
    assert violations(answer.schedule, answer.plan.world.problem) == ()


def test_lateness_is_told_for_each_deadline() -> None:
    answer = WhatIf(*four_on_two()).asked(WorkerLost(worker="w2"), Due(task="t4", deadline=2.0))
    assert answer.before.late == {}
    assert answer.after.late["t4"] == answer.schedule.by_task["t4"].end - 2.0


def test_a_task_less_is_not_in_the_plan() -> None:
    answer = WhatIf(*four_on_two()).asked(TaskRemoved(task="t4"))
    assert set(answer.schedule.by_task) == {"t1", "t2", "t3"}


def test_the_answer_is_told_in_words() -> None:
    answer = WhatIf(*four_on_two()).asked(WorkerLost(worker="w2"))
    assert answer.sentences()[0] == ("If w2 is gone, the run takes 12 s instead of 6 s, 6 s more.")


@pytest.mark.parametrize("worker", ["w1", "w2"])
def test_every_change_says_why(worker: str) -> None:
    answer = WhatIf(*four_on_two()).asked(WorkerLost(worker=worker))
    assert all(each.sentence() for each in answer.changes)
    assert {each.task for each in answer.changes} >= {
        task for task, each in four_on_two()[1].by_task.items() if each.worker == worker
    }


def test_the_answer_keeps_tasks_of_a_gang_together() -> None:
    gang = {"gang": "g"}
    problem, schedule = four_on_two()
    problem = changed(problem, tasks={"t3": gang, "t4": gang})
    answer = WhatIf(problem, schedule).asked(Believed(task="t1", factor=3.0))
    starts = {task: answer.schedule.by_task[task].start for task in ("t3", "t4")}
    assert starts == {"t3": 9.0, "t4": 9.0}
    assert violations(answer.schedule, answer.plan.world.problem) == ()
    with pytest.raises(Infeasible, match="gang 'g'"):
        WhatIf(problem, schedule).asked(WorkerLost(worker="w2"))
