import torch
from torch import Tensor

from learner.networks.base import Shape
from learner.networks.mmoe import MMoE
from learner.networks.ple import PLE

TARGETS = ("duration", "memory")
ROWS = torch.randn(3, 5, generator=torch.Generator().manual_seed(0))


def sharing(**shape: int) -> PLE:
    torch.manual_seed(0)
    ple = PLE(5, TARGETS, Shape(**({"experts": 2, "width": 4, "depth": 0} | shape), dropout=0.0))
    with torch.no_grad():
        for weight in ple.parameters():
            weight.normal_()
    return ple


def test_two_levels_of_linear_experts_are_the_formulas_written_out() -> None:
    """Row by row and expert by expert, as Tang et al. write them."""
    ple = sharing()
    first, second = ple.first, ple.second
    said, gates, lower = ple(ROWS), ple.gates(ROWS), ple.lower_gates(ROWS)
    for row, x in enumerate(ROWS):
        experts = [x @ matrix for matrix in first.pool.weights[0]]  # shared 1, shared 2, own, own
        choices = [x @ first.gate.weight[i] + first.gate.bias[i, 0] for i in range(2)]
        states = [_mixed(choices[i], [*experts[:2], experts[2 + i]]) for i in range(2)]
        joint = ple.joint.linear
        common = _mixed(joint(x), experts)
        matrices = second.pool.weights[0]
        shared = [common @ matrices[0], common @ matrices[1]]
        for i, target in enumerate(TARGETS):
            scores = states[i] @ second.gate.weight[i] + second.gate.bias[i, 0]
            wanted = _mixed(scores, [*shared, states[i] @ matrices[2 + i]])
            torch.testing.assert_close(said[target][row], wanted)
            torch.testing.assert_close(gates[target][row], scores.softmax(-1))
            torch.testing.assert_close(lower[target][row], choices[i].softmax(-1))


def _mixed(scores: Tensor, experts: list[Tensor]) -> Tensor:
    return scores.softmax(-1) @ torch.stack(experts)


def test_a_target_reaches_the_private_expert_of_another_through_the_shared_state_only() -> None:
    ple = sharing()
    ple(ROWS)["duration"].square().sum().backward()
    first, second = (level.pool.weights[0].grad for level in (ple.first, ple.second))
    assert first[3].abs().sum() > 0  # memory's own expert feeds the shared gate of the first level
    assert second[3].abs().sum() == 0  # on the last level it is memory's alone


def test_the_levels_share_the_depth_of_the_other_sharings() -> None:
    for depth, each in {0: 1, 1: 1, 2: 1, 3: 2, 4: 2}.items():
        ple = sharing(depth=depth)
        assert len(ple.first.pool.weights) == len(ple.second.pool.weights) == each


def test_gates_begin_near_even_so_that_no_expert_starves() -> None:
    torch.manual_seed(0)
    shape = Shape(experts=4, width=16)
    for kind in (PLE, MMoE):
        assert kind(20, TARGETS, shape).gates(torch.randn(50, 20))["memory"].min() > 0.14
