"""Operators in a real Chromium: rows that stay while others come, and what comes by itself."""

from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scheduler.execution.events import AttemptEnded, AttemptStarted, Observation
from scheduler.planning.planners.heft import Heft
from scheduler.planning.schedule import Placement
from scheduler.records import Outcome
from scheduler.store import Store
from tests.dashboard.browsing import choose_row, go, page_of, row_of
from tests.dashboard.filler import a_problem, begin
from tests.dashboard.operated import operate
from tests.dashboard.serving import served

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]


CHOSEN = """words => [...document.querySelectorAll('[data-testid=stSelectbox]')].some(
  each => each.innerText.includes(words) || each.querySelector('input').value.includes(words))"""


def now() -> datetime:
    return datetime.now(UTC)


def test_the_run_that_is_chosen_is_the_one_acted_on_though_others_come_meanwhile(
    chromium: Any, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path / 'allot.db'}"
    with Store.open(url) as store, served(url, tmp_path) as address:
        live = operate(store, now(), tasks=12)  # the run after it, which was cut off, comes first
        store.append_events(live, [], at=now() + timedelta(hours=1))  # it is not found silent
        with page_of(chromium) as (page, errors):
            go(page, f"{address}/runs")
            table = page.locator('[data-testid="stDataFrame"]').first
            row_of(table, "cut off")
            choose_row(table, 1)
            page.wait_for_selector("text=1 run chosen")
            operate(store, now(), tasks=12)
            page.wait_for_selector("text=/of 4 runs/")
            assert page.locator("text=1 run chosen").count() == 1
            page.get_by_role("button", name="Pause").first.click()
            page.get_by_label("Why (kept in the audit)").first.fill("a new disk")
            page.get_by_role("button", name="Pause 1 run").click()
            page.wait_for_selector(f"text=/Request [0-9]+: pause, run {live} . asked/")
            (asked,) = store.waiting_requests("control")
            assert (asked.payload["run"], asked.payload["reason"]) == (live, "a new disk")
            store.answer(asked.id, state="done", answer="paused: nothing more begins", at=now())
            page.wait_for_selector(f"text=pause, run {live}: paused: nothing more begins")
            assert errors == []


def test_screens_of_operators_show_a_first_run_and_what_is_asked_by_themselves(
    chromium: Any, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path / 'allot.db'}"
    with Store.open(url) as store, served(url, tmp_path) as address, ExitStack() as open_pages:
        pages = {}
        for screen in ("runs", "decisions"):
            pages[screen], _ = open_pages.enter_context(page_of(chromium))
            pages[screen].goto(f"{address}/{screen}")
            pages[screen].wait_for_selector("text=No workflow has been run yet")
        problem = a_problem(np.random.default_rng(1), 8)
        run = begin(store, problem, Heft().plan(problem), label="", at=now())
        for page in pages.values():
            page.wait_for_selector("text=No workflow has been run yet", state="detached")
        store.end_run(run, state="succeeded", makespan=1.0, message="", at=now())
        pages["runs"].wait_for_selector("text=of 1 run,")
        operate(store, now(), tasks=12)
        pages["runs"].wait_for_selector("text=of 3 runs,")
        pages["decisions"].wait_for_selector("text=People decide")


def carried_out(store: Store, run: int, each: Placement) -> None:
    """One attempt of a run, which took 41 s."""
    at, where = now(), (each.task, 1, each.worker)
    seen = Observation(Outcome.SUCCEEDED, duration=41.0)
    events = [
        AttemptStarted(*where, 1.0, at, each.allocation),
        AttemptEnded(*where, 42.0, at, seen),
    ]
    store.append_events(run, events, at=at)


def test_what_is_seen_of_a_task_a_new_run_and_a_plan_that_is_kept_come_without_a_reload(
    chromium: Any, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path / 'allot.db'}"
    with Store.open(url) as store, served(url, tmp_path) as address, ExitStack() as open_pages:
        problem = a_problem(np.random.default_rng(1), 8)
        plan = Heft().plan(problem)
        first = begin(store, problem, plan, label="", at=now())
        ahead = now() + timedelta(hours=1)  # the run is not found silent
        store.append_events(first, [], at=ahead)
        pages = {}
        for screen in ("decisions", "what_if", "schedule"):
            pages[screen], _ = open_pages.enter_context(page_of(chromium))
            go(pages[screen], f"{address}/{screen}?run={first}&task={plan.placements[0].task}")
        observed = pages["decisions"].get_by_test_id("stMetric").filter(has_text="Observed")
        observed.filter(has_text="—").wait_for()
        carried_out(store, first, plan.placements[0])
        observed.filter(has_text="41 s").wait_for()
        store.end_run(first, state="succeeded", makespan=42.0, message="", at=now())
        for page in pages.values():
            page.wait_for_function(CHOSEN, arg="succeeded")
        store.keep_draft(
            "with fewer", run=first, change={}, planner="heft", figures={}, by="ann", at=now()
        )
        pages["what_if"].get_by_text("with fewer").first.wait_for(state="attached")
