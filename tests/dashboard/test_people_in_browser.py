"""Who looks, by a header of a proxy, as it comes over a real connection."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.dashboard.browsing import go, page_of
from tests.dashboard.serving import served

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
ASKED = {"header": "X-Allot-User", "people": {"ann": "operator"}}


def seen(browser: Any, url: str, headers: dict[str, str], text: str) -> list[str]:
    """What stands in the main part and the sidebar once a text is there."""
    with page_of(browser, extra_http_headers=headers) as (page, _):
        go(page, f"{url}/logs")
        page.wait_for_selector(f"text={text}")
        parts = page.locator("[data-testid=stMain], [data-testid=stSidebar]")
        return sorted(parts.all_inner_texts(), key=lambda each: text not in each)


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
