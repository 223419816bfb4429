"""Networks that learn together: what each is drawn to, and what is left of the peers."""

from dataclasses import replace

import pytest
import torch
from logged_worlds import compared_logs

from learner.arms.network import NetworkArm
from learner.examples import Examples
from learner.methods import method_named
from learner.methods.base import Scene
from learner.methods.mutual import PEERS, _apart
from learner.networks.base import Shape
from learner.networks.network import Network, Plan
from learner.offsets import Offsets
from learner.training.fit import fit
from learner.training.lesson import Batch, Lesson, lessons_of
from learner.training.losses import losses
from learner.training.settings import TrainingSettings
from scheduler.errors import InvalidInput

QUICK = TrainingSettings(epochs=2, shape=Shape(width=8, experts=2, dropout=0.0, spare=0.0))


@pytest.fixture(scope="module")
def examples() -> Examples:
    return Examples.of(compared_logs(40))


@pytest.fixture(scope="module")
def scene(examples: Examples) -> Scene:
    offsets = Offsets.fit(examples)
    plan = Plan.over(examples.columns, QUICK.sharing, QUICK.shape)
    return Scene(plan, examples, offsets, lessons_of(examples, offsets, seed=0), QUICK)


def begun(scene: Scene, **options: float) -> tuple[Network, object]:
    torch.manual_seed(0)
    network, steering = Network(scene.plan), method_named("mutual", options).steering(scene)
    steering.begin(network)
    return network.train(), steering


def some(lesson: Lesson) -> Batch:
    return next(lesson.batches(48, seed=0, forget=0.0))


def test_before_it_is_warm_losses_are_those_of_all_networks(scene: Scene) -> None:
    network, steering = begun(scene, peers=2)
    batch = some(scene.lessons["train"])
    plain = losses(network, batch)
    found = steering.losses(network, batch, plain, 0.0)
    peers = [losses(each, batch) for each in network.get_submodule(PEERS).children()]
    for name, loss in found.items():
        torch.testing.assert_close(loss, plain[name] + peers[0][name] + peers[1][name])


def test_networks_that_say_the_same_are_not_drawn_anywhere(scene: Scene) -> None:
    batch = some(scene.lessons["train"])
    told = torch.randn(batch.attempts, 3)
    assert float(_apart("duration", [told, told.clone()], batch)) == 0.0


def test_each_is_drawn_to_the_other_and_moves_itself_alone(scene: Scene) -> None:
    batch = some(scene.lessons["train"])
    low = torch.zeros(batch.attempts, 3, requires_grad=True)
    high = torch.full((batch.attempts, 3), 0.5, requires_grad=True)
    _apart("duration", [low, high], batch).backward()
    assert (low.grad < 0).all()  # a step against the gradient brings it up
    torch.testing.assert_close(low.grad, -high.grad)


def test_rows_without_a_truth_are_learned_from_the_others(scene: Scene) -> None:
    batch = some(scene.lessons["train"])
    unseen = replace(batch, truth={**batch.truth, "duration": batch.truth["duration"] * torch.nan})
    told = [torch.zeros(batch.attempts, 3), torch.ones(batch.attempts, 3)]
    assert float(_apart("duration", told, unseen)) == pytest.approx(1.0)  # 0.5 for each


def test_the_networks_stay_unlike_each_other_and_come_nearer(scene: Scene) -> None:
    lesson = scene.lessons["train"]
    weak, strong = (
        fit(
            scene.plan,
            scene.lessons,
            replace(QUICK, epochs=8),
            [method_named("mutual", {"weight": weight}).steering(scene)],
        )
        for weight in (1e-6, 30.0)
    )
    apart = []
    for found in (weak, strong):
        network, _ = begun(scene)
        network.load_state_dict(dict(found.weights))
        network.eval()
        batch = lesson.whole()
        with torch.no_grad():
            one = network(batch.rows, batch.workers)["duration"]
            other = network.get_submodule(PEERS)[0](batch.rows, batch.workers)["duration"]
        apart.append(float((one - other).abs().mean()))
    assert 0 < apart[1] < apart[0]


def test_peers_are_left_behind(examples: Examples) -> None:
    settings = replace(QUICK, methods={"mutual": {"peers": 2}})
    arm = NetworkArm.fit(examples, Offsets.fit(examples), settings)
    assert not [name for name in arm.network.state_dict() if name.startswith(PEERS)]
    again = NetworkArm.from_arrays(arm.as_arrays())
    inputs = examples.inputs.take(slice(0, 5))
    assert (arm.raw(inputs, ["memory"])["memory"] == again.raw(inputs, ["memory"])["memory"]).all()


@pytest.mark.parametrize("options", [{"peers": 0}, {"peers": 1.5}, {"weight": 0}, {"start": 1}])
def test_options_that_make_no_sense_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(InvalidInput, match=next(iter(options))):
        method_named("mutual", options)
