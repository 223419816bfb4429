"""The schedule of all runs on the screen: its window, filters, tables and selection."""

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from dashboard import periods
from dashboard.periods import Period
from scheduler.store import Store
from tests.dashboard.filler import START
from tests.dashboard.operated import operate
from tests.dashboard.test_screens import opened, said

DAY = f"{START:%Y-%m-%dT%H:%M:%S}Z..{START + timedelta(hours=8):%Y-%m-%dT%H:%M:%S}Z"


def shown(monkeypatch: pytest.MonkeyPatch, url: str, **query: str) -> AppTest:
    app = opened(monkeypatch, url, "schedule", of="all", **query)
    assert not app.exception
    assert not app.error
    return app


def tiles(app: AppTest) -> dict[str, str]:
    return {each.label: each.value for each in app.metric}


def test_the_newest_run_is_shown_where_nothing_is_near_now(
    full_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = shown(monkeypatch, full_url)
    assert app.query_params["span"] == "own"
    assert tiles(app)["Runs"] == "1"
    assert app.dataframe[0].value["worker"].tolist() == ["w0", "w1", "w2"]


def test_a_time_in_the_address_shows_all_of_its_runs(
    full_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = shown(monkeypatch, full_url, span="own", between=DAY)
    assert (tiles(app)["Runs"], tiles(app)["Tasks"]) == ("2", "119")
    app = shown(monkeypatch, full_url, span="own", between=DAY, runs="1")
    assert "60 tasks of 119 tasks" in said(app)


def test_a_time_without_runs_says_so_and_leads_to_the_newest_one(
    full_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = shown(monkeypatch, full_url, span="now")
    assert [each.value for each in app.info] == ["Nothing ran, runs or is planned in this time."]
    app.button(key="fleet-newest").click().run()
    assert not app.exception
    assert tiles(app)["Runs"] == "1"


def test_a_task_that_is_selected_is_shown_with_the_ways_to_its_run(
    full_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = {"span": "own", "between": DAY, "run": "1", "task": "solve-23"}
    app = shown(monkeypatch, full_url, **where)
    assert "solve\\-23" in said(app)
    app.button(key="fleet-one").click().run()
    assert not app.exception
    assert app.selectbox(key="pick.run").value == "1"
    assert app.query_params["task"] == "solve-23"


def test_a_link_to_a_run_leads_to_it_whatever_was_shown_before(
    full_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = shown(monkeypatch, full_url, span="own", between=DAY)
    app.query_params.clear()
    app.run()
    assert (tiles(app)["Runs"], app.query_params["of"]) == ("2", "all")
    app.query_params.clear()
    app.query_params["run"] = "1"
    app.run()
    assert not app.exception
    assert app.selectbox(key="pick.run").value == "1"


def test_earlier_and_later_move_the_window_by_half_of_it(
    full_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = shown(monkeypatch, full_url, span="own", between=DAY)
    app.button(key="fleet-Later").click().run()
    moved = periods.read(app.query_params["between"])
    assert moved is not None
    assert moved.since == START + timedelta(hours=4)
    app.button(key="fleet-now").click().run()
    assert app.query_params["span"] == "now"


def test_what_goes_on_now_is_on_its_workers_and_what_is_to_come_is_counted(
    full_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = shutil.copy(full_url.removeprefix("sqlite:///"), tmp_path / "allot.db")
    url = f"sqlite:///{file}"
    with Store.open(url) as store:
        live = operate(store, datetime.now(UTC), hostile=" **b**")
        store.append_events(live, [], at=datetime.now(UTC) + timedelta(hours=1))  # it is not silent
    app = shown(monkeypatch, url)
    assert app.query_params["span"] == "now"
    assert int(tiles(app)["To come"]) > 0
    workers = app.dataframe[0].value
    assert workers["tasks now"].sum() > 0
    assert "ann **b**" in set(workers["for"])
    assert "ann \\*\\*b\\*\\*" in [each.delta for each in app.metric]
    assert "without a plan yet: 1 workflow" in said(app)


def test_a_store_without_runs_says_what_to_do(
    empty_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "allot demo" in said(shown(monkeypatch, empty_url))


@pytest.mark.parametrize(
    "text",
    ["", "x", "a..b", "2026-05-04..2026-05-03", f"{START}", None, "0001-01-01..9999-12-31",
     "2026-05-04..9999-12-31"],
)  # fmt: skip
def test_what_is_no_period_is_none(text: str | None) -> None:
    assert periods.read(text) is None


def test_a_period_is_written_as_it_is_read() -> None:
    period = Period(START, START + timedelta(hours=1, milliseconds=5))
    assert periods.read(period.written()) == period
    assert periods.read("2026-05-04T09:00:00+02:00..2026-05-04T09:00:00Z") == Period(
        START - timedelta(hours=2), START
    )
