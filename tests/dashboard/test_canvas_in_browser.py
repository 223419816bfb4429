"""The Gantt and the graph in a real Chromium: keys, windows, filters, pictures, tables."""

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from dashboard.reading import RunView
from dashboard.theme import LIGHT
from scheduler.store import Store
from scheduler.workflow import Workflow
from tests.dashboard.browsing import anew, go, page_of, said, settled
from tests.dashboard.serving import served

SVG = "{http://www.w3.org/2000/svg}"
TASK = "solve-23"

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def visit(
    chromium: Any, full_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Any, str]]:
    """One visitor of the full store, and its address."""
    with (
        served(full_url, tmp_path_factory.mktemp("anywhere")) as url,
        page_of(chromium) as (page, errors),
    ):
        yield page, url
        assert errors == []


@pytest.fixture(scope="module")
def workflow(full_url: str) -> Workflow:
    from scheduler.documents import workflow_from

    with Store.open(full_url) as store:
        return workflow_from(store.run_documents(2)[0])


@pytest.fixture
def gantt(visit: tuple[Any, str]) -> Any:
    """The page with the Gantt of the second run, all of it in sight."""
    page, url = visit
    if not re.search(r"/schedule\?run=2$", page.url):
        go(page, f"{url}/schedule?run=2")
    return page


def drawn(page: Any) -> ET.Element:
    """The chart as it is saved: its drawing, which can be read."""
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save as a drawing (SVG)").click()
    return ET.parse(saved.value.path()).getroot()


def words(picture: ET.Element) -> list[str]:
    return [each.text or "" for each in picture.iter(f"{SVG}text")]


def rows(page: Any) -> Any:
    """The lines of the table below the chart."""
    if not page.locator("details.table[open]").count():
        page.locator("details.table summary").click()
    page.wait_for_selector("details.table tbody tr")
    return page.locator("details.table tbody tr")


def drag(page: Any, start: float, end: float) -> None:
    """Across the chart, from one share of its width to another."""
    box = page.locator("canvas.sheet").bounding_box()
    y = box["y"] + 60
    page.mouse.move(box["x"] + box["width"] * start, y)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * (start + end) / 2, y)
    page.mouse.move(box["x"] + box["width"] * end, y)
    page.mouse.up()


def test_tab_goes_from_bar_to_bar_and_escape_lets_it_leave(gantt: Any) -> None:
    canvas = gantt.locator("canvas.sheet")
    canvas.focus()
    told = []
    for _ in range(3):
        gantt.keyboard.press("Tab")
        told.append(gantt.locator(".gantt .tip b").inner_text())
    gantt.keyboard.press("Shift+Tab")
    assert told[0] == "align-0"
    assert len(set(told)) == 3
    assert gantt.locator(".gantt .tip b").inner_text() == told[1]
    gantt.keyboard.press("Escape")
    gantt.keyboard.press("Tab")
    assert not canvas.evaluate("c => c.getRootNode().activeElement === c")


def test_the_keyboard_keeps_its_bar_when_the_chart_is_shown_anew(gantt: Any) -> None:
    canvas = gantt.locator("canvas.sheet")
    canvas.focus()
    for _ in range(4):
        gantt.keyboard.press("Tab")
    task = gantt.locator(".gantt .tip b").inner_text()
    gantt.keyboard.press("Enter")
    gantt.wait_for_url(re.compile(f"task={task}"))
    settled(gantt)
    gantt.locator(".gantt .ring").wait_for()
    gantt.keyboard.press("Shift+Tab")
    gantt.keyboard.press("Tab")
    assert gantt.locator(".gantt .tip b").inner_text() == task
    gantt.keyboard.press("Escape")


def test_the_tooltip_says_when_a_task_was_planned_and_how_sure_its_end_is(gantt: Any) -> None:
    canvas = gantt.locator("canvas.sheet")
    canvas.focus()
    gantt.keyboard.press("Tab")
    tip = gantt.locator(".gantt .tip").inner_text()
    assert re.search(r"planned on w\d", tip)
    assert "P10 to P90" in tip
    gantt.keyboard.press("Escape")


def test_keys_zoom_pan_and_fit(gantt: Any) -> None:
    canvas, start = gantt.locator("canvas.sheet"), words(drawn(gantt))
    canvas.press("+")
    canvas.press("+")
    closer = words(drawn(gantt))
    canvas.press("ArrowRight")
    further = words(drawn(gantt))
    canvas.press("0")
    assert len({tuple(each) for each in (start, closer, further)}) == 3
    assert words(drawn(gantt)) == start


def test_a_window_that_is_dragged_stands_in_the_address_and_in_the_table(gantt: Any) -> None:
    gantt.keyboard.down("Shift")
    drag(gantt, 0.3, 0.5)
    gantt.keyboard.up("Shift")
    gantt.wait_for_url(re.compile(r"window=\d+\.\d+\.\.\d+\.\d+"))
    gantt.wait_for_selector("text=/tasks as filtered between/")
    gantt.locator("button.window").click()
    gantt.wait_for_url(re.compile(r"run=2$"))
    gantt.wait_for_selector("text=/^60 tasks\\. Select/")


def test_an_address_with_a_window_shows_that_time_and_the_table_its_bars(
    visit: tuple[Any, str], view: RunView
) -> None:
    page, url = visit
    go(page, f"{url}/schedule?run=2&window=10..20")
    assert page.locator("button.window").inner_text() == "10 s to 20 s ✕"
    never = [view.plan.schedule.by_task[task] for task in view.given_up if task not in view.tries]
    inside = [e for e in (*view.attempts, *never) if e.start <= 20 and (e.end or 0) >= 10]
    assert rows(page).count() == len(inside)
    assert "between 10 s and 20 s" in page.locator("details.table caption").inner_text()


def test_times_of_day_are_those_of_where_the_viewer_is(visit: tuple[Any, str]) -> None:
    page, url = visit
    go(page, f"{url}/schedule?run=2&time=clock")
    zone = page.evaluate("Intl.DateTimeFormat().resolvedOptions().timeZone")
    start = datetime(2026, 5, 4, 12, 0, tzinfo=UTC).astimezone(ZoneInfo(zone))
    assert f"{start + timedelta(seconds=30):%H:%M:%S}" in words(drawn(page))


def test_filters_come_from_the_address_and_leave_only_what_is_asked_for(
    visit: tuple[Any, str], workflow: Workflow
) -> None:
    page, url = visit
    go(page, f"{url}/schedule?run=2&kind=sort&kind=solve&lanes=kind&bars=planned")
    many = sum(each.kind in ("sort", "solve") for each in workflow.tasks)
    assert said(page).startswith(f"{many} bars in 2 lanes")
    assert rows(page).count() == many


def test_late_only_goes_into_the_address(visit: tuple[Any, str]) -> None:
    page, url = visit
    go(page, f"{url}/schedule?run=2")
    whole = said(page)
    page.locator('[data-testid="stCheckbox"]', has_text="Late only").locator("label").click()
    page.wait_for_url(re.compile("late=yes"))
    anew(page, whole)


def test_a_selection_draws_an_arrow_for_each_dependency_and_a_picture_shows_them(
    visit: tuple[Any, str], workflow: Workflow
) -> None:
    page, url = visit
    go(page, f"{url}/schedule?run=2&task={TASK}")
    near = len(workflow.predecessors(TASK)) + len(workflow.successors(TASK))
    lines = [
        each.get("d", "")
        for each in drawn(page).iter(f"{SVG}path")
        if each.get("stroke") == LIGHT.primary and "C" in each.get("d", "")
    ]
    assert [each.count("C") for each in lines] == [near]


def test_a_click_in_the_table_of_bars_selects_the_task(gantt: Any) -> None:
    first = rows(gantt).first.locator("button")
    task = first.inner_text()
    first.click()
    gantt.wait_for_url(re.compile(f"task={task}"))


def test_pictures_are_saved_as_png_and_svg(visit: tuple[Any, str], workflow: Workflow) -> None:
    page, url = visit
    go(page, f"{url}/graph?run=2")
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save as a picture (PNG)").click()
    assert saved.value.suggested_filename == "graph-whole-2.png"
    assert saved.value.path().read_bytes().startswith(b"\x89PNG\r\n")
    names = {each.rstrip("…") for each in words(drawn(page))}
    assert names >= set(workflow.index)


def test_the_keyboard_walks_along_the_graph_and_selects(
    visit: tuple[Any, str], workflow: Workflow
) -> None:
    page, url = visit
    if "/graph" not in page.url:
        go(page, f"{url}/graph?run=2")
    canvas = page.locator("canvas.sheet")
    canvas.focus()
    canvas.press("Tab")
    start = page.locator(".dag .tip b").inner_text()
    canvas.press("ArrowRight")
    following = page.locator(".dag .tip b").inner_text()
    assert following in workflow.successors(start)
    canvas.press("Enter")
    page.wait_for_url(re.compile(f"task={following}"))
    settled(page)


def test_the_graph_is_told_in_a_table_too(visit: tuple[Any, str], workflow: Workflow) -> None:
    page, url = visit
    go(page, f"{url}/graph?run=2&task={TASK}&drawn=around&reach=1")
    near = 1 + len(workflow.predecessors(TASK)) + len(workflow.successors(TASK))
    assert rows(page).count() == near
    assert said(page).startswith(f"{near} boxes")
