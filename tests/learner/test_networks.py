import torch

from learner.networks.base import Shape
from learner.networks.blocks import Experts, NumberEmbedding, squash
from learner.networks.cgc import CGC
from learner.networks.mmoe import MMoE
from learner.networks.network import Network, Plan, Rows, middle


def test_mmoe_with_linear_experts_is_the_formula_of_the_mission() -> None:
    """f_i(x) = sum_j g_ij(x) W_j x"""
    torch.manual_seed(0)
    sharing = MMoE(5, ("duration", "memory"), Shape(experts=3, width=4, depth=0, dropout=0.0))
    with torch.no_grad():
        sharing.gate.linear.weight.normal_()
    rows = torch.randn(7, 5)
    matrices, gates = sharing.pool.weights[0], sharing.gates(rows)
    for target, said in sharing(rows).items():
        for row in range(7):
            wanted = sum(gates[target][row, j] * (rows[row] @ matrices[j]) for j in range(3))
            torch.testing.assert_close(said[row], wanted)


def test_cgc_mixes_the_shared_experts_with_the_targets_own_one() -> None:
    torch.manual_seed(0)
    sharing = CGC(
        5, ("duration", "memory"), Shape(experts=2, width=4, depth=1, dropout=0.0, spare=0.0)
    )
    rows = torch.randn(3, 5)
    experts, gates = sharing.pool(rows), sharing.gates(rows)["memory"]
    wanted = gates[:, 0, None] * experts[:, 0] + gates[:, 1, None] * experts[:, 1]
    wanted = wanted + gates[:, 2, None] * experts[:, 3]  # 2 belongs to duration, 3 to memory
    torch.testing.assert_close(sharing(rows)["memory"], wanted)


def test_a_private_expert_learns_from_its_own_target_only() -> None:
    sharing = CGC(
        5, ("duration", "memory"), Shape(experts=2, width=4, depth=1, dropout=0.0, spare=0.0)
    )
    sharing(torch.randn(3, 5))["duration"].sum().backward()
    gradient = sharing.pool.weights[0].grad
    assert gradient is not None
    assert gradient[2].abs().sum() > 0
    assert gradient[3].abs().sum() == 0


def test_batched_experts_equal_the_same_networks_one_by_one() -> None:
    torch.manual_seed(0)
    experts = Experts(3, 5, Shape(width=4, depth=2, dropout=0.0))
    rows = torch.randn(6, 5)
    for j in range(3):
        hidden = rows
        for weight in experts.weights:
            hidden = torch.nn.functional.layer_norm(hidden @ weight[j], (4,))
            hidden = torch.nn.functional.silu(hidden)
        torch.testing.assert_close(experts(rows)[:, j], hidden)


def test_gates_begin_near_even_so_that_no_expert_starves() -> None:
    torch.manual_seed(0)
    gates = MMoE(20, ("a",), Shape(experts=4)).gates(torch.randn(50, 20))["a"]
    assert gates.min() > 0.15


def test_a_periodic_embedding_tells_apart_numbers_and_keeps_them() -> None:
    torch.manual_seed(0)
    embedding = NumberEmbedding(2, width=3, frequencies=4)
    said = embedding(torch.tensor([[0.5, -1.0], [0.6, -1.0]]))
    assert said.shape == (2, embedding.outputs)
    assert said[0, 3] == 0.5
    assert not torch.equal(said[0, :3], said[1, :3])
    assert torch.equal(said[0, 4:], said[1, 4:])


def test_squashing_keeps_the_order_and_bounds_what_is_far() -> None:
    far = squash(torch.tensor([-1e9, -1.0, 0.0, 0.01, 1.0, 1e9]))
    assert (far.diff() > 0).all()
    assert far.abs().max() <= 3.0
    torch.testing.assert_close(far[3], torch.tensor(0.01), atol=1e-4, rtol=1e-3)


def test_all_pairs_at_once_say_what_each_row_says_alone() -> None:
    torch.manual_seed(0)
    outputs = {"duration": 3, "failure": 1}
    plan = Plan(sharing="cgc", kinds=4, workers=5, workflows=2, numbers=3, targets=outputs)
    network = Network(plan).eval()
    places, numbers = torch.tensor([1, 3]), torch.randn(2, 3)
    tasks = Rows(places, torch.zeros(2).long(), torch.tensor([1, 0]), numbers, torch.zeros(2, 3))
    pairs = network.pairs(tasks, torch.arange(5))
    for worker in range(5):
        alone = network(tasks._replace(worker=torch.full((2,), worker)))
        for target, (said, match) in pairs.items():
            wanted = said + match[:, worker, None] * middle(said)
            torch.testing.assert_close(alone[target], wanted)


def test_only_the_middle_output_depends_on_the_worker() -> None:
    assert middle(torch.zeros(2, 3)).tolist() == [0.0, 1.0, 0.0]
    assert middle(torch.zeros(2, 1)).tolist() == [1.0]


def test_while_it_learns_a_target_often_does_without_its_own_expert() -> None:
    torch.manual_seed(0)
    shape = Shape(experts=2, width=4, depth=1, dropout=0.0, spare=0.5)
    sharing, rows = CGC(5, ("duration", "memory"), shape), torch.randn(400, 5)
    with torch.no_grad():
        pool, gates = sharing.pool(rows), sharing.gates(rows)["duration"]
        shared = gates[:, :2] / gates[:, :2].sum(-1, keepdim=True)
        without = (shared[..., None] * pool[:, :2]).sum(1)
        said, whole = sharing.train()(rows)["duration"], sharing.eval()(rows)["duration"]
    alone = torch.isclose(said, without, atol=1e-6).all(-1)
    assert 0.4 < alone.float().mean() < 0.6
    torch.testing.assert_close(said[~alone], whole[~alone])
