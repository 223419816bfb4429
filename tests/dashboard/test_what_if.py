"""What-if on the screen: a change in the address, plans side by side, kept, and asked for."""

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from dashboard.navigation import FOLDER
from dashboard.trying import Change
from dashboard.trying_kept import taken
from scheduler.planning.planners.fifo import Fifo
from scheduler.store import Store
from scheduler.store.drafts import Draft
from tests.dashboard.filler import a_problem, begin, fill

APP = FOLDER.parent / "app.py"


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("filled") / "allot.db"
    with Store.open(f"sqlite:///{file}") as store:
        fill(store, tasks=20)
    return file


@pytest.fixture
def url(filled: Path, tmp_path: Path) -> str:
    return f"sqlite:///{shutil.copy(filled, tmp_path / 'allot.db')}"


def opened(
    monkeypatch: pytest.MonkeyPatch,
    url: str,
    change: dict[str, Any] | str | None = None,
    *,
    run: str = "2",
) -> AppTest:
    monkeypatch.setenv("ALLOT_STORE", url)
    app = AppTest.from_file(APP, default_timeout=60)
    app.query_params["run"] = run
    if change is not None:
        app.query_params["change"] = change if isinstance(change, str) else json.dumps(change)
    return app.run().switch_page("screens/what_if.py").run()


def tiles(app: AppTest) -> dict[str, str]:
    return {each.label: each.value for each in app.metric}


def act(app: AppTest, label: str) -> AppTest:
    (button,) = [each for each in app.button if each.label == label]
    return button.click().run()


def test_without_a_change_before_is_after(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    app = opened(monkeypatch, url)
    assert not app.exception
    assert "Nothing is changed yet." in [each.value for each in app.text]
    assert [each.delta for each in app.metric] == [""] * 4


def test_a_change_in_the_address_is_planned_and_set_against_nothing_changed(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = opened(monkeypatch, url, {"deadlines": {"*": 0.001}})
    assert tiles(app)["Late tasks"] == "20"
    assert [each.delta for each in app.metric if each.label == "Late tasks"] == ["+20"]
    assert "If: all tasks due at 0.001 s." in [each.value for each in app.text]


def test_a_form_filled_in_leads_to_the_same_address(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = opened(monkeypatch, url)
    (added,) = [each for each in app.multiselect if each.label == "Add workers like"]
    added.set_value(["w1"])
    act(app, "Plan it")
    assert json.loads(app.query_params["change"]) == {"copies": {"w1": 1}, "planner": "heft"}
    assert "If: 1 more like w1." in [each.value for each in app.text]
    act(app, "Start over")
    assert "change" not in app.query_params


@pytest.mark.parametrize("change", ["{", '{"odd": 1}', "[]"])
def test_an_address_that_cannot_be_understood_changes_nothing_and_is_told(
    url: str, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    app = opened(monkeypatch, url, change)
    assert not app.exception
    assert app.warning[0].value == "The change in the address cannot be understood."
    assert [each.delta for each in app.metric] == [""] * 4


def test_what_cannot_be_planned_is_told_with_the_reason(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = opened(monkeypatch, url, {"removed": ["w0", "w1", "w2"]})
    assert not app.exception
    assert app.warning[0].value == "This cannot be planned."
    assert any("all of them are left out" in each.value for each in app.text)


def test_a_plan_is_kept_compared_and_forgotten(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    change = {"copies": {"w0": 1}, "planner": "heft"}
    app = act(opened(monkeypatch, url, change), "Keep it")
    assert not app.exception
    with Store.open(url) as store:
        (kept,) = store.drafts(run=2)
        assert [each.subject for each in store.audits(action="keep plan")] == ["run 2"]
    assert (kept.change, kept.name) == (change, "1 more like w0")
    table = app.dataframe[-1].value
    assert table["plan"].tolist() == ["(this plan)", "1 more like w0"]
    assert table["makespan, s"].iloc[0] == pytest.approx(table["makespan, s"].iloc[1])
    act(app, "Forget it")
    with Store.open(url) as store:
        assert store.drafts() == ()


def test_a_plan_is_left_to_the_agent_with_its_changes(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = opened(monkeypatch, url, {"copies": {"w0": 1}, "priorities": {"*": 5}})
    act(app, "Leave it to the agent")
    with Store.open(url) as store:
        (asked,) = [each for each in store.requests() if each.kind == "run"]
    assert len(asked.payload["cluster"]["workers"]) == 4
    assert {each["priority"] for each in asked.payload["workflow"]["tasks"]} == {5}
    assert asked.payload["how"]["planner"] == "heft"


def test_a_run_that_is_over_cannot_be_asked(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    app = opened(monkeypatch, url, {"copies": {"w0": 1}})
    assert "Ask the run" not in [each.label for each in app.button]


def test_a_run_that_goes_on_is_asked_for_workers_priorities_and_places(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Store.open(url) as store:
        problem = a_problem(np.random.default_rng(3), 20)
        begin(store, problem, Fifo().plan(problem), label="on", at=datetime.now(UTC))
    change = {"copies": {"w1": 1}, "priorities": {"sort": 4}, "planner": "heft"}
    app = opened(monkeypatch, url, change, run="3")
    app.checkbox(key="steer-so-0-move").set_value(True)
    act(app, "Ask the run")
    assert not app.exception
    with Store.open(url) as store:
        asked = [each.payload for each in store.requests() if each.kind == "control"]
    actions = [each["action"] for each in reversed(asked)]
    assert actions[:2] == ["add", "priority"]
    assert asked[-1]["document"]["name"] == "w1 (2)"
    assert asked[-2]["priority"] == 4
    assert set(actions[2:]) <= {"reassign"}
    assert all(len(each["tasks"]) == 1 for each in asked if each["action"] == "reassign")


def test_a_viewer_may_try_and_do_nothing(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALLOT_DASHBOARD", '{"role": "viewer"}')
    app = opened(monkeypatch, url, {"copies": {"w0": 1}})
    assert {each.label for each in app.button} == {"Plan it", "Start over"}


def test_without_prices_the_screen_says_what_is_missing_for_a_front(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = opened(monkeypatch, url, {"prices": {"w0": 0.0, "w1": 0.0, "w2": 0.0}})
    assert any("No worker has a price" in str(each.value) for each in free.markdown)
    prices = {"w0": 1.0, "w1": 2.0, "w2": 4.0}
    app = opened(monkeypatch, url, {"prices": prices})
    app.toggle(key="draw-front").set_value(True).run()
    assert not app.exception
    table = next(each.value for each in app.dataframe if "late tasks" in each.value
                 and "makespan, s" in each.value)  # fmt: skip
    assert table["cost"].is_monotonic_decreasing


def kept(url: str, name: str, change: dict[str, Any]) -> int:
    with Store.open(url) as store:
        return store.keep_draft(
            name, run=2, change=change, planner="heft", figures={"makespan": 1.0}, by="ann",
            at=datetime.now(UTC),
        )  # fmt: skip


def test_two_plans_that_were_kept_stand_side_by_side(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept(url, "more of w1", {"copies": {"w1": 2}, "planner": "heft"})
    kept(url, "without w0", {"removed": ["w0"], "planner": "heft"})
    monkeypatch.setenv("ALLOT_STORE", url)
    app = AppTest.from_file(APP, default_timeout=60)
    app.query_params.update({"run": "2", "compare": "yes"})
    app = app.run().switch_page("screens/what_if.py").run()
    assert not app.exception
    assert (app.query_params["plan-a"], app.query_params["plan-b"]) == ("2", "1")
    figures, tasks = (each.value for each in app.dataframe[-2:])
    assert figures["figure"].tolist()[0] == "Makespan"
    assert figures["B against A"].tolist()[0].startswith("-")
    assert "w0" not in set(tasks["worker in A"])
    assert "w0" in set(tasks["worker in B"])
    assert sum("when it was kept" in str(each.value) for each in app.caption) == 2
    app.selectbox(key="pick.plan-b").set_value("run").run()
    assert not app.exception
    assert "as the run began" in [each.value for each in app.caption]


def test_a_kept_plan_that_cannot_be_made_any_more_is_told(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept(url, "gone", {"removed": ["nobody"]})
    monkeypatch.setenv("ALLOT_STORE", url)
    app = AppTest.from_file(APP, default_timeout=60)
    app.query_params.update({"run": "2", "compare": "yes"})
    app = app.run().switch_page("screens/what_if.py").run()
    assert not app.exception
    assert "One of them cannot be planned any more." in [each.value for each in app.warning]


def test_a_front_stays_whole_when_one_of_its_trades_is_taken(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    prices = {"w0": 1.0, "w1": 2.0, "w2": 4.0}
    app = opened(monkeypatch, url, {"prices": prices})
    app.toggle(key="draw-front").set_value(True).run()

    def front() -> list[float]:
        (found,) = [e.value for e in app.dataframe if "late tasks" in e.value and len(e.value) > 1
                    and "trade 1" in e.value["name"].tolist()]  # fmt: skip
        return [float(each) for each in found["cost"]]

    before = front()
    aims = {"cost": 1.0, "makespan": 0.001}
    change = {"prices": prices, "aims": aims, "budget": before[-1] * 1.1, "planner": "thrifty"}
    app = opened(monkeypatch, url, change)
    app.toggle(key="draw-front").set_value(True).run()
    assert front() == before


@pytest.mark.parametrize(
    ("curve", "place", "found"), [(0, 1, "trade"), (1, 0, None), (1, 2, "kept"), (None, 0, None)]
)
def test_a_point_that_is_clicked_is_a_trade_or_a_plan_that_was_kept(
    curve: int | None, place: int, found: str | None
) -> None:
    trades = [Change(budget=1.0), Change(budget=2.0)]
    drafts = [Draft(k, "", 2, "ann", datetime.now(UTC), {}, "heft", {}) for k in (7, 8)]
    points = [] if curve is None else [{"curve_number": curve, "point_index": place}]
    expected = {"trade": trades[1], "kept": drafts[1], None: None}[found]
    assert taken(points, trades, drafts) == expected
