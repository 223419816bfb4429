"""Journeys in a real Chromium: what is drawn, what a click does, and what a name cannot do."""

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from dashboard.navigation import screens
from tests.dashboard.browsing import go, page_of, turn_to
from tests.dashboard.conftest import HOSTILE
from tests.dashboard.serving import served

SCREENS = [each.path.stem for each in screens()]

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def full(full_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served(full_url, tmp_path_factory.mktemp("anywhere")) as url:
        yield url


@pytest.fixture(scope="module")
def hostile(hostile_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served(hostile_url, tmp_path_factory.mktemp("anywhere")) as url:
        yield url


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
        go(page, f"{hostile}/schedule?run=2&task={quote('align-0' + HOSTILE)}")
        yield page, errors


def first_bar(page: Any) -> tuple[float, float]:
    """Where the first bar is: the tooltip that the keyboard brings stands just below its corner."""
    page.locator(".gantt canvas").press("ArrowDown")
    tip = page.locator(".gantt .tip").bounding_box()
    return tip["x"] - 16 + 5, tip["y"] - 14 + 5


def green_of_corner(page: Any) -> int:
    script = "c => c.getContext('2d').getImageData(2, 2, 1, 1).data[1]"
    return int(page.locator(".gantt canvas").evaluate(script))


@pytest.mark.parametrize("screen", SCREENS)
def test_a_screen_draws_without_an_error(full_page: tuple[Any, list[str]], screen: str) -> None:
    page, errors = full_page
    turn_to(page, screen)
    assert page.locator('[data-testid="stException"]').count() == 0
    assert errors == []


def test_the_gantt_follows_the_appearance_of_the_page(full_page: tuple[Any, list[str]]) -> None:
    page, _ = full_page
    turn_to(page, "schedule")
    assert green_of_corner(page) == 0xFF
    page.emulate_media(color_scheme="dark")
    page.wait_for_function(
        "document.querySelector('[data-testid=stApp]') && "
        "getComputedStyle(document.querySelector('[data-testid=stApp]')).backgroundColor"
        " === 'rgb(16, 22, 30)'"
    )
    page.wait_for_timeout(500)
    assert green_of_corner(page) == 0x16
    page.emulate_media(color_scheme="light")


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
    def picture() -> str:
        page.mouse.move(5, 5)
        page.wait_for_timeout(100)
        return str(page.locator(".gantt canvas").evaluate("c => c.toDataURL()"))

    page, _ = full_page
    turn_to(page, "schedule")
    whole, box = picture(), page.locator(".gantt canvas").bounding_box()
    middle = (box["x"] + box["width"] / 2, box["y"] + 10)
    page.mouse.move(*middle)
    page.mouse.wheel(0, -400)
    assert picture() != whole
    page.mouse.dblclick(*middle)
    assert picture() == whole


@pytest.mark.parametrize("screen", SCREENS)
def test_a_hostile_name_stays_text(hostile_page: tuple[Any, list[str]], screen: str) -> None:
    page, errors = hostile_page
    turn_to(page, screen)
    assert page.locator("img[src='x'], a[href^='javascript'], strong:text-is('bold')").count() == 0
    assert page.title() != "owned"
    assert errors == []


def test_a_hostile_name_is_shown_as_it_is(hostile_page: tuple[Any, list[str]]) -> None:
    page, _ = hostile_page
    turn_to(page, "decisions")
    page.wait_for_selector("text=/^align-0<img src=x .*runs on /")


def test_a_hostile_kind_is_text_in_a_filter(hostile_page: tuple[Any, list[str]]) -> None:
    page, _ = hostile_page
    turn_to(page, "schedule")
    page.get_by_label("Kinds").click()
    option = page.locator('[role="option"]', has_text="sort<img src=x").first
    option.click()
    page.wait_for_url(re.compile("kind=sort"))
    page.locator('[data-testid="stMultiSelect"]', has_text="sort<img src=x").wait_for()
    assert page.locator("img[src='x'], a[href^='javascript'], strong:text-is('bold')").count() == 0
    assert page.title() != "owned"


def test_a_hostile_name_is_text_in_a_picture_too(hostile_page: tuple[Any, list[str]]) -> None:
    page, _ = hostile_page
    turn_to(page, "graph")
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save as a drawing (SVG)").click()
    picture = ET.parse(saved.value.path()).getroot()
    assert {each.tag.split("}")[1] for each in picture.iter()} <= {
        "svg", "g", "clipPath", "path", "rect", "text",
    }  # fmt: skip
    assert any((each.text or "").startswith("align-0<img") for each in picture.iter())


def test_the_same_name_as_markup_would_have_been_noticed(
    hostile_page: tuple[Any, list[str]],
) -> None:
    page, _ = hostile_page
    page.evaluate("text => document.body.insertAdjacentHTML('beforeend', text)", HOSTILE)
    page.wait_for_function("document.title === 'owned'")
    assert page.locator("img[src='x']").count() == 1
