import pytest
import torch
from logged_worlds import compared_logs

from learner.examples import Examples
from learner.networks.base import Shape
from learner.networks.network import Network, Plan
from learner.networks.soft import STRENGTH, Soft
from learner.offsets import Offsets
from learner.training.fit import fit
from learner.training.lesson import lessons_of
from learner.training.settings import TrainingSettings

TARGETS = ("duration", "memory", "failure")
ROWS = torch.randn(4, 5, generator=torch.Generator().manual_seed(0))


def sharing() -> Soft:
    torch.manual_seed(0)
    return Soft(5, TARGETS, Shape(width=4, depth=2, dropout=0.0))


def test_the_towers_begin_as_one_and_cost_nothing() -> None:
    soft = sharing()
    said = soft(ROWS)
    assert torch.equal(said["duration"], said["failure"])
    assert soft.penalty(ROWS) < 1e-12


def test_the_penalty_is_the_squared_distance_to_the_mean_tower() -> None:
    soft = sharing()
    with torch.no_grad():
        soft.towers.weights[0][1, 2, 3] += 3.0  # the mean moves by 1: 1 + 4 + 1
    torch.testing.assert_close(soft.penalty(ROWS), torch.tensor(STRENGTH * 6.0))


def test_the_penalty_draws_every_weight_towards_the_mean_of_the_towers() -> None:
    soft = sharing()
    with torch.no_grad():
        for weight in soft.parameters():
            weight.normal_()
    soft.penalty(ROWS).backward()
    for weight in soft.parameters():
        away = weight.detach() - weight.detach().mean(0)
        torch.testing.assert_close(weight.grad, 2 * STRENGTH * away)


def test_towers_stay_together_in_training_because_parting_costs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    apart = []
    for strength in (0.0, 10.0):
        monkeypatch.setattr("learner.networks.soft.STRENGTH", strength)
        apart.append(_distance_after_training())
    assert apart[1] < 0.1 * apart[0]


def _distance_after_training() -> float:
    examples = Examples.of(compared_logs(40))
    settings = TrainingSettings(sharing="soft", epochs=3, shape=Shape(width=8, depth=1))
    plan = Plan.over(examples.columns, settings.sharing, settings.shape)
    found = fit(plan, lessons_of(examples, Offsets.fit(examples), seed=0), settings)
    network = Network(plan)
    network.load_state_dict(dict(found.weights))
    towers = network.sharing.towers
    assert isinstance(network.sharing, Soft)
    return sum(float((each - each.mean(0)).detach().square().sum()) for each in towers.parameters())
