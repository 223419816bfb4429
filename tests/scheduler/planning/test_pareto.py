"""Fronts: every plan is undominated, the ends are known, and a small front is the whole truth."""

from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given
from strategies import few, rich_problems
from worlds import changed, problem_of

from scheduler.planning.feasibility import violations
from scheduler.planning.measures import measured
from scheduler.planning.objective import Objective
from scheduler.planning.pareto import pareto
from scheduler.planning.planners.heft import Heft
from scheduler.planning.planners.portfolio import Portfolio
from scheduler.planning.planners.thrifty import Thrifty
from scheduler.planning.problem import Problem


def priced(**objective) -> Problem:
    """Four equal tasks; w1 takes half an hour for 5, w2 an hour for 1."""
    return changed(
        problem_of([[1800.0, 3600.0]] * 4),
        workers={"w1": {"price": 10.0, "power": 90.0}, "w2": {"price": 1.0, "power": 10.0}},
        objective=Objective(**objective),
    )


@pytest.mark.parametrize("planner", [Thrifty(), Portfolio()], ids=["thrifty", "portfolio"])
def test_the_front_of_a_small_problem_holds_every_trade_that_there_is(planner) -> None:
    truth = {
        (max(1800.0 * fast, 3600.0 * (4 - fast)), 5.0 * fast + 1.0 * (4 - fast))
        for fast in range(5)
    }
    best = {each for each in truth if not any(a <= each[0] and b < each[1] for a, b in truth)}
    found = [(each.measures.makespan, each.measures.cost) for each in pareto(priced(), planner)]
    assert found == [(pytest.approx(a), pytest.approx(b)) for a, b in sorted(best)]


@few
@given(problem=rich_problems())
def test_no_point_beats_another_and_all_are_feasible(problem: Problem) -> None:
    front = pareto(problem, Thrifty(refinements=1), points=3)
    for one, other in product(front, front):
        assert one is other or not (
            one.measures.makespan <= other.measures.makespan
            and one.measures.cost <= other.measures.cost
        )
    assert all(violations(each.schedule, problem) == () for each in front)
    assert front == pareto(problem, Thrifty(refinements=1), points=3)


def test_the_objective_of_a_point_leads_to_its_plan_again() -> None:
    problem = priced()
    for each in pareto(problem, Thrifty()):
        again = Thrifty().plan(replace(problem, objective=each.objective))
        assert measured(again, problem) == each.measures


def test_points_over_the_budget_are_left_out() -> None:
    front = pareto(priced(budget=9.0), Thrifty())
    assert [each.measures.cost for each in front] == [pytest.approx(8.0), pytest.approx(4.0)]


def test_energy_can_be_an_aim_of_the_front() -> None:
    front = pareto(priced(), Thrifty(), aims=("makespan", "energy"))
    energies = [each.measures.energy for each in front]
    assert energies[-1] == pytest.approx(4 * 36_000)
    assert energies == sorted(energies, reverse=True)


def test_a_planner_that_knows_only_the_makespan_has_one_point() -> None:
    assert len(pareto(priced(), Heft())) == 1


def test_a_front_of_one_aim_is_refused() -> None:
    with pytest.raises(ValueError, match="two or more of the aims"):
        pareto(priced(), Heft(), aims=("cost",))
