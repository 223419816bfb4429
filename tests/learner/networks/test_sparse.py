import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from learner.networks.base import Shape
from learner.networks.sparse import CHOSEN, STEP, STRENGTH, SelectingGates, Sparse, smooth_step

ROWS = torch.randn(50, 5, generator=torch.Generator().manual_seed(0))


def gates(experts: int, *, spread: float = 0.1) -> SelectingGates:
    torch.manual_seed(0)
    made = SelectingGates(5, 3, experts)
    with torch.no_grad():
        made.spell.weight.normal_(std=spread)
        made.mix.weight.normal_()
    return made


@given(st.floats(-3, 3))
def test_the_smooth_step_is_the_cubic_between_its_flat_ends(number: float) -> None:
    if number <= -STEP / 2:
        wanted = 0.0
    elif number >= STEP / 2:
        wanted = 1.0
    else:
        wanted = -2 / STEP**3 * number**3 + 3 / (2 * STEP) * number + 0.5
    said = smooth_step(torch.tensor(number, dtype=torch.float64))
    assert float(said) == pytest.approx(wanted, abs=1e-12)


@pytest.mark.parametrize("experts", [1, 2, 3, 4, 5, 8])
def test_decided_selectors_leave_weight_on_two_experts_at_most(experts: int) -> None:
    weights = gates(experts, spread=1e4)(ROWS)
    assert int((weights > 0).sum(-1).max()) <= CHOSEN
    torch.testing.assert_close(weights.sum(-1), torch.ones(50, 3))


@pytest.mark.parametrize("experts", [2, 3, 4, 5, 8])
def test_every_expert_can_be_chosen(experts: int) -> None:
    chosen = gates(experts, spread=1e4).selectors(ROWS).amax((0, 1, 2))
    assert torch.equal(chosen, torch.ones(experts))


@pytest.mark.parametrize("experts", [2, 4, 8])
def test_undecided_selectors_weigh_all_experts_alike(experts: int) -> None:
    made = gates(experts)
    with torch.no_grad():
        made.spell.weight.zero_()
        made.spell.bias.zero_()
    torch.testing.assert_close(made(ROWS), torch.full((50, 3, experts), 1 / experts))


def test_codes_left_over_mean_the_first_experts_again() -> None:
    made = gates(5)
    with torch.no_grad():
        made.spell.weight.zero_()
        made.spell.bias.zero_()
    weights = torch.tensor([2.0, 2.0, 2.0, 1.0, 1.0]) / 8
    torch.testing.assert_close(made(ROWS), weights.expand(50, 3, 5))


def test_the_bits_of_a_selector_spell_the_number_of_its_expert() -> None:
    made = gates(8)
    with torch.no_grad():
        made.spell.weight.zero_()
        made.spell.bias.copy_(torch.tensor([1.0, -1.0, 1.0]).repeat(3 * CHOSEN))
    torch.testing.assert_close(made(ROWS)[..., 0b101], torch.ones(50, 3))


def sharing() -> Sparse:
    torch.manual_seed(0)
    return Sparse(5, ("a", "b"), Shape(experts=4, width=4, depth=1, dropout=0.0))


def test_the_penalty_is_the_entropy_of_all_selectors() -> None:
    sparse = sharing()
    with torch.no_grad():
        sparse.gate.spell.weight.zero_()
        sparse.gate.spell.bias.zero_()
    wanted = STRENGTH * 2 * CHOSEN * math.log(4)
    torch.testing.assert_close(sparse.penalty(ROWS), torch.tensor(wanted))


def test_following_the_penalty_decides_the_selectors() -> None:
    sparse = sharing()
    optimiser = torch.optim.Adam(sparse.parameters(), lr=0.05)
    for _ in range(200):
        optimiser.zero_grad()
        sparse.penalty(ROWS).backward()
        optimiser.step()
    used = (sparse.gates(ROWS)["a"] > 0).sum(-1).float().mean()
    assert used <= CHOSEN
    assert sparse.penalty(ROWS) < 0.05 * sharing().penalty(ROWS)
