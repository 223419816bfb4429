"""The gate mix: what an epoch tells of the weight that each gate gives each expert."""

import pytest
import torch
from logged_worlds import compared_logs
from torch import Tensor, nn

from learner.examples import Examples
from learner.networks.base import Shape
from learner.networks.network import Plan, sharings
from learner.offsets import Offsets
from learner.training import health
from learner.training.course import Course
from learner.training.lesson import Lesson, lessons_of
from learner.training.settings import TrainingSettings
from learner.training.team import Team

SHAPE = Shape(width=8, experts=2)
Told = dict[tuple[str, str], float]


@pytest.fixture(scope="module")
def examples() -> Examples:
    return Examples.of(compared_logs(30))


@pytest.fixture(scope="module")
def lessons(examples: Examples) -> dict[str, Lesson]:
    return lessons_of(examples, Offsets.fit(examples), seed=0)


def course(examples: Examples, lessons: dict[str, Lesson], sharing: str) -> Course:
    plan = Plan.over(examples.columns, sharing, SHAPE)
    torch.manual_seed(0)
    return Course(plan, lessons["train"], TrainingSettings(epochs=2, shape=SHAPE), Team())


def mixes(told: Told, family: str = "expert_load") -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    for (target, name), value in told.items():
        if name.startswith(f"{family}."):
            found.setdefault(target, {})[name.removeprefix(f"{family}.")] = value
    return found


def planted(course: Course, scores: nn.Parameter, bias: nn.Parameter, *, first: int) -> Tensor:
    """Gates that weigh alike in every row: 2 : 3 : 5 in the `first` target, else turned by one."""
    targets = len(course.network.plan.targets)
    wanted = torch.stack([torch.tensor([2.0, 3, 5]).roll(i - first) / 10 for i in range(targets)])
    with torch.no_grad():
        scores.zero_()
        bias.copy_(wanted.log().view_as(bias))
    return wanted


def told_as(wanted: Tensor, course: Course) -> dict[str, dict[str, object]]:
    targets, experts = course.network.plan.targets, course.network.sharing.experts
    return {
        target: pytest.approx(dict(zip(experts, row.tolist(), strict=True)), abs=1e-6)
        for target, row in zip(targets, wanted, strict=True)
    }


def test_the_mix_that_was_planted_is_told_by_target_and_expert(examples, lessons) -> None:
    taught = course(examples, lessons, "cgc")
    gate = taught.network.sharing.gate.linear
    wanted = planted(taught, gate.weight, gate.bias, first=1)
    told = mixes(taught.health(lessons["validation"]))
    assert told == told_as(wanted, taught)
    assert list(told["memory"]) == ["shared 1", "shared 2", "own"]


def test_each_level_of_gates_tells_its_own_mix(examples, lessons) -> None:
    taught = course(examples, lessons, "ple")
    first, second = (each.gate for each in (taught.network.sharing.first,
                                            taught.network.sharing.second))  # fmt: skip
    below = planted(taught, first.weight, first.bias, first=0)
    above = planted(taught, second.weight, second.bias, first=2)
    told = taught.health(lessons["validation"])
    assert mixes(told) == told_as(above, taught)
    assert mixes(told, "lower_load") == told_as(below, taught)


def test_a_mix_is_the_mean_over_rows() -> None:
    weights = torch.tensor([[1.0, 0.0], [0.5, 0.5], [0.0, 1.0], [0.9, 0.1]])
    told = health.loads({"cpu": weights}, ("shared 1", "own"))
    assert told == pytest.approx(
        {("cpu", "expert_load.shared 1"): 0.6, ("cpu", "expert_load.own"): 0.4}
    )


@pytest.mark.parametrize("sharing", sorted(sharings()))
def test_every_sharing_with_gates_tells_a_mix_that_sums_to_one(
    sharing: str, examples, lessons
) -> None:
    taught = course(examples, lessons, sharing)
    taught.learn(0)
    told, experts = taught.health(lessons["validation"]), taught.network.sharing.experts
    gated = set(taught.network.plan.targets) if len(experts) > 1 else set()
    assert set(mixes(told)) == gated
    assert set(mixes(told, "lower_load")) == (gated if sharing == "ple" else set())
    for family in ("expert_load", "lower_load"):
        for mix in mixes(told, family).values():
            assert tuple(mix) == experts
            assert sum(mix.values()) == pytest.approx(1.0, abs=1e-5)
