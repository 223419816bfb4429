import torch

from learner.networks.base import Shape
from learner.networks.linear_mix import LinearMix

ROWS = torch.randn(7, 5, generator=torch.Generator().manual_seed(0))


def sharing() -> LinearMix:
    torch.manual_seed(0)
    return LinearMix(5, ("duration", "memory"), Shape(experts=3, width=4, depth=0, dropout=0.0))


def test_with_linear_experts_each_target_is_a_linear_combination_of_matrices() -> None:
    """f_i(x) = (sum_j a_ij W_j) x"""
    linear = sharing()
    with torch.no_grad():
        linear.mix.normal_()  # of both signs
    for i, said in enumerate(linear(ROWS).values()):
        matrix = sum(linear.mix[i, j] * linear.pool.weights[0][j] for j in range(3))
        torch.testing.assert_close(said, ROWS @ matrix)


def test_the_mix_is_the_same_in_every_row() -> None:
    gates = sharing().gates(ROWS)["memory"]
    assert torch.equal(gates, gates[:1].expand_as(gates))


def test_a_negative_share_weighs_as_much_as_a_positive_one() -> None:
    linear = sharing()
    with torch.no_grad():
        linear.mix[0] = torch.tensor([1.0, -2.0, 1.0])
    torch.testing.assert_close(linear.gates(ROWS)["duration"][0], torch.tensor([0.25, 0.5, 0.25]))
