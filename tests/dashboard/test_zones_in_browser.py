"""Times in a real Chromium that stands somewhere else, and a zone that goes along with a link."""

import csv
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from dashboard.components.bundle import CANVAS, bundled
from tests.dashboard.browsing import go, page_of, settled
from tests.dashboard.serving import served

KATHMANDU = "Asia/Kathmandu"
BEGAN = datetime(2026, 5, 4, 12, tzinfo=UTC)  # the second run
MARKS = """async ({ source, clock, length, step }) => {
  const clocks = await import('data:text/javascript,' + encodeURIComponent(source))
  const found = clocks.clockTicks(clock, 0, length, step)
  return found.map(t => [clock.started + t, clocks.clockMark(clock, t, step)])
}"""
CHANGES = {
    "Europe/Berlin": datetime(2026, 10, 25, 1, tzinfo=UTC),
    "America/St_Johns": datetime(2026, 3, 8, 5, 30, tzinfo=UTC),
    "Australia/Lord_Howe": datetime(2026, 4, 4, 15, tzinfo=UTC),
    KATHMANDU: BEGAN,
}

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def address(full_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served(full_url, tmp_path_factory.mktemp("anywhere")) as url:
        yield url


@pytest.fixture(scope="module")
def away(chromium: Any, address: str) -> Iterator[Any]:
    """The page of somebody in Kathmandu, on the schedule of the second run."""
    with page_of(chromium, timezone_id=KATHMANDU) as (page, errors):
        page.add_init_script("delete window.showSaveFilePicker")  # a window that no test can answer
        go(page, f"{address}/schedule?run=2&time=clock")
        yield page
        assert errors == []


def started(zone: str) -> str:
    local = BEGAN.astimezone(ZoneInfo(zone))
    return f"{local:%Y-%m-%d %H:%M:%S}"


@pytest.mark.parametrize(("zone", "around"), CHANGES.items())
@pytest.mark.parametrize("step", [900, 1800, 3600, 7200])
def test_marks_of_the_gantt_are_every_round_time_of_the_zone_also_where_summer_time_changes(
    chromium: Any, zone: str, around: datetime, step: int
) -> None:
    first, length = around.timestamp() - 5000.25, 13_000
    with page_of(chromium) as (page, _):
        source = bundled(CANVAS / "clock.js")
        clock = {"started": first, "zone": zone}
        marks = page.evaluate(
            MARKS, {"source": source, "clock": clock, "length": length, "step": step}
        )
    every = [datetime.fromtimestamp(int(first) + each, UTC) for each in range(1, length + 1)]
    local = [each.astimezone(ZoneInfo(zone)) for each in every]
    round_ = [e for e in local if (e.hour * 3600 + e.minute * 60 + e.second) % step == 0]
    told = [f"{each:%H:%M}" if f"{each:%H:%M}" != "00:00" else f"{each:%-d %b}" for each in round_]
    found = [(round(at), text) for at, text in marks]
    assert set(found) <= set(zip([round(e.timestamp()) for e in round_], told, strict=True))
    assert len(found) >= len(round_) - 1  # two marks that nearly lie on one another are one


def test_times_are_those_of_where_the_browser_is_and_say_so(away: Any) -> None:
    away.wait_for_selector(f"text=/Started {started(KATHMANDU)} UTC\\+05:45/")
    with away.expect_download() as saved:
        away.get_by_role("button", name="Save as a drawing (SVG)").click()
    drawn = saved.value.path().read_text()
    local = (BEGAN + timedelta(seconds=30)).astimezone(ZoneInfo(KATHMANDU))
    assert "Kathmandu</text>" in drawn
    assert f"{local:%H:%M:%S}" in drawn


def test_a_zone_that_is_chosen_stands_in_the_address_and_goes_along_with_it(
    away: Any, chromium: Any
) -> None:
    away.get_by_role("combobox", name=re.compile("Times in the zone")).click()
    away.keyboard.type("America/St_J")
    away.keyboard.press("Enter")
    away.wait_for_url(re.compile("zone=America"))
    told = f"text=/Started {started('America/St_Johns')} UTC-02:30/"
    away.wait_for_selector(told)
    with page_of(chromium, timezone_id="Europe/Berlin") as (page, errors):
        go(page, away.url)
        page.wait_for_selector(told)
        assert errors == []


def test_a_table_is_saved_with_times_that_say_how_far_they_are_from_utc(
    away: Any, address: str
) -> None:
    go(away, f"{address}/runs?zone={KATHMANDU}")
    table = away.get_by_test_id("stDataFrame").first
    table.hover()
    with away.expect_download() as saved:
        away.get_by_role("button", name=re.compile("Download")).first.click()
    settled(away)
    with saved.value.path().open(encoding="utf-8-sig") as lines:
        rows = list(csv.DictReader(lines))
    assert datetime.fromisoformat(rows[0]["started"]) == BEGAN
