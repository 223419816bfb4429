from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import few, problems, quick, rich_problems, thorough
from worlds import GB, changed, placed, problem_of, schedule_of, textbook

from scheduler.cluster import Allocation
from scheduler.errors import NotFound
from scheduler.planning.explain import Cause, Earlier, Lever, reasons
from scheduler.planning.feasibility import Rule, violations
from scheduler.planning.planners.fifo import Fifo
from scheduler.planning.planners.heft import Heft
from scheduler.planning.problem import Problem
from scheduler.planning.schedule import Placement, Schedule


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


def test_the_sentences_tell_times_as_they_are_asked_to() -> None:
    problem = problem_of([[400.0, 600.0], [300.0, 900.0]], {(1, 2): 1.0})
    told = reasons(problem, Heft().plan(problem), "t2").sentences(
        lambda each: f"{each / 60:.1f} min"
    )
    assert not [each for each in told if " s " in each]
    assert told[0] == "t2 runs on w1 from 6.7 min to 11.7 min."


def test_a_run_of_weeks_is_told_to_the_second_and_without_powers_of_ten() -> None:
    problem = problem_of([[1_234_561.0, 1_300_000.0], [3.0, 90_000.0]], {(1, 2): 1.0})
    told = reasons(problem, Heft().plan(problem), "t2").sentences()
    assert told[0] == "t2 runs on w1 from 1234561 s to 1234564 s."


def test_the_amounts_are_those_that_the_sentences_tell() -> None:
    problem = problem_of([[4.0, 6.0], [3.0, 9.0]], {(1, 2): 1.0})
    found = reasons(problem, Heft().plan(problem), "t2")
    assert found.amounts() == (4.0, 7.0, 14.0, 7.0, 7.0, 2.0, 2.0)


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


def world_of_levers() -> tuple[Problem, Schedule]:
    """t2 (2 cores, 5 GB) waits for t1 (1 core, 5 GB) on the only worker (2 cores, 9 GB)."""
    problem = problem_of(
        [[4.0], [3.0]],
        cores=[1.0, 2.0],
        memory=[5 * GB] * 2,
        worker_cores=[2.0],
        worker_memory=[12 * GB],
    )
    return problem, schedule_of(problem, ("t1", "w1", 0.0), ("t2", "w1", 4.0))


def test_what_would_help_is_told_with_how_much_and_from_when() -> None:
    found = reasons(*world_of_levers(), "t2").earlier
    assert {(each.lever, each.of, each.amount, each.start) for each in found} == {
        (Lever.ENDS, "t1", 2.0, 2.0),
        (Lever.FEWER_CORES, "t2", 1.0, 0.0),
        (Lever.MORE_CORES, "w1", 1.0, 0.0),
    }


def otherwise(problem: Problem, each: Earlier, task: str) -> Problem:
    """The problem with that one thing otherwise."""
    tasks, workers, pools = {}, {}, dict(problem.cluster.pools)
    asked = problem.workflow.task(task)
    match each.lever:
        case Lever.RELEASED:
            tasks = {task: {"release": asked.release - each.amount}}
        case Lever.FEWER_CORES:
            tasks = {task: {"cores": asked.cores - each.amount}}
        case Lever.LESS_MEMORY:
            tasks = {task: {"memory": int((asked.memory or 0) - each.amount)}}
        case Lever.MORE_CORES:
            workers = {each.of: {"cores": problem.cluster.worker(each.of).cores + each.amount}}
        case Lever.MORE_MEMORY:
            more = int(problem.cluster.worker(each.of).memory + each.amount)
            workers = {each.of: {"memory": more}}
        case Lever.MORE_POOL:
            pools[each.of] += each.amount
        case Lever.OPEN:
            workers = {name: {"closed": ()} for name in problem.cluster.index}
    return changed(problem, tasks=tasks, workers=workers, pools=pools)


def with_less(placed: Placement, each: Earlier) -> Placement:
    """The placement, with what its task would need less."""
    cores, memory = placed.allocation.cores, placed.allocation.memory
    if each.lever is Lever.FEWER_CORES:
        cores -= each.amount
    if each.lever is Lever.LESS_MEMORY:
        memory -= int(each.amount)
    return replace(placed, allocation=Allocation(cores, memory))


@few
@given(problem=rich_problems(tasks=6, workers=3), data=st.data())
def test_each_thing_that_would_help_helps_and_nothing_less_than_it(problem, data) -> None:
    schedule = Heft().plan(problem)
    task = data.draw(st.sampled_from(problem.workflow.order))
    here = schedule.by_task[task]
    for each in reasons(problem, schedule, task).earlier:
        length = here.end - here.start
        moved = replace(here, start=each.start, end=each.start + length)
        rows = [moved if row is here else row for row in schedule.placements]
        assert violations(Schedule(tuple(rows)), problem)
        less = with_less(moved, each)
        rows = [less if row is moved else row for row in rows]
        if each.lever is Lever.ENDS:
            rows = [
                replace(row, end=row.end - each.amount) if row.task == each.of else row
                for row in rows
            ]
            after, allowed = problem, {Rule.TOO_SHORT, Rule.HISTORY_CHANGED}
        else:
            after, allowed = otherwise(problem, each, task), set()
        broken = violations(Schedule(tuple(rows)), after)
        quotas = {Rule.POOL_OVER_CAPACITY} if problem.objective.quotas else set()
        assert {row.rule for row in broken} <= allowed | quotas


def test_the_chain_leads_to_what_waits_for_nothing() -> None:
    problem = problem_of([[2.0], [3.0], [4.0]], {(1, 2): 0.0})
    rows = (("t1", "w1", 0.0), ("t2", "w1", 2.0), ("t3", "w1", 5.0))
    chain = reasons(problem, schedule_of(problem, *rows), "t3").chain
    assert [(each.task, each.cause, each.on) for each in chain] == [
        ("t3", Cause.WORKER, "t2"),
        ("t2", Cause.PREDECESSOR, "t1"),
        ("t1", Cause.NOTHING, None),
    ]


def test_a_release_a_pool_and_a_closed_window_are_told_as_what_holds_a_task() -> None:
    problem = changed(
        problem_of([[2.0, 2.0]] * 4),
        tasks={
            "t1": {"release": 3.0},
            "t2": {"pools": {"licence": 1.0}},
            "t3": {"pools": {"licence": 1.0}, "release": 1.0},
        },
        workers={"w1": {"closed": ((5.0, 8.0),)}},
        pools={"licence": 1.0},
    )
    rows = (("t1", "w1", 3.0), ("t2", "w2", 0.0), ("t3", "w2", 2.0), ("t4", "w1", 8.0))
    schedule = schedule_of(problem, *rows)
    assert cause(problem, schedule, "t1") == (Cause.RELEASE, ())
    assert cause(problem, schedule, "t3")[1] == ("t2",)
    assert cause(problem, schedule, "t4")[0] is Cause.CHOICE


def test_the_end_of_the_run_on_another_worker_is_found_by_planning_it() -> None:
    problem = problem_of([[4.0, 5.0], [3.0, 9.0]])
    schedule = schedule_of(problem, ("t1", "w1", 3.0), ("t2", "w1", 0.0))
    (other,) = reasons(problem, schedule, "t1").alternatives
    assert (other.worker, other.end, other.longer) == ("w2", 5.0, -2.0)
