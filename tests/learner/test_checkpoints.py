"""A training that is cut off goes on and ends as if nothing had happened, to the last bit."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest
import torch
from logged_worlds import compared_logs, filled
from paused_training import EPOCH, Waiting, waits
from torch import Tensor

from learner.examples import Examples
from learner.networks.base import Shape
from learner.networks.network import Plan
from learner.offsets import Offsets
from learner.training import ray_fit
from learner.training.checkpoints import Checkpoints, fingerprint
from learner.training.fit import Fitted, fit
from learner.training.lesson import Lesson, lessons_of
from learner.training.on_ray import resume, train
from learner.training.settings import TrainingSettings
from learner.weighting import weightings
from scheduler.errors import AllotError, InvalidInput, NotFound
from scheduler.store import Store

QUICK = TrainingSettings(epochs=4, shape=Shape(width=8, experts=2, dropout=0.2), folds=0)
quiet = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
patient = pytest.mark.filterwarnings("ignore::ResourceWarning")


class CutOff(Exception):
    pass


@pytest.fixture(scope="module")
def taught() -> tuple[Examples, dict[str, Lesson]]:
    examples = Examples.of(compared_logs(40))
    return examples, lessons_of(examples, Offsets.fit(examples), seed=0)


def fitted(
    taught, settings: TrainingSettings, checkpoints: Checkpoints | None, **options
) -> Fitted:
    examples, lessons = taught
    plan = Plan.over(examples.columns, settings.sharing, settings.shape)
    return fit(plan, lessons, settings, checkpoints=checkpoints, **options)


def cut_after(epochs: int):
    """A report that ends the training in the epoch after so many, as a kill would."""
    left = [epochs]

    def report(_: object) -> None:
        if not left[0]:
            raise CutOff
        left[0] -= 1

    return report


def same(one: Mapping[str, Tensor], two: Mapping[str, Tensor]) -> bool:
    return one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)


@pytest.mark.parametrize("weighting", weightings())
def test_a_training_that_was_cut_off_ends_with_the_weights_of_one_that_was_not(
    taught, tmp_path: Path, weighting: str
) -> None:
    settings, kept = replace(QUICK, weighting=weighting), Checkpoints(tmp_path, "this")
    whole = fitted(taught, settings, None)
    for cut in (1, 1):
        with pytest.raises(CutOff):
            fitted(taught, settings, kept, report=cut_after(cut))
    resumed = fitted(taught, settings, kept)
    assert resumed.losses == whole.losses
    assert resumed.validation == whole.validation
    assert same(resumed.weights, whole.weights)


def test_without_the_state_of_what_is_drawn_the_weights_would_differ(
    taught, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = Checkpoints(tmp_path, "this")
    with pytest.raises(CutOff):
        fitted(taught, QUICK, kept, report=cut_after(2))
    monkeypatch.setattr(torch, "set_rng_state", lambda _: None)
    assert not same(fitted(taught, QUICK, kept).weights, fitted(taught, QUICK, None).weights)


def test_a_training_that_was_over_is_not_taught_again(taught, tmp_path: Path) -> None:
    kept, told = Checkpoints(tmp_path, "this"), []
    whole = fitted(taught, QUICK, kept)
    again = fitted(taught, QUICK, kept, report=told.append)
    assert told == []
    assert same(again.weights, whole.weights)


def test_what_an_epoch_found_is_told_again_where_it_may_not_have_arrived(
    taught, tmp_path: Path
) -> None:
    kept, cut, told = Checkpoints(tmp_path, "this"), cut_after(2), []

    def never_sure(metrics):
        cut(metrics)
        return metrics

    with pytest.raises(CutOff):
        fitted(taught, QUICK, kept, report=never_sure)
    fitted(taught, QUICK, kept, report=lambda metrics: told.append(metrics[0].epoch))
    assert told == [1, 2, 3]


def test_what_is_kept_comes_back_equal(tmp_path: Path) -> None:
    shared = torch.arange(3.0)
    state = {"a": {0: {"step": torch.tensor(2.0)}, "b": [shared, shared, 0.1]}, "none": None}
    kept = Checkpoints(tmp_path, "this")
    kept.save(state, epoch=1)
    found = kept.latest()
    assert found is not None
    assert found["none"] is None
    assert torch.equal(found["a"][0]["step"], state["a"][0]["step"])
    assert [found["a"]["b"][2], *found["a"]["b"][0].tolist()] == [0.1, 0.0, 1.0, 2.0]


def test_before_the_first_there_is_none(tmp_path: Path) -> None:
    assert Checkpoints(tmp_path / "none", "this").latest() is None


def test_only_the_latest_is_kept(tmp_path: Path) -> None:
    kept = Checkpoints(tmp_path, "this")
    for epoch in (1, 2, 3):
        kept.save({"epoch": epoch}, epoch=epoch)
    assert sorted(each.name for each in tmp_path.iterdir()) == [
        "epoch-3.safetensors",
        "manifest.json",
    ]


@pytest.mark.parametrize("moment", range(1, 9))
def test_killed_while_it_writes_the_one_before_remains(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: int
) -> None:
    kept, calls = Checkpoints(tmp_path, "this"), [0]
    kept.save({"epoch": 1, "tensor": torch.ones(3)}, epoch=1)

    def mortal(real):
        def call(*arguments, **options):
            calls[0] += 1
            if calls[0] == moment:
                raise CutOff
            return real(*arguments, **options)

        return call

    monkeypatch.setattr(os, "fsync", mortal(os.fsync))
    monkeypatch.setattr(Path, "replace", mortal(Path.replace))
    monkeypatch.setattr(Path, "unlink", mortal(Path.unlink))
    with contextlib.suppress(CutOff):
        kept.save({"epoch": 2, "tensor": torch.zeros(3)}, epoch=2)
    monkeypatch.undo()
    found = kept.latest()
    assert found is not None
    assert (found["epoch"] == 1) == bool(found["tensor"].all())


def test_a_checkpoint_of_another_training_is_refused(tmp_path: Path) -> None:
    Checkpoints(tmp_path, "this").save({"epoch": 1}, epoch=1)
    with pytest.raises(InvalidInput, match="other records"):
        Checkpoints(tmp_path, "that").latest()


@pytest.mark.parametrize("harm", ["cut", "gone"])
def test_a_checkpoint_that_was_harmed_is_refused(tmp_path: Path, harm: str) -> None:
    kept = Checkpoints(tmp_path, "this")
    kept.save({"tensor": torch.ones(3)}, epoch=1)
    file = tmp_path / "epoch-1.safetensors"
    if harm == "cut":
        file.write_bytes(file.read_bytes()[:-1])
    else:
        file.unlink()
    with pytest.raises(AllotError, match="sha256"):
        kept.latest()


def test_one_bit_changes_the_fingerprint() -> None:
    one, two = torch.zeros(3), torch.zeros(3)
    two[1] = 1e-45
    assert fingerprint({"a": one}) == fingerprint({"a": one.clone()})
    assert fingerprint({"a": one}) != fingerprint({"a": two})


def sha_of_an_unbroken_one(folder: Path, workers: int) -> str:
    with filled(Store.open(f"sqlite:///{folder}/whole.db"), compared_logs(40)) as store:
        return train(store, QUICK, workers=workers).sha256


def an_hour_later() -> datetime:
    return datetime.now(UTC) + timedelta(hours=1)


TRAIN = """
    import sys, time
    from learner.networks.base import Shape
    from learner.training.checkpoints import Checkpoints
    from learner.training.on_ray import train
    from learner.training.settings import TrainingSettings
    from scheduler.store import Store

    keep = Checkpoints.save

    def keep_and_wait(self, state, *, epoch):
        keep(self, state, epoch=epoch)
        time.sleep(600)  # until it is killed

    Checkpoints.save = keep_and_wait
    shape = Shape(width=8, experts=2, dropout=0.2)
    settings = TrainingSettings(epochs=4, shape=shape, folds=0)
    if __name__ == "__main__":
        with Store.open(sys.argv[1]) as store:
            train(store, settings, workers=0)
"""


def kept_epoch(folder: Path) -> int:
    found = list(folder.glob("*-models/trainings/*-checkpoints/manifest.json"))
    return json.loads(found[0].read_text())["epoch"] if found else 0


def killed_on_its_way(folder: Path, url: str) -> None:
    """Starts a training in a process of its own, and kills it when an epoch has been kept."""
    script = folder / "train.py"
    script.write_text(textwrap.dedent(TRAIN))
    around = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        [sys.executable, str(script), url], env=around, start_new_session=True
    ) as process:
        while not kept_epoch(folder):
            assert process.poll() is None, "it has ended before anything of it was kept"
            time.sleep(0.02)
        os.killpg(process.pid, signal.SIGKILL)


@quiet
def test_a_killed_training_is_resumed_with_the_same_version_at_its_end(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/allot.db"
    with filled(Store.open(url), compared_logs(40)) as store:
        killed_on_its_way(tmp_path, url)
        filled(store, [replace(each, run="later") for each in compared_logs(60)[-20:]])
        lost = store.trainings(now=an_hour_later())[0]
        assert lost.state == "lost"
        version = resume(store, lost.id, clock=an_hour_later)
        assert version.sha256 == sha_of_an_unbroken_one(tmp_path / "other", 0)
        assert not list(tmp_path.glob("*-models/trainings/*"))


@quiet
def test_a_training_that_is_well_is_not_resumed(tmp_path: Path) -> None:
    with filled(Store.open(f"sqlite:///{tmp_path}/allot.db"), compared_logs(40)) as store:
        version = train(store, QUICK, workers=0)
        assert version.training is not None
        with pytest.raises(InvalidInput, match="succeeded"):
            resume(store, version.training)
        with pytest.raises(NotFound, match="99"):
            resume(store, 99)


def training_workers() -> list[psutil.Process]:
    found = []
    for each in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if "RayTrainWorker" in " ".join(each.cmdline()):
                found.append(each)
    return found


@pytest.mark.ray
@quiet
@patient
@pytest.mark.timeout(600)
def test_a_killed_training_worker_is_replaced_and_the_version_is_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    landed: list[int] = []
    over = threading.Event()

    def kill_when_an_epoch_was_kept() -> None:
        while not over.wait(0.01):
            if waits(tmp_path) and (workers := training_workers()):
                workers[0].kill()
                landed.append(kept_epoch(tmp_path))
                return

    killer = threading.Thread(target=kill_when_an_epoch_was_kept)
    long = replace(QUICK, epochs=3 * EPOCH, patience=3 * EPOCH)
    with filled(Store.open(f"sqlite:///{tmp_path}/allot.db"), compared_logs(40)) as store:
        killer.start()
        try:
            with monkeypatch.context() as patch:
                patch.setenv("PYTHONPATH", os.pathsep.join(sys.path))  # for Ray's workers
                patch.setattr(ray_fit, "Checkpoints", Waiting)
                version = train(store, long, workers=1)
        finally:
            over.set()
            killer.join()
    assert landed == [EPOCH]
    with filled(Store.open(f"sqlite:///{tmp_path}/other/whole.db"), compared_logs(40)) as store:
        assert train(store, long, workers=0).sha256 == version.sha256
