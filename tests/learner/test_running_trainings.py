"""Trainings that people stop, go on with, compare and delete."""

import json
import os
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import torch
from logged_worlds import compared_logs, filled
from typer.testing import CliRunner

from learner import predictor
from learner.adaptation import Adaptation
from learner.examples import Examples
from learner.meta import taught
from learner.networks.base import Shape
from learner.networks.network import Plan
from learner.offsets import Offsets
from learner.training import noted, ray_fit
from learner.training.fit import DONE, ENOUGH, fit
from learner.training.lesson import lessons_of
from learner.training.mapped import keep, kept
from learner.training.noted import Progress, Stopped
from learner.training.on_ray import resume, train
from learner.training.settings import TrainingSettings
from learner.training.team import Team
from scheduler.cli import build
from scheduler.errors import AllotError, InvalidInput, NotFound
from scheduler.store import Store
from scheduler.store.trainings import STOP, ask_to_stop, delete_training, stop_asked

QUICK = TrainingSettings(epochs=4, shape=Shape(width=8, experts=2), folds=0, refit=False)
quiet = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")


@pytest.fixture
def store(tmp_path: Path):
    with filled(Store.open(f"sqlite:///{tmp_path}/allot.db"), compared_logs(40)) as opened:
        yield opened


def now() -> datetime:
    return datetime.now(UTC)


def stopped_in_the_loop(store: Store) -> int:
    """A training that somebody asks to stop as soon as it begins to learn."""

    def ask(progress: Progress) -> None:
        if progress.doing == "starting workers":
            ask_to_stop(store, store.trainings(now=now())[0].id, by="ada", at=now())

    with pytest.raises(Stopped, match="after 1 epochs"):
        train(store, QUICK, workers=0, on_progress=ask)
    return store.trainings(now=now())[0].id


@quiet
def test_a_training_that_was_asked_to_stop_ends_after_its_epoch_and_says_so(store: Store) -> None:
    training = store.training(stopped_in_the_loop(store), now=now())
    assert training.state == "interrupted"
    assert f"allot train --resume {training.id}" in training.message
    assert {each.epoch for each in store.training_metrics(training.id)} == {0}
    request = store.requests()[0]
    assert (request.kind, request.state) == (STOP, "done")


@quiet
def test_a_stopped_training_goes_on_and_ends_as_one_that_was_never_stopped(
    store: Store, tmp_path: Path
) -> None:
    again = resume(store, stopped_in_the_loop(store))
    with filled(Store.open(f"sqlite:///{tmp_path}/o/whole.db"), compared_logs(40)) as other:
        assert train(other, QUICK, workers=0).sha256 == again.sha256


@quiet
def test_what_a_killed_process_left_is_cleared_and_the_command_tells_who_trained(store) -> None:
    number = stopped_in_the_loop(store)
    left = store.folder / "trainings" / f"{number}-dead-lessons"
    left.mkdir()
    done = CliRunner().invoke(
        build(), ["train", "--resume", str(number), "--store", store.url, "--json"]
    )
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["workers"] == 0
    assert not left.exists()


def test_a_ray_of_our_own_offers_no_more_cores_than_there_are(store: Store, monkeypatch) -> None:
    asked = []

    def running(*, address: str, cpus: int) -> None:
        asked.append(cpus)
        raise AllotError("no Ray")

    monkeypatch.setattr(ray_fit, "ray_running", running)
    for workers in ((1, 4096), 4096):
        with pytest.raises(AllotError, match="no Ray"):
            train(store, QUICK, workers=workers)
    assert asked == [os.cpu_count(), 4096]


@quiet
def test_a_training_that_judges_when_it_is_asked_stops_too_and_needs_not_learn_again(store) -> None:
    def ask(progress: Progress) -> None:
        if progress.doing == "choosing and calibrating":
            ask_to_stop(store, 1, by="ada", at=now())

    with pytest.raises(Stopped, match="before judging"):
        train(store, QUICK, workers=0, on_progress=ask)
    told = len(store.training_metrics(1))
    assert resume(store, 1).training == 1
    assert len(store.training_metrics(1)) == told


def begun(store: Store) -> int:
    return store.begin_training(sharing="cgc", workers=0, settings=QUICK.as_plain(), at=now())


def test_asked_twice_is_one_request(store: Store) -> None:
    training = begun(store)
    one, two = (ask_to_stop(store, training, by="ada", at=now()) for _ in range(2))
    assert one == two
    assert stop_asked(store, training) is not None
    assert stop_asked(store, training + 1) is None


def test_a_training_that_is_over_cannot_be_stopped_nor_a_running_one_deleted(store: Store) -> None:
    training = begun(store)
    with pytest.raises(InvalidInput, match="cannot be deleted while it runs"):
        delete_training(store, training, now=now())
    store.end_training(training, state="failed", at=now())
    with pytest.raises(InvalidInput, match="it is failed"):
        ask_to_stop(store, training, by="ada", at=now())


@quiet
def test_a_training_does_not_stop_for_whom_a_deleted_one_of_its_number_was_asked(store) -> None:
    lost = begun(store)
    ask_to_stop(store, lost, by="ada", at=now())
    store.end_training(lost, state="failed", at=now())
    delete_training(store, lost, now=now())
    assert train(store, QUICK, workers=0).training == lost
    assert [each.state for each in store.requests()] == ["refused"]


@quiet
def test_a_training_that_fails_answers_who_asked_it_to_stop(store: Store) -> None:
    def ask(progress: Progress) -> None:
        if progress.doing == "fitting offsets":
            ask_to_stop(store, 1, by="ada", at=now())
            raise AllotError("it burns")

    with pytest.raises(AllotError, match="it burns"):
        train(store, QUICK, workers=0, on_progress=ask)
    assert [each.state for each in store.requests()] == ["refused"]


@quiet
def test_a_training_that_judges_for_long_still_gives_signs_of_life(store, monkeypatch) -> None:
    monkeypatch.setattr(noted, "PULSE", 0.01)
    later = [now()]

    def slow(*_) -> None:
        later[0] += timedelta(hours=1)
        for _ in range(1200):
            if store.training(1, now=later[0]).state == "running":
                return
            time.sleep(0.05)
        raise AssertionError("the training is lost")

    train(store, QUICK, workers=0, clock=lambda: later[0], settled=slow)


@quiet
def test_a_deleted_training_leaves_its_version_and_nothing_else(store: Store) -> None:
    version = train(store, QUICK, workers=0)
    left = store.folder / "trainings" / "1-checkpoints"
    left.mkdir(parents=True)
    delete_training(store, 1, now=now())
    with pytest.raises(NotFound):
        store.training(1, now=now())
    assert store.training_metrics(1) == ()
    assert not left.exists()
    assert store.version(version.id).training is None


@quiet
def test_a_version_whose_training_is_deleted_still_meets_workers_as_it_was_taught(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = train(store, replace(QUICK, methods={"meta": {}}), workers=0)
    delete_training(store, 1, now=now())
    seen = []

    def met(learned, store, reads) -> Adaptation:
        seen.append(reads)
        return Adaptation(learned)

    monkeypatch.setattr(predictor, "met_since", met)
    predictor.load(store, version.id)
    assert seen == [taught]


@quiet
def test_a_training_tells_why_it_ended_and_which_epoch_was_best(store: Store) -> None:
    train(store, QUICK, workers=0)
    message = store.trainings(now=now())[0].message
    assert message.startswith(f"{DONE} after 4 epochs; the best was number ")


def test_a_training_without_a_better_epoch_says_that_it_waited_in_vain() -> None:
    examples = Examples.of(compared_logs(40))
    lessons = lessons_of(examples, Offsets.fit(examples), seed=0)
    settings = replace(QUICK, epochs=30, patience=1, rate=0.05)
    plan = Plan.over(examples.columns, settings.sharing, settings.shape)
    found = fit(plan, lessons, settings)
    assert found.ended == ENOUGH
    assert len(found.losses) < 30


@quiet
def test_the_commands_list_compare_and_delete(store: Store) -> None:
    def allot(*arguments: str) -> dict:
        found = CliRunner().invoke(build(), [*arguments, "--store", store.url, "--json"])
        assert found.exit_code == 0, found.output
        return json.loads(found.stdout)

    one, two = (train(store, replace(QUICK, rate=rate), workers=0) for rate in (3e-3, 1e-3))
    listed = allot("trainings")["trainings"]
    assert [each["version"] for each in listed] == [two.id, one.id]
    compared = allot("trainings", "1", "2")
    assert compared["differ"] == {"rate": [3e-3, 1e-3]}
    assert compared["trainings"][0]["errors"]["duration"] > 0
    assert allot("delete-training", "1", "--yes") == {"deleted": 1}
    refused = CliRunner().invoke(build(), ["delete-training", "2", "--store", store.url])
    assert isinstance(refused.exception, InvalidInput) or "--yes" in refused.output


@quiet
@pytest.mark.skipif(torch.cuda.is_available(), reason="there are GPUs here")
@pytest.mark.parametrize("workers", [0, 2])
def test_gpus_that_are_not_there_are_refused_before_any_work(store: Store, workers: int) -> None:
    with pytest.raises(InvalidInput, match="torch finds on this machine 0"):
        train(store, QUICK, workers=workers, gpus=True)
    assert store.trainings(now=now()) == ()


def test_mixed_precision_learns_what_single_precision_learns() -> None:
    examples = Examples.of(compared_logs(40))
    lessons = lessons_of(examples, Offsets.fit(examples), seed=0)
    plan = Plan.over(examples.columns, QUICK.sharing, QUICK.shape)
    plain, mixed = (
        fit(plan, lessons, QUICK, team=Team(mixed=mixed)).losses for mixed in (False, True)
    )
    assert mixed != plain
    assert mixed == pytest.approx(plain, rel=0.05)


def test_a_lesson_in_files_is_the_lesson(tmp_path: Path) -> None:
    examples = Examples.of(compared_logs(40))
    for name, lesson in lessons_of(examples, Offsets.fit(examples), seed=0).items():
        keep(lesson, tmp_path / name)
        told, again = lesson.told(), kept(tmp_path / name).told()
        assert told.keys() == again.keys()
        one, two = lesson.whole(), kept(tmp_path / name).whole()
        assert torch.equal(one.rows.numbers, two.rows.numbers)
        assert one.counts == two.counts
        for target in one.truth:
            torch.testing.assert_close(
                one.offset[target], two.offset[target], rtol=0, atol=0, equal_nan=True
            )
