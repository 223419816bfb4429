"""Runs that wait for people give their place to others, and go on when people have spoken."""

import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from worlds import certain

from scheduler.agent import Agent
from scheduler.asked import control_payload
from scheduler.cluster import Cluster, Worker
from scheduler.documents import cluster_document, objective_document, workflow_document
from scheduler.execution.executors.simulator import AsForecast, Simulator
from scheduler.forecast import Forecast
from scheduler.governor import Governor
from scheduler.leases import Watch
from scheduler.planning.objective import Objective
from scheduler.planning.planners.heft import Heft
from scheduler.policy import policy_from
from scheduler.predictors.base import Predictor
from scheduler.service import Service
from scheduler.store import Store
from scheduler.workflow import Dependency, Task, Workflow

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
GB = 10**9
CLUSTER = Cluster("c", [Worker(name="w1", cores=1, memory=8 * GB, price=3600.0)])
DEPLOYS = {"approve": {"kinds": ["deploy"]}}
MONEY = DEPLOYS | {"cost_a_day": 1000.0}


class Ten(Predictor):
    """Every task takes ten seconds."""

    def predict(self, workflow: Workflow, cluster: Cluster) -> Forecast:
        return certain(workflow, cluster, [[10.0] * len(cluster.workers)] * len(workflow))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(f"sqlite:///{tmp_path / 'allot.db'}") as opened:
        yield opened


def chain(*kinds: str) -> Workflow:
    tasks = [Task(id=f"t{i}", kind=kind, memory=GB) for i, kind in enumerate(kinds, 1)]
    return Workflow("chain", tasks, [Dependency(a.id, b.id) for a, b in pairwise(tasks)])


def served(store: Store, policy: dict[str, Any], *, day: datetime = NOON) -> None:
    """One agent with room for one run, which ends when nothing is left for it to do."""
    ticks = [0.0]

    def seconds() -> float:
        ticks[0] += 1.0
        return ticks[0]

    def clock() -> datetime:
        return day + timedelta(seconds=ticks[0] / 1000)

    def agent(_: object) -> Agent:
        found = policy_from(policy)
        governor = Governor(store, found, clock, seconds, lambda _: None)
        return Agent(
            Ten(), Heft(), Simulator(AsForecast()), store, clock, seconds=seconds, waits=5.0,
            governor=governor, group=0.0,
        )  # fmt: skip

    service = Service(
        store, agent, clock, time.monotonic, threading.Event(), runs=1, watch=Watch(patience=0.0)
    )
    service.serve(until_idle=True)


def submit(store: Store, workflow: Workflow) -> None:
    payload = {
        "token": uuid4().hex,
        "workflow": workflow_document(workflow),
        "cluster": cluster_document(CLUSTER),
        "objective": objective_document(Objective()),
        "how": {},
    }
    store.ask("run", payload, by="ann", at=NOON)


def states(store: Store) -> dict[int, str]:
    return {each.id: each.state for each in store.runs(now=NOON)}


def test_a_run_that_waits_for_an_approval_keeps_no_other_from_its_turn(store: Store) -> None:
    submit(store, chain("load", "deploy"))
    submit(store, chain("load"))
    served(store, DEPLOYS)
    assert states(store) == {1: "waiting", 2: "succeeded"}
    lease = store.lease("run:1")
    assert lease is not None
    assert lease.free
    assert [each.task for each in store.run_attempts(1)] == ["t1"]


@pytest.mark.parametrize(("answer", "end"), [("approve", "succeeded"), ("refuse", "failed")])
def test_it_goes_on_by_itself_with_what_was_answered_while_no_agent_ran(
    store: Store, answer: str, end: str
) -> None:
    submit(store, chain("load", "deploy"))
    served(store, DEPLOYS)
    served(store, DEPLOYS)
    assert states(store) == {1: "waiting"}, "nobody has said anything"
    (question,) = store.questions(state="open")
    store.decide(question.id, answer, by="ann", reason="", at=NOON)
    served(store, DEPLOYS)
    assert states(store) == {1: end}


class Spent(Store):
    """A store in which all the money is spent once the first attempt has begun."""

    def spent(self, since: datetime, *, now: datetime) -> float:  # noqa: ARG002
        return 1e6 if since.day == NOON.day and self.count_events(1, "started") else 0.0


@pytest.fixture
def paused(tmp_path: Path) -> Iterator[Store]:
    """A run that has paused because the day's money is spent, left by its agent."""
    with Spent.open(f"sqlite:///{tmp_path / 'spent.db'}") as opened:
        submit(opened, chain(*["load"] * 19, "deploy"))
        served(opened, MONEY)
        assert states(opened) == {1: "waiting"}
        assert 0 < len(opened.run_attempts(1)) < 19
        yield opened


def answer_money(store: Store, answer: str) -> None:
    (question,) = store.questions(kind="money", state="open")
    store.decide(question.id, answer, by="ann", reason="", at=NOON)


def test_money_that_was_approved_while_no_agent_ran_needs_no_resume(paused: Store) -> None:
    answer_money(paused, "approve")
    served(paused, MONEY)
    assert len(paused.run_attempts(1)) == 19, "all but the one that waits for its own approval"


def test_a_run_whose_money_was_refused_while_no_agent_ran_is_cancelled(paused: Store) -> None:
    answer_money(paused, "refuse")
    served(paused, MONEY)
    assert states(paused) == {1: "failed"}


def test_on_another_day_a_run_that_waits_for_money_goes_on_unasked(paused: Store) -> None:
    served(paused, MONEY)
    assert len(paused.run_attempts(1)) < 19
    served(paused, MONEY, day=NOON + timedelta(days=1))
    assert len(paused.run_attempts(1)) == 19


def test_what_people_paused_afterwards_no_older_answer_lets_go_on(paused: Store) -> None:
    answer_money(paused, "approve")
    served(paused, MONEY)
    paused.ask("control", control_payload(1, "pause"), by="bob", at=NOON)
    (question,) = paused.questions(kind="tasks", state="open")
    paused.decide(question.id, "approve", by="ann", reason="", at=NOON)
    served(paused, MONEY)
    served(paused, MONEY)
    assert states(paused) == {1: "waiting"}
    paused.ask("control", control_payload(1, "resume"), by="bob", at=NOON)
    served(paused, MONEY)
    assert states(paused) == {1: "succeeded"}
