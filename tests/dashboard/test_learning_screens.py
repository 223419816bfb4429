"""Models, drift, logs, trainings and settings: what people do there, and what is kept of it."""

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from dashboard.navigation import FOLDER
from scheduler.ingest import ingest
from scheduler.store import Store
from scheduler.store.networks import MANIFEST, WEIGHTS, hash_of
from scheduler.store.values import Drift, Metric, ModelVersion
from tests.dashboard.conftest import HOSTILE
from tests.dashboard.filler import START, fill

APP = FOLDER.parent / "app.py"
BAD = "task,kind,outcome,duration\na,sort,succeeded,1\nlate,sort,succeeded,-4\nlater,sort,lost,-1\n"
Open = Callable[..., AppTest]


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with drifts, a log with two bad lines, and a network whose files are there."""
    folder = tmp_path_factory.mktemp("filled")
    with Store.open(f"sqlite:///{folder / 'allot.db'}") as store:
        fill(store, tasks=12)
        for effect, kind, worker, target in (
            (1.6, "align", "w1", "duration"),
            (3.1, "solve", "", "failure"),
        ):
            store.note_drift(
                Drift(
                    target=target, kind=kind, worker=worker, effect=effect, records=20,
                    evidence=7.0, version="mmoe-2", since=START - timedelta(days=2), found=START,
                )
            )  # fmt: skip
        (folder / "monday.csv").write_text(BAD)
        ingest([folder / "monday.csv"], store, now=START)
        place = store.folder / "cgc-4"
        place.mkdir(parents=True)
        for name in (WEIGHTS, MANIFEST):
            (place / name).write_bytes(name.encode())
        whole = ModelVersion("cgc-4", "cgc", START + timedelta(days=1), "")
        store.add_version(replace(whole, sha256=hash_of(WEIGHTS.encode(), MANIFEST.encode())))
    return folder


@pytest.fixture
def url(filled: Path, tmp_path: Path) -> str:
    shutil.copytree(filled, tmp_path / "copy")
    return f"sqlite:///{tmp_path / 'copy' / 'allot.db'}"


@pytest.fixture
def opened(url: str, monkeypatch: pytest.MonkeyPatch) -> Open:
    def open_(screen: str, *, role: str = "admin", **query: str) -> AppTest:
        monkeypatch.setenv("ALLOT_STORE", url)
        monkeypatch.setenv("ALLOT_DASHBOARD", json.dumps({"role": role}))
        app = AppTest.from_file(APP, default_timeout=60)
        app.query_params.update(query)
        app.run().switch_page(f"screens/{screen}.py").run()
        assert not app.exception
        return app

    return open_


def act(app: AppTest, key: str, *, why: str = "because") -> AppTest:
    if why:
        app.text_input(key=f"{key}-0-why").set_value(why)
    app.button(key=f"{key}-0-do").click().run()
    assert not app.exception
    return app


def texts(app: AppTest) -> str:
    return "\n".join(str(each.value) for each in (*app.text, *app.warning, *app.markdown))


def test_a_network_is_promoted_with_a_reason_and_given_back(opened: Open, url: str) -> None:
    app = opened("models")
    app.selectbox(key="promote-0-which").set_value("cgc-4")
    act(app, "promote", why="it knows the new machines")
    with Store.open(url) as store:
        assert store.aliases()["champion"] == "cgc-4"
        assert store.promotions()[0].reason == "it knows the new machines"
    act(opened("models"), "refuse", why="too old")
    with Store.open(url) as store:
        assert "challenger" not in store.aliases()


def test_a_network_whose_files_are_gone_is_not_promoted(opened: Open, url: str) -> None:
    app = act(opened("models"), "promote")
    assert "weights.safetensors cannot be read" in texts(app)
    with Store.open(url) as store:
        assert store.aliases()["champion"] == "mmoe-2"


def test_without_a_reason_nobody_is_promoted(opened: Open, url: str) -> None:
    app = act(opened("models"), "promote", why="")
    assert "Say why" in texts(app)
    with Store.open(url) as store:
        assert store.aliases()["champion"] == "mmoe-2"


def test_a_promotion_answers_the_question_that_waits_for_it(opened: Open, url: str) -> None:
    with Store.open(url) as store:
        store.challenge("cgc-4", reason="so in 93% of draws", by="loop", at=START)
        store.put_question(
            "promotion", "cgc-4", answers=("approve", "refuse"), reasons=["policy"], at=START
        )
    app = opened("models")
    sure = [each.value for each in app.metric if each.label == "Better in so many draws"]
    assert sure == ["93 %"]
    act(app, "promote")
    with Store.open(url) as store:
        assert [each.state for each in store.questions()] == ["approve"]
        assert store.aliases()["champion"] == "cgc-4"


def test_a_drift_is_shown_over_time_and_acknowledged(opened: Open, url: str) -> None:
    app = opened("drift", drift="1")
    assert "the duration of align on w1 is 1.60 times what mmoe-2 expects" in texts(app)
    act(app, "acknowledge", why="new disks")
    with Store.open(url) as store:
        assert {each.id: each.state for each in store.drifts()} == {1: "acknowledged", 2: "open"}
        (audit,) = store.audits(action="acknowledge drift")
    assert audit.reason == "new disks"


def test_failures_of_a_drift_are_counted_by_stretches_of_time(opened: Open) -> None:
    app = opened("drift", drift="2")
    assert "the odds of failing of solve are 3.10 times" in texts(app)
    frame = next(each.value for each in app.dataframe if "share, %" in each.value)
    assert frame["attempts"].min() >= 10


def test_a_source_is_put_on_hold_with_a_reason(opened: Open, url: str) -> None:
    app = opened("drift")
    app.selectbox(key="judge-on-hold-0-which").set_value("traces/monday.csv")
    act(app, "judge-on-hold", why="wrong units")
    with Store.open(url) as store:
        assert store.judged_sources() == {"traces/monday.csv": "on hold"}


@pytest.mark.parametrize("screen", ["models", "drift"])
def test_an_operator_may_not_decide_on_networks_and_sources(opened: Open, screen: str) -> None:
    keys = {each.key for each in opened(screen, role="operator").button}
    assert not {"promote-0-do", "roll-back-0-do", "judge-on-hold-0-do"} & keys


@pytest.mark.parametrize("screen", ["models", "drift", "logs", "training", "settings"])
def test_a_viewer_is_offered_nothing_to_do(opened: Open, screen: str) -> None:
    app = opened(screen, role="viewer", shown="quarantine")
    able = {each.label for each in app.button if not each.disabled}
    assert able <= {"Check"}  # it reads, and keeps nothing


def line_of(url: str) -> str:
    with Store.open(url) as store:
        return str(next(e.id for e in store.quarantined() if "late,sort" in e.refused.raw))


def test_a_refused_line_is_checked_mended_and_taken_in(opened: Open, url: str) -> None:
    number = line_of(url)
    app = opened("logs", shown="quarantine", line=number)
    app.button(key=f"mend-{number}-check").click().run()
    assert "It still breaks a rule: duration" in texts(app)
    app.text_area(key=f"mend-{number}-text").set_value("late,sort,succeeded,4")
    app.button(key=f"mend-{number}-check").click().run()
    assert app.success[-1].value == "It keeps every rule. It would be:"
    app.button(key=f"mend-{number}-do").click().run()
    assert not app.exception
    with Store.open(url) as store:
        assert [each.duration for each in store.records() if each.task == "late"] == [4.0]
        assert store.refused_line(int(number)).state == "mended"
        assert store.audits(action="mend")[0].by


def test_lines_that_break_the_same_rule_are_put_aside_together(opened: Open, url: str) -> None:
    number = line_of(url)
    app = opened("logs", shown="quarantine", line=number)
    app.radio(key=f"aside-{number}-0-which").set_value("all")
    act(app, f"aside-{number}", why="a test")
    with Store.open(url) as store:
        aside = [each.refused for each in store.quarantined(state="aside")]
    assert {each.rule for each in aside} == {"must not be negative"}
    assert len(aside) == 3


def test_a_training_that_runs_tells_how_far_it_is(opened: Open, url: str) -> None:
    with Store.open(url) as store:
        at = datetime.now(UTC) - timedelta(seconds=20)
        number = store.begin_training(sharing="cgc", workers=0, settings={"epochs": 8}, at=at)
        metrics = [Metric(each, "all", "validation_loss", 1.0) for each in (1, 2)]
        store.report_metrics(number, metrics, at=datetime.now(UTC))
    app = opened("training", training=str(number))
    assert [e.value for e in app.metric if e.label == "Epochs"] == ["2 of 8"]
    assert "to go" in app.get("progress")[0].proto.text


def test_trainings_are_set_side_by_side(opened: Open) -> None:
    app = opened("training", learning="compare")
    table = next(each.value for each in app.dataframe if "what" in each.value)
    assert list(table.columns) == ["what", "#4", "#3", "#2"]
    told = table.set_index("what")
    assert told.loc["error: duration"].tolist() == ["—", "0.1", "0.15"]


def test_records_that_nobody_learned_from_are_told_by_kind(opened: Open) -> None:
    app = opened("training", learning="new")
    table = next(each.value for each in app.dataframe if "known before" in each.value)
    assert int(table["new"].sum()) == 421


def test_the_audit_is_filtered_and_says_all_of_an_entry(opened: Open, url: str) -> None:
    with Store.open(url) as store:
        store.audit("cancel", "run 7", by="<b>ann</b>", at=START, reason="*wrong*")
        number = store.audits(action="cancel")[0].id
    app = opened("settings", part="audit", text="WRONG", entry=str(number))
    (table,) = [each.value for each in app.dataframe]
    assert table["did"].tolist() == ["cancel"]
    assert "<b>ann</b>: cancel, run 7" in texts(app)
    assert "Why: *wrong*" in texts(app)


def test_settings_tell_where_they_come_from_without_secrets(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALLOT_OBJECTIVE", '{"makespan": 2.0}')
    app = opened("settings", part="settings")
    table = app.dataframe[0].value.set_index("setting")
    assert table.loc["objective", "from"] == "the environment (ALLOT_OBJECTIVE)"
    assert table.loc["seed", "from"] == "the default"


HOSTILE_AT = [
    ("models", {}), ("models", {"models": "saved", "version": "cgc-4"}),
    ("models", {"models": "history", "change-of": "0"}), ("drift", {"drift": "3"}),
    ("logs", {"shown": "quarantine", "line": "1"}), ("training", {"training": "5"}),
    ("training", {"learning": "new"}), ("settings", {"part": "audit", "entry": "1"}),
    ("what_if", {"run": "2"}),
]  # fmt: skip


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> str:
    url = f"sqlite:///{tmp_path_factory.mktemp('hostile') / 'allot.db'}"
    with Store.open(url) as store:
        fill(store, tasks=12, hostile=HOSTILE)
        store.note_drift(
            Drift(
                target="duration", kind="align" + HOSTILE, worker="w1" + HOSTILE, effect=2.0,
                records=9, evidence=7.0, version="mmoe-2" + HOSTILE, since=START, found=START,
            )
        )  # fmt: skip
        store.keep_draft(
            HOSTILE, run=2, change={"removed": [HOSTILE]}, planner=HOSTILE,
            figures={"makespan": 1.0, "cost": 2.0}, by=HOSTILE, at=START,
        )  # fmt: skip
        cells = [{"kind": HOSTILE, "worker": HOSTILE, "attempts": 3, "errors": {HOSTILE: 0.5}}]
        training = store.begin_training(
            sharing="x" + HOSTILE, workers=1, settings={"y" + HOSTILE: HOSTILE}, at=START
        )
        store.add_version(
            ModelVersion("cgc-4", "x" + HOSTILE, START, "0" * 64, training, {"cells": cells})
        )
        store.end_training(training, state="succeeded", at=START, version="cgc-4", message=HOSTILE)
        store.challenge("cgc-4", reason=HOSTILE, by=HOSTILE, at=START)
        store.put_question(
            "promotion", "cgc-4", answers=("approve",), reasons=[HOSTILE], at=START
        )  # fmt: skip
    return url


@pytest.mark.parametrize(("screen", "query"), HOSTILE_AT)
def test_hostile_names_are_text_wherever_markdown_would_be_read(
    screen: str, query: dict[str, str], hostile: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALLOT_STORE", hostile)
    app = AppTest.from_file(APP, default_timeout=60)
    app.query_params.update(query)
    app.run().switch_page(f"screens/{screen}.py").run()
    assert not app.exception
    read = [str(each.value) for each in (*app.markdown, *app.caption, *app.metric, *app.subheader,
                                         *app.warning, *app.info, *app.success)]  # fmt: skip
    read += [str(each.label) for each in (*app.button, *app.metric, *app.checkbox, *app.expander)]
    read += [option for each in app.get("button_group") for option in
             (one.content for one in each.proto.options)]  # fmt: skip
    assert not [each for each in read if re.search(r"(?<!\\)(<img|\*\*bold|\[a\]\()", each)]


def test_roles_are_explained(opened: Open) -> None:
    app = opened("settings", part="people", role="operator")
    assert "with the role operator" in texts(app)
    assert app.dataframe[0].value["role"].tolist() == ["viewer", "operator", "admin"]
