"""Screens that go on by themselves: how often they look, and what is lost on the way."""

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamlit.testing.v1.local_script_runner import LocalScriptRunner

from dashboard import living
from scheduler.store import Store
from tests.dashboard.filler import fill
from tests.dashboard.operated import operate
from tests.dashboard.test_screens import SCREENS, opened

Path = tuple[int, ...]


@pytest.fixture(scope="module")
def living_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A store after some days of use in which a run goes on."""
    url = f"sqlite:///{tmp_path_factory.mktemp('living') / 'allot.db'}"
    with Store.open(url) as store:
        fill(store)
        operate(store, datetime.now(UTC), tasks=12)
    return url


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[list[Any]]:
    """What each run of a script has sent, run by run."""
    runs: list[list[Any]] = []
    known = LocalScriptRunner.forward_msgs

    def noted(self: LocalScriptRunner) -> list[Any]:
        runs.append(list(known(self)))
        return runs[-1]

    monkeypatch.setattr(LocalScriptRunner, "forward_msgs", noted)
    return runs


def missing(messages: Iterable[Any], lost: str) -> Iterator[Path]:
    """Where a browser finds no place for what comes, if it gets nothing of one part."""
    there = Counter[Path]()
    for each in messages:
        path = tuple(each.metadata.delta_path)
        if not each.HasField("delta") or each.delta.fragment_id == lost:
            continue
        if path[-1] > there[path[:-1]]:
            yield path
        there[path[:-1]] = max(there[path[:-1]], path[-1] + 1)


@pytest.mark.parametrize("screen", SCREENS)
def test_a_screen_keeps_its_places_where_a_part_that_runs_again_is_lost_on_the_way(
    screen: str, living_url: str, monkeypatch: pytest.MonkeyPatch, sent: list[list[Any]]
) -> None:
    app = opened(monkeypatch, living_url, screen)
    assert not app.exception
    messages = sent[-1]
    parts = {each.delta.fragment_id for each in messages if each.HasField("delta")} - {""}
    assert parts
    assert [(part, list(missing(messages, part))) for part in parts] == [
        (part, []) for part in parts
    ]


@given(st.integers(1, 200))
def test_viewers_look_so_often_that_many_of_them_cost_no_more_than_a_few(viewers: int) -> None:
    assert living.soon(viewers) >= living.soon(1)
    assert viewers / living.soon(viewers) <= living.FEW / living.soon(1) + 1e-9


@given(st.floats(0, 60))
def test_a_screen_that_goes_on_changing_rests_longer_than_it_draws_but_never_for_long(
    took: float,
) -> None:
    assert min(took, living.SLOWLY) <= living.rest(took) <= living.SLOWLY
