"""Fine-tuning of policies: gradients against finite differences, and that practice pays."""

import numpy as np
import pytest

from learner.planning.drills import PRACTISED, Drill, drills
from learner.planning.gradient import Tuning, bred, drawn, fate, fine_tuned, reinforced
from scheduler.planning.kernels.policy import DOUBT, TERMS, guided
from scheduler.planning.policy import PLACE, Policy, heft, policy_of
from scheduler.planning.policy_view import View

SHORT = Tuning(steps=3, draws=2, batch=4, generations=3, population=4)


@pytest.fixture(scope="module")
def few() -> list[Drill]:
    return drills(np.random.default_rng(1), PRACTISED, 7, largest=60)


def tilted(seed: int) -> Policy:
    vector = heft().vector
    return policy_of(vector + np.random.default_rng(seed).normal(0, 0.05, vector.size))


def test_without_heat_the_policys_own_plan_is_drawn(few: list[Drill]) -> None:
    policy = tilted(0)
    for each in few:
        plan = drawn(each.view, policy, np.random.default_rng(0), 1e-9)
        worker, start, _ = each.view.timed(policy)
        assert (plan.worker == worker).all()
        assert plan.start == pytest.approx(start)


def test_with_heat_plans_differ_and_one_seed_draws_one_plan(few: list[Drill]) -> None:
    view, policy = few[0].view, heft()
    plans = [drawn(view, policy, np.random.default_rng(seed), 0.5).worker for seed in (0, 0, 1)]
    assert (plans[0] == plans[1]).all()
    assert (plans[0] != plans[2]).any()


def log_chance(view: View, policy: Policy, worker: np.ndarray, order: np.ndarray) -> float:
    """The log of the chance of these workers, each seen along the plan that they make; heat 0.3."""
    weight = view.place @ policy.terms.T
    seen = np.empty((worker.size, view.flat.worker_cores.size, 1 + TERMS))
    guided(view.flat, order, view.guide(np.ones_like(weight)), worker, seen)
    seen[..., 1 + DOUBT] = 0.0
    value = seen[..., 0] + np.einsum("nmk,nk->nm", seen[..., 1:], weight)
    scores = -value / (0.3 * view.ranks[:, 4, None])
    best = scores.max(axis=1, keepdims=True)
    logs = scores - best - np.log(np.exp(scores - best).sum(axis=1, keepdims=True))
    return float(logs[np.arange(worker.size), worker].sum())


def test_the_slope_is_that_of_the_log_chance(few: list[Drill]) -> None:
    """Central differences in a few weights of the terms."""
    view, policy = few[0].view, tilted(2)
    plan = drawn(view, policy, np.random.default_rng(3), 0.3)
    order, width = view.order(policy), len(PLACE)
    for term, place in ((0, 0), (1, 3), (3, 1), (5, 0), (7, 5)):
        at = policy.ranks.size + term * width + place
        ends = []
        for step in (-1e-5, 1e-5):
            vector = policy.vector
            vector[at] += step
            ends.append(log_chance(view, policy_of(vector), plan.worker, order))
        slope = (ends[1] - ends[0]) / 2e-5
        assert plan.slope[term, place] == pytest.approx(slope, rel=1e-3, abs=1e-4)


def test_a_fate_changes_tasks_and_not_which_worker_is_faster(few: list[Drill]) -> None:
    flat = few[0].view.flat
    true = fate(flat, 0.4, np.random.default_rng(0))
    factor = true.duration / flat.duration[flat.row]
    assert factor == pytest.approx(np.repeat(factor[:, :1], factor.shape[1], axis=1))
    assert np.log(factor[:, 0]).std() == pytest.approx(0.4, rel=0.5)
    certain = fate(flat, 0.0, np.random.default_rng(0))
    assert certain.duration == pytest.approx(flat.duration[flat.row])


def test_neither_way_moves_what_drills_cannot_teach(few: list[Drill]) -> None:
    views, policy = [each.view for each in few], tilted(1)
    for way in (reinforced, bred):
        new = way(policy, views, np.random.default_rng(0), SHORT)
        assert new.terms[DOUBT] == pytest.approx(policy.terms[DOUBT])
        assert not np.allclose(new.terms, policy.terms)
    assert reinforced(policy, views, np.random.default_rng(0), SHORT).ranks == pytest.approx(
        policy.ranks
    )


def test_practice_makes_a_bad_policy_better(few: list[Drill]) -> None:
    """One that shuns fast workers: both ways find back."""
    vector = heft().vector
    vector[heft().ranks.size + 1 * len(PLACE)] = -1.5  # a second of slowness is worth much
    bad, told = policy_of(vector), []
    longer = Tuning(steps=30, draws=4, batch=7, generations=10, population=8, rate=0.1)
    new = fine_tuned(
        bad, few, np.random.default_rng(0), longer, told=lambda *step: told.append(step)
    )
    assert [name for name, _ in told] == ["policy gradient", "evolution"]
    assert min(found for _, found in told) < 0.97
    assert not np.array_equal(new.vector, bad.vector)


def test_the_policy_given_comes_back_where_practice_is_no_better(few: list[Drill]) -> None:
    still = Tuning(steps=1, draws=1, batch=1, rate=0.0, generations=1, population=4)
    begun = heft()
    worse = fine_tuned(begun, few, np.random.default_rng(0), still)
    assert worse is begun or not np.array_equal(worse.vector, begun.vector)


def test_one_seed_makes_one_policy(few: list[Drill]) -> None:
    one, two = (fine_tuned(heft(), few, np.random.default_rng(5), SHORT) for _ in range(2))
    assert np.array_equal(one.vector, two.vector)
