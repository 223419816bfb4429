"""Journeys in a real Chromium: what is drawn, what a click does, and what a name cannot do."""

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from dashboard.navigation import screens
from dashboard.theme import DARK, LIGHT
from scheduler.logs.base import Refused
from scheduler.store import Store
from tests.dashboard.browsing import go, harm, keep, page_of, shows, turn_to
from tests.dashboard.conftest import HOSTILE
from tests.dashboard.filler import START, fill
from tests.dashboard.operated import operate
from tests.dashboard.serving import served, until

SCREENS = [each.path.stem for each in screens()]
WORSE = f"{HOSTILE} <script>owned = 1</script> \u202egnp.exe "
LONG, ENDLESS = WORSE.ljust(880, "x"), WORSE.ljust(10_000, "x")  # as names may be; as words may be

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def full(full_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served(full_url, tmp_path_factory.mktemp("anywhere")) as url:
        yield url


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a task in a store whose names are as bad as names can be."""
    folder = tmp_path_factory.mktemp("hostile")
    store = f"sqlite:///{folder / 'allot.db'}"
    with Store.open(store) as opened:
        fill(opened, hostile=LONG)
        line = Refused(ENDLESS, 1, "kind", ENDLESS, ENDLESS, ENDLESS)
        opened.quarantine([line], ENDLESS, at=START)
        run = operate(opened, datetime.now(UTC), tasks=12, hostile=LONG)
        opened.end_run(1, state="failed", makespan=1.0, message=ENDLESS, at=START)
        opened.end_run(2, state="failed", makespan=1.0, message=ENDLESS, at=START)
        task = opened.run_schedule(run).placements[0].task
    with served(store, folder) as url:
        yield f"{url}/schedule?run={run}&task={quote(task)}"


@pytest.fixture(scope="module")
def full_page(chromium: Any, full: str) -> Iterator[tuple[Any, list[str]]]:
    """One visitor of the full store, who goes from screen to screen."""
    with page_of(chromium) as (page, errors):
        go(page, f"{full}/schedule?run=2")
        yield page, errors


@pytest.fixture(scope="module")
def hostile_page(chromium: Any, hostile: str) -> Iterator[tuple[Any, list[str]]]:
    """One visitor of the hostile store, who has selected a task with a hostile name."""
    with page_of(chromium) as (page, errors):
        page.on("dialog", lambda box: (errors.append(f"a dialog: {box.message}"), box.dismiss()))
        go(page, hostile)
        yield page, errors


def first_bar(page: Any) -> tuple[float, float]:
    """Where the first bar is: the tooltip that the keyboard brings stands just below its corner."""
    page.locator(".gantt canvas").press("ArrowDown")
    tip = page.locator(".gantt .tip").bounding_box()
    return tip["x"] - 16 + 5, tip["y"] - 14 + 5


def picture(page: Any) -> str:
    """What is drawn, with the mouse elsewhere."""
    page.mouse.move(5, 5)
    return str(page.locator(".gantt canvas").evaluate("c => c.toDataURL()"))


@pytest.mark.parametrize("screen", SCREENS)
def test_a_screen_draws_without_an_error(full_page: tuple[Any, list[str]], screen: str) -> None:
    page, errors = full_page
    turn_to(page, screen)
    assert page.locator('[data-testid="stException"]').count() == 0
    assert errors == []


def test_the_gantt_follows_the_appearance_of_the_page(full_page: tuple[Any, list[str]]) -> None:
    page, _ = full_page
    turn_to(page, "schedule")
    for scheme, colours in (("light", LIGHT), ("dark", DARK), ("light", LIGHT)):
        page.emulate_media(color_scheme=scheme)
        shows(page, colours)


def test_a_click_on_a_bar_selects_its_task_here_and_in_the_address(
    chromium: Any, full: str
) -> None:
    with page_of(chromium) as (page, errors):
        go(page, f"{full}/schedule?run=2")
        page.mouse.click(*first_bar(page))
        page.wait_for_selector("text=Why this worker?")
        page.wait_for_url(re.compile("task=align-0"))
        page.click("text=Why this worker?")
        page.wait_for_selector("text=/^align-0 runs on /")
        page.wait_for_url(re.compile("(?=.*run=2)(?=.*task=align-0)"))
        assert errors == []


def test_the_keyboard_alone_selects_a_bar(full_page: tuple[Any, list[str]]) -> None:
    page, _ = full_page
    turn_to(page, "schedule")
    canvas = page.locator(".gantt canvas")
    canvas.press("ArrowDown")
    canvas.press("Enter")
    page.wait_for_url(re.compile("task=align-0"))


def test_a_click_on_a_box_of_the_graph_selects_its_task(full_page: tuple[Any, list[str]]) -> None:
    page, _ = full_page
    turn_to(page, "graph")
    canvas = page.locator(".dag canvas")
    box = canvas.bounding_box()
    for y in range(int(box["y"]) + 20, int(box["y"] + box["height"]), 12):
        page.mouse.move(box["x"] + box["width"] - 60, y)  # the tasks that end last
        if "over" in (canvas.get_attribute("class") or ""):
            break
    task = page.locator(".dag .tip b").inner_text()
    page.mouse.click(box["x"] + box["width"] - 60, y)
    page.wait_for_url(re.compile(f"task={task}"))


def test_the_wheel_zooms_time_and_a_double_click_fits_again(
    full_page: tuple[Any, list[str]],
) -> None:
    page, _ = full_page
    turn_to(page, "schedule")
    whole, box = picture(page), page.locator(".gantt canvas").bounding_box()
    middle = (box["x"] + box["width"] / 2, box["y"] + 10)
    page.mouse.move(*middle)
    page.mouse.wheel(0, -400)
    until(lambda: picture(page) != whole, "the wheel zooms")
    page.mouse.dblclick(*middle)
    until(lambda: picture(page) == whole, "a double click fits")


@pytest.mark.parametrize("screen", SCREENS)
def test_a_hostile_name_stays_text(
    hostile_page: tuple[Any, list[str]], screen: str, tmp_path: Path
) -> None:
    page, errors = hostile_page
    turn_to(page, screen)
    keep(page, f"journey-hostile-{screen}", tmp_path)
    assert harm(page) == []
    assert errors == []


def test_a_hostile_name_is_shown_as_it_is(hostile_page: tuple[Any, list[str]]) -> None:
    page, _ = hostile_page
    turn_to(page, "decisions")
    page.wait_for_selector("text=/^[a-z]+-0<img src=x .*runs on /")


def test_a_hostile_kind_is_text_in_a_filter(hostile_page: tuple[Any, list[str]]) -> None:
    page, _ = hostile_page
    turn_to(page, "schedule")
    page.get_by_label("Kinds").click()
    option = page.locator('[role="option"]', has_text="<img src=x").first
    option.click()
    page.wait_for_url(re.compile("kind="))
    page.locator('[data-testid="stMultiSelect"]', has_text="<img src=x").wait_for()
    assert harm(page) == []


def test_a_hostile_name_is_text_in_a_picture_too(hostile_page: tuple[Any, list[str]]) -> None:
    page, _ = hostile_page
    turn_to(page, "graph")
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save as a drawing (SVG)").click()
    picture = ET.parse(saved.value.path()).getroot()
    assert {each.tag.split("}")[1] for each in picture.iter()} <= {
        "svg", "g", "clipPath", "path", "rect", "text",
    }  # fmt: skip
    assert any(re.match(r"[a-z]+-\d+<img", each.text or "") for each in picture.iter())


def test_the_same_name_as_markup_would_have_been_noticed(
    hostile_page: tuple[Any, list[str]],
) -> None:
    page, _ = hostile_page
    page.evaluate("text => document.body.insertAdjacentHTML('beforeend', text)", HOSTILE)
    page.wait_for_function("document.title === 'owned'")
    assert "a script ran" in harm(page)
