"""The gate mix on the screen Training: what each target takes from each expert, by epoch."""

import json
from base64 import b64decode
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from dashboard import charts, frames, learning
from dashboard.navigation import FOLDER
from dashboard.theme import LIGHT
from scheduler.store import Store
from scheduler.store.values import Metric
from tests.dashboard.conftest import HOSTILE

APP = FOLDER.parent / "app.py"
MIXES = {  # by epoch and target: shared 2, shared 10, own
    1: {"cpu": (0.2, 0.3, 0.5), "duration": (0.4, 0.4, 0.2)},
    2: {"cpu": (0.1, 0.2, 0.7), "duration": (0.6, 0.3, 0.1)},
}
NAMES = ("shared 2", "shared 10", "own")
Open = Callable[..., AppTest]


def numbers(epochs: Iterable[int], family: str = "expert_load") -> list[Metric]:
    return [
        Metric(epoch, target, f"{family}.{name}", value)
        for epoch in epochs
        for target, values in MIXES[epoch].items()
        for name, value in zip(NAMES, values, strict=True)
    ]


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'allot.db'}"


@pytest.fixture
def trained(url: str) -> Callable[[list[Metric]], None]:
    """Tells the store what the one training, which goes on, has found."""
    with Store.open(url) as store:
        store.begin_training(sharing="ple", workers=0, settings={}, at=datetime.now(UTC))

    def tell(found: list[Metric]) -> None:
        with Store.open(url) as store:
            store.report_metrics(1, found, at=datetime.now(UTC))

    return tell


@pytest.fixture
def opened(url: str, monkeypatch: pytest.MonkeyPatch) -> Open:
    def open_(**query: str) -> AppTest:
        monkeypatch.setenv("ALLOT_STORE", url)
        app = AppTest.from_file(APP, default_timeout=60)
        app.query_params.update({"curves": "gates"} | query)
        app.run().switch_page("screens/training.py").run()
        assert not app.exception
        return app

    return open_


def values(told: Any) -> list[Any]:
    """Numbers as a chart carries them to the browser."""
    if not isinstance(told, dict):
        return list(told)
    found = np.frombuffer(b64decode(told["bdata"]), told["dtype"])
    if "shape" in told:
        found = found.reshape([int(each) for each in told["shape"].split(",")])
    return list(found.tolist())


def drawn(app: AppTest) -> list[list[dict[str, Any]]]:
    return [json.loads(each.proto.spec)["data"] for each in app.get("plotly_chart")]


def heats(app: AppTest) -> list[tuple[list[str], list[str], list[Any]]]:
    """Of each heat map its targets, its experts, and its numbers."""
    return [
        (each[0]["y"], each[0]["x"], values(each[0]["z"]))
        for each in drawn(app)
        if each[0]["type"] == "heatmap"
    ]


def areas(app: AppTest) -> list[tuple[str, str, list[float]]]:
    """Of each stacked area its target, its expert, and its weights by epoch."""
    return [
        (line["stackgroup"], line["name"], values(line["y"]))
        for each in drawn(app)
        for line in each
        if "stackgroup" in line
    ]


def captions(app: AppTest) -> str:
    return "\n".join(str(each.value) for each in app.caption)


def test_the_mix_of_the_last_epoch_has_targets_and_experts_in_their_order() -> None:
    found = frames.metrics([*numbers((1, 2)), *numbers([1], "lower_load")])
    mix = learning.gate_mix(found, "expert_load")
    assert list(mix.index) == ["duration", "cpu"]
    assert list(mix.columns) == list(NAMES)
    assert mix.to_numpy().tolist() == [list(MIXES[2]["duration"]), list(MIXES[2]["cpu"])]
    assert mix.sum(axis="columns").to_numpy() == pytest.approx(1.0)


def test_the_screen_shows_the_mix_of_now_and_how_that_of_a_target_moved(opened, trained) -> None:
    trained(numbers((1, 2)))
    app = opened(gate="cpu")
    assert heats(app) == [
        (["duration", "cpu"], list(NAMES), [list(MIXES[2][each]) for each in ("duration", "cpu")])
    ]
    assert areas(app) == [
        ("cpu", name, [MIXES[1]["cpu"][i], MIXES[2]["cpu"][i]]) for i, name in enumerate(NAMES)
    ]
    assert "Mean weights in epoch 2" in captions(app)


def test_all_targets_can_be_seen_to_move_side_by_side(opened, trained) -> None:
    trained(numbers((1, 2)))
    told = areas(opened(gate="every target"))
    assert [(target, name) for target, name, _ in told] == [
        (target, name) for target in ("duration", "cpu") for name in NAMES
    ]


def test_an_epoch_that_comes_while_it_trains_is_drawn(opened, trained) -> None:
    trained(numbers([1]))
    app = opened()
    assert heats(app)[0][2][1] == list(MIXES[1]["cpu"])
    trained(numbers([2]))
    app.run()
    assert heats(app)[0][2][1] == list(MIXES[2]["cpu"])
    assert len(areas(app)[0][2]) == 2


def test_the_first_epoch_can_be_seen_where_there_is_no_line_yet() -> None:
    (area, *_) = charts.stacked(frames.metrics(numbers([1])), "expert_load", LIGHT).data
    assert area.mode == "markers"


def test_a_level_below_has_a_mix_of_its_own(opened, trained) -> None:
    trained(numbers((1, 2)) + numbers([1], "lower_load"))
    app = opened(gate="duration")
    above, below = (found[2][0] for found in heats(app))
    assert (above, below) == (list(MIXES[2]["duration"]), list(MIXES[1]["duration"]))
    assert len({each.key for each in app.get("plotly_chart")}) == len(app.get("plotly_chart"))
    assert "Other numbers" not in str(app.get("button_group"))


def test_a_training_without_gates_says_so_and_shows_what_it_has(opened, trained) -> None:
    trained([Metric(each, "all", "dead_units", 0.1) for each in (1, 2)])
    app = opened()
    assert "No gate was reported" in captions(app)
    assert len(drawn(app)) == 1


def test_experts_of_older_networks_are_called_by_their_numbers(opened, trained) -> None:
    trained([Metric(1, "cpu", f"expert_load.{i}", 0.25) for i in (0, 10, 2, 1)])
    assert heats(opened())[0][1] == ["expert 0", "expert 1", "expert 2", "expert 10"]


def test_the_name_of_an_expert_cannot_bring_markup_into_the_chart(opened, trained) -> None:
    trained([Metric(1, "cpu", f"expert_load.{HOSTILE}", 1.0)])
    app = opened()
    names = [name for _, name, _ in areas(app)] + heats(app)[0][1]
    assert len(names) == 2
    assert all(each.startswith("&lt;img") for each in names)
