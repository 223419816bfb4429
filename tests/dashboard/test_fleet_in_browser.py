"""All runs of a time in a real Chromium, and screens that follow the store."""

import re
import shutil
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from scheduler.execution.events import AttemptEnded, Observation
from scheduler.records import Outcome
from scheduler.store import Store
from scheduler.store.watching import AuditsWanted
from tests.dashboard.browsing import go, page_of, said, settled
from tests.dashboard.filler import START
from tests.dashboard.operated import operate
from tests.dashboard.serving import served, until

DAY = f"{START:%Y-%m-%dT%H:%M:%S}Z..{START + timedelta(hours=8):%Y-%m-%dT%H:%M:%S}Z"
ALL = f"of=all&span=own&between={DAY}"
SVG = "{http://www.w3.org/2000/svg}"

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def url(full_url: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A store with two runs that are over, one that goes on now, and one that was cut off."""
    file = tmp_path_factory.mktemp("fleet") / "allot.db"
    shutil.copy(full_url.removeprefix("sqlite:///"), file)
    with Store.open(f"sqlite:///{file}") as store:
        operate(store, datetime.now(UTC))
    return f"sqlite:///{file}"


@pytest.fixture(scope="module")
def visit(chromium: Any, url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with (
        served(url, tmp_path_factory.mktemp("anywhere")) as address,
        page_of(chromium) as (page, errors),
    ):
        yield page, address
        assert errors == []


def asked(page: Any) -> dict[str, list[str]]:
    return parse_qs(urlsplit(page.url).query)


def rows(page: Any) -> Any:
    if not page.locator("details.table[open]").count():
        page.locator("details.table summary").click()
    page.wait_for_selector("details.table tbody tr")
    return page.locator("details.table tbody tr")


def drawn(page: Any) -> list[str]:
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save as a drawing (SVG)").click()
    picture = ET.parse(saved.value.path()).getroot()
    return [each.text or "" for each in picture.iter(f"{SVG}text")]


def test_a_bar_leads_to_its_run_and_task(visit: Any) -> None:
    page, address = visit
    go(page, f"{address}/schedule?{ALL}&runs=1")
    first = rows(page).first
    task, run = first.locator("button").inner_text(), first.locator("td").first.inner_text()
    assert run.startswith("#1 ")
    first.locator("button").click()
    page.wait_for_url(re.compile(f"task={task}"))
    assert asked(page)["run"] == ["1"]
    page.get_by_role("button", name="The schedule of this run").click()
    page.wait_for_url(re.compile(r"^(?!.*of=all)"))
    settled(page)
    assert asked(page)["task"] == [task]


def test_lanes_are_runs_which_pictures_and_tips_name(visit: Any) -> None:
    page, address = visit
    go(page, f"{address}/schedule?{ALL}&lanes=run&colour=state")
    assert re.match(r"\d+ bars in 2 lanes", said(page))
    names = drawn(page)
    assert [each for each in names if each.startswith("#")] == ["#1 layered-60", "#2 layered-60"]
    legend = page.locator(".gantt .legend").inner_text()
    assert "succeeded" in legend
    assert "P10" not in legend
    page.locator("canvas.sheet").focus()
    page.keyboard.press("Tab")
    assert re.search(r"run\n#1 layered-60", page.locator(".gantt .tip").inner_text())
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("task=align-0"))
    page.keyboard.press("Escape")


def test_a_part_of_the_time_that_is_taken_stands_in_the_address_as_moments(visit: Any) -> None:
    page, address = visit
    go(page, f"{address}/schedule?{ALL}&runs=2")
    box = page.locator("canvas.sheet").bounding_box()
    y = box["y"] + 60
    page.keyboard.down("Shift")
    page.mouse.move(box["x"] + box["width"] * 0.9, y)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.94, y)
    page.mouse.move(box["x"] + box["width"] * 0.99, y)
    page.mouse.up()
    page.keyboard.up("Shift")
    page.wait_for_url(re.compile("within="))
    low, high = asked(page)["within"][0].split("..")
    assert f"{START:%Y-%m-%d}T" in low
    assert low < high
    settled(page)
    page.locator("button.window").click()
    page.wait_for_url(re.compile(r"^(?!.*within=)"))


def test_what_runs_now_is_drawn_anew_when_it_ends(visit: Any, url: str) -> None:
    page, address = visit
    with Store.open(url) as store:
        (run,) = (each for each in store.runs(now=datetime.now(UTC)) if each.label == "live")
        store.append_events(run.id, [], at=datetime.now(UTC))
        go(page, f"{address}/schedule?of=all&span=now")
        tile = page.get_by_test_id("stMetric").filter(has_text="Tasks")
        before = tile.inner_text()
        open_ = next(each for each in store.run_attempts(run.id) if each.end is None)
        at = (datetime.now(UTC) - run.started).total_seconds()
        seen = Observation(Outcome.SUCCEEDED, duration=at - open_.start)
        where = (open_.task, open_.attempt, open_.worker, at, datetime.now(UTC))
        store.append_events(run.id, [AttemptEnded(*where, seen)], at=datetime.now(UTC))
        until(lambda: tile.inner_text() != before, "the end is drawn")


def test_what_somebody_does_shows_in_the_audit_by_itself(visit: Any, url: str) -> None:
    page, address = visit
    go(page, f"{address}/settings?part=audit")
    with Store.open(url) as store:
        store.audit("promote", "net-1", by="somebody else", at=datetime.now(UTC))
        many = store.count_audits(AuditsWanted())
    entries = "entry" if many == 1 else "entries"
    page.get_by_text(f"{many} {entries}, newest first").wait_for()
