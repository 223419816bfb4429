"""Plans in which tasks start together: what the judge sees, and how good plans are."""

from collections.abc import Iterator
from itertools import permutations, product

import numpy as np
import pytest
from hypothesis import given, reject
from hypothesis import strategies as st
from strategies import ganged, problems, quick
from worlds import changed, problem_of, schedule_of

from scheduler.errors import Infeasible
from scheduler.planning import together
from scheduler.planning.causes import Cause
from scheduler.planning.edits import Released, WorkerLost
from scheduler.planning.explain import reasons
from scheduler.planning.feasibility import Rule, violations
from scheduler.planning.planners.base import Planner
from scheduler.planning.planners.cp_sat import CpSat
from scheduler.planning.planners.fifo import Fifo
from scheduler.planning.planners.heft import Heft
from scheduler.planning.planners.portfolio import Portfolio
from scheduler.planning.problem import Problem
from scheduler.planning.replanning import Replanner
from scheduler.planning.schedule import Placement, Schedule
from scheduler.workloads.synthetic import SHAPES, random_problem


def ganged_by(problem: Problem, *gangs: str, apart: str = "", **tasks: dict) -> Problem:
    """The problem with gangs of the tasks named ("t1 t2")."""
    fields = {
        task: {"gang": f"g{i}", "apart": task in apart.split()}
        for i, gang in enumerate(gangs)
        for task in gang.split()
    }
    return changed(problem, tasks={name: fields.get(name, {}) | tasks.get(name, {}) for name in
                                   problem.workflow.index})  # fmt: skip


def pair(**kwargs) -> Problem:
    """Two tasks of 2 s and one of 3 s on two workers of two cores."""
    return problem_of([[2.0, 2.0], [2.0, 2.0], [3.0, 3.0]], worker_cores=[2.0, 2.0], **kwargs)


def rules(schedule: Schedule, problem: Problem) -> set[Rule]:
    return {each.rule for each in violations(schedule, problem)}


def test_the_judge_sees_a_task_that_starts_after_the_others_of_its_gang() -> None:
    problem = ganged_by(pair(), "t1 t2")
    late = schedule_of(problem, ("t1", "w1", 0.0), ("t2", "w2", 0.5), ("t3", "w1", 0.0))
    (found,) = violations(late, problem)
    assert (found.rule, found.task, found.facts["together"]) == (Rule.GANG, "t2", 0.0)
    assert violations(
        schedule_of(problem, ("t1", "w1", 1.0), ("t2", "w2", 1.0), ("t3", "w1", 0.0)), problem
    ) == ()  # fmt: skip


def test_the_judge_sees_two_that_should_be_apart_on_one_worker() -> None:
    problem = ganged_by(pair(), "t1 t2", apart="t1 t2")
    side_by_side = schedule_of(problem, ("t1", "w1", 0.0), ("t2", "w1", 0.0), ("t3", "w2", 0.0))
    (found,) = violations(side_by_side, problem)
    assert (found.rule, found.task, found.facts["with"]) == (Rule.APART, "t2", "t1")


def test_one_that_is_apart_may_sit_beside_one_that_is_not() -> None:
    problem = ganged_by(pair(), "t1 t2", apart="t1")
    side_by_side = schedule_of(problem, ("t1", "w1", 0.0), ("t2", "w1", 0.0), ("t3", "w2", 0.0))
    assert violations(side_by_side, problem) == ()


def test_what_has_begun_apart_is_not_held_against_the_plan() -> None:
    problem = ganged_by(pair(), "t1 t2")
    begun = schedule_of(problem, ("t1", "w1", 0.0)).placements
    later = changed(problem, fixed=begun, now=1.0)
    rest = schedule_of(later, ("t2", "w2", 1.0), ("t3", "w2", 1.0)).placements
    assert violations(Schedule((*begun, *rest)), later) == ()


def test_a_gang_that_no_cluster_could_hold_is_refused_in_words() -> None:
    with pytest.raises(Infeasible, match="The 3 tasks of gang 'g0' cannot all run at one time"):
        ganged_by(problem_of([[1.0, 1.0]] * 3), "t1 t2 t3")


def test_a_gang_apart_needs_as_many_workers() -> None:
    problem = pair()
    with pytest.raises(Infeasible, match="3 of them each on a worker of its own"):
        ganged_by(problem, "t1 t2 t3", apart="t1 t2 t3")


def test_a_gang_needs_its_shares_of_a_pool_at_one_time() -> None:
    licence = {"pools": {"licence": 1.0}}
    shared = changed(pair(), tasks={"t1": licence, "t2": licence}, pools={"licence": 1.0})
    with pytest.raises(Infeasible, match="'g0'"):
        ganged_by(shared, "t1 t2")


def test_a_packing_that_the_fastest_first_misses_is_found() -> None:
    """t1 and t2 want w1, where only one of them leaves room for t3, which can go nowhere else."""
    problem = problem_of(
        [[1.0, 2.0], [1.0, 2.0], [1.0, 9.0]],
        cores=[1.0, 1.0, 2.0],
        worker_cores=[3.0, 1.0],
        skills=["", "", "gpu"],
        worker_skills=["gpu", ""],
    )
    whole = ganged_by(problem, "t1 t2 t3")
    assert violations(Heft().plan(whole), whole) == ()


@pytest.mark.parametrize("shape", sorted(set(SHAPES) - {"chain"}))
@pytest.mark.parametrize("planner", [Heft(), Portfolio()], ids=["heft", "portfolio"])
def test_larger_workflows_with_many_gangs(planner: Planner, shape: str) -> None:
    problem = ganged_by(random_problem(np.random.default_rng(5), 400, 9, shape=shape))
    problem = changed(problem, tasks=_levels(problem))
    assert len(problem.workflow.gangs) > 10
    schedule = planner.plan(problem)
    assert violations(schedule, problem) == ()
    assert schedule.makespan <= Fifo().plan(problem).makespan * (1 + 1e-9)


def _levels(problem: Problem) -> dict[str, dict]:
    """Gangs of four tasks of equal depth, half of them apart: none can wait for another."""
    depth: dict[str, int] = {}
    for task in problem.workflow.order:
        before = problem.workflow.predecessors(task)
        depth[task] = 1 + max((depth[each] for each in before), default=0)
    level: dict[int, list[str]] = {}
    for task, each in depth.items():
        level.setdefault(each, []).append(task)
    return {
        task: {"gang": f"{each}-{i // 4}", "apart": i % 4 < 2}
        for each, tasks in level.items()
        for i, task in enumerate(tasks)
    }


def test_a_plan_that_keeps_its_gangs_is_not_touched() -> None:
    problem = ganged_by(pair(), "t1 t2")
    schedule = schedule_of(problem, ("t1", "w1", 0.0), ("t2", "w1", 0.0), ("t3", "w2", 0.0))
    assert together.together(problem, schedule) is schedule


def test_a_gang_starts_when_its_last_worker_is_free() -> None:
    """w1 is held by t3 until 3 s, w2 is free: two that must be apart begin at 3 s at best."""
    problem = ganged_by(
        problem_of([[2.0, 2.0], [2.0, 2.0], [3.0, 30.0]]), "t1 t2", apart="t1 t2"
    )  # fmt: skip
    held = changed(problem, fixed=schedule_of(problem, ("t3", "w1", 0.0)).placements, now=1.0)
    starts = {each.task: each.start for each in Heft().plan(held).placements}
    assert (starts["t1"], starts["t2"]) == (3.0, 3.0)


def test_two_apart_do_not_both_go_to_the_faster_worker() -> None:
    problem = problem_of([[1.0, 9.0], [1.0, 9.0]], worker_cores=[2.0, 2.0])
    problem = ganged_by(problem, "t1 t2", apart="t1 t2")
    schedule = Heft().plan(problem)
    assert violations(schedule, problem) == ()
    assert schedule.makespan == 9.0


def test_a_gang_waits_until_a_pool_has_enough_for_all_of_it() -> None:
    licence = {"pools": {"licence": 1.0}}
    problem = problem_of([[1.0, 1.0, 9.0], [1.0, 1.0, 9.0], [9.0, 9.0, 3.0]])
    problem = changed(problem, tasks=dict.fromkeys(("t1", "t2", "t3"), licence),
                      pools={"licence": 2.0})  # fmt: skip
    held = changed(problem, fixed=schedule_of(problem, ("t3", "w3", 0.0)).placements)
    together_now = ganged_by(held, "t1 t2", t1=licence, t2=licence, t3=licence)
    schedule = Heft().plan(together_now)
    assert violations(schedule, together_now) == ()
    assert (schedule.by_task["t1"].start, schedule.makespan) == (3.0, 4.0)


def test_a_gang_does_not_run_into_a_window_in_which_one_of_its_workers_is_closed() -> None:
    problem = problem_of([[3.0, 30.0], [30.0, 3.0]])
    problem = changed(problem, workers={"w1": {"closed": ((2.0, 4.0),)}})
    together_now = ganged_by(problem, "t1 t2")
    schedule = Heft().plan(together_now)
    assert violations(schedule, together_now) == ()
    assert {each.start for each in schedule.placements} == {4.0}


def test_a_small_task_fills_what_a_gang_leaves_free() -> None:
    """The gang needs both workers, of which one is busy until 3 s; t4 of 2 s fits before it."""
    problem = problem_of([[2.0, 2.0], [2.0, 2.0], [3.0, 30.0], [2.0, 2.0]])
    problem = ganged_by(problem, "t1 t2")
    held = changed(problem, fixed=schedule_of(problem, ("t3", "w1", 0.0)).placements)
    assert Portfolio().plan(held).makespan == 5.0


def optimum(problem: Problem) -> float:
    """The least makespan: blocks in all orders on all workers, each at its first half second."""
    tasks = [task.id for task in problem.workflow.tasks]
    best = np.inf
    gang = {task.id: task.gang or task.id for task in problem.workflow.tasks}
    for order in permutations(dict.fromkeys(gang.values())):
        for workers in product(problem.cluster.index, repeat=len(tasks)):
            rows = _serial(problem, order, gang, dict(zip(tasks, workers, strict=True)))
            if rows is not None:
                best = min(best, max(each.end for each in rows))
    return best


def _serial(problem, order, gang, worker) -> list[Placement] | None:
    """Each block at the first half second at which no rule is broken; None where none is."""
    rows: list[Placement] = []
    for block in order:
        members = [task for task, own in gang.items() if own == block]
        for start in np.arange(0.0, 60.0, 0.5):
            more = schedule_of(problem, *((each, worker[each], start) for each in members))
            both = [*rows, *more.placements]
            known = {each.task for each in both}
            if any(
                source not in known
                for each in members
                for source in problem.workflow.predecessors(each)
            ):
                return None
            broken = rules(Schedule(tuple(both)), problem) - {Rule.MISSING_TASK}
            if not broken:
                rows = both
                break
            if broken <= {Rule.SKILLS, Rule.APART, Rule.MEMORY_BELOW_NEED}:
                return None
        else:
            return None
    return rows


def small_worlds() -> Iterator[Problem]:
    rng = np.random.default_rng(8)
    while True:
        seconds = rng.integers(1, 6, size=(4, 2)).astype(float)
        problem = problem_of(
            seconds.tolist(),
            {(1, 4): 1.0} if rng.uniform() < 0.5 else {},
            cores=rng.choice([1.0, 2.0], 4).tolist(),
            worker_cores=[2.0, 3.0],
        )
        try:
            yield ganged_by(problem, "t1 t2" if rng.uniform() < 0.5 else "t2 t3 t4")
        except (Infeasible, ValueError):
            continue


def test_plans_with_gangs_are_near_the_optimum_of_small_problems() -> None:
    worlds = small_worlds()
    ratios = []
    for _ in range(4):
        problem = next(worlds)
        least = optimum(problem)
        found = CpSat().plan(problem)
        assert found.lower_bound <= least
        ratios.append(found.makespan / least)
    assert min(ratios) >= 1.0
    assert np.mean(ratios) < 1.1


def test_it_is_explained_that_another_of_the_gang_cannot_start_earlier() -> None:
    problem = ganged_by(problem_of([[2.0, 2.0], [2.0, 2.0], [3.0, 30.0]]), "t1 t2")
    schedule = schedule_of(problem, ("t1", "w1", 3.0), ("t2", "w2", 3.0), ("t3", "w1", 0.0))
    found = reasons(problem, schedule, "t2")
    assert (found.wait.cause, found.wait.tasks, found.gang) == (Cause.GANG, ("t1",), ("t1",))
    words = " ".join(found.sentences())
    assert "It starts together with t1." in words
    assert "Alone it could start at 0 s, but t1 of its gang cannot start earlier." in words
    assert reasons(problem, schedule, "t1").wait.cause is Cause.CORES


def test_a_gang_that_takes_the_room_of_two_waits_until_all_fit() -> None:
    problem = problem_of([[2.0], [2.0], [3.0]], cores=[1.0, 1.0, 1.0], worker_cores=[2.0])
    problem = ganged_by(problem, "t1 t2")
    schedule = schedule_of(problem, ("t1", "w1", 3.0), ("t2", "w1", 3.0), ("t3", "w1", 0.0))
    words = " ".join(reasons(problem, schedule, "t1").sentences())
    assert "It waits until all of its gang fit: alone it could at 0 s." in words


def test_a_mended_plan_keeps_its_gangs_and_says_so() -> None:
    problem = ganged_by(problem_of([[2.0, 9.0], [9.0, 2.0], [3.0, 3.0]]), "t1 t2")
    found = Replanner(problem, Heft().plan(problem)).after(Released(task="t1", release=7.0))
    placed = found.schedule.by_task
    assert (placed["t1"].start, placed["t2"].start) == (7.0, 7.0)
    (change,) = [each for each in found.changes if each.task == "t2"]
    assert change.sentence().endswith("it starts together with t1.")


@quick
@given(
    problem=ganged(problems(tasks=8)),
    late=st.integers(0, 20).map(lambda half: half / 2),
    pick=st.integers(0, 99),
)
def test_whatever_is_edited_the_mended_plan_keeps_every_rule(
    problem, late: float, pick: int
) -> None:
    tasks, workers = list(problem.workflow.index), list(problem.cluster.index)
    replanner = Replanner(problem, Heft().plan(problem))
    edits = [Released(task=tasks[pick % len(tasks)], release=late)]
    if len(workers) > 1:
        edits.append(WorkerLost(worker=workers[1 + pick % (len(workers) - 1)], at=1.0))
    try:
        found = replanner.after(*edits)
    except Infeasible:
        reject()
    assert violations(found.schedule, found.world.problem) == ()
