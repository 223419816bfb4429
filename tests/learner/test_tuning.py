"""A search for better settings: what it draws, what it keeps, and what it goes on with."""

import json
import math
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest
from logged_worlds import compared_logs, filled
from typer.testing import CliRunner

from learner.networks.base import Shape
from learner.training import tuning
from learner.training.on_ray import settings_of
from learner.training.settings import TrainingSettings
from learner.training.tuning import RATES, SHARINGS, WIDTHS, drawn, found, search
from scheduler.cli import build
from scheduler.errors import InvalidInput, NotFound
from scheduler.store import Store
from scheduler.store.trainings import ask_to_stop
from scheduler.store.values import Metric

SMALL = TrainingSettings(epochs=2, shape=Shape(width=8, experts=2), folds=0, refit=False)
quiet = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
patient = pytest.mark.filterwarnings("ignore::ResourceWarning")


@pytest.fixture
def store(tmp_path: Path):
    with filled(Store.open(f"sqlite:///{tmp_path}/allot.db"), compared_logs(40)) as opened:
        yield opened


def now() -> datetime:
    return datetime.now(UTC)


def noted(store: Store, number: int, loss: float | None, state: str = "succeeded") -> int:
    plain = replace(SMALL, rate=1e-3 * (number + 1)).as_plain() | {"search": "s1", "trial": number}
    training = store.begin_training(sharing="cgc", workers=0, settings=plain, at=now())
    if loss is not None:
        metrics = [Metric(0, "all", "validation_loss", loss + 1)]
        metrics += [Metric(1, "all", "validation_loss", loss)]
        store.report_metrics(training, metrics, at=now())
    store.end_training(training, state=state, at=now())
    return training


def test_what_is_drawn_comes_from_the_seed_and_begins_with_the_settings_given() -> None:
    one, two = drawn(SMALL, 30), drawn(SMALL, 30)
    assert one == two
    assert one[0] == SMALL
    assert {each.sharing for each in one[1:]} == set(SHARINGS)
    assert {each.shape.width for each in one[1:]} == set(WIDTHS)
    assert all(RATES[0] <= each.rate <= RATES[1] for each in one)
    assert drawn(replace(SMALL, seed=1), 30)[1:] != one[1:]
    assert drawn(SMALL, 5) == one[:5]


def test_the_best_trial_is_the_one_with_the_least_loss_of_any_epoch(store: Store) -> None:
    numbers = [noted(store, i, loss) for i, loss in enumerate((2.0, 0.5, None, 1.0))]
    told = found(store, "s1")
    assert [each.training for each in told.trials] == [numbers[i] for i in (1, 3, 0, 2)]
    assert told.best is not None
    assert (told.best.loss, told.best.epoch) == (0.5, 1)
    assert told.best.settings.rate == pytest.approx(2e-3)


def test_a_search_that_ended_is_not_searched_again(store: Store) -> None:
    for number in range(2):
        noted(store, number, 1.0)
    assert len(search(store, SMALL, trials=2, again="s1").trials) == 2
    assert len(store.trainings(now=now())) == 2


def test_the_latest_attempt_at_a_trial_counts(store: Store) -> None:
    noted(store, 0, 3.0, state="interrupted")
    again = noted(store, 0, 2.0)
    assert [each.training for each in found(store, "s1").trials] == [again]


def test_a_training_takes_the_settings_of_a_trial(store: Store) -> None:
    settings = settings_of(store, noted(store, 4, 1.0))
    assert settings == replace(SMALL, rate=5e-3)


def test_a_search_goes_on_with_its_own_settings_and_records(store: Store, monkeypatch) -> None:
    wanted: dict[int, TrainingSettings] = {}
    told = []

    def tried(columns, folder, left, noted, address) -> None:
        wanted.update(left)
        told.append(noted.through)

    monkeypatch.setattr(tuning, "_tried", tried)
    plain = replace(SMALL, seed=3).as_plain() | {"search": "s1", "trial": 0, "through": 30}
    first = store.begin_training(sharing="cgc", workers=0, settings=plain, at=now())
    store.end_training(first, state="succeeded", at=now())
    search(store, TrainingSettings(seed=8, epochs=9), trials=3, again="s1")
    assert [wanted[1], wanted[2]] == drawn(replace(SMALL, seed=3), 3)[1:]
    assert told == [30]


def test_a_search_does_not_learn_from_records_on_hold(store: Store, monkeypatch) -> None:
    seen = []

    def of(records, **_):
        seen.extend(records)
        raise InvalidInput("enough seen")

    monkeypatch.setattr(tuning.Examples, "of", of)
    store.judge_source("world", state="on hold", reason="why", by="ada", at=now())
    with pytest.raises(InvalidInput, match="enough seen"):
        search(store, SMALL, trials=1)
    assert not seen


def test_a_trial_that_is_asked_to_stop_ends_with_its_next_result(store: Store) -> None:
    config = {"trial": {"settings": SMALL, "number": 0}}
    trial = SimpleNamespace(trial_id="a", config=config, last_result={"training_iteration": 1})
    clock = iter(now() + tuning.BEAT * n for n in range(100))
    told = tuning.Told(store, "s1", 30, lambda: next(clock), lambda _: None, 1)
    told.on_trial_start(1, [trial], trial)
    ask_to_stop(store, 1, by="ada", at=now())
    told.on_step_end(1, [trial])
    assert trial.stopping_criterion == {"training_iteration": 0}
    told.on_trial_complete(1, [trial], trial)
    assert store.training(1, now=now()).state == "interrupted"
    assert [each.state for each in store.requests()] == ["done"]


def test_searches_that_cannot_be_are_refused(store: Store) -> None:
    with pytest.raises(InvalidInput, match="trials"):
        search(store, SMALL, trials=0)
    with pytest.raises(NotFound, match="no search 'nowhere'"):
        search(store, SMALL, trials=2, again="nowhere")


@pytest.mark.ray
@quiet
@patient
@pytest.mark.timeout(600)
def test_a_search_on_ray_is_kept_trial_by_trial_and_goes_on_after_a_break(store: Store) -> None:
    searched = search(store, SMALL, trials=2)
    assert [each.state for each in searched.trials] == ["succeeded", "succeeded"]
    assert searched.best is not None
    assert searched.best.loss is not None
    assert math.isfinite(searched.best.loss)
    epochs = [m.epoch for m in store.training_metrics(1) if m.name == "validation_loss"]
    assert set(epochs) <= {0, 1}
    url = ("--store", store.url, "--json")
    done = CliRunner().invoke(
        build(), ["tune", "--trials", "3", "--epochs", "2", "--resume", searched.name, *url]
    )
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert len(told["trials"]) == 3
    assert {1, 2} < {each["training"] for each in told["trials"]}
    assert not list(store.folder.glob("trainings/*"))
