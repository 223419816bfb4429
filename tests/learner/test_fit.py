from dataclasses import replace

import numpy as np
import pytest
import torch
from logged_worlds import SMALL, compared_logs, logs, one_learned, one_world

from learner.arms.network import NetworkArm
from learner.calibration import Calibration
from learner.examples import Examples
from learner.learned import Learned
from learner.metrics import evaluate, relative_error
from learner.networks.base import Shape
from learner.networks.network import Network, Plan
from learner.offsets import Offsets
from learner.targets import targets
from learner.training.fit import Fitted, fit, losses
from learner.training.health import delta_m
from learner.training.lesson import Lesson, lessons_of, measured_along
from learner.training.settings import TrainingSettings, priorities
from scheduler.errors import AllotError, InvalidInput, NotFound
from scheduler.records import Outcome


@pytest.fixture(scope="module")
def examples() -> Examples:
    return Examples.of(compared_logs(40))


def lessons(examples: Examples) -> dict[str, Lesson]:
    return lessons_of(examples, Offsets.fit(examples), seed=0)


def fitted(examples: Examples, settings: TrainingSettings, **options) -> Fitted:
    plan = Plan.over(examples.columns, settings.sharing, settings.shape)
    return fit(plan, lessons(examples), settings, **options)


QUICK = TrainingSettings(epochs=3, shape=Shape(width=8, experts=2))


def test_the_network_beats_the_naive_baseline_where_sizes_matter() -> None:
    scores = evaluate(one_learned(), Examples.of(one_world()))
    shares = relative_error(scores)
    assert shares["duration"] < 0.35
    assert shares["memory"] < 0.35
    assert shares["cpu"] < 1.1  # the truth is a constant: a median cannot be beaten
    assert shares["failure"] < 0.9
    assert scores["assignment"]["regret"] < 0.05 * scores["assignment"]["random_regret"]


def test_the_network_is_no_worse_than_the_offset_that_it_stands_on() -> None:
    """The offset leaves little but noise, on which no network can be better."""
    examples = Examples.of(one_world())
    rows = examples.split.test
    offset = one_learned().offsets.ridges["duration"].at(examples.inputs.take(rows))
    alone = np.nanmean(np.abs(examples.truth["duration"][rows] - offset))
    assert evaluate(one_learned(), examples)["duration"]["error"] < 1.03 * alone


def test_one_seed_gives_one_network(examples: Examples) -> None:
    one, two = fitted(examples, QUICK), fitted(examples, QUICK)
    assert one.losses == two.losses
    assert all(torch.equal(one.weights[name], two.weights[name]) for name in one.weights)


def test_training_leaves_the_callers_random_numbers_alone(examples: Examples) -> None:
    torch.manual_seed(5)
    fitted(examples, QUICK)
    drawn = torch.rand(3)
    torch.manual_seed(5)
    assert torch.equal(drawn, torch.rand(3))


def test_the_weights_are_those_of_the_best_epoch(examples: Examples) -> None:
    found = fitted(examples, replace(SMALL, epochs=9))
    late = range(2, len(found.validation))  # a third of the epochs warms up
    assert found.epoch == min(late, key=lambda epoch: found.validation[epoch])


def test_training_stops_when_nothing_gets_better(examples: Examples) -> None:
    settings = TrainingSettings(
        epochs=60, patience=3, rate=0.05, shape=Shape(width=32, experts=2, dropout=0.0)
    )
    assert len(fitted(examples, settings).losses) < 60


def test_every_epoch_reports_losses_and_the_health_of_gates(examples: Examples) -> None:
    told = []
    fitted(examples, QUICK, report=told.append)
    assert len(told) == 3
    names = {(each.target, each.name) for each in told[-1]}
    assert {("all", "loss"), ("duration", "validation_loss"), ("memory", "gate_entropy")} <= names
    loads = [
        m.value for m in told[-1] if m.target == "duration" and m.name.startswith("expert_load.")
    ]
    assert sum(loads) == pytest.approx(1.0, abs=1e-5)


def test_shares_of_a_batch_add_up_to_the_batch(examples: Examples) -> None:
    """What makes training with several workers equal to training with one."""
    torch.manual_seed(0)
    network = Network(Plan.over(examples.columns, "cgc", QUICK.shape)).eval()
    options = {"seed": 3, "forget": 0.3}
    whole = next(lessons(examples)["train"].batches(37, **options))
    parts = [
        next(lessons(examples)["train"].batches(37, rank=rank, world=2, **options))
        for rank in (0, 1)
    ]
    together = losses(network, whole)
    apart = [losses(network, part) for part in parts]
    for name, loss in together.items():
        torch.testing.assert_close(loss, apart[0][name] + apart[1][name])


def test_a_quantity_that_no_log_holds_does_not_stop_training() -> None:
    records = [replace(record, cpu=None, peak_memory=None) for record in logs(60)]
    found = fitted(Examples.of(records), QUICK)
    assert np.isfinite(found.losses).all()


def test_what_rows_forget_is_shown_as_unknown(examples: Examples) -> None:
    lesson = lessons(examples)["train"]
    batch = next(lesson.batches(40, seed=0, forget=0.999))
    assert (batch.rows.kind[: batch.attempts] == 0).all()
    torch.testing.assert_close(
        batch.offset["duration"], lesson.offset["duration"][3][order_of(lesson, 40)]
    )


def order_of(lesson: Lesson, size: int) -> np.ndarray:
    return np.random.default_rng(0).permutation(len(lesson))[:size]


def test_a_training_that_diverges_says_so(examples: Examples) -> None:
    with pytest.raises(AllotError, match="diverged"):
        fitted(examples, replace(QUICK, epochs=8, rate=1e12, clip=1e12))


@pytest.mark.parametrize(
    ("name", "value"), [("epochs", 0), ("rate", 0.0), ("forget", 1.0), ("batch", 0)]
)
def test_settings_that_make_no_sense_are_refused(name: str, value: float) -> None:
    with pytest.raises(InvalidInput, match=name):
        TrainingSettings(**{name: value})


def test_a_sharing_that_does_not_exist_is_refused_with_those_that_do() -> None:
    with pytest.raises(NotFound, match="cgc, hard, hierarchical"):
        TrainingSettings(sharing="telepathic")


def test_a_batch_counts_rows_that_only_know_a_bound() -> None:
    """A timed-out attempt enters the mean of the durations; one that merely failed does not."""
    ended = [Outcome.TIMED_OUT, Outcome.FAILED, *[Outcome.SUCCEEDED] * 8] * 12
    records = [replace(r, outcome=o) for r, o in zip(logs(120), ended, strict=True)]
    examples = Examples.of(records)
    batch = lessons(examples)["train"].whole()
    taught = [examples.records[i].outcome for i in examples.split.train]
    known = sum(each is not Outcome.FAILED for each in taught)
    assert batch.counts["duration"] == known
    bounded = ~torch.isnan(batch.at_least["duration"])
    assert int(bounded.sum()) == taught.count(Outcome.TIMED_OUT)
    assert torch.isnan(batch.truth["duration"][bounded]).all()


@pytest.mark.parametrize("weighting", ["uncertainty", "gradnorm", "famo", "pcgrad"])
def test_every_sort_of_weighting_trains_and_tells_its_weights(examples, weighting: str) -> None:
    pytest.importorskip("torchjd")
    told = []
    fitted(examples, replace(QUICK, weighting=weighting), report=told.append)
    weights = [m.value for m in told[-1] if m.name == "weight"]
    assert len(weights) == 5
    assert len(set(weights)) > 1


def test_given_weights_multiply_the_losses(examples: Examples) -> None:
    told = []
    fitted(examples, replace(QUICK, loss_weights={"memory": 3.0}), report=told.append)
    weights = {m.target: m.value for m in told[-1] if m.name == "weight"}
    assert weights == pytest.approx(dict.fromkeys(weights, 1.0) | {"memory": 3.0})


def test_every_epoch_tells_how_gradients_agree_and_what_is_dead(examples: Examples) -> None:
    told = []
    fitted(examples, QUICK, report=told.append)
    found = {(m.target, m.name): m.value for m in told[-1]}
    cosines = [value for (_, name), value in found.items() if name.startswith("cosine.")]
    assert len(cosines) == 10  # pairs of five targets
    assert all(-1 <= each <= 1 for each in cosines)
    assert 0 <= found["all", "dead_units"] < 0.5
    assert found["duration", "dead_experts"] == 0


def test_a_target_without_any_truth_is_not_balanced() -> None:
    told = []
    records = [replace(record, cpu=None) for record in logs(60)]
    fitted(Examples.of(records), QUICK, report=told.append)
    assert not [m for m in told[-1] if m.target == "cpu" and m.name == "weight"]


@pytest.mark.parametrize("seed", [-1, 2**32, 0.5])
def test_seeds_that_cannot_be_drawn_from_are_refused(seed: float) -> None:
    with pytest.raises(InvalidInput, match=r"seed must be a whole number in 0\.\.4294967295"):
        TrainingSettings(seed=seed)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"loss_weights": {"joy": 1.0}}, "must name targets .*'joy'"),
        ({"loss_weights": {"duration": -1.0}}, "loss_weights.duration must be above zero"),
        ({"loss_weights": {"duration": 2.0}, "weighting": "gradnorm"}, "belong to the static"),
    ],
)
def test_loss_weights_that_make_no_sense_are_refused(options: dict, why: str) -> None:
    with pytest.raises(InvalidInput, match=why):
        TrainingSettings(**options)


def test_what_a_log_measures_in_a_tenth_of_its_rows_is_learned_along() -> None:
    records = logs(60)
    assert set(measured_along(Examples.of(records))) == {"bytes_read"}
    rare = [r if i % 20 == 0 else replace(r, measured={}) for i, r in enumerate(records)]
    assert not measured_along(Examples.of(rare))


def test_a_network_that_learns_along_forecasts_what_others_forecast() -> None:
    examples = Examples.of(logs(80))
    offsets = Offsets.fit(examples)
    arm = NetworkArm.fit(examples, offsets, replace(QUICK, auxiliary=True))
    assert "bytes_read" in arm.network.plan.targets
    learned = Learned(arm.network, examples.columns, offsets, Calibration.none())
    assert set(learned.predict(examples.inputs)) == set(targets())
    again = Plan.from_plain(arm.network.plan.as_plain())
    assert Network(again).load_state_dict(arm.network.state_dict())


def test_auxiliary_targets_do_not_choose_the_epoch() -> None:
    told = []
    examples = Examples.of(logs(80))

    def learn(*given) -> Fitted:
        return fit(*given, report=told.append)

    NetworkArm.fit(examples, Offsets.fit(examples), replace(QUICK, auxiliary=True), learn=learn)
    losses = {m.target: m.value for m in told[-1] if m.name == "validation_loss"}
    assert losses["bytes_read"] > 0
    assert losses["all"] == pytest.approx(sum(losses[name] for name in targets()))


def test_every_epoch_tells_how_much_of_its_first_loss_each_target_has_lost(
    examples: Examples,
) -> None:
    told = []
    fitted(examples, QUICK, report=told.append)
    first, last = (
        {m.target: m.value for m in each if m.name == "validation_loss" and m.target in targets()}
        for each in (told[0], told[-1])
    )
    lost = [1 - last[name] / first[name] for name in first if first[name] > 0]
    found = [m.value for each in told for m in each if m.name == "delta_m"]
    assert found[0] == 0
    assert found[-1] == pytest.approx(sum(lost) / len(lost))


def test_where_all_targets_count_alike_the_best_epoch_has_the_largest_delta_m(
    examples: Examples,
) -> None:
    told = []
    settings = replace(SMALL, epochs=9, stopping="delta_m")
    found = fitted(examples, settings, report=told.append)
    deltas = [m.value for each in told for m in each if m.name == "delta_m"]
    assert found.epoch == max(range(2, len(deltas)), key=lambda epoch: deltas[epoch])


def test_a_target_with_a_large_loss_does_not_choose_the_epoch_alone() -> None:
    first = {"assignment": 100.0, "duration": 1.0, "memory": 1.0}
    loud, fair = first | {"assignment": 90.0}, first | {"duration": 0.5, "memory": 0.5}
    assert sum(loud.values()) < sum(fair.values())
    assert delta_m(fair, first) == pytest.approx(1 / 3)
    assert delta_m(loud, first) == pytest.approx(0.1 / 3)


def test_a_way_to_stop_that_does_not_exist_is_refused() -> None:
    with pytest.raises(InvalidInput, match="one of loss, delta_m, found 'mood'"):
        TrainingSettings(stopping="mood")


def test_priorities_are_weights_in_the_loss() -> None:
    assert priorities(["duration=2", " memory = 0.5"]) == {"duration": 2.0, "memory": 0.5}
    with pytest.raises(InvalidInput, match="TARGET=NUMBER, found 'duration'"):
        priorities(["duration"])
