"""Stores to look at: empty, full, large, and two that cannot be used."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa

from dashboard.reading import RunView, read_plan, read_run
from scheduler.planning.planners.heft import Heft
from scheduler.store import Store
from tests.dashboard.browsing import CHROMIUM, FLAGS
from tests.dashboard.filler import START, a_problem, begin, carry_out, fill

HOSTILE = (
    "<img src=x onerror=\"document.title='owned'\"> **bold** [a](javascript:alert(1)) :red[x] $x$"
)


@pytest.fixture(autouse=True, scope="session")
def as_admin() -> Iterator[None]:
    """Who looks may do everything, as on loopback, where a test says nothing else."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ALLOT_DASHBOARD", '{"role": "admin"}')
        yield


@pytest.fixture(scope="session")
def empty_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A store in which nothing has happened."""
    return _made(tmp_path_factory.mktemp("empty") / "allot.db")


@pytest.fixture(scope="session")
def full_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A store after some days of use."""
    url = _made(tmp_path_factory.mktemp("full") / "allot.db")
    with Store.open(url) as store:
        fill(store)
    return url


@pytest.fixture(scope="session")
def large_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A store with one run of 1,000 tasks on twelve workers."""
    url = _made(tmp_path_factory.mktemp("large") / "allot.db")
    rng = np.random.default_rng(5)
    problem = a_problem(rng, 1000, workers=12)
    plan = Heft().plan(problem)
    with Store.open(url) as store:
        run = begin(store, problem, plan, label="large", at=START)
        carry_out(store, run, problem, plan, rng, at=START)
    return url


@pytest.fixture(scope="session")
def hostile_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A store whose names and messages try to be more than text."""
    url = _made(tmp_path_factory.mktemp("hostile") / "allot.db")
    with Store.open(url) as store:
        fill(store, hostile=HOSTILE)
    return url


@pytest.fixture(scope="session")
def newer_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A store that a later release has written."""
    url = _made(tmp_path_factory.mktemp("newer") / "allot.db")
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    return url


@pytest.fixture(scope="session")
def unreachable_url() -> str:
    """A database that nobody serves."""
    return "postgresql://nobody:secret@127.0.0.1:1/nothing?connect_timeout=2"


@pytest.fixture
def view(full_url: str) -> Iterator[RunView]:
    """The second run of the full store: planned by heft, one failed attempt, one task given up."""
    with Store.open(full_url) as store:
        yield read_run(store, store.run(2, now=START), read_plan(store, 2))


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """A browser for the tests of one file."""
    if not CHROMIUM.exists():
        if os.environ.get("CI"):
            pytest.fail(f"{CHROMIUM} is missing")
        pytest.skip(f"{CHROMIUM} is missing")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=list(FLAGS))
        yield browser
        browser.close()


def _made(file: Path) -> str:
    url = f"sqlite:///{file}"
    Store.open(url).close()
    return url
