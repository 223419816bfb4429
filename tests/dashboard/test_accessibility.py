"""Every screen through axe-core, light and dark: what it finds serious is a failure."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe

from dashboard.navigation import screens
from dashboard.theme import DARK, LIGHT
from scheduler.store import Store
from tests.dashboard.browsing import go, keep, page_of, shows, turn_to
from tests.dashboard.filler import fill
from tests.dashboard.operated import operate
from tests.dashboard.serving import served

SERIOUS = ("serious", "critical")
AT_ONCE = "*, ::before, ::after { transition: none !important }"  # no colour is half way
SCREENS = [each.path.stem for each in screens()]

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def page(chromium: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """One visitor of a store in use, who has selected a task of a run that is over."""
    folder = tmp_path_factory.mktemp("used")
    url = f"sqlite:///{folder / 'allot.db'}"
    with Store.open(url) as store:
        fill(store)
        operate(store, datetime.now(UTC))
    with served(url, folder) as address, page_of(chromium) as (visitor, _):
        go(visitor, f"{address}/schedule?run=2&task=align-0")
        visitor.add_style_tag(content=AT_ONCE)
        yield visitor


def found(page: Any) -> list[str]:
    """What axe finds serious, each with its first elements."""
    said = []
    for each in Axe().run(page).response["violations"]:
        nodes = [node for node in each["nodes"] if not of_the_sidebar(page, each["id"], node)]
        if each["impact"] in SERIOUS and nodes:
            where = "; ".join(f"{node['target']} {node['html'][:160]}" for node in nodes[:4])
            said.append(f"{each['impact']} {each['id']}: {each['help']}: {where}")
    return said


def of_the_sidebar(page: Any, rule: str, node: Any) -> bool:
    """Whether it is Streamlit's own list of screens, in which headings stand between the items."""
    if rule not in ("list", "listitem"):
        return False
    inside = "e => !!e.closest('[data-testid=stSidebarNavItems]')"
    return bool(page.locator(node["target"][0]).first.evaluate(inside))


@pytest.mark.parametrize("screen", SCREENS)
def test_axe_finds_nothing_serious_on_a_screen_light_or_dark(
    page: Any, screen: str, tmp_path: Path
) -> None:
    turn_to(page, screen)
    light = found(page)
    page.emulate_media(color_scheme="dark")
    try:
        shows(page, DARK)
        dark = found(page)
        keep(page, f"dark-{screen}", tmp_path)
    finally:
        page.emulate_media(color_scheme="light")
        shows(page, LIGHT)
    assert "\n".join((*light, *dark)) == ""


def test_axe_would_have_noticed_a_picture_without_a_name(page: Any) -> None:
    page.evaluate("document.body.insertAdjacentHTML('beforeend', '<img src=\"data:,\" id=bare>')")
    assert any("image-alt" in each for each in found(page))
