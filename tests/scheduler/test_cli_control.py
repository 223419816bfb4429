"""Steering runs and deciding from the command line: answers, exit codes, and what is told."""

import json
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from worlds import problem_of, schedule_of

from scheduler import cli
from scheduler.asked import GO_ON
from scheduler.documents import cluster_document, workflow_document
from scheduler.store import Store

Allot = Callable[..., tuple[int, Any]]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(f"sqlite:///{tmp_path / 'allot.db'}")


@pytest.fixture
def allot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Allot:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ALLOT_STORE", raising=False)

    def run(*words: str) -> tuple[int, Any]:
        monkeypatch.setattr("sys.argv", ["allot", *words, "--json"])
        try:
            cli.main()
            code = 0
        except SystemExit as left:
            code = int(left.code or 0)
        out = capsys.readouterr().out
        return code, json.loads(out) if out.strip() else None

    return run


def begun(store: Store) -> int:
    problem = problem_of([[1.0]])
    return store.begin_run(
        workflow=workflow_document(problem.workflow),
        cluster=cluster_document(problem.cluster),
        objective={},
        forecast=problem.forecast,
        schedule=schedule_of(problem, ("t1", "w1", 0.0)),
        executor="Local",
        label="planned",
        at=datetime.now(UTC),
    )


@pytest.mark.parametrize(
    ("words", "asked"),
    [
        (("cancel", "1", "t1"), {"action": "cancel", "tasks": ["t1"]}),
        (("cancel", "1"), {"action": "cancel", "tasks": []}),
        (("pause", "1"), {"action": "pause"}),
        (("pause", "1", "--worker", "w1"), {"action": "drain", "worker": "w1"}),
        (("resume", "1", "--worker", "w1"), {"action": "resume", "worker": "w1"}),
        (("retry", "1", "t1"), {"action": "retry", "tasks": ["t1"]}),
        (("reassign", "1", "t1", "w1"), {"action": "reassign", "worker": "w1"}),
        (("override", "1", "t1", "w1"), {"action": "reassign", "tasks": ["t1"]}),
        (("priority", "1", "5", "t1"), {"action": "priority", "priority": 5}),
        (("workers", "1", "--remove", "w1"), {"action": "remove", "worker": "w1"}),
    ],
)
def test_each_command_writes_down_what_it_asks(
    store: Store, allot: Allot, words: tuple[str, ...], asked: dict[str, Any]
) -> None:
    begun(store)
    code, said = allot(*words, "--reason", "so", "--wait", "0")
    (request,) = store.waiting_requests("control")
    assert (code, said["state"], said["request"]) == (0, "open", request.id)
    assert asked.items() <= request.payload.items()
    assert (request.payload["run"], request.payload["reason"]) == (1, "so")


def test_a_worker_comes_from_a_file_and_is_checked(
    store: Store, allot: Allot, tmp_path: Path
) -> None:
    begun(store)
    (tmp_path / "w.json").write_text('{"name": "w3", "cores": 2, "memory": "4 GB"}')
    assert allot("workers", "1", "--add", "w.json", "--wait", "0")[0] == 0
    (request,) = store.waiting_requests("control")
    assert request.payload["document"] == {"name": "w3", "cores": 2, "memory": 4 * 10**9}
    (tmp_path / "w.json").write_text('{"name": "w3", "cores": 0, "memory": "4 GB"}')
    assert allot("workers", "1", "--add", "w.json")[0] == 1
    assert allot("workers", "1")[0] == 2


def test_a_refusal_is_told_with_exit_code_1(store: Store, allot: Allot) -> None:
    begun(store)

    def refuse() -> None:
        while not (waiting := store.waiting_requests("control")):
            time.sleep(0.02)
        at = datetime.now(UTC)
        store.answer(waiting[0].id, state="refused", answer="no task 't9'", at=at)

    agent = threading.Thread(target=refuse)
    agent.start()
    code, said = allot("cancel", "1", "t9", "--wait", "30")
    agent.join()
    assert (code, said["state"], said["answer"]) == (1, "refused", "no task 't9'")


def test_nothing_can_be_asked_of_a_run_that_is_over_or_unknown(store: Store, allot: Allot) -> None:
    at = datetime.now(UTC)
    store.end_run(begun(store), state="succeeded", makespan=1.0, message="", at=at)
    code, said = allot("pause", "1")
    assert (code, said["error"]) == (1, "AllotError")
    assert "Run 1 has ended (succeeded)" in said["message"]
    store.end_run(begun(store), state="interrupted", makespan=None, message="", at=at)
    assert "allot run --resume 2" in allot("pause", "2")[1]["message"]
    assert allot("pause", "7")[1]["error"] == "NotFound"


def test_a_question_is_shown_answered_once_and_audited(store: Store, allot: Allot) -> None:
    run, at = begun(store), datetime.now(UTC)
    store.put_question(
        "tasks", "deploys", answers=("approve", "refuse"), reasons=("the policy",), at=at, run=run
    )
    (shown,) = allot("questions")[1]["questions"]
    assert (shown["kind"], shown["reasons"], shown["answers"]) == (
        "tasks",
        ["the policy"],
        ["approve", "refuse"],
    )
    code, said = allot("approve", "1", "--reason", "fine")
    assert (code, said["state"]) == (0, "approve")
    assert allot("questions")[1] == {"questions": []}
    code, said = allot("refuse", "1")
    assert (code, "was answered before" in said["message"]) == (1, True)
    (audited,) = allot("audit", "--run", "1")[1]["audits"]
    assert (audited["action"], audited["reason"]) == ("approve", "fine")
    assert audited["details"]["words"] == "of question 1, tasks: deploys"


def test_nobody_did_anything_to_a_run_yet_or_there_is_no_such_run(
    store: Store, allot: Allot
) -> None:
    run = begun(store)
    assert allot("audit", "--run", str(run)) == (0, {"audits": []})
    code, said = allot("audit", "--run", "77")
    assert (code, "There is no run 77" in said["message"]) == (1, True)


def test_an_answer_that_was_not_asked_for_is_refused(store: Store, allot: Allot) -> None:
    at = datetime.now(UTC)
    store.put_question("unknown", "t1", answers=("succeeded", "failed"), reasons=(), at=at)
    code, said = allot("approve", "1")
    assert (code, "can be answered by 'succeeded', 'failed'" in said["message"]) == (1, True)
    assert allot("decide", "1", "failed")[0] == 0


def test_a_run_that_was_cut_off_is_resumed_by_the_agent(store: Store, allot: Allot) -> None:
    run, at = begun(store), datetime.now(UTC)
    store.end_run(run, state="interrupted", makespan=None, message="stopped by hand", at=at)
    code, said = allot("resume", str(run), "--reason", "so", "--wait", "0")
    (request,) = store.waiting_requests(GO_ON)
    assert (code, said["state"], said["request"]) == (0, "open", request.id)
    assert request.payload == {"run": run, "reason": "so"}
    assert allot("pause", str(run))[0] == 1


def test_owners_are_shown_also_where_nothing_ran(store: Store, allot: Allot) -> None:
    begun(store)
    assert allot("owners") == (0, {"runs": 1, "owners": []})
    assert allot("owners", "--days", "1e12")[0] == 2


def test_a_wrong_policy_is_told_before_anything_runs(
    store: Store, allot: Allot, tmp_path: Path
) -> None:
    problem = problem_of([[1.0]])
    for name, document in (
        ("w", workflow_document(problem.workflow)),
        ("c", cluster_document(problem.cluster)),
    ):
        (tmp_path / f"{name}.json").write_text(json.dumps(document))
    (tmp_path / "allot.toml").write_text("[policy]\ncosts = 3\n")
    code, said = allot("run", "w.json", "--cluster", "c.json", "--executor", "simulator")
    assert (code, said["error"]) == (1, "InvalidInput")
    assert "costs is not a key of a policy, found 3" in said["message"]
    assert store.runs(now=datetime.now(UTC)) == ()


def test_where_the_policy_has_money_a_planner_that_knows_of_it_plans(
    store: Store, allot: Allot, tmp_path: Path
) -> None:
    dear = {"name": "dear", "cores": 1, "memory": "8 GB", "speed": 2.0, "price": 7200}
    cheap = {"name": "cheap", "cores": 1, "memory": "8 GB"}
    cluster = {"allot": "cluster/1", "name": "c", "workers": [dear, cheap]}
    workflow = {"allot": "workflow/1", "name": "w", "tasks": [{"id": "a", "kind": "k"}]}
    (tmp_path / "w.json").write_text(json.dumps(workflow))
    (tmp_path / "c.json").write_text(json.dumps(cluster))
    words = ("run", "w.json", "--cluster", "c.json", "--executor", "simulator")
    for policy, worker in (("", "dear"), ("[policy]\ncost_a_day = 1\n", "cheap")):
        (tmp_path / "allot.toml").write_text(policy)
        code, said = allot(*words)
        placed = store.run_schedule(said["run"]).by_task["a"]
        assert (code, placed.worker) == (0, worker)
