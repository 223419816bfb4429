"""Federations over stores, in one process and over Ray actors."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from logged_worlds import KINDS, filled, logs
from typer.testing import CliRunner

from learner.networks.base import Shape
from learner.predictor import champion, load
from learner.training.federated import Federated
from learner.training.federated_ray import federate
from learner.training.settings import TrainingSettings
from scheduler.cli import build
from scheduler.cluster import Cluster, Worker
from scheduler.errors import AllotError, InvalidInput
from scheduler.execution.executors.ray_start import ray_running
from scheduler.store import Store
from scheduler.workflow import Task, Workflow

QUICK = TrainingSettings(epochs=3, shape=Shape(width=8, experts=2))
NOON = datetime(2026, 2, 3, 12, tzinfo=UTC)
TASKS = Workflow("nightly", [Task(id=k, kind=k, sizes={"input_bytes": 2e6}) for k in KINDS])
CLUSTER = Cluster("two", [Worker(name=name, cores=4, memory=2**34) for name in ("alpha", "beta")])
quiet = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
patient = pytest.mark.filterwarnings("ignore::ResourceWarning")


@pytest.fixture
def urls(tmp_path: Path) -> list[str]:
    """Two stores: attempts on `alpha` in the first, all others in the second."""
    records, found = logs(240), []
    for name, mine in (("one", True), ("two", False)):
        found.append(f"sqlite:///{tmp_path}/{name}/allot.db")
        own = [each for each in records if (each.worker == "alpha") is mine]
        filled(Store.open(found[-1]), own).close()
    return found


@pytest.fixture
def empty(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path}/empty.db"
    Store.open(url).close()
    return url


def test_each_store_gets_a_version_that_forecasts_all_workers(urls: list[str]) -> None:
    found = federate(urls, QUICK, at=NOON, actors=False)
    for url, told in zip(urls, found.told, strict=True):
        with Store.open(url) as store:
            version = store.version(told["version"])
            assert version.training is None
            assert version.metrics["targets"]["duration"]["error"] < 0.6
            forecast = load(store, version.id).predict(TASKS, CLUSTER)
            assert np.isfinite(forecast.duration).all()
            assert store.record_count() < 200  # the records of the others did not come


def test_a_version_that_is_better_than_what_history_says_is_champion(urls: list[str]) -> None:
    found = federate(urls, QUICK, at=NOON, actors=False)
    with Store.open(urls[1]) as store:
        assert found.told[1]["champion"] == ("champion" in store.aliases())
        assert (champion(store) is not None) == found.told[1]["champion"]


@pytest.fixture(scope="module")
def running() -> Iterator[None]:
    with ray_running(address="local", cpus=2):
        yield


@quiet
@patient
@pytest.mark.ray
@pytest.mark.timeout(600)
@pytest.mark.usefixtures("running")
def test_actors_of_ray_learn_what_one_process_learns(urls: list[str]) -> None:
    def weights(found: Federated) -> np.ndarray:
        return np.concatenate([e.detach().numpy().ravel() for e in found.network.parameters()])

    here = federate(urls, QUICK, at=NOON, actors=False)
    there = federate(urls, QUICK, at=NOON)
    assert there.checked == pytest.approx(here.checked, abs=1e-6)
    assert weights(there) == pytest.approx(weights(here), abs=1e-6)
    assert [each["version"] for each in there.told]


@quiet
@patient
@pytest.mark.ray
@pytest.mark.timeout(600)
@pytest.mark.usefixtures("running")
def test_what_a_site_far_away_refuses_is_told_here(urls: list[str], empty: str) -> None:
    with pytest.raises(AllotError, match=r"A site failed: .*no records at this site"):
        federate([urls[0], empty], QUICK, at=NOON)


def test_a_store_without_records_is_refused(urls: list[str], empty: str) -> None:
    with pytest.raises(InvalidInput, match="no records at this site"):
        federate([urls[0], empty], QUICK, at=NOON, actors=False)


def test_a_site_does_not_learn_from_records_on_hold(urls: list[str]) -> None:
    with Store.open(urls[1]) as store:
        store.judge_source("world", state="on hold", reason="why", by="ada", at=NOON)
    with pytest.raises(InvalidInput, match="no records at this site"):
        federate(urls, QUICK, at=NOON, actors=False)


def test_one_store_is_no_federation(urls: list[str]) -> None:
    with pytest.raises(InvalidInput, match="two different stores"):
        federate([urls[0], urls[0]], QUICK, at=NOON, actors=False)


def test_the_command_tells_the_version_of_each_site(urls: list[str]) -> None:
    found = CliRunner().invoke(
        build(), ["federate", *urls, "--workers", "0", "--rounds", "2", "--json"]
    )
    assert found.exit_code == 0, found.output
    told = json.loads(found.stdout)
    assert [each["site"] for each in told["sites"]] == [1, 2]
    assert len(told["validation_losses"]) == 2
