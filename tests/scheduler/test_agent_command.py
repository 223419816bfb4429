"""`allot submit`, `allot agent` and `allot run --resume`, as processes."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from scheduler.cluster import Cluster, Worker
from scheduler.documents import cluster_document, workflow_document
from scheduler.governor import policy_in_force
from scheduler.store import Store
from scheduler.workflow import Task, Workflow

ROOT = Path(__file__).parents[2]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with a workflow of real tasks, which end when they may, and a cluster of a core."""
    tasks = [
        Task(
            id=f"t{i}",
            kind="mark",
            memory=200 * 10**6,
            action="side_effects:mark",
            arguments={
                "file": str(tmp_path / "marks"),
                "name": f"t{i}",
                "seconds": 0.0,
                "gate": str(tmp_path / "gate"),
            },
        )
        for i in range(6)
    ]
    cluster = Cluster("here", [Worker(name="here", cores=1, memory=10**9)])
    (tmp_path / "gate").mkdir()
    (tmp_path / "w.json").write_text(json.dumps(workflow_document(Workflow("marks", tasks))))
    (tmp_path / "c.json").write_text(json.dumps(cluster_document(cluster)))
    return tmp_path


def begin(place: Path, *words: str) -> "subprocess.Popen[str]":
    paths = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    return subprocess.Popen(
        [sys.executable, "-m", "scheduler", *words],
        cwd=place,
        env=os.environ | {"PYTHONPATH": paths, "ALLOT_RUNS": str(place / "runs")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def allot(place: Path, *words: str) -> dict[str, Any]:
    with begin(place, *words, "--json") as process:
        said, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    document: dict[str, Any] = json.loads(said)
    return document


@pytest.fixture
def agents() -> Iterator[list["subprocess.Popen[str]"]]:
    begun: list[subprocess.Popen[str]] = []
    yield begun
    for each in begun:
        if each.poll() is None:
            each.kill()
        each.communicate()


def until_marked(place: Path, count: int) -> str:
    """Waits until so many tasks have begun; returns the one that was the last of them."""
    until = time.monotonic() + 120
    while time.monotonic() < until:
        if (place / "marks").exists():
            begun = (place / "marks").read_text().split()
            if len(begun) >= count:
                return begun[count - 1]
        time.sleep(0.02)
    raise AssertionError("nothing has begun")


def may_end(place: Path, task: str = "all") -> None:
    (place / "gate" / task).touch()


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_what_a_stopped_or_killed_agent_leaves_the_next_one_does_once(
    place: Path, agents: list["subprocess.Popen[str]"], how: signal.Signals
) -> None:
    submit = ("submit", "w.json", "--cluster", "c.json", "--executor", "local", "--no-replan")
    assert allot(place, *submit)["request"] == 1
    agents.append(begin(place, "agent", "--no-companions"))
    may_end(place, until_marked(place, 1))
    second = until_marked(place, 2)
    agents[0].send_signal(how)
    may_end(place, second)
    assert agents[0].wait(100) == (0 if how is signal.SIGTERM else -how)
    with Store.open(f"sqlite:///{place / 'allot.db'}") as store:
        assert store.runs(now=datetime.now(UTC))[0].state == "running"
    may_end(place)
    allot(place, "agent", "--no-companions", "--until-idle")
    (run,) = allot(place, "status")["runs"]
    assert run["state"] == "succeeded"
    assert sorted((place / "marks").read_text().split()) == [f"t{i}" for i in range(6)]


def test_the_policy_of_an_agent_is_in_force_before_anything_is_submitted(place: Path) -> None:
    (place / "allot.toml").write_text("[policy.approve]\npromotion = true\n")
    allot(place, "agent", "--no-companions", "--until-idle")
    with Store.open(f"sqlite:///{place / 'allot.db'}") as store:
        assert policy_in_force(store) == {"approve": {"promotion": True}}


def test_a_run_that_was_killed_goes_on_by_hand(
    place: Path, agents: list["subprocess.Popen[str]"]
) -> None:
    agents.append(begin(place, "run", "w.json", "--cluster", "c.json", "--executor", "local"))
    may_end(place, until_marked(place, 1))
    until_marked(place, 2)
    agents[0].kill()
    agents[0].wait(60)
    may_end(place)
    said = allot(place, "run", "--resume", "1")
    assert (said["run"], said["state"]) == (1, "succeeded")
    assert sorted((place / "marks").read_text().split()) == [f"t{i}" for i in range(6)]
