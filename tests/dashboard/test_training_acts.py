"""What may be done with a training on its page: stop it, go on with it, delete it."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from dashboard.navigation import FOLDER
from scheduler.store import Store
from scheduler.store.trainings import STOP

APP = FOLDER.parent / "app.py"


def opened(monkeypatch: pytest.MonkeyPatch, url: str) -> AppTest:
    """The page of trainings on a store."""
    monkeypatch.setenv("ALLOT_STORE", url)
    app = AppTest.from_file(APP, default_timeout=60).run()
    return app.switch_page("screens/training.py").run()


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'allot.db'}"


def begun(url: str, state: str = "running") -> None:
    with Store.open(url) as store:
        training = store.begin_training(sharing="cgc", workers=0, settings={}, at=datetime.now(UTC))
        if state != "running":
            store.end_training(training, state=state, at=datetime.now(UTC))


def commands(app: AppTest) -> list[str]:
    return [each.value for each in app.code]


def buttons(app: AppTest) -> list[str]:
    return [each.label for each in app.button]


def test_a_running_training_can_be_asked_to_stop_once(url: str, monkeypatch) -> None:
    begun(url)
    app = opened(monkeypatch, url)
    app.button(key="stop-1").click().run()
    assert not app.exception
    assert "Stop after this epoch" not in buttons(app)
    with Store.open(url) as store:
        asked = [(each.kind, each.payload) for each in store.requests()]
        audited = [(each.action, each.subject) for each in store.audits()]
    assert asked == [(STOP, {"training": 1})]
    assert audited == [("stop training", "training 1")]


def test_a_stopped_training_shows_how_to_go_on_and_can_be_deleted(url: str, monkeypatch) -> None:
    begun(url, "interrupted")
    app = opened(monkeypatch, url)
    assert "allot train --resume 1" in commands(app)
    app.button(key="delete-1-0-do").click().run()
    assert not app.exception
    with Store.open(url) as store:
        assert store.trainings(now=datetime.now(UTC)) == ()


def test_a_training_that_succeeded_needs_no_continuing(url: str, monkeypatch) -> None:
    begun(url, "succeeded")
    app = opened(monkeypatch, url)
    assert commands(app) == []
    assert "Delete training 1" in buttons(app)
