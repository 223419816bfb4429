"""Bars keep tasks off workers: every planner obeys, the judge tells, and reasons are in words."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import few, rich_problems
from worlds import changed, problem_of, schedule_of

from scheduler.cluster import Worker
from scheduler.documents import objective_document, objective_from
from scheduler.errors import Infeasible, InvalidInput
from scheduler.planning.bars import Bar, barred, open_to
from scheduler.planning.edits import Began, Kept, WorkerBack, WorkerChanged, WorkerDrained
from scheduler.planning.feasibility import Rule, violations
from scheduler.planning.objective import Objective
from scheduler.planning.planners.heft import Heft
from scheduler.planning.problem import Problem
from scheduler.planning.replanning import Replanner
from scheduler.workflow import Task

PERSONAL = Task(id="a", kind="align", labels=frozenset({"personal"}))
HERE = Worker(name="w1", cores=1, memory=1, labels={"region": "eu", "audited": ""})
AWAY = Worker(name="w2", cores=1, memory=1)


@pytest.mark.parametrize(
    ("bar", "kept_off"),
    [
        (Bar(labels=("personal", "secret"), workers=("w1",)), {"w1"}),
        (Bar(labels=("secret",), workers=("w1",)), set()),
        (Bar(kinds=("align",), needs=("region=eu",)), {"w2"}),
        (Bar(kinds=("align",), needs=("audited",)), {"w2"}),
        (Bar(kinds=("align",), needs=("region=us",)), {"w1", "w2"}),
        (Bar(tasks=("a",), only=("w2",)), {"w1"}),
        (Bar(tasks=("b",), only=("w2",)), set()),
        (Bar(kinds=("align",), labels=("secret",), workers=("w2",)), set()),
        (Bar(workers=("w2",)), {"w2"}),
    ],
)
def test_a_bar_speaks_of_what_fits_all_it_names(bar: Bar, kept_off: set[str]) -> None:
    assert {each.name for each in (HERE, AWAY) if barred((bar,), PERSONAL, each)} == kept_off


def test_a_reason_names_the_rule_and_who_stands_behind_it() -> None:
    bar = Bar(labels=("personal",), needs=("region=eu",), why="policy of the hospital")
    assert barred((bar,), PERSONAL, AWAY) == (
        "needs a worker with the label 'region=eu', which 'w2' lacks (policy of the hospital)"
    )


@few
@given(problem=rich_problems())
def test_the_table_of_planners_says_what_the_look_at_one_pair_says(problem: Problem) -> None:
    bars, tasks, workers = problem.objective.bars, problem.workflow.tasks, problem.cluster.workers
    table = open_to(bars, tasks, workers)
    for row, task in enumerate(tasks):
        for column, worker in enumerate(workers):
            assert table[row, column] == (barred(bars, task, worker) is None)


@few
@given(problem=rich_problems(), data=st.data())
def test_a_task_on_a_barred_worker_is_told(problem: Problem, data: st.DataObject) -> None:
    schedule = Heft().plan(problem)
    free = [each for each in schedule.placements if each.task not in problem.fixed]
    each = data.draw(st.sampled_from(free))
    bar = Bar(tasks=(each.task,), workers=(each.worker,))
    problem.objective.__dict__["bars"] = (*problem.objective.bars, bar)  # past its own checks
    assert (Rule.BARRED, each.task) in {
        (told.rule, told.task) for told in violations(schedule, problem)
    }


def test_a_task_without_any_worker_left_is_refused_with_the_bar_in_words() -> None:
    bar = Bar(tasks=("t1",), needs=("audited",), why="policy")
    with pytest.raises(Infeasible, match=r"'w1': it needs a worker with the label|audited"):
        changed(problem_of([[1.0, 1.0]]), objective=Objective(bars=(bar,)))


def test_an_objective_with_bars_comes_out_of_its_document_as_it_went_in() -> None:
    bars = (Bar(labels=("x",), workers=("w1", "w2"), why="because"), Bar(kinds=("k",), only=("w",)))
    objective = Objective(quotas={"ann": 2.0}, bars=bars)
    assert objective_from(objective_document(objective)) == objective


def test_a_task_that_is_kept_on_a_worker_is_planned_there_until_it_is_let_go() -> None:
    problem = problem_of([[1.0, 9.0]])
    replanner = Replanner(problem, Heft().plan(problem))
    kept = replanner.after(Kept(task="t1", worker="w2", why="ann"))
    assert kept.schedule.by_task["t1"].worker == "w2"
    assert replanner.problem.refusal("t1", "w1") == "it must run on 'w2', not on 'w1' (ann)"
    assert replanner.after(Kept(task="t1", worker=None)).schedule.by_task["t1"].worker == "w1"


def on_both() -> Replanner:
    """t1 runs on w1 until 4.0; t2 is planned behind it."""
    problem = problem_of([[4.0, 4.0], [1.0, 9.0]])
    replanner = Replanner(problem, schedule_of(problem, ("t1", "w1", 0.0), ("t2", "w1", 4.0)))
    replanner.after(Began(placement=replanner.problem.fixed.get("t1") or first(problem)))
    return replanner


def first(problem: Problem):
    return schedule_of(problem, ("t1", "w1", 0.0)).by_task["t1"]


def test_on_a_drained_worker_what_runs_goes_on_and_nothing_else_is_planned() -> None:
    replanner = on_both()
    plan = replanner.after(WorkerDrained(worker="w1", at=1.0)).schedule.by_task
    assert (plan["t1"].worker, plan["t1"].end, plan["t2"].worker) == ("w1", 4.0, "w2")
    back = replanner.after(WorkerBack(worker="w1", at=1.5)).schedule.by_task
    assert (back["t2"].worker, back["t2"].start) == ("w1", 4.0)


def test_a_worker_changed_is_planned_as_it_then_is() -> None:
    problem = problem_of([[4.0], [4.0]], worker_cores=[1.0])
    replanner = Replanner(problem, Heft().plan(problem))
    assert replanner.after(WorkerChanged(worker="w1", cores=2.0)).schedule.makespan == 4.0
    assert replanner.problem.cluster.worker("w1").cores == 2.0


def test_a_worker_cannot_have_less_than_its_attempts_hold() -> None:
    with pytest.raises(InvalidInput, match="hold 1 cores and 1 GB"):
        on_both().after(WorkerChanged(worker="w1", cores=0.5))


@few
@given(problem=rich_problems(), data=st.data())
def test_the_arrays_after_keeping_a_task_are_those_of_the_problem_made_anew(
    problem: Problem, data: st.DataObject
) -> None:
    free = [task for task in problem.workflow.order if task not in problem.fixed]
    task = data.draw(st.sampled_from(free))
    row = problem.workflow.index[task]
    able = [name for name, w in problem.cluster.index.items() if problem.eligible[row, w]]
    replanner = Replanner(problem, Heft().plan(problem))
    found = replanner.after(Kept(task=task, worker=data.draw(st.sampled_from(able))))
    flat, anew = found.flat, replace(replanner.problem).flat
    assert (flat.duration[flat.row] == anew.duration[anew.row]).all()
    assert (flat.memory[flat.row] == anew.memory[anew.row]).all()
    assert violations(found.schedule, replanner.problem) == ()
