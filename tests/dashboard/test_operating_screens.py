"""What operators do from screens: each act leaves what its command would, and screens say so."""

import json
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from scheduler.asked import GO_ON
from scheduler.store import Store
from tests.dashboard.conftest import HOSTILE
from tests.dashboard.filler import fill
from tests.dashboard.operated import operate
from tests.dashboard.test_screens import opened, said

ADMIN, VIEWER = json.dumps({"role": "admin"}), json.dumps({"role": "viewer"})
LIVE, LOST = 3, 4  # runs of the store
LAST = "sort-39"  # the task that a question holds back


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store after days of use, with a run that goes on, one cut off, a question and a queue."""
    file = tmp_path_factory.mktemp("operated") / "allot.db"
    with Store.open(f"sqlite:///{file}") as store:
        fill(store)
        assert operate(store, datetime.now(UTC)) == LIVE
    return file


@pytest.fixture
def url(filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A copy of that store whose run is not found silent; it is looked at far from midnight."""
    shutil.copy(filled, tmp_path / "allot.db")
    found = f"sqlite:///{tmp_path / 'allot.db'}"
    with Store.open(found) as store:
        store.append_events(LIVE, [], at=datetime.now(UTC) + timedelta(hours=1))
    by_day = 3 <= datetime.now(UTC).hour < 21
    monkeypatch.setenv("ALLOT_TIMEZONE", "UTC" if by_day else "Asia/Tokyo")
    monkeypatch.setenv("ALLOT_DASHBOARD", ADMIN)
    return found


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    with Store.open(url) as found:
        yield found


def do(app: AppTest, key: str, *, why: str = "") -> AppTest:
    """Fills the reason of a form in and sends it; `key` is that of the act."""
    if why:
        app.text_input(key=f"{key}-0-why").set_value(why)
    app.button(key=f"{key}-0-do").click().run()
    assert not app.exception
    return app


def control(store: Store) -> dict[str, object]:
    (asked,) = store.waiting_requests("control")
    return dict(asked.payload)


def told(app: AppTest) -> str:
    return "\n".join(str(each.value) for each in app.text)


def test_the_overview_tells_what_needs_a_person_and_answers_there(
    url: str, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = opened(monkeypatch, url, "overview")
    shown = {each.label: each.value for each in app.metric}
    assert shown["Agent"] == "none lives"
    assert (shown["Runs that go on"], shown["Left to the agent"]) == ("1", "1")
    assert shown["Failed attempts today"] == "1"
    words = said(app)
    for each in ("need an approval", "has not been heard of", "drifts: 1.8 times", "No agent"):
        assert each in words
    do(app, "overview-1-approve", why="checked")
    assert store.question(1).state == "approve"
    assert store.audits(action="approve")[0].reason == "checked"
    assert "Question 1 (tasks: tasks with the label 'personal'): approve" in told(app)


def test_runs_are_found_by_the_address(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    app = opened(monkeypatch, url, "runs", states="lost")
    assert app.dataframe[0].value["run"].tolist() == [LOST]
    assert app.multiselect(key="several.states").value == ["lost"]
    app = opened(monkeypatch, url, "runs", owners="ann")
    assert app.dataframe[0].value["run"].tolist() == [LIVE]
    app = opened(monkeypatch, url, "runs", find="no such run")
    assert "No run is as asked for" in app.info[0].value


def test_a_filter_that_is_chosen_is_kept_in_the_address(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = opened(monkeypatch, url, "runs")
    app.text_input(key="text.find").set_value("live").run()
    assert app.query_params["find"] == "live"
    assert app.dataframe[0].value["run"].tolist() == [LIVE]


def test_many_runs_are_steered_at_once_with_a_result_each(
    url: str, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = opened(monkeypatch, url, "runs")
    _choose(app, "runs-table", [0, 1, 3])  # lost, live, and one that has succeeded
    do(app, "runs-pause", why="upgrade")
    asked = store.waiting_requests("control")
    assert [each.payload["run"] for each in asked] == [LOST, LIVE]
    assert {each.payload["reason"] for each in asked} == {"upgrade"}
    words = said(app)
    assert "pause, run 3 · asked" in words
    assert "allot agent" in words
    store.answer(asked[-1].id, state="done", answer="paused: nothing more begins", at=asked[0].at)
    app.run()
    assert "pause, run 3: paused: nothing more begins" in told(app)


def test_a_run_that_was_cut_off_is_resumed_from_runs_and_from_its_task(
    url: str, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.end_run(LOST, state="interrupted", makespan=None, message="by hand", at=datetime.now(UTC))
    app = opened(monkeypatch, url, "runs", states="interrupted")
    _choose(app, "runs-table", [0])
    do(app, "runs-resume", why="power is back")
    (asked,) = store.waiting_requests(GO_ON)
    assert asked.payload == {"run": LOST, "reason": "power is back"}
    assert f"resume, run {LOST} · asked" in said(app)
    app = opened(monkeypatch, url, "task", run=str(LOST), task="sort-0")
    do(app, "task-resume", why="")
    assert len(store.waiting_requests(GO_ON)) == 2


def test_what_was_submitted_is_withdrawn(
    url: str, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    (waiting,) = store.submissions()
    app = opened(monkeypatch, url, "runs")
    do(app, f"withdraw-{waiting.request}", why="twice")
    assert not store.submissions()


def test_a_task_says_why_it_is_late_and_what_it_wrote(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = opened(monkeypatch, url, "task", run=str(LIVE), task="sort-0")
    words = said(app)
    assert "later than planned. Of that:" in words
    assert "its last attempt took longer than planned" in words
    assert "pause by ann: lunch" in words
    assert "The last 200 of 401 lines." in words
    app.text_input(key="task-search").set_value("NO SPACE").run()
    assert "401  error: no space left" in app.code[-1].value
    app.text_input(key="task-search").set_value("no such words").run()
    assert "No line contains that." in said(app)


@pytest.mark.parametrize(
    ("key", "payload"),
    [
        ("task-cancel", {"action": "cancel", "tasks": [LAST]}),
        ("task-retry", {"action": "retry", "tasks": [LAST]}),
        ("task-reassign", {"action": "reassign", "tasks": [LAST], "worker": "w0"}),
        ("task-priority", {"action": "priority", "tasks": [LAST], "priority": 7}),
    ],
)
def test_a_task_is_steered(
    url: str, store: Store, monkeypatch: pytest.MonkeyPatch, key: str, payload: dict[str, object]
) -> None:
    app = opened(monkeypatch, url, "task", run=str(LIVE), task=LAST)
    if key == "task-priority":
        app.number_input(key=f"{key}-0-number").set_value(7)
    do(app, key, why="urgent")
    assert control(store) == payload | {"run": LIVE, "reason": "urgent"}


def test_an_override_without_a_reason_is_not_asked(
    url: str, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = opened(monkeypatch, url, "decisions", run=str(LIVE), task=LAST)
    do(app, "decision-override")
    assert "Say why" in app.warning[0].value
    assert not store.waiting_requests("control")
    do(app, "decision-override", why="the disk is local there")
    assert control(store)["worker"] == "w0"


def test_a_decision_tells_limits_and_what_is_alike_and_answers_questions(
    url: str, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = opened(monkeypatch, url, "decisions", run=str(LIVE), task=LAST)
    words = said(app)
    assert "It holds back 1 task: sort-39" in words
    assert "What would make it start earlier" in words
    assert "It could start at " in words
    alike = next(each for each in app.dataframe if "sizes" in each.value)
    assert alike.value["task"].str.startswith("sort-").all()
    do(app, "question-1-refuse", why="private data")
    assert (store.question(1).state, store.question(1).reason) == ("refuse", "private data")


def test_workers_tell_their_load_and_are_closed_opened_and_removed(
    url: str, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = opened(monkeypatch, url, "workers")
    frame = app.dataframe[0].value.set_index("worker")
    held = [each for each in store.uses_of(LIVE) if each.end is None]
    for name in frame.index:
        assert frame["cores in use"][name] == sum(
            each.cores for each in held if each.worker == name
        )
    assert frame["failed"].sum() == 1
    _choose(app, "workers-table", [1])
    do(app, "workers-close", why="a new disk")
    asked = [dict(each.payload) for each in store.waiting_requests("control")]
    assert {each["run"] for each in asked} == {LIVE, LOST}
    assert {(each["action"], each["worker"]) for each in asked} == {("drain", "w1")}


def test_a_worker_is_added_to_the_runs_that_go_on(
    url: str, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = opened(monkeypatch, url, "workers")
    app.text_input(key="workers-add-0-name").set_value("big")
    app.number_input(key="workers-add-0-cores").set_value(32.0)
    app.text_input(key="workers-add-0-skills").set_value("gpu, fast")
    do(app, "workers-add")
    asked = control(store)
    assert (asked["action"], asked["run"], asked["worker"]) == ("add", LIVE, "big")
    document = asked["document"]
    assert isinstance(document, dict)
    assert (document["cores"], document["skills"]) == (32.0, ["fast", "gpu"])


def test_a_worker_that_cannot_be_is_refused_in_words(
    url: str, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = opened(monkeypatch, url, "workers")
    do(app, "workers-add")
    assert "Refused: " in told(app)
    assert not store.waiting_requests("control")


@pytest.mark.parametrize(
    ("screen", "keys"),
    [("task", ("task-cancel", "task-reassign")), ("decisions", ("question-1-approve",)),
     ("workers", ("workers-add",)), ("overview", ("overview-1-approve",))],
)  # fmt: skip
def test_a_viewer_sees_the_same_and_has_no_form_to_send(
    url: str, monkeypatch: pytest.MonkeyPatch, screen: str, keys: tuple[str, ...]
) -> None:
    monkeypatch.setenv("ALLOT_DASHBOARD", VIEWER)
    app = opened(monkeypatch, url, screen)
    assert not app.exception
    for key in keys:
        with pytest.raises(KeyError):
            app.button(key=f"{key}-0-do")


def test_hostile_names_are_text_on_every_screen_of_operators(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{tmp_path / 'hostile.db'}"
    with Store.open(url) as store:
        fill(store, hostile=HOSTILE)
        operate(store, datetime.now(UTC), hostile=HOSTILE)
    monkeypatch.setenv("ALLOT_DASHBOARD", ADMIN)
    for screen in ("overview", "runs", "task", "decisions", "workers"):
        app = opened(monkeypatch, url, screen)
        assert not app.exception
        for each in (*app.markdown, *app.caption, *app.subheader, *app.button, *app.expander):
            shown = str(getattr(each, "value", "") or getattr(each, "label", ""))
            assert "<img" not in shown.replace("\\<img", "")
            assert "**bold**" not in shown


def _choose(app: AppTest, key: str, rows: list[int]) -> None:
    """Selects rows of a table, as a click on their boxes does."""
    app.session_state[key] = {"selection": {"rows": rows, "columns": [], "cells": []}}
    app.run()
    assert not app.exception
