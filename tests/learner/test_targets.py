import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from logged_worlds import logs

from learner.targets import auxiliaries, targets
from learner.targets.assignment import Assignment, regret
from learner.targets.failure import Failure, area_under_curve
from learner.targets.quantities import BytesRead, BytesWritten, Duration, pinball
from scheduler.predictors.affinity import TEMPERATURE

anything = arrays(np.float32, (4, 3), elements=st.floats(-1e4, 1e4, width=32))


@given(anything, st.floats(-100, 100))
def test_quantiles_cannot_cross(raw: np.ndarray, offset: float) -> None:
    told = Duration().read(torch.from_numpy(raw), torch.full((4,), offset))
    assert (told.diff(dim=-1) >= 0).all()


def test_the_pinball_loss_is_least_at_the_quantiles_of_the_data() -> None:
    seen = torch.from_numpy(np.random.default_rng(0).normal(size=4000)).float()
    raw = torch.zeros(1, 3, requires_grad=True)
    optimiser = torch.optim.Adam([raw], lr=0.05)
    for _ in range(300):
        optimiser.zero_grad()
        told = Duration().read(raw, torch.zeros(1)).expand(len(seen), 3)
        Duration().loss(told, seen).mean().backward()
        optimiser.step()
    found = Duration().read(raw.detach(), torch.zeros(1))[0]
    np.testing.assert_allclose(found, np.quantile(seen, (0.1, 0.5, 0.9)), atol=0.08)


def test_torch_and_numpy_agree_on_the_pinball_loss() -> None:
    rng = np.random.default_rng(1)
    told, truth = np.sort(rng.normal(size=(20, 3))), rng.normal(size=20)
    loss = Duration().loss(torch.from_numpy(told), torch.from_numpy(truth)).mean()
    assert float(loss) == pytest.approx(pinball(told, truth), rel=1e-5)


def test_coverage_counts_what_lies_between_the_outer_quantiles() -> None:
    told = np.tile([0.0, 1.0, 2.0], (4, 1))
    scores = Duration().score(told, np.array([-1.0, 0.5, 1.5, 3.0]), told)
    assert scores["coverage"] == 0.5
    assert scores["error"] == pytest.approx((2 + 0.5 + 0.5 + 2) / 4)


def test_the_area_under_the_curve_counts_pairs_in_the_right_order() -> None:
    risk, truth = np.array([0.1, 0.4, 0.4, 0.9]), np.array([0.0, 0.0, 1.0, 1.0])
    assert area_under_curve(risk, truth) == pytest.approx((1 + 0.5 + 1 + 1) / 4)


def test_the_area_is_unknown_where_all_ended_alike() -> None:
    assert area_under_curve(np.array([0.1, 0.2]), np.array([0.0, 0.0])) is None


def test_no_head_makes_a_failure_certain() -> None:
    logits = Failure().read(torch.tensor([[1e6], [-1e6]]), torch.zeros(2))
    assert torch.isfinite(logits).all()
    assert (logits.sigmoid() < 1).all()
    assert (logits.sigmoid() > 0).all()


def test_scores_that_are_the_costs_powers_lose_nothing() -> None:
    cost = torch.tensor([[1.0, 2.0, 8.0], [3.0, 3.0, torch.nan]])
    scores = -torch.log(cost.nan_to_num(1.0)) / TEMPERATURE
    torch.testing.assert_close(Assignment().loss(scores, cost), torch.zeros(2))


def test_a_choice_with_one_known_cost_teaches_nothing() -> None:
    cost = torch.tensor([[1.0, torch.nan]])
    assert not Assignment().observed(cost)
    assert Assignment().loss(torch.tensor([[0.0, 5.0]]), cost) == 0


def test_regret_is_the_chosen_workers_cost_minus_the_best_known_one() -> None:
    cost = np.array([[5.0, 2.0, np.nan], [1.0, 4.0, 9.0]])
    scores = np.array([[1.0, 0.0, 99.0], [3.0, 2.0, 1.0]])
    assert regret(cost, scores).tolist() == [3.0, 0.0]


def test_a_bound_pulls_a_prediction_up_to_it_and_never_down() -> None:
    told = torch.tensor([[1.0, 2.0, 3.0], [6.0, 7.0, 8.0]], requires_grad=True)
    unknown, bound = torch.full((2,), torch.nan), torch.tensor([5.0, 5.0])
    cost = Duration().loss(told, unknown, bound)
    cost.sum().backward()
    assert float(cost[0].detach()) == pytest.approx((0.1 * 4 + 0.5 * 3 + 0.9 * 2) / 3)
    assert float(cost[1].detach()) == 0
    np.testing.assert_allclose(told.grad, [[-0.1 / 3, -0.5 / 3, -0.9 / 3], [0, 0, 0]], rtol=1e-6)


def test_what_was_observed_counts_more_than_a_bound() -> None:
    told, seen = torch.tensor([[1.0, 2.0, 3.0]]), torch.tensor([2.5])
    assert Duration().loss(told, seen, torch.tensor([9.0])) == Duration().loss(told, seen)


def test_censored_durations_come_nearer_to_the_truth_than_dropped_or_believed_ones() -> None:
    """Log-durations 1 + 0.8 x + N(0, 0.5), all attempts killed at 2: the quantiles are known."""
    rng, limit, noise = np.random.default_rng(0), 2.0, 0.5
    size = rng.normal(size=1500)
    took = 1 + 0.8 * size + noise * rng.normal(size=1500)
    killed = took > limit
    nothing = np.full(1500, np.nan)
    dropped, bounds = np.where(killed, np.nan, took), np.where(killed, limit, np.nan)
    at = np.linspace(-2, 2, 9)
    truth = (1 + 0.8 * at)[:, None] + noise * np.array([0.0, 1.2816])
    missed = {
        name: np.abs(line_fitted(size, seen, bound, at)[:, 1:] - truth).mean(0)
        for name, seen, bound in (
            ("censored", dropped, bounds),
            ("dropped", dropped, nothing),
            ("believed", np.where(killed, limit, took), nothing),
        )
    }
    assert (missed["censored"] < 0.65 * missed["dropped"]).all()
    assert (missed["censored"] < 0.65 * missed["believed"]).all()


def line_fitted(size: np.ndarray, seen: np.ndarray, bound: np.ndarray, at: np.ndarray):
    """The quantiles that a straight line for each head output learns, at some sizes."""
    line = torch.zeros(2, 3, requires_grad=True)
    optimiser = torch.optim.Adam([line], lr=0.05)
    x, y, b = (torch.from_numpy(each).float() for each in (size, seen, bound))
    for _ in range(400):
        optimiser.zero_grad()
        told = Duration().read(line[0] + x[:, None] * line[1], torch.zeros(len(x)))
        Duration().loss(told, y, b).mean().backward()
        optimiser.step()
    raw = line[0] + torch.from_numpy(at).float()[:, None] * line[1]
    return Duration().read(raw, torch.zeros(len(at))).detach().numpy()


def test_scores_come_to_tell_expected_costs_and_not_who_is_cheapest_most_often() -> None:
    """The second worker is twice as fast nine times in ten; the tenth time it costs ten-fold."""
    cost = torch.tensor([[1.0, 0.5]] * 9 + [[1.0, 10.0]])
    scores = torch.zeros(2, requires_grad=True)
    optimiser = torch.optim.Adam([scores], lr=0.1)
    for _ in range(400):
        optimiser.zero_grad()
        (Assignment().loss(scores.expand(10, 2), cost) * cost.sum(1)).mean().backward()
        optimiser.step()
    told = torch.softmax(-TEMPERATURE * scores.detach(), 0)
    expected = cost.mean(0)
    torch.testing.assert_close(told, expected / expected.sum(), atol=1e-3, rtol=0)
    assert scores[0] > scores[1]


def test_bytes_are_read_from_what_the_log_measures_under_any_of_their_names() -> None:
    record = logs(1)[0]
    for name in ("rchar", "bytes_read", "read_bytes"):
        seen = replace(record, measured={name: 1000.0})
        assert BytesRead().truth(seen) == pytest.approx(math.log(1000))
    both = replace(record, measured={"read_bytes": 5.0, "rchar": 1000.0})
    assert BytesRead().truth(both) == pytest.approx(math.log(1000))
    assert math.isnan(BytesWritten().truth(record))


def test_bytes_are_learned_along_and_never_forecast() -> None:
    assert set(auxiliaries()) == {"bytes_read", "bytes_written"}
    assert not set(auxiliaries()) & set(targets())
