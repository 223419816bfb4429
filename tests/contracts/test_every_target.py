"""What every target keeps: a new file in learner/targets is tested at once."""

import numpy as np
import pytest
import torch
from torch import Tensor

from learner.targets import auxiliaries, targets
from learner.targets.base import Target

TARGETS = {**targets(), **auxiliaries()}
ROWS, WORKERS = 6, 3

every_target = pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)


def shape_of(target: Target) -> tuple[int, ...]:
    return (ROWS, WORKERS) if target.sees == "choices" else (ROWS,)


def truth_of(target: Target) -> Tensor:
    drawn = torch.rand(shape_of(target), generator=torch.Generator().manual_seed(3))
    return drawn.round() if target.name == "failure" else drawn + 0.2


def told(target: Target, scale: float = 1.0) -> Tensor:
    shape = (*shape_of(target), target.outputs)
    raw = torch.randn(shape, generator=torch.Generator().manual_seed(4)) * scale
    return raw.requires_grad_()


def loss_of(target: Target, raw: Tensor, truth: Tensor) -> Tensor:
    return target.loss(target.read(raw, torch.zeros(shape_of(target))), truth)


def test_the_targets_are_found() -> None:
    assert {"duration", "memory", "cpu", "failure", "assignment"} <= set(TARGETS)


@every_target
@pytest.mark.parametrize("scale", [0.0, 1.0, 50.0])
def test_the_loss_is_finite_and_never_negative(target: Target, scale: float) -> None:
    loss = loss_of(target, told(target, scale), truth_of(target))
    assert loss.shape == (ROWS,)
    assert torch.isfinite(loss).all()
    assert (loss > -1e-5).all()


@every_target
def test_the_loss_can_be_learned_down_to_nothing(target: Target) -> None:
    raw, truth = told(target), truth_of(target)
    optimiser = torch.optim.Adam([raw], lr=0.2)
    for _ in range(400):
        optimiser.zero_grad()
        loss_of(target, raw, truth).sum().backward()
        optimiser.step()
    assert float(loss_of(target, raw.detach(), truth).max()) < 0.01


@every_target
def test_a_masked_truth_costs_nothing_and_has_no_gradient(target: Target) -> None:
    raw, truth = told(target), truth_of(target)
    truth[0] = torch.nan
    loss = loss_of(target, raw, truth)
    loss.sum().backward()
    assert float(loss[0].detach()) == 0
    assert raw.grad is not None
    assert (raw.grad[0] == 0).all()
    assert torch.isfinite(raw.grad).all()
    assert (raw.grad[1:].abs().flatten(1).sum(1) > 0).all()


@every_target
def test_an_offset_moves_what_is_read(target: Target) -> None:
    raw, zeros = told(target), torch.zeros(shape_of(target))
    assert (target.read(raw, zeros + 0.5) > target.read(raw, zeros)).all()


@every_target
def test_scores_without_any_truth_say_so(target: Target) -> None:
    shape = shape_of(target)
    numbers = np.zeros((*shape, target.outputs) if target.outputs > 1 else shape)
    scores = target.score(numbers, np.full(shape, np.nan), numbers)
    assert scores["rows"] == 0
    assert scores["error"] is None
