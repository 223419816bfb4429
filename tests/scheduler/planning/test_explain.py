from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import problems, quick, thorough
from worlds import GB, placed, problem_of, schedule_of, textbook

from scheduler.errors import NotFound
from scheduler.planning.explain import Cause, reasons
from scheduler.planning.feasibility import Rule, violations
from scheduler.planning.planners.fifo import Fifo
from scheduler.planning.planners.heft import Heft
from scheduler.planning.problem import Problem
from scheduler.planning.schedule import Schedule


def cause(problem: Problem, schedule: Schedule, task: str) -> tuple[Cause, tuple[str, ...]]:
    wait = reasons(problem, schedule, task).wait
    return wait.cause, wait.tasks


def test_the_first_task_waits_for_nothing() -> None:
    problem = textbook()
    assert cause(problem, Heft().plan(problem), "t1") == (Cause.NOTHING, ())


def test_a_task_waits_for_the_predecessor_whose_bytes_come_last() -> None:
    problem = textbook()
    wait = reasons(problem, Heft().plan(problem), "t9").wait
    assert (wait.cause, wait.tasks, wait.transfer) == (Cause.PREDECESSOR, ("t2",), 16.0)


def test_a_task_waits_for_those_that_hold_the_cores() -> None:
    problem = problem_of([[4.0], [3.0]])
    schedule = schedule_of(problem, ("t1", "w1", 0.0), ("t2", "w1", 4.0))
    assert cause(problem, schedule, "t2") == (Cause.CORES, ("t1",))


def test_a_task_waits_for_those_that_hold_the_memory() -> None:
    problem = problem_of(
        [[4.0], [3.0]], memory=[5 * GB] * 2, worker_cores=[8.0], worker_memory=[9 * GB]
    )
    schedule = schedule_of(problem, ("t1", "w1", 0.0), ("t2", "w1", 4.0))
    assert cause(problem, schedule, "t2") == (Cause.MEMORY, ("t1",))


def test_a_task_that_nothing_holds_back_is_said_to_wait_by_choice() -> None:
    problem = problem_of([[4.0], [3.0]])
    schedule = schedule_of(problem, ("t1", "w1", 0.0), ("t2", "w1", 9.0))
    wait = reasons(problem, schedule, "t2").wait
    assert (wait.cause, wait.earliest) == (Cause.CHOICE, 4.0)


def test_a_worker_that_cannot_take_the_task_says_why() -> None:
    problem = problem_of([[4.0, 1.0]], skills=["gpu"], worker_skills=["gpu", ""])
    (other,) = reasons(problem, Heft().plan(problem), "t1").alternatives
    assert (other.worker, other.end) == ("w2", None)
    assert other.refusal == "'w2' lacks the skill 'gpu'"


def test_alternatives_come_with_their_ends_the_soonest_first() -> None:
    problem = problem_of([[4.0, 7.0, 6.0]])
    found = reasons(problem, Heft().plan(problem), "t1").alternatives
    assert [(each.worker, each.end, each.later) for each in found] == [
        ("w3", 6.0, 2.0),
        ("w2", 7.0, 3.0),
    ]


def test_an_unknown_task_is_named() -> None:
    problem = textbook()
    with pytest.raises(NotFound, match="'t99'"):
        reasons(problem, Heft().plan(problem), "t99")


def test_the_sentences_say_where_why_what_else_and_how_critical() -> None:
    problem = problem_of([[4.0, 6.0], [3.0, 9.0]], {(1, 2): 1.0})
    assert reasons(problem, Heft().plan(problem), "t2").sentences() == (
        "t2 runs on w1 from 4 s to 7 s.",
        "It starts when the output of t1 is there.",
        "On w2 it would end at 14 s, 7 s later than on w1; the run would end 7 s later.",
        "It is critical: a later start makes the whole run end later.",
        "It could start at 2 s if t1 ended 2 s sooner.",
    )


def test_the_sentences_name_who_holds_the_worker() -> None:
    problem = problem_of([[4.0], [3.0]])
    schedule = schedule_of(problem, ("t1", "w1", 0.0), ("t2", "w1", 4.0))
    assert "It waits for cores of w1, held until then by t1." in (
        reasons(problem, schedule, "t2").sentences()
    )


@thorough
@given(problem=problems(), data=st.data())
def test_heft_never_passes_by_a_worker_that_would_end_sooner(problem, data) -> None:
    task = data.draw(st.sampled_from(problem.workflow.order))
    found = reasons(problem, Heft().plan(problem), task)
    assert all(each.later >= 0 for each in found.alternatives if each.later is not None)
    assert found.wait.cause is not Cause.CHOICE


@thorough
@given(problem=problems(), data=st.data())
def test_an_alternative_breaks_no_rule_but_the_precedence_of_what_follows(problem, data) -> None:
    schedule = Fifo().plan(problem)
    task = data.draw(st.sampled_from(problem.workflow.order))
    for each in reasons(problem, schedule, task).alternatives:
        if each.start is None:
            continue
        there = placed(problem, task, each.worker, each.start)
        moved = Schedule(tuple(there if row.task == task else row for row in schedule.placements))
        late = violations(moved, problem)
        assert {found.rule for found in late} <= {Rule.PRECEDENCE}
        assert {found.facts["before"] for found in late} <= {task}


@quick
@given(problem=problems(), data=st.data())
def test_half_a_second_sooner_the_task_would_break_a_rule(problem, data) -> None:
    schedule = Heft().plan(problem)
    task = data.draw(st.sampled_from(problem.workflow.order))
    here, wait = schedule.by_task[task], reasons(problem, schedule, task).wait
    sooner = replace(here, start=here.start - 0.01, end=here.end - 0.01)
    moved = Schedule(tuple(sooner if row is here else row for row in schedule.placements))
    expected = {
        Cause.NOTHING: Rule.INVALID_TIME,
        Cause.PREDECESSOR: Rule.PRECEDENCE,
        Cause.CORES: Rule.CORES_OVER_CAPACITY,
        Cause.MEMORY: Rule.MEMORY_OVER_CAPACITY,
    }
    assert expected[wait.cause] in {each.rule for each in violations(moved, problem)}
