"""Every screen on an empty, a full, a large and a broken store: a new screen is tested at once."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from dashboard.navigation import FOLDER, screens

APP = FOLDER.parent / "app.py"
SCREENS = sorted(each.stem for each in FOLDER.glob("*.py") if each.stem != "__init__")
STORES = ("empty_url", "full_url", "large_url", "hostile_url")
BROKEN = ("newer_url", "unreachable_url")


def opened(monkeypatch: pytest.MonkeyPatch, url: str, screen: str, **query: str) -> AppTest:
    monkeypatch.setenv("ALLOT_STORE", url)
    app = AppTest.from_file(APP, default_timeout=60)
    app.query_params.update(query)
    app.run()
    return app if screen == "overview" else app.switch_page(f"screens/{screen}.py").run()


def said(app: AppTest) -> str:
    elements = [*app.markdown, *app.text, *app.caption, *app.subheader, *app.code, *app.error]
    return "\n".join(str(each.value) for each in elements)


@pytest.mark.parametrize("store", STORES)
@pytest.mark.parametrize("screen", SCREENS)
def test_a_screen_opens_on_a_store_without_an_error(
    screen: str, store: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = opened(monkeypatch, request.getfixturevalue(store), screen)
    assert not app.exception
    assert not app.error
    assert app.title[0].value == {each.path.stem: each.title for each in screens()}[screen]


@pytest.mark.parametrize("store", BROKEN)
@pytest.mark.parametrize("screen", SCREENS)
def test_a_screen_says_what_is_wrong_with_a_store_and_what_to_do(
    screen: str, store: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = opened(monkeypatch, request.getfixturevalue(store), screen)
    assert not app.exception
    assert [each.value for each in app.error] == ["The store cannot be used."]
    assert "ALLOT_STORE" in said(app)


def test_no_screen_shows_the_password_of_the_database(
    unreachable_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "secret" not in said(opened(monkeypatch, unreachable_url, "overview"))


@pytest.mark.parametrize(
    ("screen", "command"),
    [("overview", "allot demo"), ("schedule", "allot run"), ("graph", "allot run"),
     ("decisions", "allot run"), ("training", "allot train"), ("logs", "allot ingest"),
     ("what_if", "allot run"), ("models", "allot train"), ("drift", "allot agent"),
     ("settings", "allot audit")],
)  # fmt: skip
def test_an_empty_screen_names_the_command_that_fills_it(
    screen: str, command: str, empty_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = opened(monkeypatch, empty_url, screen)
    assert any(command in str(each.value) for each in app.code)


def test_every_screen_has_a_file_of_its_own_and_stands_in_the_sidebar() -> None:
    assert sorted(each.path.stem for each in screens()) == SCREENS


def test_no_folder_is_called_pages() -> None:
    assert not [each for each in APP.parent.rglob("pages") if each.is_dir()]


def test_the_address_says_which_run_and_task_are_shown(
    full_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = opened(monkeypatch, full_url, "decisions", run="1", task="solve-23")
    assert app.selectbox(key="pick.run").value == "1"
    assert app.selectbox(key="pick.task").value == "solve-23"


def test_a_selection_goes_along_to_another_screen_and_into_its_address(
    full_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = opened(monkeypatch, full_url, "schedule")
    app.selectbox(key="pick.run").set_value("1").run()
    app.query_params.clear()
    app.switch_page("screens/graph.py").run()
    assert app.selectbox(key="pick.run").value == "1"
    assert app.query_params["run"] == "1"


def test_an_address_that_names_what_is_not_there_shows_something_else_and_says_so(
    full_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = opened(monkeypatch, full_url, "schedule", run="99")
    assert app.selectbox(key="pick.run").value == "2"
    assert "names as run is not here" in said(app)


def test_the_schedule_shows_what_was_planned_and_what_came_of_it(
    full_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = {each.label: each.value for each in opened(monkeypatch, full_url, "schedule").metric}
    assert shown["Tasks done"] == "59 / 60"
    assert shown["Rules broken"] == "none"


def test_a_decision_is_explained_in_sentences(
    full_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = opened(monkeypatch, full_url, "decisions", run="2", task="solve-23")
    assert any(each.value.startswith("solve-23 runs on ") for each in app.text)


def test_a_training_shows_who_is_in_whose_way_and_which_experts_are_dead(
    full_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    balance = said(opened(monkeypatch, full_url, "training", curves="balance"))
    assert "Cosine between the gradients of targets" in balance
    assert "Weight in the loss" in balance
    assert "Experts that no row uses" in said(
        opened(monkeypatch, full_url, "training", curves="gates")
    )


def test_asking_for_a_retraining_leaves_a_request_for_the_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{tmp_path / 'allot.db'}"
    app = opened(monkeypatch, url, "training")
    app.text_input(key="retrain-0-why").set_value("new machines")
    app.button(key="retrain-0-do").click().run()
    assert not app.exception
    assert app.dataframe[0].value[["kind", "asked"]].to_numpy().tolist() == [
        ["retrain", "reason: new machines"]
    ]
    assert "allot agent" in [each.value for each in app.code]


def test_an_uploaded_log_is_looked_at_before_it_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = opened(monkeypatch, f"sqlite:///{tmp_path / 'allot.db'}", "logs")
    app.get("file_uploader")[0].upload("monday.jsonl", TWO_LINES)
    app.run()
    report = app.dataframe[0].value
    assert report[["read", "accepted", "quarantined"]].to_numpy().tolist() == [[2, 1, 1]]
    app.button(key="logs-take").click().run()
    assert not app.exception
    assert "1 new record, 0 duplicates, 1 line in quarantine" in said(app)


TWO_LINES = (
    b'{"run": "r1", "task": "a", "kind": "sort", "outcome": "succeeded", "duration": 2.0}\n'
    b'{"run": "r1", "task": "b", "kind": "sort", "outcome": "succeeded", "duration": -4.0}\n'
)
