"""The dashboard in a real browser, on a store as large as a company's."""

import tempfile
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.base import Benchmark, Found, Goal
from benchmarks.watching import driving
from benchmarks.watching.filling import Filled, fill
from benchmarks.watching.living import SCREENS, Living, waited, waited_together
from dashboard.navigation import screens
from scheduler.store import Store

CANVAS = ("Schedule", "Graph")
VIEWERS, FEW = 20, 5
IDLE = 10.0  # seconds for which the server is watched while nothing happens
MEGABYTE = 1e6
GESTURES = 60


class Dashboard(Benchmark):
    """How long a viewer waits, and what a viewer costs."""

    title = "the dashboard in a browser"

    def run(self, *, data: Path | None, quick: bool) -> Found:  # noqa: ARG002  makes its own store
        """Every screen, the Gantt, filters, live changes, memory and many viewers."""
        sizes = (
            {"records": 50_000, "runs": 20, "large": 2_000, "huge": 5_000} if quick
            else {"records": 1_000_000, "runs": 200, "large": 10_000, "huge": 25_000}
        )  # fmt: skip
        with tempfile.TemporaryDirectory() as name, driving.chromium() as browser:
            url = f"sqlite:///{name}/store.db"
            with Store.open(url) as store:
                runs = fill(store, datetime.now(UTC), **sizes)
                with driving.served(url, Path(name)) as server:
                    found = _measured(browser, server, store, runs)
        return Found(
            work=f"{sizes['records']:,} records, {sizes['runs']} runs, one of {sizes['large']:,} "
            f"and one of {sizes['huge']:,} tasks on 50 workers; Chromium with software rendering "
            "on the same cores as the server",
            ours=found,
            goals=tuple(_goals(found)),
        )


def _measured(browser: Any, server: driving.Served, store: Store, runs: Filled) -> dict[str, Any]:
    page = driving.new_page(browser)
    large = f"{server.url}/schedule?run={runs.large}"
    cold = driving.opened(page, large, canvas=True)
    drawn = {each.title: _warm(page, each.title) for each in screens()}
    found: dict[str, Any] = {f"screen: {name}": {"seconds": each} for name, each in drawn.items()}
    found |= {"first page of a new server": {"seconds": cold}}
    found |= _gantt(page, server, runs) | _all_runs(page, server)
    living = Living(store, runs.living)
    for screen in SCREENS:
        seconds = waited(page, server.url, living, screen)
        found[f"live change: {screen}"] = {"seconds": seconds}
    page.context.close()
    found |= _together(browser, server, living)
    return found | _viewers(browser, server, runs)


def _warm(page: Any, title: str) -> float:
    """The second time that a viewer comes to a screen."""
    other = "Overview" if title != "Overview" else "Logs"
    driving.turned_to(page, title, canvas=title in CANVAS)
    driving.turned_to(page, other)
    return driving.turned_to(page, title, canvas=title in CANVAS)


def _gantt(page: Any, server: driving.Served, runs: Filled) -> dict[str, Any]:
    """The large runs: drawn anew, filtered, and moved about in."""
    found: dict[str, Any] = {}
    for name, run in (("10,000 bars", runs.large), ("50,000 bars", runs.huge)):
        bars = "planned" if run == runs.large else "both"
        address = f"{server.url}/schedule?run={run}&bars={bars}"
        driving.opened(page, address, canvas=True)
        drawn = driving.opened(page, address, canvas=True)
        most, worst = driving.frames(page, lambda: _moved_about(page))
        found[f"Gantt: {name}"] = {
            "seconds": drawn,
            "p95 frame, ms": most,
            "worst frame, ms": worst,
        }
        other = page.get_by_test_id("stButtonGroup").get_by_text("Actual", exact=True)
        found[f"Gantt: {name}"] = {
            "seconds": drawn, "filter, seconds": driving.changed(page, other.click),
            "p95 frame, ms": most, "worst frame, ms": worst,
        }  # fmt: skip
    return found


def _all_runs(page: Any, server: driving.Served) -> dict[str, Any]:
    """The schedule of all runs of 30 days, when it is come back to."""
    address = f"{server.url}/schedule?of=all&span=month"
    driving.opened(page, address, canvas=True)
    drawn = driving.opened(page, address, canvas=True)
    said = page.locator("text=/^[\\d,]+ tasks/").first.inner_text()
    tasks = int(said.split()[0].replace(",", ""))
    return {"all runs of 30 days": {"seconds": drawn, "tasks": tasks}}


def _moved_about(page: Any) -> None:
    box = page.locator(".gantt canvas").first.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + min(box["height"] / 2, 300)
    page.mouse.move(x, y)
    for i in range(GESTURES):
        page.mouse.wheel(0, -120 if i < GESTURES / 2 else 60)
        page.wait_for_timeout(16)
    page.mouse.down()
    for i in range(GESTURES):
        page.mouse.move(x - 5 * i, y)
        page.wait_for_timeout(16)
    page.mouse.up()


def _together(browser: Any, server: driving.Served, living: Living) -> dict[str, Any]:
    """A change that several viewers of different screens see, on the cores of their browsers."""
    pages = [driving.new_page(browser) for _ in range(FEW)]
    seconds = waited_together(pages, server.url, living)
    before = server.busy()
    time.sleep(IDLE)
    each = (server.busy() - before) / IDLE / FEW
    for page in pages:
        page.context.close()
    return {
        f"live change: {FEW} viewers, the first": {"seconds": min(seconds)},
        f"live change: {FEW} viewers, the last": {"seconds": max(seconds), "cores each": each},
    }


def _viewers(browser: Any, server: driving.Served, runs: Filled) -> dict[str, Any]:
    """Twenty more at once, each with a session of their own on the large run."""
    before = server.memory()
    pages = [driving.new_page(browser) for _ in range(VIEWERS)]
    began = time.perf_counter()
    for page in pages:
        page.goto(f"{server.url}/schedule?run={runs.large}", wait_until="commit")
    for page in pages:
        driving.settled(page, began, canvas=True)
    seconds = time.perf_counter() - began
    each = (server.memory() - before) / VIEWERS / MEGABYTE
    return {f"{VIEWERS} viewers at once": {"seconds": seconds, "megabytes each": each}}


def _goals(found: Mapping[str, Any]) -> list[Goal]:
    drawn = {name: row["seconds"] for name, row in found.items() if name.startswith("screen: ")}
    slowest = max(drawn, key=drawn.__getitem__)
    live = {name: found[f"live change: {name}"]["seconds"] for name in SCREENS}
    last = max(live, key=live.__getitem__)
    bars, many = found["Gantt: 10,000 bars"], found["Gantt: 50,000 bars"]
    viewers, every = found[f"{VIEWERS} viewers at once"], found["all runs of 30 days"]
    rows = (
        ("every screen, warm", 2.0, drawn[slowest], "s", f" ({slowest.removeprefix('screen: ')})"),
        ("Gantt of 10,000 bars drawn", 3.0, bars["seconds"], "s", ""),
        ("p95 frame as it is zoomed and panned", 33.0, bars["p95 frame, ms"], "ms", ""),
        ("Gantt of 50,000 bars drawn", 5.0, many["seconds"], "s", ""),
        ("all runs of 30 days drawn", 5.0, every["seconds"], "s", f" ({every['tasks']:,} tasks)"),
        ("rerun after a filter", 0.7, bars["filter, seconds"], "s", ""),
        ("live change seen, on each of six screens", 1.0, live[last], "s", f" ({last})"),
        ("memory of the server for each viewer", 50.0, viewers["megabytes each"], "MB", ""),
        (f"{VIEWERS} viewers at once: 10,000 bars for each", VIEWERS * 3.0, viewers["seconds"], "s",
         ""),
    )  # fmt: skip
    return [
        Goal(name, f"<= {most:g} {unit}", f"{value:.3g} {unit}{more}", value <= most)
        for name, most, value, unit, more in rows
    ]
