"""Who looks, by a header of a proxy, as it comes over a real connection."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.dashboard.browsing import CHROMIUM, FLAGS
from tests.dashboard.serving import served

pytestmark = [pytest.mark.browser, pytest.mark.timeout(200)]
ASKED = {"header": "X-Allot-User", "people": {"ann": "operator"}}


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    if not CHROMIUM.exists():
        if os.environ.get("CI"):
            pytest.fail(f"{CHROMIUM} is missing")
        pytest.skip(f"{CHROMIUM} is missing")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=list(FLAGS))
        yield browser
        browser.close()


def seen(browser: Any, url: str, headers: dict[str, str], text: str) -> list[str]:
    """What stands in the main part and the sidebar once a text is there."""
    context = browser.new_context(extra_http_headers=headers)
    page = context.new_page()
    page.set_default_timeout(60_000)
    page.goto(f"{url}/logs", wait_until="domcontentloaded")
    page.wait_for_selector(f"text={text}")
    found = [page.inner_text("[data-testid=stMain]")]
    if page.locator("[data-testid=stSidebar]").count():
        found.append(page.inner_text("[data-testid=stSidebar]"))
    context.close()
    return found


def test_the_header_of_each_connection_says_who_looks(
    chromium: Any, full_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALLOT_DASHBOARD", json.dumps(ASKED))
    with served(full_url, tmp_path) as url:
        _, side = seen(chromium, url, {"X-Allot-User": "ann"}, "Bring in logs")
        assert "ann · operator" in side
        _, side = seen(chromium, url, {"X-Allot-User": "eve"}, "Bring in logs")
        assert "eve · viewer" in side
        nobody = seen(chromium, url, {}, "Nobody is signed in")
        assert "Bring in logs" not in nobody[0]
        two = seen(chromium, url, {"X-Allot-User": "ann, eve"}, "Bring in logs")
        assert "ann, eve · viewer" in two[1]
