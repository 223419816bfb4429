"""The main job, whole, as `make demo` does it."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from scheduler.store import Store

pytestmark = [pytest.mark.demo, pytest.mark.ray, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    store = tmp_path_factory.mktemp("demo") / "allot.db"
    words = ["demo", "--no-serve", "--json", "--store", f"sqlite:///{store}"]
    done = subprocess.run(
        [sys.executable, "-m", "scheduler", *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def test_at_least_four_hundred_attempts_are_measured(told: dict[str, Any]) -> None:
    assert told["records"] >= 400


def test_the_plan_breaks_no_rule_and_no_plan_beats_the_bound(told: dict[str, Any]) -> None:
    assert told["schedule"]["violations"] == []
    assert told["schedule"]["makespan"] >= told["schedule"]["lower_bound"] > 0


@pytest.mark.parametrize("target", ["duration", "memory"])
def test_the_network_forecasts_better_than_the_naive_baseline(
    told: dict[str, Any], target: str
) -> None:
    assert told["targets"][target]["error"] < told["targets"][target]["baseline_error"]


def test_every_task_of_the_grand_night_was_done(told: dict[str, Any]) -> None:
    assert told["given_up"] == {}


def test_the_store_that_the_demo_filled_opens_again(told: dict[str, Any]) -> None:
    with Store.open(told["store"]) as store:
        assert store.record_count() == told["records"]
        assert store.version("champion").id == told["second_round"]["version"]
        assert told["version"] in {each.id for each in store.versions()}
        assert len(store.run_attempts(told["run"])) >= told["schedule"]["tasks"]


def test_the_loop_closes_and_the_same_night_is_run_by_who_is_champion_then(
    told: dict[str, Any],
) -> None:
    again = told["second_round"]
    assert any("trained" in each for each in again["loop"])
    assert again["given_up"] == {}
    assert again["targets"].keys() == told["targets"].keys()


def test_the_demo_leaves_nothing_outside_its_store(told: dict[str, Any]) -> None:
    folder = Path(told["store"].removeprefix("sqlite:///")).parent
    assert {each.name.split(".db")[0] for each in folder.iterdir()} == {"allot", "allot-models"}
