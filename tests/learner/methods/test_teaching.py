from dataclasses import replace
from functools import cache

import pytest
import torch
from logged_worlds import compared_logs
from torch import Tensor

from learner.arms.boosted import BoostedArm, installed
from learner.examples import Examples
from learner.methods.base import Scene
from learner.methods.distillation import Annealed, Faculty
from learner.methods.teaching import distance, distances, heads_of, read, relative
from learner.networks.base import Shape
from learner.networks.network import Network, Plan
from learner.offsets import Offsets
from learner.targets import target_named
from learner.training.fit import fit
from learner.training.lesson import Batch, Lesson, lessons_of
from learner.training.losses import losses
from learner.training.settings import TrainingSettings

QUICK = TrainingSettings(epochs=3, shape=Shape(width=8, experts=2, dropout=0.0), folds=0)


@cache
def scene() -> Scene:
    examples = Examples.of(compared_logs(60))
    offsets = Offsets.fit(examples)
    plan = Plan.over(examples.columns, "cgc", QUICK.shape)
    return Scene(plan, examples, offsets, lessons_of(examples, offsets, seed=0), QUICK)


def lesson() -> Lesson:
    return scene().lessons["train"]


def network(seed: int = 2) -> Network:
    torch.manual_seed(seed)
    made = Network(scene().plan).eval()
    with torch.no_grad():
        for weight in made.parameters():
            weight.add_(0.2 * torch.randn_like(weight))
    return made


def said(seed: int = 2) -> dict[str, Tensor]:
    return read(heads_of(network(seed), lesson()), lesson())


@pytest.mark.parametrize("name", ["assignment", "duration", "failure"])
def test_who_says_the_same_is_not_apart_and_who_says_else_is(name: str) -> None:
    told, other, truth = said()[name], said(5)[name], lesson().truth[name]
    assert distance(name, told, told, truth).abs().max() < 1e-5
    apart = distance(name, other, told, truth)
    assert (apart > -1e-5).all()
    assert float(apart.mean()) > 1e-4


def test_a_large_distance_between_quantiles_counts_as_the_pinball_loss_counts_it() -> None:
    told = torch.tensor([[1.0, 2.0, 3.0]])
    apart = distance("duration", told + 4.0, told, torch.tensor([2.0]))
    assert float(apart) == pytest.approx(2.0, abs=0.05)


def test_what_a_teacher_says_is_about_rows_that_forgot_nothing() -> None:
    """A student who sees UNKNOWN still hears what is right for the row."""
    taught, net = Annealed(said()), network()
    remembered, forgotten = (
        next(lesson().batches(30, seed=4, forget=share)) for share in (0.0, 0.999)
    )
    assert torch.equal(*(b.places["attempts"] for b in (remembered, forgotten)))
    own = taught.losses(net, remembered, losses(net, remembered), 0.0)
    blind = taught.losses(net, forgotten, losses(net, forgotten), 0.0)
    assert own["duration"].item() == pytest.approx(0.0, abs=1e-6)  # it is its own teacher
    assert blind["duration"].item() > 1e-3


def test_the_truth_takes_over_from_the_teacher() -> None:
    net, batch = network(), whole()
    steering, plain = Annealed(said(5)), losses(net, whole())
    off = distances(net(batch.rows, batch.workers), said(5), batch)
    for progress in (0.0, 0.5, 1.0):
        for name, each in steering.losses(net, batch, plain, progress).items():
            expected = progress * plain[name] + (1 - progress) * off[name]
            torch.testing.assert_close(each, expected)


def whole() -> Batch:
    return lesson().whole()


def test_a_student_comes_to_say_what_its_teacher_says() -> None:
    class Forever(Annealed):
        def losses(self, network, batch, plain, progress):  # noqa: ARG002
            return super().losses(network, batch, plain, 0.0)

    told = said(5)
    settings = replace(QUICK, epochs=30, patience=30, forget=0.0, batch=32)
    found = fit(scene().plan, scene().lessons, settings, [Forever(told)])
    student = Network(scene().plan)
    student.load_state_dict(dict(found.weights))
    ours = read(heads_of(student.eval(), lesson()), lesson())
    silent = read({"duration": torch.zeros_like(told["duration"])}, lesson())
    for name in ("duration", "memory"):
        before = (silent["duration"] - told["duration"]).abs().mean()
        assert float((ours[name] - told[name]).abs().mean()) < 0.4 * float(before)


def test_what_is_taught_is_the_mean_of_the_teachers_and_networks_count_as_one() -> None:
    faculty = Faculty([network(1), network(2), network(3)], network(4), None)
    told = faculty.told(lesson())
    assert set(told) == {"networks", "single", "all"}
    for name, each in told["all"].items():
        ensemble = torch.stack([said(seed)[name] for seed in (1, 2, 3)]).mean(0)
        torch.testing.assert_close(each, (ensemble + said(4)[name]) / 2)


@pytest.mark.skipif(not installed(), reason="needs LightGBM")
def test_trees_are_asked_as_they_forecast() -> None:
    trees = BoostedArm.fit(scene().examples, scene().offsets)
    told = Faculty([], None, trees).told(lesson())["trees"]
    rows = scene().examples.inputs.take(scene().examples.split.train)
    raw = torch.from_numpy(trees.raw(rows, ["memory"])["memory"]).float()
    expected = target_named("memory").read(raw, lesson().offset["memory"][0])
    torch.testing.assert_close(told["memory"], expected, atol=1e-3, rtol=1e-3)


def test_what_stands_above_an_offset_can_be_put_above_another() -> None:
    heads = heads_of(network(), lesson())["duration"]
    under = lesson().offset["duration"][0]
    told = target_named("duration").read(heads, under)
    torch.testing.assert_close(relative("duration", heads) + under[:, None], told)
    twice = relative("duration", heads, 2.0)
    torch.testing.assert_close(twice, 2 * relative("duration", heads))
