"""The screens Schedule and Graph: what the address asks for is what they show."""

import pytest
from streamlit.testing.v1 import AppTest

from dashboard.components.layout import MOST_DRAWN
from dashboard.reading import RunView
from tests.dashboard.test_screens import opened, said


def shown(app: AppTest, key: str) -> int:
    return len(next(each.value for each in app.dataframe if each.key == key))


@pytest.fixture
def screen(full_url: str, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    return opened(
        monkeypatch, full_url, "schedule", run="2", kind=["sort", "no such kind"], on="w1",
        lanes="stage", window="0..40",
    )  # fmt: skip


def test_filters_of_the_address_stand_in_their_fields_and_hold_for_bars_and_table(
    screen: AppTest, view: RunView
) -> None:
    assert not screen.exception
    assert screen.multiselect(key="several.kind").value == ["sort"]
    assert screen.multiselect(key="several.on").value == ["w1"]
    on_it = {t.task for t in view.attempts if t.worker == "w1"}
    found = {t for t in on_it if view.plan.workflow.task(t).kind == "sort"}
    assert f"{len(found)} tasks of 60" in said(screen)
    early = {t for t in found if min(s.start for s in view.tries[t]) <= 40}
    assert shown(screen, "tasks") == len(early)


def test_a_filter_that_is_emptied_leaves_the_address_and_shows_every_task_again(
    full_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = opened(monkeypatch, full_url, "schedule", run="2", kind="sort")
    app.multiselect(key="several.kind").set_value([]).run()
    assert "kind" not in app.query_params
    assert shown(app, "tasks") == 60


def test_filters_come_along_when_one_returns_to_the_screen(
    full_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = opened(monkeypatch, full_url, "schedule", run="2")
    app.multiselect(key="several.kind").set_value(["sort"]).run()
    app.switch_page("screens/graph.py").run()
    app.query_params.clear()
    app.switch_page("screens/schedule.py").run()
    assert app.multiselect(key="several.kind").value == ["sort"]


def test_a_large_graph_is_drawn_in_groups_and_one_group_inside_says_what_it_leaves_out(
    large_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = opened(monkeypatch, large_url, "graph")
    assert f"at most {MOST_DRAWN}" in said(app)
    app = opened(monkeypatch, large_url, "graph", group="stages 1 to 5", drawn="inside")
    assert not app.exception
    assert "Only stages 1 to 5" in said(app).replace("\\", "")


def test_how_far_around_a_task_is_drawn_can_be_chosen(
    full_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = opened(
        monkeypatch, full_url, "graph", run="2", task="solve-23", drawn="around", reach="1"
    )
    assert not app.exception
    assert "1 step away" in str([each.options for each in app.get("button_group")])
