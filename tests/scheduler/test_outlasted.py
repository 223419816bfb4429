"""Runs outlast a store that is away: what was kept before an answer was lost is not done twice."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from worlds import chain

from scheduler.agent import Agent
from scheduler.asked import control_payload
from scheduler.documents import cluster_document, objective_document, workflow_document
from scheduler.errors import StoreAway
from scheduler.execution.executors.simulator import AsForecast, Simulator
from scheduler.governor import Governor
from scheduler.leases import Watch
from scheduler.planning.objective import Objective
from scheduler.planning.planners.heft import Heft
from scheduler.policy import policy_from
from scheduler.predictors.history import HistoryPredictor
from scheduler.service import Service
from scheduler.store import Store
from scheduler.store.leases import Lease

PROBLEM = chain()
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(f"sqlite:///{tmp_path / 'allot.db'}") as opened:
        yield opened


def agent(store: Store, *, away: float = 60.0) -> Agent:
    simulator = Simulator(AsForecast(), seed=1)
    learned = HistoryPredictor.learn([])
    return Agent(learned, Heft(), simulator, store, lambda: datetime.now(UTC), away=away, group=0.0)


def answer_lost(do: Callable[..., Any], times: int = 1) -> Callable[..., Any]:
    """The same, but nobody hears that it was done, some times."""
    left = [times]

    def unheard(*args: Any, **more: Any) -> Any:
        found = do(*args, **more)
        if left[0] > 0:
            left[0] -= 1
            raise StoreAway("the connection was lost")
        return found

    return unheard


@pytest.mark.parametrize("name", ["begin_run", "begin_again", "keep", "end_run"])
def test_a_write_whose_answer_was_lost_is_not_done_twice(
    store: Store, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(store, name, answer_lost(getattr(store, name)))
    report = agent(store).carry_out(PROBLEM, Heft().plan(PROBLEM))
    (run,) = store.runs(now=datetime.now(UTC))
    assert (run.id, run.state) == (report.run, "succeeded")
    events = [repr(each) for each in store.run_events(run.id)]
    assert len(events) == len(set(events)) == 2 * len(PROBLEM.workflow.tasks)


def test_a_run_whose_store_is_away_for_too_long_is_left_to_whoever_takes_it_over(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "keep", answer_lost(store.keep))
    with pytest.raises(StoreAway, match=r"Run 1 is left as it is.*allot run --resume 1"):
        agent(store, away=0.0).carry_out(PROBLEM, Heft().plan(PROBLEM))
    assert store.unfinished_runs() == ((1, "running"),)
    assert agent(store).resume(1, patience=Watch(patience=0.0)).state == "succeeded"


def submitted(store: Store) -> Service:
    payload = {
        "token": "one",
        "workflow": workflow_document(PROBLEM.workflow),
        "cluster": cluster_document(PROBLEM.cluster),
        "objective": objective_document(Objective()),
        "how": {},
    }
    store.ask("run", payload, by="ann", at=NOW)
    return Service(
        store,
        lambda _: agent(store, away=0.0),
        lambda: datetime.now(UTC),
        time.monotonic,
        threading.Event(),
        watch=Watch(patience=0.0),
    )


@pytest.mark.parametrize(
    "name", ["begin_run", "beat_lease", "waiting_requests", "unfinished_runs", "keep"]
)
def test_the_agent_outlasts_a_store_that_is_away_and_begins_what_was_asked_for_once(
    store: Store, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    service = submitted(store)
    monkeypatch.setattr(store, name, answer_lost(getattr(store, name)))
    for _ in range(3):  # what was let go is taken up by the next look
        service.serve(until_idle=True)
        service.stop.clear()
    assert [each.state for each in store.requests()] == ["done"]
    assert [each.state for each in store.runs(now=datetime.now(UTC))] == ["succeeded"]


def test_nobody_counts_as_dead_for_a_time_in_which_nobody_could_be_watched() -> None:
    watch, lease = Watch(patience=10.0), Lease("agent", "somebody elsewhere", 1, 0, NOW)
    watch.dead(lease, 100.0)
    watch.forget()
    assert [watch.dead(lease, now) for now in (130.0, 139.9, 140.0)] == [False, False, True]


class Real(Simulator):
    """A simulator whose runs count as real ones: what they write outlasts a store that is away."""

    real = True  # type: ignore[assignment]


def locked(do: Callable[..., Any]) -> Callable[..., Any]:
    """The same, but at first the store is locked, and then an answer is lost."""
    unheard, tries = answer_lost(do), list[int]()

    def at_last(*args: Any, **more: Any) -> Any:
        tries.append(1)
        if len(tries) == 1:
            raise StoreAway("locked for writing")
        return unheard(*args, **more)

    return at_last


def governed(store: Store, policy: dict[str, Any]) -> Agent:
    governor = Governor(
        store, policy_from(policy), lambda: datetime.now(UTC), time.monotonic, time.sleep
    )
    made = agent(store)
    return replace(made, executor=Real(AsForecast(), seed=1), governor=governor, waits=0.0)


@pytest.mark.parametrize("name", ["answer", "audit"])
def test_what_people_are_told_outlasts_a_store_that_can_only_be_read(
    store: Store, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    store.ask("control", control_payload(1, "fly"), by="ann", at=NOW)
    monkeypatch.setattr(store, name, locked(getattr(store, name)))
    report = governed(store, {}).carry_out(PROBLEM, Heft().plan(PROBLEM))
    assert report.state == "succeeded"
    assert [each.state for each in store.requests()] == ["refused"]
    assert len(store.audits(action="fly refused")) == 1


def test_what_people_are_asked_outlasts_a_store_that_can_only_be_read_and_is_asked_once(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "put_question", locked(store.put_question))
    policy = {"approve": {"kinds": [PROBLEM.workflow.tasks[0].kind]}}
    report = governed(store, policy).carry_out(PROBLEM, Heft().plan(PROBLEM))
    assert report.state == "waiting"
    assert len(store.questions()) == 1
