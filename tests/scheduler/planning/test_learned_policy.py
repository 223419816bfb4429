"""List scheduling by a policy: what it does without a taste, with one, and where it is kept."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import problems, quick, rich_problems
from worlds import problem_of, textbook

from scheduler.cluster import Cluster
from scheduler.errors import InvalidInput
from scheduler.forecast import uniform_affinity
from scheduler.planning.feasibility import violations
from scheduler.planning.kernels import policy as terms
from scheduler.planning.kernels.policy import guided
from scheduler.planning.listing import placed
from scheduler.planning.planners.heft import Heft
from scheduler.planning.planners.learned import Learned
from scheduler.planning.policy import PLACE, SHIPPED, TERMS, Policy, heft, load, policy_of, save
from scheduler.planning.policy_view import View
from scheduler.planning.problem import Problem
from scheduler.planning.ranking import mean_duration, upward_rank
from scheduler.planning.schedule import Schedule
from scheduler.workloads.graphs import FAMILIES, instance

CCR = (0.1, 0.5, 1.0, 2.0, 5.0, 10.0)


def drawn(seed: int) -> Policy:
    """A policy that nobody has tuned."""
    return policy_of(np.random.default_rng(seed).normal(0, 0.5, heft().vector.size))


def with_taste(name: str, weight: float) -> Policy:
    policy = heft()
    policy.terms[TERMS.index(name), 0] = weight
    return policy


def scheduled(problem: Problem, policy: Policy) -> Schedule:
    return Schedule(placed(problem, *View(problem).timed(policy)), planner="policy")


def test_without_a_taste_a_policy_takes_80_on_the_example_of_heft() -> None:
    assert scheduled(textbook(), heft()).makespan == 80


@quick
@given(problem=rich_problems())
def test_without_a_taste_a_policy_is_heft_to_the_last_digit(problem: Problem) -> None:
    assert scheduled(problem, heft()).placements == Heft().plan(problem).placements


@pytest.mark.parametrize("family", FAMILIES)
def test_without_a_taste_a_policy_is_heft_on_every_family(family: str) -> None:
    problem = instance(np.random.default_rng(4), family, 80, 5, ccr=2.0)
    assert scheduled(problem, heft()).placements == Heft().plan(problem).placements


@quick
@given(problem=rich_problems(), seed=st.integers(0, 99))
def test_any_taste_makes_feasible_schedules(problem: Problem, seed: int) -> None:
    assert violations(scheduled(problem, drawn(seed)), problem) == ()


@quick
@given(problem=problems(), seed=st.integers(0, 99), scale=st.sampled_from([1 / 4, 1024.0]))
def test_the_unit_of_time_changes_no_choice(problem: Problem, seed: int, scale: float) -> None:
    forecast, cluster = problem.forecast, problem.cluster
    slower = Problem(
        workflow=problem.workflow,
        cluster=Cluster(
            cluster.name,
            cluster.workers,
            bandwidth=cluster.bandwidth / scale,
            latency=cluster.latency * scale,
        ),
        forecast=replace(forecast, duration=forecast.duration * scale),
    )
    workers = [View(each).timed(drawn(seed))[0].tolist() for each in (problem, slower)]
    assert workers[0] == workers[1]


def test_a_taste_for_what_follows_keeps_a_chain_where_its_rest_is_quick() -> None:
    # HEFT takes w1, where the first task ends soonest, and pays for it with the second.
    problem = problem_of([[4.0, 5.0], [30.0, 3.0]], {(1, 2): 20.0})
    assert scheduled(problem, heft()).makespan == 27.0
    assert scheduled(problem, with_taste("ahead", 1.0)).makespan == 8.0


def test_looking_at_the_heir_sees_where_its_other_parent_is() -> None:
    # t3 needs 10 s of bytes from either parent: they belong on one worker, though HEFT parts them.
    problem = problem_of([[5.0, 5.0], [4.0, 4.0], [1.0, 1.0]], {(1, 3): 10.0, (2, 3): 10.0})
    assert scheduled(problem, heft()).makespan == 15.0
    assert scheduled(problem, with_taste("child", 1.0)).makespan == 10.0


def test_affinity_decides_between_workers_that_are_equal_otherwise() -> None:
    problem = problem_of([[2.0, 2.0, 2.0]])
    told = replace(problem.forecast, affinity=np.array([[0.2, 0.1, 0.7]]))
    informed = replace(problem, forecast=told)
    assert scheduled(informed, with_taste("doubt", 0.5)).placements[0].worker == "w3"


def test_an_even_affinity_says_nothing() -> None:
    problem = instance(np.random.default_rng(3), "layered", 60, 4)
    forecast = replace(problem.forecast, affinity=uniform_affinity(60, 4))
    even = replace(problem, forecast=forecast)
    workers = scheduled(even, with_taste("doubt", 5.0)).placements
    assert workers == Heft().plan(problem).placements


def test_an_affinity_that_contradicts_the_durations_is_not_believed() -> None:
    problem = instance(np.random.default_rng(3), "layered", 60, 4)
    share = problem.duration / problem.duration.sum(axis=1, keepdims=True)
    against = replace(problem, forecast=replace(problem.forecast, affinity=share))
    assert scheduled(against, with_taste("doubt", 5.0)).placements == (
        Heft().plan(problem).placements
    )


def test_an_affinity_counts_less_the_less_it_goes_with_the_durations() -> None:
    rng = np.random.default_rng(3)
    problem = instance(rng, "layered", 60, 4)
    noise = rng.normal(size=problem.duration.shape)
    most = []
    for blur in (0.0, 1.0, 4.0):
        share = np.exp(-np.log(problem.duration) + blur * noise)
        told = replace(problem.forecast, affinity=share / share.sum(axis=1, keepdims=True))
        doubt = View(replace(problem, forecast=told)).doubt
        odds = np.log(told.affinity * 4) * mean_duration(problem)[:, None]
        most.append(float(-(doubt * odds).sum() / (odds**2).sum()))
    assert most[0] == pytest.approx(1.0)
    assert most[0] > most[1] > most[2] > 0


def test_terms_are_what_their_names_say() -> None:
    problem = problem_of([[4.0, 6.0], [3.0, 1.0]], {(1, 2): 1.0}, latency=1.0)
    view = View(problem)
    seen = np.zeros((2, 2, 1 + len(TERMS)))
    led = np.array([0, 0])
    guided(view.flat, view.by_rank, view.guide(np.ones((2, len(TERMS)))), led, seen)
    first, second = seen[0], seen[1]
    assert first[:, 0].tolist() == [4.0, 6.0]
    assert first[:, 1 + terms.AHEAD].tolist() == [2.0, 0.0]  # 3 there, or 2 + 1 away; 1 there
    assert first[:, 1 + terms.SLOW].tolist() == [0.0, 2.0]
    assert first[:, 1 + terms.CHILD].tolist() == [0.0, 0.0]  # 4 + 3 and 6 + 1
    assert second[:, 0].tolist() == [7.0, 7.0]  # 4 + 3, and 4 + 2 + 1
    assert second[:, 1 + terms.PAID].tolist() == [0.0, 2.0]
    assert second[:, 1 + terms.IDLE].tolist() == [0.0, 6.0]


def test_the_names_of_terms_stand_where_the_compiled_code_has_them() -> None:
    places = [getattr(terms, name.upper()) for name in TERMS]
    assert places == list(range(terms.TERMS))


def test_the_order_follows_the_rank_that_counts() -> None:
    problem = problem_of([[1.0], [2.0], [3.0]])
    policy = heft()
    policy.ranks[4, 0] = -2.0  # its own duration, against an upward rank that is the same
    assert View(problem).order(policy).tolist() == [0, 1, 2]
    assert View(problem).order(heft()).tolist() == [2, 1, 0]


def test_ranks_are_measured_in_seconds_of_the_problem() -> None:
    problem = textbook()
    view = View(problem)
    assert view.up.tolist() == upward_rank(problem).tolist()
    assert view.ranks[:, 4].tolist() == mean_duration(problem).tolist()
    assert view.ranks[9].tolist()[3] == pytest.approx(view.up[0] - view.up[9])  # on the longest way


def test_what_is_saved_is_what_is_loaded(tmp_path: Path) -> None:
    file = tmp_path / "policy.json"
    save(file, [drawn(1), drawn(2)], seed=7)
    vectors = [each.vector.tolist() for each in load(file)]
    assert vectors == [drawn(1).vector.tolist(), drawn(2).vector.tolist()]


def test_a_file_for_other_features_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "policy.json"
    save(file, [heft()])
    file.write_text(file.read_text("utf-8").replace('"slack"', '"slackness"'), encoding="utf-8")
    with pytest.raises(InvalidInput, match=r"must weigh what this version sees\. Make it anew"):
        load(file)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    planner = Learned(policies=str(tmp_path / "none.json"))
    with pytest.raises(InvalidInput, match=r"'none\.json' cannot be read"):
        planner.plan(textbook())


def test_weights_that_are_no_numbers_are_refused() -> None:
    with pytest.raises(InvalidInput, match="ranks must be finite numbers of the shape"):
        policy_of(np.full(heft().vector.size, np.nan))


def test_no_variants_are_refused() -> None:
    with pytest.raises(InvalidInput, match="variants must be at least 1, found 0"):
        Learned(variants=0)


def test_the_shipped_policies_are_at_least_three() -> None:
    assert len(load(SHIPPED)) >= 3


@quick
@given(problem=problems())
def test_the_planner_is_never_worse_than_heft(problem: Problem) -> None:
    assert Learned().plan(problem).makespan <= Heft().plan(problem).makespan


def test_one_pass_of_the_shipped_policy_beats_heft_by_four_percent() -> None:
    rng = np.random.default_rng(11)
    policy, gains = load()[0], []
    for i in range(144):
        family = list(FAMILIES)[i % len(FAMILIES)]
        problem = instance(rng, family, 60 + 90 * (i // 72), (4, 16)[i % 2], ccr=CCR[i // 12 % 6])
        view = View(problem)
        ends = [view.timed(each)[2].max() for each in (policy, heft())]
        gains.append(np.log(ends[0] / ends[1]))
    assert np.exp(np.mean(gains)) < 0.96


def test_places_are_shares_or_bounded() -> None:
    problem = instance(np.random.default_rng(2), "layered", 100, 4, ccr=1e6)
    place = View(problem).place
    assert place.shape == (100, len(PLACE))
    assert np.abs(place).max() <= 1.5
