from dataclasses import replace

import numpy as np
import pytest
from worlds import GB, certain, planned_by, problem_of

from scheduler.cluster import Allocation, Cluster, Worker
from scheduler.errors import Infeasible, InvalidInput
from scheduler.planning.objective import Objective
from scheduler.planning.problem import Problem
from scheduler.planning.schedule import Placement
from scheduler.workflow import Task, Workflow


def test_a_task_without_a_worker_is_named_with_the_reason_for_each() -> None:
    with pytest.raises(Infeasible) as caught:
        problem_of(
            [[1.0, 1.0, 1.0], [1.0, 1.0, 1.0]],
            cores=[4.0, 1.0],
            memory=[9 * GB, GB],
            skills=["gpu", ""],
            worker_cores=[8.0, 2.0, 8.0],
            worker_memory=[99 * GB, 99 * GB, 8 * GB],
            worker_skills=["", "gpu", "gpu"],
        )
    assert caught.value.reasons == (
        "Task 't1' has no worker that could take it: 'w1' lacks the skill 'gpu', 'w2' has 2 cores, "
        "the task needs 4, 'w3' has 8 GB, the task needs 9 GB",
    )


def test_a_forecast_for_other_tasks_is_refused() -> None:
    good, other = problem_of([[1.0], [2.0]]), problem_of([[1.0]])
    with pytest.raises(InvalidInput, match="exactly the tasks"):
        Problem(workflow=good.workflow, cluster=good.cluster, forecast=other.forecast)


def test_durations_are_infinite_where_a_worker_cannot_take_the_task() -> None:
    problem = problem_of([[1.0, 2.0]], skills=["gpu"], worker_skills=["gpu", ""])
    assert problem.duration.tolist() == [[1.0, np.inf]]


def test_only_a_worker_that_cannot_take_the_task_has_a_refusal() -> None:
    problem = problem_of([[1.0, 2.0]], cores=[3.0], worker_cores=[4.0, 2.0])
    assert problem.refusal("t1", "w1") is None
    assert problem.refusal("t1", "w2") == "'w2' has 2 cores, the task needs 3"


def test_memory_is_what_the_owner_asks_or_else_the_forecast_with_its_margin() -> None:
    tasks = [Task(id="asked", kind="work", memory=5 * GB), Task(id="believed", kind="work")]
    workflow, cluster = (
        Workflow("w", tasks),
        Cluster("c", [Worker(name="a", cores=1, memory=9 * GB)]),
    )
    forecast = certain(workflow, cluster, [[1.0], [1.0]], memory=2 * GB)
    problem = Problem(
        workflow=workflow,
        cluster=cluster,
        forecast=forecast,
        objective=Objective(memory_margin=1.5),
    )
    assert problem.memory.tolist() == [[5 * GB], [3 * GB]]


def test_durations_are_planned_at_the_level_of_the_objective() -> None:
    problem = problem_of([[10.0]])
    unsure = replace(problem.forecast, duration=np.array([[[5.0, 10.0, 20.0]]]))
    problem = replace(problem, forecast=unsure)
    assert planned_by(Objective(duration_quantile=0.9), problem).duration.tolist() == [[20.0]]


def test_edges_lie_in_rows_of_their_own_task() -> None:
    problem = problem_of([[1.0]] * 3, {(1, 3): 7.0, (1, 2): 5.0, (2, 3): 6.0})
    into, out = problem.predecessors, problem.successors
    assert into.start.tolist() == [0, 0, 1, 3]
    assert (into.task.tolist(), into.bytes.tolist()) == ([0, 0, 1], [5.0, 7.0, 6.0])
    assert out.start.tolist() == [0, 2, 3, 3]
    assert (out.task.tolist(), out.bytes.tolist()) == ([2, 1, 2], [7.0, 5.0, 6.0])


@pytest.mark.parametrize("now", [-1.0, np.nan, np.inf])
def test_a_moment_that_cannot_be_now_is_refused(now: float) -> None:
    with pytest.raises(InvalidInput, match=r"now must be 0 or more seconds, found"):
        replace(problem_of([[1.0]]), now=now)


@pytest.mark.parametrize(
    ("task", "of", "worker"), [("t9", "t9", "w1"), ("t1", "t1", "w9"), ("t1", "t2", "w1")]
)
def test_a_past_of_other_tasks_or_workers_is_refused(task: str, of: str, worker: str) -> None:
    problem = problem_of([[1.0], [1.0]])
    happened = {task: Placement(of, worker, 0.0, 1.0, Allocation(1.0, GB))}
    with pytest.raises(InvalidInput, match="what has happened"):
        replace(problem, fixed=happened, now=1.0)
