"""Each way to balance targets against what is known of it: closed forms, grids, definitions."""

import numpy as np
import pytest
import torch
from torch import Tensor

from learner.networks.base import Shape
from learner.networks.network import sharings
from learner.training.gradients import Meeting, cosines
from learner.weighting import weighting_named, weightings
from learner.weighting.base import EVERY, scaled
from learner.weighting.cagrad import RADIUS, conflict_averse
from learner.weighting.upgrad import projected
from scheduler.errors import NotFound

PAIR = ("duration", "memory")


def told(name: str, losses: list[float], gradients: list[list[float]], *, steps: int = 1) -> Tensor:
    """The weights after some steps with the same losses and gradients."""
    weighting = weighting_named(name, PAIR)
    rows = torch.tensor(gradients)
    for _ in range(steps):
        found = weighting.weights(torch.tensor(losses), lambda: rows @ rows.T)
    return found


def right_angles(one: float = 1.0, two: float = 1.0) -> list[list[float]]:
    return [[one, 0.0], [0.0, two]]


def test_static_weights_are_those_given_and_else_one() -> None:
    weighting = weighting_named("static", PAIR, given={"memory": 3.0})
    assert weighting.weights(torch.tensor([5.0, 7.0]), torch.zeros(2, 2).clone).tolist() == [1, 3]


@pytest.mark.parametrize("name", ["uncertainty", "imtl_l"])
def test_learned_scales_settle_where_all_scaled_losses_are_equal(name: str) -> None:
    pytest.importorskip("torchjd")
    weights = told(name, [0.2, 0.8], right_angles(), steps=600)
    torch.testing.assert_close(weights, torch.tensor([1.6, 0.4]), rtol=1e-2, atol=0)


def test_the_dynamic_average_is_a_softmax_of_how_little_losses_fell() -> None:
    pytest.importorskip("torchjd")
    weighting = weighting_named("dwa", PAIR)
    for losses in ([1.0, 1.0], [0.5, 0.9], [0.4, 0.8]):
        weights = weighting.weights(torch.tensor(losses), torch.eye)
        weighting.end_epoch()
    wanted = 2 * torch.softmax(torch.tensor([0.5, 0.9]) / 2, dim=0)
    torch.testing.assert_close(weights, wanted)


def test_tchebycheff_weights_are_a_softmax_of_losses() -> None:
    pytest.importorskip("torchjd")
    wanted = 2 * torch.softmax(torch.tensor([0.6, 0.8]) / 2 / 0.1, dim=0)
    torch.testing.assert_close(told("stch", [0.6, 0.8], right_angles()), wanted)


def test_famo_moves_weight_to_the_loss_that_fell_less() -> None:
    pytest.importorskip("torchjd")
    weighting = weighting_named("famo", PAIR)
    losses = torch.tensor([1.0, 1.0])
    for _ in range(20):
        weights = weighting.weights(losses, torch.eye)
        weighting.after(lambda: torch.tensor([0.5, 0.99]))
    assert weights[1] > 1.2 > weights[0]


def test_gradient_normalisation_ends_with_gradients_of_equal_length() -> None:
    weights = told("gradnorm", [1.0, 1.0], right_angles(1.0, 4.0), steps=EVERY * 200)
    torch.testing.assert_close(weights, torch.tensor([1.6, 0.4]), rtol=0.05, atol=0)


def test_gradient_normalisation_pushes_the_target_that_learns_slowly() -> None:
    weighting = weighting_named("gradnorm", PAIR)
    for losses in [[1.0, 1.0]] + [[0.2, 0.9]] * EVERY * 20:
        weights = weighting.weights(torch.tensor(losses), lambda: torch.eye(2))
    assert weights[1] > 1.2


def test_gradient_surgery_takes_away_what_points_against_the_other() -> None:
    """g = (1, 0) and (-1, 1): 1 + 1/2 of the second, 1 + 1 of the first, added up."""
    pytest.importorskip("torchjd")
    weights = told("pcgrad", [1.0, 1.0], [[1.0, 0.0], [-1.0, 1.0]])
    torch.testing.assert_close(weights, torch.tensor([2.0, 1.5]))


def test_the_shortest_mixture_of_two_gradients_has_a_closed_form() -> None:
    pytest.importorskip("torchjd")
    weights = scaled(told("mgda", [1.0, 1.0], right_angles(1.0, 2.0)))
    torch.testing.assert_close(weights, torch.tensor([1.6, 0.4]), rtol=1e-3, atol=0)


def test_aligned_gradients_become_equally_long() -> None:
    pytest.importorskip("torchjd")
    weights = scaled(told("aligned_mtl", [1.0, 1.0], right_angles(1.0, 4.0)))
    torch.testing.assert_close(weights, torch.tensor([1.6, 0.4]), rtol=1e-4, atol=0)


def test_the_impartial_direction_projects_equally_on_all_gradients() -> None:
    pytest.importorskip("torchjd")
    rows = [[1.0, 0.5], [-0.2, 2.0]]
    weights = told("imtl_g", [1.0, 1.0], rows)
    gradients = torch.tensor(rows)
    along = gradients @ (weights @ gradients) / gradients.norm(dim=1)
    torch.testing.assert_close(along[0], along[1])


def test_the_duration_comes_first_where_the_others_advance_anyway() -> None:
    pytest.importorskip("torchjd")
    weights = told("pcd", [1.0, 1.0], [[1.0, 0.0], [1.0, 1.0]])
    torch.testing.assert_close(weights, torch.tensor([1.0, 0.0]), rtol=1e-4, atol=1e-4)


def test_what_harms_another_target_is_bent_until_it_advances() -> None:
    pytest.importorskip("torchjd")
    gradients = torch.tensor([[1.0, 0.0], [-1.0, 1.0]])
    direction = told("pcd", [1.0, 1.0], gradients.tolist()) @ gradients
    assert float(gradients[1] @ direction) > 0


def test_conflict_averse_weights_are_as_good_as_the_best_of_a_grid() -> None:
    rows = torch.tensor([[1.0, 0.0, 0.2], [-2.0, 1.0, 0.0], [0.3, -0.5, 0.9]], dtype=torch.float64)
    gramian = (rows @ rows.T).numpy()
    steps = np.linspace(0, 1, 101)
    grid = np.array([[a, b, 1 - a - b] for a in steps for b in steps if a + b <= 1 + 1e-9])
    mean = gramian.mean(1)
    radius = RADIUS * mean.mean() ** 0.5

    def cost(mixture: np.ndarray) -> np.ndarray:
        length = np.sqrt(np.einsum("...i,ij,...j", mixture, gramian, mixture))
        return mixture @ mean + radius * length

    found = conflict_averse(torch.from_numpy(gramian)).numpy() - 1 / 3
    assert cost(found / found.sum()) < cost(grid).min() + 5e-3


def test_projections_are_no_longer_than_any_other_that_keeps_the_bounds() -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(4, 6))
    gramian = rows @ rows.T
    found = projected(np.eye(4), gramian)
    assert (found >= np.eye(4) - 1e-9).all()
    others = np.eye(4) + rng.exponential(0.5, (2000, 4, 4)) * rng.integers(0, 2, (2000, 4, 4))
    length = np.einsum("...i,ij,...j->...", others, gramian, others)
    assert (np.einsum("ri,ij,rj->r", found, gramian, found) <= length.min(0) + 1e-9).all()


def test_the_unconflicting_direction_harms_no_target() -> None:
    gradients = torch.tensor([[1.0, 0.0], [-3.0, 1.0]])
    direction = told("upgrad", [1.0, 1.0], gradients.tolist()) @ gradients
    assert (gradients @ direction > -1e-4).all()


def test_weights_by_gradients_hold_until_the_next_look() -> None:
    weighting, looks = weighting_named("upgrad", PAIR), []

    def gramian() -> Tensor:
        looks.append(1)
        return torch.eye(2)

    for _ in range(2 * EVERY):
        weighting.weights(torch.ones(2), gramian)
    assert len(looks) == 2


def test_a_weighting_that_does_not_exist_is_refused_with_those_that_do() -> None:
    with pytest.raises(NotFound, match="static, stch"):
        weighting_named("fair", PAIR)
    assert "static" in weightings()


def passed(sharing: str, rows: Tensor) -> tuple[Meeting, list[Tensor], Tensor]:
    torch.manual_seed(0)
    made = sharings()[sharing](5, ("cpu", *PAIR), Shape(experts=2, width=6, dropout=0.0, spare=0.0))
    meeting = Meeting(made, lambda each: each)
    rows = rows.clone().requires_grad_()
    said = made(rows)
    goals = {"cpu": said["cpu"][:, 0], "duration": said["duration"][:, 1:].sum(1)}
    goals["memory"] = (said["memory"] ** 2).sum(1)
    return meeting, [each.sum() for each in goals.values()], rows


@pytest.mark.parametrize("sharing", sharings())
def test_gradients_meet_where_all_targets_read(sharing: str) -> None:
    meeting, losses, _ = passed(sharing, torch.randn(7, 5))
    gramian = meeting.gramian(losses)
    assert gramian.shape == (3, 3)
    assert (gramian.diagonal() > 0).all()
    assert meeting.chosen is not None
    assert (meeting.chosen[0] == 0) == (sharing in ("separate", "soft"))


def test_without_anything_shared_gradients_meet_in_the_embedded_rows() -> None:
    meeting, losses, rows = passed("separate", torch.randn(7, 5))
    found = meeting.gramian(losses)
    by_hand = torch.stack([torch.autograd.grad(loss, rows, retain_graph=True)[0].flatten()
                           for loss in losses])  # fmt: skip
    torch.testing.assert_close(found, by_hand @ by_hand.T)


@pytest.mark.parametrize("sharing", ["hard", "cgc", "separate"])
def test_gramians_of_the_shares_of_a_batch_add_up_to_that_of_the_batch(sharing: str) -> None:
    rows = torch.randn(8, 5)
    whole, one, two = (passed(sharing, part) for part in (rows, rows[::2], rows[1::2]))
    parts = one[0].gramian(one[1]) + two[0].gramian(two[1])
    torch.testing.assert_close(whole[0].gramian(whole[1]), parts)


def test_private_experts_are_not_where_gradients_meet() -> None:
    meeting, losses, _ = passed("cgc", torch.randn(7, 5))
    meeting.gramian(losses)
    assert meeting.chosen is not None
    assert meeting.chosen[1].tolist() == [True, True, False, False, False]


def test_cosines_are_those_of_the_angles() -> None:
    rows = torch.tensor([[1.0, 0.0], [1.0, 1.0], [0.0, 0.0]])
    found = cosines(rows @ rows.T)
    assert float(found[0, 1]) == pytest.approx(2**-0.5)
    assert torch.isnan(found[0, 2])
