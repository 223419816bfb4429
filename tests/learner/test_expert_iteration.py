"""Tuning of the learned planner: what it learns from, and that it learns."""

from dataclasses import replace

import numpy as np
import pytest
from worlds import problem_of

from learner.planning.drills import PRACTISED, UNKNOWN, Drill, drills, unsure_drills
from learner.planning.evolution import Evolution, evolved
from learner.planning.expert_iteration import DOUBTS, Settings, Step, Tuned, ratio, tuned
from learner.planning.imitation import Lesson, imitated, lesson, slacks
from scheduler.planning.policy import TERMS, heft
from scheduler.planning.policy_view import View
from scheduler.workloads.graphs import FAMILIES

SMALL = Settings(
    practice=14, checks=7, rounds=1, evaluations=100, steps=20, generations=2, population=4,
    batch=6, variants=2, further=1, trusting=1,
)  # fmt: skip


@pytest.fixture(scope="module")
def few() -> list[Drill]:
    return drills(np.random.default_rng(1), PRACTISED, 14)


@pytest.fixture(scope="module")
def lessons(few: list[Drill]) -> list[Lesson]:
    return [lesson(each, [], evaluations=400, seed=0) for each in few]


@pytest.fixture(scope="module")
def small() -> Tuned:
    return tuned(SMALL, [].append)


def test_no_family_is_both_practised_and_unknown() -> None:
    assert sorted((*PRACTISED, *UNKNOWN)) == sorted(FAMILIES)


def test_heft_has_no_excess_over_itself(few: list[Drill]) -> None:
    assert {each.excess(heft()) for each in few} == {0.0}


def test_equal_seeds_draw_equal_drills(few: list[Drill]) -> None:
    again = drills(np.random.default_rng(1), PRACTISED, 14)
    assert [each.heft for each in again] == [each.heft for each in few]


def test_the_expert_is_better_than_heft(lessons: list[Lesson]) -> None:
    assert all(each.makespan <= each.drill.heft for each in lessons)
    assert np.mean([each.makespan / each.drill.heft for each in lessons]) < 0.9


def test_a_critical_task_has_no_slack_and_the_other_one_has_what_is_left() -> None:
    problem = problem_of([[4.0, 9.0], [9.0, 1.0], [2.0, 9.0]], {(1, 3): 0.0, (2, 3): 1.0})
    worker, start = np.array([0, 1, 0]), np.array([0.0, 0.0, 4.0])
    end = np.array([4.0, 1.0, 6.0])
    slack = slacks(problem.flat, np.array([0, 1, 2]), worker, start, end)
    assert slack.tolist() == [0.0, 2.0, 0.0]  # its bytes take one second of the three


def test_imitation_agrees_with_the_expert_more_often_than_heft(lessons: list[Lesson]) -> None:
    policy = imitated(lessons, np.random.default_rng(0), heft(), steps=200)

    def agreed(terms: np.ndarray) -> float:
        found = []
        for each in lessons:
            weight = each.drill.view.place @ terms.T
            value = each.seen[..., 0] + np.einsum("nmk,nk->nm", each.seen[..., 1:], weight)
            found.append(np.average(value.argmin(axis=1) == each.worker, weights=each.weight))
        return float(np.mean(found))

    assert agreed(policy.terms) > agreed(heft().terms) + 0.02


def test_evolution_finds_the_bottom_of_a_bowl() -> None:
    bottom = np.array([1.0, -2.0, 0.5])
    search = Evolution(np.random.default_rng(0), np.zeros(3), step=0.3, least=1e-6, population=8)
    found = evolved(search, lambda x, _: float(((x - bottom) ** 2).sum()), generations=150)
    assert found == pytest.approx(bottom, abs=1e-3)


def test_evolution_keeps_its_least_step() -> None:
    search = Evolution(np.random.default_rng(0), np.zeros(2), step=0.3, least=0.1, population=8)
    evolved(search, lambda x, _: float((x**2).sum()), generations=60)
    assert search.step >= 0.1


def test_tuning_ends_with_as_many_policies_as_asked(small: Tuned) -> None:
    assert len(small.policies) == SMALL.variants


def test_more_policies_are_never_worse_together(small: Tuned) -> None:
    over = drills(np.random.default_rng(2), UNKNOWN, 10)
    assert ratio(over, small.policies) <= ratio(over, small.policies[:1])


def test_equal_settings_give_equal_policies(small: Tuned) -> None:
    again = tuned(SMALL, [].append)
    assert [each.vector.tolist() for each in again.policies] == [
        each.vector.tolist() for each in small.policies
    ]


def test_each_step_is_told() -> None:
    steps: list[Step] = []
    tuned(replace(SMALL, imitate=False), steps.append)
    assert [each.name for each in steps] == ["heft", "evolution 1", "2 policies"]


def test_only_the_affinity_is_learned_from_unsure_forecasts(small: Tuned) -> None:
    one = TERMS.index("doubt")
    assert small.policies[0].ranks.size + one * small.policies[0].terms.shape[1] == DOUBTS
    assert {tuple(each.terms[one]) for each in small.policies} == {
        tuple(small.policies[0].terms[one])
    }


def test_an_affinity_that_knows_the_truth_points_at_quick_workers() -> None:
    (drill,) = unsure_drills(np.random.default_rng(5), ("layered",), 1, told=0.0)
    told = drill.problem.flat.affinity[drill.problem.flat.row].argmax(axis=1)
    assert told.tolist() == drill.truth.duration[drill.truth.row].argmin(axis=1).tolist()


def test_unsure_plans_are_carried_out_in_the_truth() -> None:
    (drill,) = unsure_drills(np.random.default_rng(5), ("layered",), 1)
    believed = View(drill.problem).timed(heft())[2].max()
    assert drill.heft != pytest.approx(believed)
