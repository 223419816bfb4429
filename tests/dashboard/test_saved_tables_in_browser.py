"""Tables that are saved by the button above them: a file says what its numbers mean."""

import csv
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from scheduler.documents import cluster_from
from scheduler.records import Outcome
from scheduler.store import Store
from tests.dashboard.browsing import go, page_of, settled
from tests.dashboard.filler import START
from tests.dashboard.serving import served

IN_SI = {"ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0, "kB": 1e3, "MB": 1e6, "GB": 1e9,
         "cores": 1.0, "%": 0.01}  # fmt: skip
RUN = 2

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def page(
    chromium: Any, full_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Any, str]]:
    """A visitor of the full store, and its address."""
    with (
        served(full_url, tmp_path_factory.mktemp("anywhere")) as address,
        page_of(chromium) as (page, errors),
    ):
        page.add_init_script("delete window.showSaveFilePicker")  # a window that no test can answer
        yield page, address
        assert errors == []


def saved(page: Any, table: Any) -> list[dict[str, str]]:
    """The rows of the file that the button above a table saves."""
    table.scroll_into_view_if_needed()
    table.hover()
    with page.expect_download() as file:
        table.locator("xpath=..").get_by_role("button", name="Download as CSV").click()
    settled(page)
    with file.value.path().open(encoding="utf-8-sig", newline="") as lines:
        return list(csv.DictReader(lines))


def in_si(row: dict[str, str], column: str) -> float | None:
    """What a cell says in seconds, bytes, cores or as a share, by the unit in the head alone."""
    ((value, unit),) = [
        (row[head], found[1])
        for head in row
        if (found := re.fullmatch(f"{re.escape(column)}, (.+)", head))
    ]
    return float(value) * IN_SI[unit] if value else None


def test_a_saved_table_of_tasks_says_by_its_heads_what_happened(
    page: tuple[Any, str], full_url: str
) -> None:
    here, address = page
    go(here, f"{address}/schedule?run={RUN}")
    rows = saved(here, here.get_by_test_id("stDataFrame").last)
    with Store.open(full_url) as store:
        planned = store.run_schedule(RUN).by_task
        last = {each.task: each for each in store.run_attempts(RUN)}
    assert {row["task"] for row in rows} == set(planned)
    for row in rows:
        tried, meant = last.get(row["task"]), planned[row["task"]]
        assert in_si(row, "planned start") == pytest.approx(meant.start)
        if tried is None:
            continue
        assert in_si(row, "reserved memory") == pytest.approx(tried.allocation.memory)
        if tried.end and tried.observation and tried.observation.outcome is Outcome.SUCCEEDED:
            assert in_si(row, "late") == pytest.approx(tried.end - meant.end)
            assert in_si(row, "duration") == pytest.approx(tried.end - tried.start)
            assert in_si(row, "peak memory") == pytest.approx(tried.observation.peak_memory)


def test_a_saved_table_of_runs_has_numbers_where_the_screen_has_words(
    page: tuple[Any, str], full_url: str
) -> None:
    here, address = page
    go(here, f"{address}/runs")
    rows = saved(here, here.get_by_test_id("stDataFrame").first)
    (row,) = [each for each in rows if each["run"] == str(RUN)]
    with Store.open(full_url) as store:
        run = store.run(RUN, now=START + timedelta(days=1))
    assert in_si(row, "took") == pytest.approx(run.makespan)
    assert in_si(row, "planned") == pytest.approx(run.planned_makespan)
    assert 0.9 < (in_si(row, "done") or 0) <= 1
    assert row["started"].endswith("Z")


def test_a_saved_table_of_workers_names_its_units(page: tuple[Any, str], full_url: str) -> None:
    here, address = page
    go(here, f"{address}/workers?period-of-workers=all")
    rows = saved(here, here.get_by_test_id("stDataFrame").first)
    with Store.open(full_url) as store:
        workers = cluster_from(dict(store.run_cluster(RUN))).workers
    told = {row["worker"]: in_si(row, "memory") for row in rows}
    assert told == pytest.approx({each.name: each.memory for each in workers})
    assert all(0 < (in_si(row, "busy") or 0) <= 1 for row in rows)
