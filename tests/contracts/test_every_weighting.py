"""What every loss weighting keeps: a new file in learner/weighting is tested at once."""

import importlib.util
import sys

import pytest
import torch
from torch import Tensor

from learner.weighting import weighting_named, weightings
from learner.weighting.base import ByGradient, Weighting
from scheduler.errors import InvalidInput

TARGETS = ("assignment", "duration", "memory")
FREE = {"static", "gradnorm", "cagrad", "upgrad"}  # these need no optional package
there = importlib.util.find_spec("torchjd") is not None
KINDS = weightings()
every_weighting = pytest.mark.parametrize("name", KINDS)
without_a_first = [name for name, each in KINDS.items() if each.first is None]
by_losses = [name for name, each in KINDS.items() if not issubclass(each, ByGradient)]


def made(name: str, **options) -> Weighting:
    if not there and name not in FREE:
        pytest.skip("needs TorchJD")
    return weighting_named(name, TARGETS, **options)


def alike(gradients: Tensor | None = None) -> Tensor:
    """Products of gradients, by default those of equal length at right angles."""
    found = torch.eye(3) if gradients is None else gradients
    return found @ found.T


def run(weighting: Weighting, losses: list[Tensor], gramian: Tensor) -> list[Tensor]:
    found = []
    for each in losses:
        found.append(weighting.weights(each, lambda: gramian).clone())
        weighting.after(lambda each=each: each * 0.9)
        weighting.end_epoch()
    return found


def test_the_weightings_are_found() -> None:
    assert {"static", "uncertainty", "dwa", "gradnorm", "imtl_l", "stch", "famo"} <= set(
        weightings()
    )
    assert {"pcgrad", "mgda", "cagrad", "aligned_mtl", "pcd", "imtl_g", "upgrad"} <= set(
        weightings()
    )


@every_weighting
@pytest.mark.parametrize("losses", [(1.0, 2.0, 3.0), (0.0, 1e-9, 1e6), (5.0, 5.0, 5.0)])
def test_weights_are_finite_and_those_by_losses_positive(name: str, losses) -> None:
    weighting = made(name)
    gradients = torch.tensor([[1.0, 0.0, 0.0], [-0.5, 1.0, 0.0], [0.0, -2.0, 30.0]])
    for weights in run(weighting, [torch.tensor(losses)] * 9, alike(gradients)):
        assert weights.shape == (3,)
        assert torch.isfinite(weights).all()
        if not isinstance(weighting, ByGradient):
            assert (weights > 0).all()


@pytest.mark.parametrize("name", without_a_first)
def test_equal_losses_with_equal_gradients_get_equal_weights(name: str) -> None:
    weighting = made(name)
    for weights in run(weighting, [torch.full((3,), 0.7)] * 9, alike()):
        torch.testing.assert_close(weights, weights[:1].expand(3), rtol=1e-4, atol=1e-4)
        assert weights[0] > 0


@pytest.mark.parametrize("name", by_losses)
def test_weights_by_losses_move_the_balance_and_not_the_rate(name: str) -> None:
    weighting = made(name)
    for weights in run(weighting, [torch.tensor([1.0, 2.0, 5.0])] * 9, alike()):
        assert float(weights.abs().sum()) == pytest.approx(3.0, rel=1e-4)


@every_weighting
def test_the_same_losses_and_seed_give_the_same_weights(name: str) -> None:
    """What keeps training workers equal: each has a weighting of its own."""
    gradients = torch.tensor([[1.0, 0.2, 0.0], [-0.9, 1.0, 0.1], [-0.3, -2.0, 3.0]])
    told = [torch.rand(3, generator=torch.Generator().manual_seed(i)) for i in range(9)]
    one = run(made(name, seed=3), told, alike(gradients))
    torch.rand(7)  # what else was drawn in the process does not matter
    two = run(made(name, seed=3), told, alike(gradients))
    assert all(torch.equal(a, b) for a, b in zip(one, two, strict=True))


@every_weighting
def test_a_target_without_a_gradient_does_not_take_the_weight_of_others(name: str) -> None:
    gradients = torch.tensor([[1.0, 0.0], [0.0, 0.0], [0.0, 1.0]])
    told = [torch.tensor([0.7, 0.0, 0.7])] * 5
    weighting = made(name)
    for weights in run(weighting, told, alike(gradients)):
        assert float(weights[[0, 2]].min()) > 0.2 or weighting.first is not None


@pytest.mark.parametrize("name", sorted(set(weightings()) - FREE))
def test_a_missing_package_is_named_with_its_extra(name: str, monkeypatch) -> None:
    for module in ("aggregation", "scalarization"):
        monkeypatch.setitem(sys.modules, f"torchjd.{module}", None)
    with pytest.raises(InvalidInput, match=r"allot\[balance\]"):
        weighting_named(name, TARGETS)
