"""The benchmark of training measures the same work in both loops."""

from dataclasses import replace
from pathlib import Path

import torch

from benchmarks.fitting.drawn import lesson, lesson_in_files, plan
from benchmarks.fitting.plain import fit_plainly, loss
from learner.networks.network import Network
from learner.training.fit import fit
from learner.training.losses import losses
from learner.training.settings import TrainingSettings


def test_a_batch_costs_the_same_in_both_loops() -> None:
    drawn = lesson(200, seed=1)
    torch.manual_seed(0)
    network = Network(plan()).eval()
    plain = loss(network, drawn, torch.arange(200), torch.arange(drawn.choices))
    ours = sum(losses(network, drawn.whole()).values())
    torch.testing.assert_close(plain, ours)


def test_both_loops_learn_what_is_drawn() -> None:
    lessons = {"train": lesson(2000, seed=1), "validation": lesson(400, seed=2)}
    settings = TrainingSettings(epochs=3)
    plain = fit_plainly(plan(), lessons, settings)
    ours = fit(plan(), lessons, replace(settings, forget=0.0)).validation
    assert plain[-1] < 0.9 * plain[0]
    assert abs(ours[-1] - plain[-1]) < 0.1 * plain[-1]


def test_a_lesson_drawn_into_files_has_all_its_rows(tmp_path: Path) -> None:
    drawn = lesson_in_files(1000, tmp_path / "train", seed=3)
    assert (len(drawn), drawn.choices) == (1000, 200)
    once = lesson(1000, seed=3)
    torch.testing.assert_close(drawn.whole().rows.numbers, once.whole().rows.numbers)
    torch.testing.assert_close(drawn.truth["duration"], once.truth["duration"])
