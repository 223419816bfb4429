"""The whole way on one store: train, register, promote, forecast, judge; with and without Ray."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from logged_worlds import KINDS, compared_logs, filled
from typer.testing import CliRunner

from learner.examples import Examples
from learner.judging import judge
from learner.networks.base import Shape
from learner.predictor import champion
from learner.registry import Registry
from learner.training.on_ray import train
from learner.training.settings import TrainingSettings
from scheduler.cli import build
from scheduler.cluster import Cluster, Worker
from scheduler.errors import CorruptVersion, InvalidInput
from scheduler.predictors.history import HistoryPredictor
from scheduler.store import Store
from scheduler.workflow import Task, Workflow

SMALL = TrainingSettings(epochs=4, shape=Shape(width=16, experts=2, dropout=0.0, spare=0.0))
CLUSTER = Cluster("two", [Worker(name=name, cores=4, memory=2**34) for name in ("alpha", "beta")])
TASKS = Workflow("nightly", [Task(id=k, kind=k, sizes={"input_bytes": 2e6}) for k in KINDS])
quiet = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
patient = pytest.mark.filterwarnings("ignore::ResourceWarning")


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/allot.db"


@pytest.fixture
def store(url: str):
    with filled(Store.open(url), compared_logs(40)) as opened:
        yield opened


def now() -> datetime:
    return datetime.now(UTC)


def losses(store: Store, training: int) -> list[float]:
    told = store.training_metrics(training)
    return [each.value for each in told if (each.target, each.name) == ("all", "loss")]


def mixes(store: Store, training: int) -> dict[tuple[int, str, str], float]:
    """What each gate gives each expert, epoch by epoch."""
    told = store.training_metrics(training)
    return {
        (each.epoch, each.target, each.name): each.value
        for each in told
        if each.name.startswith("expert_load.")
    }


@quiet
def test_a_training_ends_as_champion_and_forecasts(store: Store) -> None:
    version = train(store, SMALL, workers=0)
    assert store.aliases()["champion"] == version.id
    predictor = champion(store)
    assert predictor is not None
    assert predictor.predict(TASKS, CLUSTER).source == version.id


@quiet
def test_every_epoch_is_in_the_store(store: Store) -> None:
    version = train(store, SMALL, workers=0)
    assert version.training is not None
    assert len(losses(store, version.training)) == 4
    training = store.trainings(now=now())[0]
    assert (training.state, training.version) == ("succeeded", version.id)


@quiet
def test_the_same_again_becomes_challenger_only(store: Store) -> None:
    one, two = train(store, SMALL, workers=0), train(store, SMALL, workers=0)
    assert store.aliases() == {"champion": one.id, "challenger": two.id}
    assert "the champion" in store.promotions()[0].reason


@quiet
def test_what_serves_has_seen_the_newest_records_and_what_was_judged_has_not(url: str) -> None:
    """A kind that first appears in the last tenth of the log."""
    records = list(compared_logs(40))
    records[-12:] = [replace(each, kind="brand new") for each in records[-12:]]
    with filled(Store.open(url), records) as store:
        version, registry = train(store, SMALL, workers=0), Registry(store.folder)
        assert "brand new" in registry.load(version).columns.kinds
        assert "brand new" not in registry.load(version, judged=True).columns.kinds


@quiet
def test_scores_are_those_of_the_fit_that_had_not_seen_the_rows(store: Store) -> None:
    version = train(store, SMALL, workers=0)
    assert judge(store, version) == version.metrics["targets"]


@quiet
def test_errors_by_kind_and_worker_add_up_to_those_of_the_targets(store: Store) -> None:
    version = train(store, SMALL, workers=0)
    cells, rows = version.metrics["cells"], Examples.of(list(store.records())).split.test
    assert sum(each["attempts"] for each in cells) == len(rows)
    assert {name for each in cells for name in each["errors"]} <= set(version.metrics["targets"])
    failure = sum(each["errors"]["failure"] * each["attempts"] for each in cells) / len(rows)
    assert failure == pytest.approx(version.metrics["targets"]["failure"]["error"], rel=1e-4)


@quiet
def test_without_a_refit_the_fit_that_was_judged_serves(store: Store) -> None:
    version, registry = train(store, replace(SMALL, refit=False), workers=0), Registry(store.folder)
    records = list(store.records())
    inputs = Examples.of(records).inputs
    used, judged = (registry.load(version, judged=each) for each in (False, True))
    for target, told in used.predict(inputs).items():
        np.testing.assert_array_equal(told, judged.predict(inputs)[target])


@quiet
def test_the_version_tells_which_arm_serves_each_target_and_what_each_arm_scored(store) -> None:
    version = train(store, SMALL, workers=0)
    arms = version.metrics["arms"]
    assert set(arms) == set(version.metrics["targets"])
    used = Registry(store.folder).load(version)
    assert {name: each["arm"] for name, each in arms.items()} == used.serves
    for name in ("offset", "boosted", "network"):
        assert {"validation", "test"} == set(arms["duration"][name])


@quiet
def test_without_lightgbm_the_others_serve_and_the_reason_says_so_once(store, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "lightgbm", None)
    version = train(store, SMALL, workers=0)
    assert "boosted" not in version.metrics["arms"]["duration"]
    assert store.promotions()[0].reason.count("LightGBM is not installed") == 1


@quiet
def test_a_changed_file_is_refused_and_history_still_forecasts(store: Store) -> None:
    version = train(store, SMALL, workers=0)
    weights = store.folder / version.id / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-8] + b"\0" * 8)
    with pytest.raises(CorruptVersion):
        champion(store)
    HistoryPredictor.learn(store.records()).predict(TASKS, CLUSTER)


@quiet
def test_a_champion_that_cannot_be_read_loses_its_title(store: Store) -> None:
    broken = train(store, SMALL, workers=0)
    (store.folder / broken.id / "manifest.json").unlink()
    version = train(store, SMALL, workers=0)
    assert store.aliases()["champion"] == version.id


@quiet
def test_too_few_records_are_refused_before_a_training_is_noted(url: str) -> None:
    with Store.open(url) as store:
        with pytest.raises(InvalidInput, match="at least 20 attempts, found 0"):
            train(store, SMALL, workers=0)
        assert store.trainings(now=now()) == ()


@quiet
def test_a_training_that_fails_is_noted_with_its_message(store: Store) -> None:
    wild = TrainingSettings(epochs=9, rate=1e12, clip=1e12, shape=SMALL.shape)
    with pytest.raises(Exception, match="diverged"):
        train(store, wild, workers=0)
    training = store.trainings(now=now())[0]
    assert training.state == "failed"
    assert "diverged" in training.message


@quiet
def test_progress_is_told_in_words(store: Store) -> None:
    told = []
    train(store, SMALL, workers=0, on_progress=told.append)
    doing = list(dict.fromkeys(each.doing for each in told if each.doing != "learning"))
    assert doing[:2] == ["reading records", "fitting offsets"]
    assert doing[-3:] == ["choosing and calibrating", "fitting on all records", "judging"]


@quiet
def test_the_commands_train_judge_list_promote_and_roll_back(store: Store, url: str) -> None:
    def allot(*arguments: str) -> dict:
        found = CliRunner().invoke(build(), [*arguments, "--store", url, "--json"])
        assert found.exit_code == 0, found.output
        return json.loads(found.stdout)

    first = allot("train", "--workers", "0", "--epochs", "2", "--sharing", "hard")
    assert {"version", "sharing", "workers", "seconds", "targets"} <= first.keys()
    assert {"error", "baseline_error", "coverage"} <= first["targets"]["duration"].keys()
    judged = allot("evaluate")
    assert judged["version"] == first["version"]
    assert "regret" in judged["assignment"]
    store.ask("retrain", {"reason": "new machines"}, by="ada", at=now())
    second = allot("train", "--workers", "0", "--epochs", "2", "--seed", "7")
    assert [second["version"] in each.answer for each in store.requests()] == [True]
    assert (
        allot("promote", second["version"], "--reason", "tried it")["champion"] == second["version"]
    )
    assert allot("rollback", "--reason", "did not like it")["champion"] == first["version"]
    listed = allot("models")
    served = {each["arm"] for each in listed["versions"][0]["arms"].values()}
    assert served <= {"offset", "forest", "boosted", "network"}
    assert listed["champion"] == first["version"]
    assert {each["version"] for each in listed["versions"]} == {first["version"], second["version"]}


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("blow", "state"), [(signal.SIGINT, "interrupted"), (signal.SIGKILL, "lost")]
)
def test_a_stopped_training_is_seen_for_what_it_was(store: Store, blow: int, state: str) -> None:
    script = f"""
        import signal
        from learner.training.on_ray import train
        from learner.training.settings import TrainingSettings
        from scheduler.store import Store
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's "&" takes it away
        train(Store.open({store.url!r}), TrainingSettings(epochs=100000), workers=0)
    """
    command = [sys.executable, "-c", textwrap.dedent(script)]
    child = subprocess.Popen(command, stderr=subprocess.DEVNULL, env=dict(os.environ))
    try:
        until = time.monotonic() + 240
        while not store.trainings(now=now()) or not losses(store, 1):
            assert child.poll() is None
            assert time.monotonic() < until
            time.sleep(0.2)
        child.send_signal(blow)
        child.wait(timeout=240)
    finally:
        child.kill()
        child.wait()
    assert store.trainings(now=now() + timedelta(minutes=2))[0].state == state


@pytest.mark.ray
@quiet
@patient
@pytest.mark.timeout(600)
@pytest.mark.parametrize("weighting", ["static", "pcgrad"])
def test_two_workers_on_ray_learn_what_one_process_learns(store: Store, weighting: str) -> None:
    if weighting != "static":
        pytest.importorskip("torchjd")
    # some steps are clipped, so the scale of gradients shows
    settings = replace(SMALL, clip=0.14, weighting=weighting)
    alone, together = (train(store, settings, workers=workers) for workers in (0, 2))
    assert alone.training is not None
    assert together.training is not None
    assert losses(store, together.training) == pytest.approx(
        losses(store, alone.training), abs=1e-5
    )
    assert mixes(store, together.training) == pytest.approx(mixes(store, alone.training), abs=1e-4)
    told, said = (v.metrics["targets"]["duration"]["error"] for v in (alone, together))
    assert told == pytest.approx(said, abs=1e-4)
