"""Helpers of tests in a real Chromium: pages whose errors are noted, and waiting for screens."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dashboard.navigation import screens
from dashboard.theme import Palette

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage",
)  # fmt: skip
PROBES = re.compile(r"/_stcore/(health|host-config)$")  # Streamlit asks below the address first


@contextmanager
def page_of(browser: Any, **options: Any) -> Iterator[tuple[Any, list[str]]]:
    """A page, and the errors of its console and of its requests."""
    wanted = {"color_scheme": "light", "viewport": {"width": 1440, "height": 1600}, **options}
    context = browser.new_context(**wanted)
    context.set_default_timeout(40_000)
    page, errors = context.new_page(), []

    def answered(response: Any) -> None:
        if response.status >= 400 and not PROBES.search(response.url):
            errors.append(f"{response.status} {response.url}")

    def spoke(message: Any) -> None:
        if message.type == "error" and "404" not in message.text:
            errors.append(message.text)

    page.on("response", answered)
    page.on("console", spoke)
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page, errors
    context.close()


def go(page: Any, address: str) -> None:
    page.goto(address, wait_until="domcontentloaded")
    settled(page)


def turn_to(page: Any, screen: str) -> None:
    """By the sidebar, as people go."""
    title = {each.path.stem: each.title for each in screens()}[screen]
    page.locator('[data-testid="stSidebarNavLink"]', has_text=title).click()
    page.wait_for_selector(f"h1:has-text('{title}')")
    settled(page)


def settled(page: Any) -> None:
    """Waits until the script is done, and the canvas of a screen that has one."""
    page.wait_for_selector('[data-testid="stApp"][data-test-script-state="notRunning"]')
    if page.locator("h1:has-text('Schedule'), h1:has-text('Graph')").count():
        page.wait_for_selector('[data-ready="1"]')


def shows(page: Any, colours: Palette) -> None:
    """Waits until the page has the ground of an appearance, and is drawn anew."""
    ground = tuple(int(colours.background[i : i + 2], 16) for i in (1, 3, 5))
    page.wait_for_function(
        "wanted => { const app = document.querySelector('[data-testid=stApp]');"
        " return app && getComputedStyle(app).backgroundColor === wanted }",
        arg=f"rgb{ground}",
    )
    settled(page)


def keep(page: Any, name: str, folder: Path, *, still: bool = True) -> Path:
    """A picture of the page for people to look at, in ALLOT_PICTURES where that is set."""
    if still:
        settled(page)
    file = Path(os.environ.get("ALLOT_PICTURES") or folder) / f"{name}.png"
    file.parent.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=file)
    return file
