"""The process that runs attempts: what it measures, and what it holds them to."""

import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from scheduler.execution import measured
from scheduler.execution.events import Observation
from scheduler.execution.measured import Nursery
from scheduler.execution.place import Place
from scheduler.records import Outcome

MB = 10**6
LONG = 100.0  # seconds that nothing here takes, however busy the machine is
HERE = "attempt_actions"


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", "tests")
        with Nursery(1) as running:
            yield running


def order_of(
    action: str,
    *,
    memory: int = 500 * MB,
    timeout: float | None = None,
    hold: bool = True,
    **arguments: Any,
) -> dict[str, Any]:
    place = {"worker": "w", "cores": 1.0, "memory": memory, "labels": {"library": "stdlib"}}
    what = {"action": action, "arguments": arguments, "place": place}
    return what | {"timeout": timeout, "hold": hold}


def tried(nursery: Nursery, action: str, **fields: Any) -> Observation:
    return nursery.carry_out(order_of(action, **fields))


def test_duration_is_the_time_that_the_action_took(nursery: Nursery) -> None:
    began = time.monotonic()
    seen = tried(nursery, f"{HERE}:rest", seconds=0.3)
    assert seen.outcome is Outcome.SUCCEEDED
    assert seen.duration is not None
    assert 0.3 <= seen.duration <= time.monotonic() - began


def test_a_resting_action_uses_no_cores_and_a_busy_one_uses_one(nursery: Nursery) -> None:
    resting, busy = (tried(nursery, f"{HERE}:{name}", seconds=0.4) for name in ("rest", "spin"))
    assert resting.cpu is not None
    assert busy.measured["cpu_seconds"] == pytest.approx(0.4, abs=0.1)
    assert resting.cpu < 0.3


def test_peak_memory_grows_by_what_the_action_holds(nursery: Nursery) -> None:
    small, large = (
        tried(nursery, f"{HERE}:fill", size=size).peak_memory for size in (MB, 101 * MB)
    )
    assert small is not None
    assert large is not None
    assert large - small == pytest.approx(100 * MB, rel=0.1)


def test_an_action_over_its_memory_is_stopped(nursery: Nursery) -> None:
    seen = tried(nursery, f"{HERE}:fill_and_rest", size=300 * MB, seconds=LONG, memory=200 * MB)
    assert seen.outcome is Outcome.OUT_OF_MEMORY
    assert seen.duration is not None
    assert seen.duration < LONG


def test_memory_that_is_not_held_does_not_stop_an_action(nursery: Nursery) -> None:
    seen = tried(
        nursery, f"{HERE}:fill_and_rest", size=300 * MB, seconds=0.1, memory=200 * MB, hold=False
    )
    assert seen.outcome is Outcome.SUCCEEDED


def test_an_action_over_its_time_is_stopped(nursery: Nursery) -> None:
    began = time.monotonic()
    seen = tried(nursery, f"{HERE}:rest", seconds=LONG, timeout=0.2)
    assert seen.outcome is Outcome.TIMED_OUT
    assert time.monotonic() - began < LONG


@pytest.mark.parametrize("limit", [{"timeout": 0.3}, {"memory": 1 * MB}])
def test_an_action_that_closes_its_descriptors_is_still_held(
    nursery: Nursery, limit: dict[str, Any]
) -> None:
    began = time.monotonic()
    seen = tried(nursery, f"{HERE}:close_all_and_rest", seconds=LONG, **limit)
    assert seen.outcome in (Outcome.TIMED_OUT, Outcome.OUT_OF_MEMORY)
    assert time.monotonic() - began < LONG


def test_what_an_action_leaves_running_adds_no_time_and_ends_with_it(
    nursery: Nursery, tmp_path: Path
) -> None:
    note = tmp_path / "child"
    seen = tried(nursery, f"{HERE}:leave_behind", seconds=LONG, note=str(note))
    assert seen.outcome is Outcome.SUCCEEDED
    assert seen.duration is not None
    assert seen.duration < LONG / 2
    assert within(LONG / 2, lambda: not _runs(int(note.read_text())))


def test_closing_a_nursery_ends_the_attempt_that_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", "tests")
    monkeypatch.setattr(measured, "SECONDS_TO_LEAVE", LONG)
    note = tmp_path / "child"
    running = Nursery(1)
    with os.fdopen(os.dup(running.fileno())) as answers:
        try:
            running.begin(order_of(f"{HERE}:note_and_rest", seconds=2 * LONG, note=str(note)))
            assert within(LONG / 2, lambda: note.exists() and note.read_text() != "")
        finally:
            running.close()
        assert json.loads(answers.readline())["outcome"] == "cancelled"
    assert within(LONG / 4, lambda: not _runs(int(note.read_text())))


def within(seconds: float, holds: Callable[[], bool]) -> bool:
    until = time.monotonic() + seconds
    while not holds() and time.monotonic() < until:
        time.sleep(0.01)
    return holds()


def _runs(process: int) -> bool:
    return psutil.pid_exists(process) and psutil.Process(process).status() != psutil.STATUS_ZOMBIE


def test_memory_of_the_processes_that_an_action_starts_is_held_too(nursery: Nursery) -> None:
    seen = tried(nursery, f"{HERE}:fill_a_child", size=300 * MB, seconds=LONG, memory=250 * MB)
    assert seen.outcome is Outcome.OUT_OF_MEMORY
    assert seen.duration is not None
    assert seen.duration < LONG


def test_peak_memory_counts_a_child_that_is_never_waited_for(nursery: Nursery) -> None:
    seen = tried(nursery, f"{HERE}:fill_a_child", size=200 * MB, seconds=4, hold=False)
    assert seen.peak_memory is not None
    assert seen.peak_memory > 200 * MB


def test_a_failing_action_says_why_and_costs_the_next_one_nothing(nursery: Nursery) -> None:
    failed = tried(nursery, f"{HERE}:break_down", words="no such customer")
    assert failed.outcome is Outcome.FAILED
    assert "no such customer" in failed.message
    assert tried(nursery, f"{HERE}:rest", seconds=0.0).outcome is Outcome.SUCCEEDED


def test_an_action_that_leaves_at_once_fails_with_its_exit_code(nursery: Nursery) -> None:
    seen = tried(nursery, f"{HERE}:leave", code=7)
    assert (seen.outcome, seen.exit_code) == (Outcome.FAILED, 7)


def test_an_action_that_prints_does_not_disturb_the_answer(nursery: Nursery) -> None:
    assert (
        tried(nursery, f"{HERE}:speak", words='{"outcome": "failed"}').outcome is Outcome.SUCCEEDED
    )


def test_a_module_that_writes_at_import_does_not_disturb_the_answer(nursery: Nursery) -> None:
    assert tried(nursery, "attempt_actions_loud:rest").outcome is Outcome.SUCCEEDED


def test_an_action_that_reads_its_input_finds_none(nursery: Nursery) -> None:
    seen = tried(nursery, f"{HERE}:expect_no_input", timeout=LONG)
    assert (seen.outcome, seen.message) == (Outcome.SUCCEEDED, "")
    assert tried(nursery, f"{HERE}:rest", seconds=0.0).outcome is Outcome.SUCCEEDED


@pytest.mark.parametrize("action", ["nowhere:nothing", f"{HERE}:missing", "without_a_colon"])
def test_an_action_that_does_not_exist_fails_by_name(nursery: Nursery, action: str) -> None:
    seen = tried(nursery, action)
    assert seen.outcome is Outcome.FAILED
    assert repr(action) in seen.message


@pytest.mark.parametrize(
    ("body", "cause"),
    [
        ("raise RuntimeError('no licence')", "RuntimeError: no licence"),
        ("def broken(:", "SyntaxError"),
        ("raise SystemExit(3)", "SystemExit: 3"),
    ],
)
def test_a_module_that_fails_at_import_fails_by_name_and_cause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str, cause: str
) -> None:
    (tmp_path / "unloadable.py").write_text(body)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with Nursery(1) as running:
        seen = tried(running, "unloadable:act")
    assert seen.outcome is Outcome.FAILED
    assert "'unloadable:act'" in seen.message
    assert cause in seen.message


@pytest.mark.parametrize("code", [None, 0])
def test_an_action_that_exits_without_a_code_succeeds(nursery: Nursery, code: int | None) -> None:
    seen = tried(nursery, f"{HERE}:exit_with", code=code)
    assert (seen.outcome, seen.exit_code, seen.message) == (Outcome.SUCCEEDED, 0, "")


def test_an_action_that_exits_with_a_code_fails_with_it(nursery: Nursery) -> None:
    seen = tried(nursery, f"{HERE}:exit_with", code=5)
    assert (seen.outcome, seen.exit_code) == (Outcome.FAILED, 5)


def test_an_action_that_exits_with_words_fails_and_says_them(nursery: Nursery) -> None:
    seen = tried(nursery, f"{HERE}:exit_with", code="no such table")
    assert (seen.outcome, seen.exit_code, seen.message) == (Outcome.FAILED, 1, "no such table")


def test_a_message_holds_nothing_that_a_store_cannot_keep(nursery: Nursery) -> None:
    seen = tried(nursery, f"{HERE}:break_down", words="a\udcffb\0c")
    assert "a\\udcffb\\x00c" in seen.message.encode("utf-8").decode()
    assert "\0" not in seen.message


def test_an_action_is_told_its_place(nursery: Nursery) -> None:
    assert (
        tried(nursery, f"{HERE}:expect_place", worker="w", memory_bytes=500 * MB).outcome
        is Outcome.SUCCEEDED
    )


def test_an_attempt_whose_nursery_dies_is_lost() -> None:
    with Nursery(1) as running:
        running._process.kill()  # noqa: SLF001  the death that is tested
        running._process.wait()  # noqa: SLF001
        assert tried(running, f"{HERE}:rest", seconds=0).outcome is Outcome.LOST


def test_a_place_is_a_plain_value() -> None:
    assert Place("w", 1.0, 5) == Place("w", 1.0, 5, {})
