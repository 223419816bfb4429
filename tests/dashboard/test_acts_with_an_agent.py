"""An agent takes up what people ask for on screens, and the screens say what came of it."""

import json
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from scheduler.agent import Agent
from scheduler.documents import cluster_document, objective_document, workflow_document
from scheduler.execution.executors.simulator import AsForecast, Simulator
from scheduler.governor import Governor
from scheduler.planning.objective import Objective
from scheduler.planning.planners.heft import Heft
from scheduler.policy import Approvals, Policy
from scheduler.predictors.history import HistoryPredictor
from scheduler.service import Service
from scheduler.store import Store
from scheduler.workloads.synthetic import random_world
from tests.dashboard.serving import PATIENCE, until
from tests.dashboard.test_screens import opened, said

WORLD = random_world(np.random.default_rng(3), 8, 2)


def now() -> datetime:
    return datetime.now(UTC)


def serving(store: Store, stop: threading.Event) -> Service:
    """An agent whose runs wait until people have approved of them, in a world on paper."""
    ask_first = Policy(approvals=Approvals(seconds=0.0))
    made = Agent(
        HistoryPredictor.learn([]), Heft(), Simulator(AsForecast(), seed=1), store, now, group=0.0,
        governor=Governor(store, ask_first, now, time.monotonic, time.sleep),
    )  # fmt: skip
    return Service(store, lambda _: made, now, time.monotonic, stop)


def agent_in(app: AppTest) -> str:
    return str({each.label: each.value for each in app.metric}["Agent"])


def send(app: AppTest, key: str, why: str) -> AppTest:
    app.text_input(key=f"{key}-0-why").set_value(why)
    return app.button(key=f"{key}-0-do").click().run()


def test_a_task_is_cancelled_and_the_plan_approved_and_the_agent_does_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{tmp_path / 'allot.db'}"
    monkeypatch.setenv("ALLOT_DASHBOARD", json.dumps({"role": "operator"}))
    last = WORLD.workflow.tasks[-1].id
    payload = {
        "token": uuid4().hex, "workflow": workflow_document(WORLD.workflow),
        "cluster": cluster_document(WORLD.cluster),
        "objective": objective_document(Objective()), "priority": 0, "how": {},
    }  # fmt: skip
    stop = threading.Event()
    with Store.open(url) as store:
        store.ask("run", payload, by="ann", at=now())
        agent = threading.Thread(target=lambda: serving(store, stop).serve(until_idle=True))
        agent.start()
        try:
            until(lambda: store.questions(state="open"), "the agent asks people about the run")
            app = opened(monkeypatch, url, "task", run="1", task=last)
            send(app, "task-cancel", "not needed")
            until(lambda: not store.waiting_requests("control"), "the agent answers")
            app.run()
            assert f"cancel {last}, run 1: cancelled: 1 task ({last})" in said(app)
            app.switch_page("screens/overview.py").run()
            until(lambda: agent_in(app.run()) == "lives", "the agent gives a sign of life")
            send(app, "overview-1-approve", "go on")
            agent.join(PATIENCE)
        finally:
            stop.set()
            agent.join(PATIENCE)
        assert store.run(1, now=now()).state == "failed"
        assert set(store.run_given_up(1)) == {last}
        kept = {(each.action, each.reason) for each in store.audits(subject="run 1")}
        assert {("cancel", "not needed"), ("approve", "go on")} <= kept
