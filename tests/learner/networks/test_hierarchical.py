import torch

from learner.networks.base import Shape
from learner.networks.hierarchical import Hierarchical, storeys

TARGETS = ("assignment", "cpu", "duration", "failure", "memory")
SHAPE = Shape(width=4, depth=1, dropout=0.0)
ROWS = torch.randn(6, 5, generator=torch.Generator().manual_seed(0))
FEEDS = {
    "duration": {"duration"},
    "cpu": {"duration", "cpu"},
    "memory": {"duration", "memory"},
    "failure": {"duration", "cpu", "memory", "failure"},
    "assignment": {"duration", "cpu", "memory", "failure", "assignment"},
}


def reached_by(target: str) -> set[str]:
    """The targets whose expert learns when this target learns."""
    torch.manual_seed(0)
    sharing = Hierarchical(5, TARGETS, SHAPE)
    sharing(ROWS)[target].square().sum().backward()
    found = set()
    for storey, tower in zip(sharing.storeys, sharing.towers, strict=True):
        gradient = tower.weights[0].grad  # type: ignore[union-attr, index]
        for i, name in enumerate(storey):
            if gradient is not None and gradient[i].abs().sum() > 0:
                found.add(name)
    return found


def test_each_target_learns_through_the_storeys_below_it_and_no_other() -> None:
    assert {target: reached_by(target) for target in TARGETS} == FEEDS


def test_every_storey_reads_the_row_itself_too() -> None:
    torch.manual_seed(0)
    sharing = Hierarchical(5, TARGETS, SHAPE)
    with torch.no_grad():
        for tower in sharing.towers:
            tower.weights[0][:, 5:] = 0.0  # type: ignore[union-attr, index]
    for said in sharing(ROWS).values():
        assert (said[0] - said[1]).abs().sum() > 0.01


def test_a_storey_without_targets_is_left_out() -> None:
    assert storeys(("failure", "duration")) == (("duration",), ("failure",))


def test_targets_without_a_place_stand_beside_memory_and_cpu() -> None:
    assert storeys(("duration", "bytes_read", "cpu", "failure")) == (
        ("duration",),
        ("bytes_read", "cpu"),
        ("failure",),
    )


def test_the_answer_keeps_the_order_of_the_targets() -> None:
    assert tuple(Hierarchical(5, TARGETS, SHAPE)(ROWS)) == TARGETS
