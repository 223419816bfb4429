"""Workflows of commands from the command line: what is run, kept, told, and kept secret."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scheduler import cli

EXAMPLES = Path(__file__).parent.parent.parent / "examples"
MB = 10**6
CLUSTER = {
    "allot": "cluster/1",
    "name": "c",
    "workers": [{"name": "w", "cores": 2, "memory": 2000 * MB}],
}
CANARIES = {f"CANARY_{i:02}": f"canary-{i:02}-{'abcdef'[: i % 6]}0123456" for i in range(20)}
TELL = (
    "import os, sys\n"
    "told = [os.environ[n] for n in sorted(os.environ) if n.startswith('CANARY')]\n"
    "assert len(told) == 20\n"
    "print(*told); print(*told, file=sys.stderr); print('amqp:' + '//me:' + told[0] + '@q')\n"
)
Allot = Callable[..., tuple[int, str]]


@pytest.fixture
def allot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Allot:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ALLOT_STORE", raising=False)
    monkeypatch.setenv("ALLOT_RUNS", str(tmp_path / "runs"))

    def run(*words: str) -> tuple[int, str]:
        monkeypatch.setattr("sys.argv", ["allot", *words])
        try:
            cli.main()
            code = 0
        except SystemExit as left:
            code = left.code if isinstance(left.code, int) else 0
        said = capfd.readouterr()
        number = len(list(tmp_path.glob("said-*")))
        (tmp_path / f"said-{number}").write_text(said.out + said.err)
        return code, said.out

    return run


def written(tmp_path: Path, *tasks: dict[str, Any]) -> tuple[str, ...]:
    workflow = {"allot": "workflow/1", "name": "w", "tasks": list(tasks)}
    (tmp_path / "workflow.json").write_text(json.dumps(workflow))
    (tmp_path / "cluster.json").write_text(json.dumps(CLUSTER))
    return ("run", "workflow.json", "--cluster", "cluster.json", "--executor", "local", "--json")


def test_the_example_runs_as_its_documents_say(allot: Allot) -> None:
    desk = str(EXAMPLES / "desk.json")
    code, out = allot(
        "run", str(EXAMPLES / "report.json"), "--cluster", desk, "--executor", "local", "--json"
    )
    assert (code, json.loads(out)["state"]) == (0, "succeeded")
    assert "20000\n19999\n19998\n" in allot("output", "1", "tell")[1]
    _, found = allot("output", "1", "--search", "19999", "--json")
    (only,) = json.loads(found)["outputs"]
    assert (only["task"], only["lines"]) == ("tell", [[2, "19999"]])


@pytest.mark.parametrize("ending", ["", "raise ValueError(' '.join(told))"])
def test_twenty_secrets_are_in_nothing_that_is_kept_or_said(
    allot: Allot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    for name, value in CANARIES.items():
        monkeypatch.setenv(name, value)
    task = {
        "id": "teller",
        "kind": "tell",
        "memory": 200 * MB,
        "command": [sys.executable, "-c", TELL + ending],
        "secrets": sorted(CANARIES),
        "max_attempts": 1,
    }
    code, _ = allot(*written(tmp_path, task))
    assert code == (1 if ending else 0)
    assert "***" in allot("output", "1")[1]
    files = [each for each in tmp_path.rglob("*") if each.is_file()]
    assert {".claim", ".ended", ".db"} <= {each.suffix for each in files}
    hits = [
        (each.name, value)
        for each in files
        for value in CANARIES.values()
        if value.encode() in each.read_bytes()
    ]
    assert hits == []


def test_one_that_takes_too_much_memory_gets_more_and_leaves_a_record(
    allot: Allot, tmp_path: Path
) -> None:
    rests = f"time.sleep(60 * (int(os.environ['ALLOT_MEMORY_BYTES']) < {250 * MB}))"
    program = f"import os, time; data = b'x' * {250 * MB}; {rests}"  # till its memory is seen
    task = {
        "id": "hungry",
        "kind": "hungry",
        "memory": 150 * MB,
        "command": [sys.executable, "-c", program],
    }
    code, _ = allot(*written(tmp_path, task))
    assert code == 0
    from scheduler.store import Store

    with Store.open(f"sqlite:///{tmp_path / 'allot.db'}") as store:
        first, *_, last = store.run_attempts(1)
        kept = [each.outcome for each in store.records(kind="hungry")]
    assert first.observation is not None
    assert (first.observation.outcome, first.allocation.memory) == ("out_of_memory", 150 * MB)
    assert last.allocation.memory > 250 * MB
    assert (set(kept[:-1]), kept[-1]) == ({"out_of_memory"}, "succeeded")


def test_output_that_would_steer_a_terminal_does_not(allot: Allot, tmp_path: Path) -> None:
    program = r"print('\x1b[2J\x1b]0;title\x07 \u202e ok')"
    task = {
        "id": "t",
        "kind": "k",
        "memory": 200 * MB,
        "command": [sys.executable, "-X", "utf8", "-c", program],
    }
    allot(*written(tmp_path, task))
    told = allot("output", "1")[1]
    assert r"\x1b[2J\x1b]0;title\x07 \u202e ok" in told
    assert "\x1b[2J" not in told


def test_a_secret_in_the_clear_is_refused_before_anything_is_kept(
    allot: Allot, tmp_path: Path
) -> None:
    task = {"id": "t", "kind": "k", "command": ["true"], "environment": {"API_TOKEN": "canary-x"}}
    code, out = allot(*written(tmp_path, task))
    assert code == 1
    assert "must not hold a secret" in json.loads(out)["message"]
    assert "canary-x" not in out
    kept = [each for each in tmp_path.rglob("*") if each.is_file()]
    assert [each.name for each in kept if b"canary-x" in each.read_bytes()] == ["workflow.json"]


def test_output_of_a_task_that_is_not_there_is_told(allot: Allot, tmp_path: Path) -> None:
    allot(*written(tmp_path, {"id": "t", "kind": "k", "memory": 200 * MB, "command": ["true"]}))
    code, out = allot("output", "1", "nope", "--json")
    assert (code, "no task 'nope'" in json.loads(out)["message"]) == (1, True)
    assert json.loads(allot("output", "1", "--json")[1])["outputs"] == []
