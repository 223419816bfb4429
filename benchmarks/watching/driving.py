"""A dashboard in a process of its own, and a browser that looks at it."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from scheduler.errors import NotFound

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage",
)  # fmt: skip
PATIENCE = 90.0
STILL = '[data-testid="stApp"][data-test-script-state="notRunning"]'
RAN = """() => { const app = document.querySelector('[data-testid="stApp"]'); window.ran_ = false;
 const note = () => { window.ran_ ||= app.dataset.testScriptState === 'running' };
 new MutationObserver(note).observe(app, {attributes: true}) }"""
FRAMES = """() => { window.frames_ = []; const note = t => { window.frames_.push(t);
 window.noting_ = requestAnimationFrame(note) }; window.noting_ = requestAnimationFrame(note) }"""
FRAMES_TAKEN = "() => { cancelAnimationFrame(window.noting_); return window.frames_ }"


@dataclass(frozen=True)
class Served:
    """A dashboard that answers."""

    url: str
    process: psutil.Process

    def memory(self) -> int:
        """Bytes that the server holds."""
        return int(self.process.memory_info().rss)

    def busy(self) -> float:
        """Seconds of processors that the server has used."""
        used = self.process.cpu_times()
        return float(used.user + used.system)


@contextmanager
def served(store: str, folder: Path) -> Iterator[Served]:
    """`allot dashboard` on a store, as long as the block lasts."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    command = [sys.executable, "-m", "scheduler", "dashboard", "--no-browser"]
    root = str(Path(__file__).parents[2])
    process = subprocess.Popen(
        [*command, "--store", store, "--port", str(port)], cwd=folder,
        env=os.environ | {"PYTHONPATH": root}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    try:
        _answers(f"{url}/_stcore/health")
        yield Served(url, psutil.Process(process.pid))
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(30)


def _answers(health: str) -> None:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        try:
            urllib.request.urlopen(health, timeout=5)
        except OSError:
            time.sleep(0.2)
        else:
            return
    raise TimeoutError(f"The dashboard did not answer within {PATIENCE:.0f} s.")


@contextmanager
def chromium() -> Iterator[Any]:
    """A real browser; raises NotFound where there is none."""
    if not CHROMIUM.exists():
        raise NotFound(f"The benchmark needs Chromium at {CHROMIUM}: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=list(FLAGS))
        yield browser
        browser.close()


def new_page(browser: Any) -> Any:
    """A visitor of their own."""
    page = browser.new_context(viewport={"width": 1440, "height": 1000}).new_page()
    page.set_default_timeout(PATIENCE * 1000)
    return page


def opened(page: Any, address: str, *, canvas: bool = False) -> float:
    """Seconds from asking for an address until all of it is drawn."""
    began = time.perf_counter()
    page.goto(address, wait_until="domcontentloaded")
    return settled(page, began, canvas=canvas)


def turned_to(page: Any, title: str, *, canvas: bool = False) -> float:
    """Seconds from a click in the sidebar until the screen is drawn."""
    link = page.get_by_test_id("stSidebarNavLink").get_by_text(title, exact=True)
    began = time.perf_counter()
    link.click()
    page.wait_for_selector(f"h1:has-text('{title}')")
    return settled(page, began, canvas=canvas)


def settled(page: Any, began: float, *, canvas: bool = False) -> float:
    """Seconds since a moment until nothing is left to draw; raises where an error is shown."""
    page.wait_for_selector(STILL)
    if canvas:
        page.wait_for_selector('[data-ready="1"]')
    page.wait_for_function("() => !document.querySelector('[data-testid=\"stSkeleton\"]')")
    seconds = time.perf_counter() - began
    if page.locator('[data-testid="stException"]').count():
        raise RuntimeError(
            f"{page.url} shows an error: {page.inner_text('[data-testid=stException]')}"
        )
    return seconds


def changed(page: Any, act: Any) -> float:
    """Seconds from an act until the script that it starts has ended."""
    page.evaluate(RAN)
    began = time.perf_counter()
    act()
    page.wait_for_function("() => window.ran_")
    return settled(page, began, canvas=True)


def frames(page: Any, act: Any) -> tuple[float, float]:
    """Milliseconds of a frame while something is done: the 95th percentile, and the longest."""
    page.evaluate(FRAMES)
    act()
    gaps = np.diff(np.array(page.evaluate(FRAMES_TAKEN)))
    return float(np.percentile(gaps, 95)), float(gaps.max())
