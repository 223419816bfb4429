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
    known = told["targets_of_others"][target]  # nobody can know that one agent has become slow
    assert known["error"] < known["baseline_error"]


def test_every_task_of_the_grand_night_was_done(told: dict[str, Any]) -> None:
    assert told["given_up"] == {}


def test_the_store_that_the_demo_filled_opens_again(told: dict[str, Any]) -> None:
    with Store.open(told["store"]) as store:
        assert store.record_count() == told["records"]
        assert store.aliases().get("champion", told["version"]) == told["second_round"]["version"]
        assert told["version"] in {each.id for each in store.versions()}
        assert len(store.run_attempts(told["run"])) >= told["schedule"]["tasks"]


def test_the_loop_closes_and_the_same_night_is_run_by_who_is_champion_then(
    told: dict[str, Any],
) -> None:
    again = told["second_round"]
    assert any("trained" in each for each in again["loop"])
    assert again["given_up"] == {}
    assert again["targets"].keys() == told["targets"].keys()


def test_what_was_learned_forecasts_memory_no_worse_than_what_was_known_before(
    told: dict[str, Any],
) -> None:
    memory = told["second_round"]["targets"]["memory"]  # which hangs on nothing else that runs here
    learned = told["second_round"]["version"] != told["version"]
    assert memory["error"] < memory["error_before"] if learned else memory["error"] > 0


@pytest.mark.parametrize("round", ["first", "second"])
def test_runs_reserve_less_memory_than_people_ask_for_and_hardly_an_attempt_is_killed(
    told: dict[str, Any], round: str
) -> None:
    memory = (told if round == "first" else told["second_round"])["memory"]
    assert memory["used"] < memory["reserved"] < 0.75 * memory["asked"]
    assert memory["killed"] <= 0.01 * memory["attempts"]


def test_the_demo_leaves_nothing_outside_its_store(told: dict[str, Any]) -> None:
    folder = Path(told["store"].removeprefix("sqlite:///")).parent
    assert {each.name.split(".db")[0] for each in folder.iterdir()} == {"allot", "allot-models"}
