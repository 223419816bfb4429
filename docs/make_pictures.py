"""Makes the pictures of docs/dashboard.md from the real screens: python -m docs.make_pictures.

It needs what the tests need: Chromium, Playwright and Pillow. The store is made up, the same each
time but for the clock.
"""

import io
import json
import os
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from dashboard.navigation import screens
from dashboard.periods import Period
from scheduler.store import Store
from tests.dashboard.browsing import CHROMIUM, FLAGS, go, settled
from tests.dashboard.filler import fill
from tests.dashboard.operated import operate
from tests.dashboard.serving import served

PICTURES = Path(__file__).parent / "pictures"
SIZE = {"width": 1280, "height": 1000}
COLOURS = 128  # of the palette of a picture
HEADER = "X-Allot-User"
DRAWN = """() => [...document.querySelectorAll('[data-testid=stPlotlyChart]')]
  .every(each => each.querySelector('.cartesianlayer path, .heatmaplayer image'))"""
WHAT_IF = json.dumps({"removed": ["w2"]}, separators=(",", ":"))
ASKED = {  # what is selected on a screen, where the first of everything says little
    "schedule": "?run=2&task=solve-23",
    "graph": "?run=2&task=solve-23",
    "task": "?run=2&task=solve-23",
    "decisions": "?run=2&task=solve-23",
    "what_if": f"?run=2&change={WHAT_IF}",
    "training": "?training=3",
    "logs": "?shown=quarantine",
}
AROUND = timedelta(seconds=80)


def main() -> None:
    """Fills a store, visits each screen, and writes one picture of it."""
    os.environ["ALLOT_DASHBOARD"] = json.dumps({"header": HEADER, "role": "admin"})
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        with Store.open(f"sqlite:///{name}/allot.db") as store:
            fill(store)
            operate(store, began := datetime.now(UTC))
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=list(FLAGS))
        with served("sqlite:///allot.db", Path(name)) as address:
            page = browser.new_page(
                viewport=SIZE, color_scheme="light", extra_http_headers={HEADER: "ada"}
            )
            page.set_default_timeout(60_000)
            window = Period(began - AROUND, began + AROUND).written()  # what goes on is soon over
            go(page, f"{address}/schedule?of=all&span=own&between={window}")
            _drawn(page, "schedule")
            _write(page.screenshot(), PICTURES / "schedule-all-runs.png")
            for each in screens():
                stem = each.path.stem
                go(page, f"{address}/{'' if stem == 'overview' else stem}{ASKED.get(stem, '')}")
                _drawn(page, stem)
                _write(page.screenshot(), PICTURES / f"{stem.replace('_', '-')}.png")
        browser.close()


def _drawn(page: Page, screen: str) -> None:
    """Waits for what is drawn after the script has ended: charts and tables."""
    settled(page)
    if screen == "what_if":
        page.wait_for_selector('[data-ready="1"]')
    page.wait_for_function(DRAWN)
    page.wait_for_timeout(2500)  # tables draw themselves on a canvas, and do not say when


def _write(picture: bytes, file: Path) -> None:
    with Image.open(io.BytesIO(picture)) as whole:
        small = whole.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
        small.save(file, optimize=True)


if __name__ == "__main__":
    main()
