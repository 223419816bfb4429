"""Helpers of tests in a real Chromium: pages whose errors are noted, and waiting for screens."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dashboard.navigation import screens
from dashboard.theme import Palette
from tests.dashboard.serving import PATIENCE, until

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage",
)  # fmt: skip
APP, SHEET = '[data-testid="stApp"]', "canvas.sheet"
CONNECTED = '[data-test-connection-state="CONNECTED"]'
# Parts of a live screen run so often that on a busy machine one of them always does: what counts is
# that a run has ended since, however short the page stood still.
ENDED = """window.ended_ = 0
new MutationObserver(seen => {
  window.ended_ += seen.filter(each => each.oldValue === 'running').length
}).observe(document, {
  subtree: true, attributeFilter: ['data-test-script-state'], attributeOldValue: true
})"""
STILL = """before => { const app = document.querySelector('[data-testid=stApp]')
return app?.dataset.testConnectionState === 'CONNECTED' &&
  (app.dataset.testScriptState === 'notRunning' || window.ended_ > before) }"""
TALL = 300  # pixels of one text that are not too many
HARM = """tall => {
  const main = document.querySelector('[data-testid=stMain]'), found = []
  const injected = "img[src='x'], a[href^='javascript'], script, iframe"
  if (document.title === 'owned' || window.owned) found.push('a script ran')
  for (const each of document.body.querySelectorAll(injected)) found.push(each.outerHTML)
  for (const each of main.querySelectorAll('strong'))
    if (each.textContent === 'bold') found.push('bold letters')
  for (const each of [document.documentElement, main])
    if (each.scrollWidth > each.clientWidth + 1) found.push(`${each.scrollWidth} pixels wide`)
  for (const each of main.querySelectorAll('*')) {
    if (each.children.length || !each.textContent) continue
    let { height } = each.getBoundingClientRect()
    for (let over = each.parentElement; over !== main; over = over.parentElement)
      if (getComputedStyle(over).overflowY !== 'visible')
        height = Math.min(height, over.getBoundingClientRect().height)
    if (height > tall)
      found.push(`${height} pixels tall, ${each.closest('[data-testid]').dataset.testid}`)
  }
  return found.map(each => each.slice(0, 200))
}"""
HEAD, ROW = 35, 33  # pixels of a table
PROBES = re.compile(r"/_stcore/(health|host-config)$")  # Streamlit asks below the address first


@contextmanager
def page_of(browser: Any, **options: Any) -> Iterator[tuple[Any, list[str]]]:
    """A page, and the errors of its console and of its requests."""
    wanted = {"color_scheme": "light", "viewport": {"width": 1440, "height": 1600}, **options}
    context = browser.new_context(**wanted)
    context.set_default_timeout(PATIENCE * 1000)
    context.add_init_script(ENDED)
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
    """By the sidebar, as people go; who is there already stays."""
    title = {each.path.stem: each.title for each in screens()}[screen]
    if not page.locator(f"h1:has-text('{title}')").count():
        page.locator('[data-testid="stSidebarNavLink"]', has_text=title).click()
        page.wait_for_selector(f"h1:has-text('{title}')")
    settled(page)


def settled(page: Any) -> None:
    """Waits until the script is done and its parts are drawn: with it, the canvas of a chart."""
    page.wait_for_function(STILL, arg=page.evaluate("window.ended_ ?? 0"))
    page.wait_for_selector("[data-testid=stSkeleton]", state="detached")  # of a part still to come
    if page.locator("h1:has-text('Schedule'), h1:has-text('Graph')").count():
        page.wait_for_selector('[data-ready="1"]')


def said(page: Any) -> str:
    """What the chart says of itself."""
    return str(page.locator(SHEET).first.get_attribute("aria-label"))


def anew(page: Any, before: str) -> None:
    """Waits until the chart says something else than before: the script is done sooner."""
    until(lambda: said(page) != before, f"the chart says no more: {before}")
    settled(page)


def ground(page: Any) -> tuple[int, ...]:
    """The colour of the chart in its corner."""
    script = "c => [...c.getContext('2d').getImageData(2, 2, 1, 1).data.slice(0, 3)]"
    return tuple(page.locator(SHEET).first.evaluate(script))


def shows(page: Any, colours: Palette) -> None:
    """Waits until the page has the ground of an appearance, its chart too, and is drawn anew."""
    wanted = tuple(int(colours.background[i : i + 2], 16) for i in (1, 3, 5))
    page.wait_for_function(
        "wanted => { const app = document.querySelector('[data-testid=stApp]');"
        " return app && getComputedStyle(app).backgroundColor === wanted }",
        arg=f"rgb{wanted}",
    )
    settled(page)
    if page.locator(SHEET).count():
        until(lambda: ground(page) == wanted, "the chart has the ground of the page")


def harm(page: Any) -> list[str]:
    """What words from outside have done to a page, which shall be nothing."""
    return list(page.evaluate(HARM, TALL))


def row_of(table: Any, text: str) -> None:
    """Waits until a table, which is a canvas, has a cell with a text in sight, and can be used."""
    table.locator("[role=gridcell]", has_text=text).first.wait_for(state="attached")


def choose_row(table: Any, row: int) -> None:
    """A click into the box before the row, counted from 0."""
    table.scroll_into_view_if_needed()
    table.click(position={"x": 17, "y": HEAD + ROW * row + ROW / 2})


def keep(page: Any, name: str, folder: Path, *, still: bool = True) -> Path:
    """A picture of the page for people to look at, in ALLOT_PICTURES where that is set."""
    if still:
        settled(page)
    file = Path(os.environ.get("ALLOT_PICTURES") or folder) / f"{name}.png"
    file.parent.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=file)
    return file
