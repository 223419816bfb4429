"""What every sharing keeps: a new file in learner/networks is tested at once."""

import math

import pytest
import torch

from learner.networks.base import Shape, Sharing
from learner.networks.network import sharings

TARGETS = ("duration", "memory", "failure")
SHAPE = Shape(experts=3, width=8, depth=2, dropout=0.0, spare=0.0)
ROWS, INPUTS = 5, 6
SHARINGS = sharings()

every_sharing = pytest.mark.parametrize("kind", SHARINGS.values(), ids=SHARINGS)


def made(kind: type[Sharing]) -> Sharing:
    torch.manual_seed(0)
    return kind(INPUTS, TARGETS, SHAPE)


def rows() -> torch.Tensor:
    return torch.randn(ROWS, INPUTS, generator=torch.Generator().manual_seed(1))


def test_the_sharings_are_found() -> None:
    assert {"separate", "hard", "mmoe", "cgc", "ple", "sparse", "soft"} <= set(SHARINGS)


@every_sharing
def test_each_target_gets_a_representation_of_the_width(kind: type[Sharing]) -> None:
    shared = made(kind)(rows())
    assert {name: tuple(each.shape) for name, each in shared.items()} == dict.fromkeys(
        TARGETS, (ROWS, SHAPE.width)
    )


@every_sharing
def test_gates_weigh_the_named_experts_and_sum_to_one(kind: type[Sharing]) -> None:
    sharing = made(kind)
    for weights in sharing.gates(rows()).values():
        assert weights.shape == (ROWS, len(sharing.experts))
        assert (weights >= 0).all()
        torch.testing.assert_close(weights.sum(-1), torch.ones(ROWS))


@every_sharing
def test_every_parameter_gets_a_gradient(kind: type[Sharing]) -> None:
    sharing = made(kind)
    scale = torch.arange(1.0, len(TARGETS) + 1)
    shared = sharing(rows())
    sum((each**2 * w).sum() for each, w in zip(shared.values(), scale, strict=True)).backward()
    for name, parameter in sharing.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


@every_sharing
def test_a_row_does_not_depend_on_its_neighbours(kind: type[Sharing]) -> None:
    sharing, one, many = made(kind), rows()[:1], rows()
    alone, among = sharing(one), sharing(many)
    for target in TARGETS:
        torch.testing.assert_close(alone[target][0], among[target][0])


@every_sharing
def test_saved_weights_give_the_same_outputs(kind: type[Sharing]) -> None:
    sharing, other = made(kind), kind(INPUTS, TARGETS, SHAPE)
    other.load_state_dict(sharing.state_dict())
    for target, each in sharing(rows()).items():
        assert torch.equal(each, other(rows())[target])


@every_sharing
def test_no_rows_give_no_representations(kind: type[Sharing]) -> None:
    assert made(kind)(rows()[:0])["duration"].shape == (0, SHAPE.width)


@every_sharing
def test_what_a_sharing_adds_to_the_loss_is_a_number_never_below_zero(kind: type[Sharing]) -> None:
    penalty = made(kind).penalty(rows()).detach()
    assert penalty.shape == ()
    assert float(penalty) >= 0
    assert math.isfinite(penalty)
