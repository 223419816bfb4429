"""Attempts whose agent was killed: adopted where they run, taken in where they are over."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import begin_and_stay
import psutil
import pytest
from begin_and_stay import TOKEN, executor_of, problem_of, starts_of

from scheduler.documents import workflow_document
from scheduler.execution import measured
from scheduler.execution.charge import Charge
from scheduler.execution.claims import Claims, Found, marks
from scheduler.execution.events import AttemptEnded, AttemptUnknown, Stop
from scheduler.execution.executors.base import Session
from scheduler.execution.fates import Ended, Fate, NotBegun, Running, Unknown
from scheduler.execution.measured import Nursery
from scheduler.execution.ordering import Ordering, name_of
from scheduler.planning.problem import Problem
from scheduler.processes import Identity
from scheduler.records import Outcome
from scheduler.workflow import Task, Workflow

SECOND = "import sys, time, pathlib; f = open(sys.argv[1], 'a'); f.write('begun\\n'); f.flush(); "


@pytest.fixture(params=["local", pytest.param("ray", marks=pytest.mark.ray)])
def executor(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "ray":  # one that has just begun answers late where the machine is busy
        from scheduler.execution.executors import ray_cluster

        monkeypatch.setattr(ray_cluster, "SECONDS_TO_ANSWER", 200.0)
    return str(request.param)


def within(seconds: float, holds: Callable[[], bool]) -> bool:
    until = time.monotonic() + seconds
    while not holds() and time.monotonic() < until:
        time.sleep(0.02)
    return holds()


def work(name: str, folder: Path, then: str, *, timeout: float | None = None) -> Task:
    """Notes that it begins, does something, waits for the file `go`, and notes its end."""
    go = f"\nwhile not pathlib.Path({str(folder / 'go')!r}).exists(): time.sleep(0.02)\n"
    program = SECOND + then + go + "f.write('over\\n')"
    return Task(
        id=name,
        kind="wait",
        command=(sys.executable, "-c", program, str(folder / name)),
        timeout=timeout,
    )


def noted(folder: Path, name: str) -> list[str]:
    file = folder / name
    return file.read_text().split() if file.exists() else []


@contextmanager
def begun(
    executor: str, problem: Problem, runs: Path, *, starts: int = 1
) -> Iterator["subprocess.Popen[str]"]:
    """A process that has begun the work, and waits to be killed."""
    here = Path(begin_and_stay.__file__)
    with subprocess.Popen(
        [sys.executable, str(here), executor, str(runs)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(here.parent.parent)},
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(workflow_document(problem.workflow)) + "\n")
        process.stdin.flush()
        assert process.stdout.readline() == "begun\n"
        yield process
        process.kill()


def killed(process: "subprocess.Popen[str]") -> None:
    process.kill()
    process.wait()


def claim_of(problem: Problem, runs: Path) -> Path:
    (start,) = starts_of(problem, epoch=1)
    return Claims(runs, TOKEN).folder / f"{name_of(start).stem}.claim"


def watcher_of(problem: Problem, runs: Path) -> psutil.Process:
    """Who watches the attempt, and must not be gone yet."""
    return psutil.Process(json.loads(claim_of(problem, runs).read_text())["pid"])


@contextmanager
def taken_over(executor: str, problem: Problem, runs: Path) -> Iterator[tuple[Session, Fate]]:
    with executor_of(executor, runs).open(problem, Charge(TOKEN, epoch=2, since=5.0)) as session:
        (fate,) = session.recall(starts_of(problem, epoch=1))
        yield session, fate


def next_end(session: Session) -> AttemptEnded | AttemptUnknown:
    found: Sequence[AttemptEnded | AttemptUnknown] = ()
    until = time.monotonic() + 200
    while not found and time.monotonic() < until:
        found = session.wait(session.now() + 1)
    (end,) = found
    return end


def one(tmp_path: Path, then: str = "", *, timeout: float | None = None) -> Problem:
    return problem_of(Workflow("one", [work("t", tmp_path, then, timeout=timeout)]))


def test_what_runs_when_its_agent_is_killed_is_adopted_and_runs_once(
    executor: str, tmp_path: Path
) -> None:
    problem = one(tmp_path, "print('some words')")
    with begun(executor, problem, tmp_path / "runs") as agent:
        assert within(100, lambda: noted(tmp_path, "t") == ["begun"])
        killed(agent)
    with taken_over(executor, problem, tmp_path / "runs") as (session, fate):
        assert fate == Running()
        assert session.wait(session.now() + 0.1) == []
        (tmp_path / "go").touch()
        end = next_end(session)
    assert isinstance(end, AttemptEnded)
    assert end.observation.outcome is Outcome.SUCCEEDED
    assert [each.text for each in end.observation.outputs] == ["some words\n"]
    assert noted(tmp_path, "t") == ["begun", "over"]


def test_what_ends_while_nobody_is_in_charge_is_taken_in(executor: str, tmp_path: Path) -> None:
    problem = one(tmp_path)
    with begun(executor, problem, tmp_path / "runs") as agent:
        assert within(100, lambda: noted(tmp_path, "t") == ["begun"])
        killed(agent)
    watcher = watcher_of(problem, tmp_path / "runs")
    (tmp_path / "go").touch()
    psutil.wait_procs([watcher], timeout=100)
    with taken_over(executor, problem, tmp_path / "runs") as (_, fate):
        assert isinstance(fate, Ended)
        assert fate.observation.outcome is Outcome.SUCCEEDED
    assert noted(tmp_path, "t") == ["begun", "over"]


def test_limits_are_kept_while_nobody_is_in_charge(tmp_path: Path) -> None:
    problem = one(tmp_path, timeout=1.5)
    with begun("local", problem, tmp_path / "runs") as agent:
        assert within(100, claim_of(problem, tmp_path / "runs").exists)  # its time has begun
        killed(agent)
    watcher = Identity.read(json.loads(claim_of(problem, tmp_path / "runs").read_text()))
    assert within(100, lambda: not watcher.lives)
    with taken_over("local", problem, tmp_path / "runs") as (_, fate):
        assert isinstance(fate, Ended)
        assert fate.observation.outcome is Outcome.TIMED_OUT


def test_what_is_killed_with_its_watcher_is_unknown_and_nothing_of_it_goes_on(
    tmp_path: Path,
) -> None:
    problem = one(tmp_path, "import subprocess; subprocess.Popen(['sleep', '600'])")
    with begun("local", problem, tmp_path / "runs") as agent:
        assert within(100, lambda: noted(tmp_path, "t") == ["begun"])
        killed(agent)
    watcher = watcher_of(problem, tmp_path / "runs")
    assert within(100, lambda: len(watcher.children(recursive=True)) == 2)
    family = watcher.children(recursive=True)
    watcher.kill()
    psutil.wait_procs([watcher], timeout=100)
    with taken_over("local", problem, tmp_path / "runs") as (_, fate):
        assert isinstance(fate, Unknown)
    assert psutil.wait_procs(family, timeout=100)[1] == []
    assert noted(tmp_path, "t") == ["begun"]


def test_an_adopted_attempt_whose_watcher_dies_is_unknown(tmp_path: Path) -> None:
    problem = one(tmp_path)
    with begun("local", problem, tmp_path / "runs") as agent:
        assert within(100, lambda: noted(tmp_path, "t") == ["begun"])
        killed(agent)
    with taken_over("local", problem, tmp_path / "runs") as (session, fate):
        assert fate == Running()
        watcher_of(problem, tmp_path / "runs").kill()
        assert isinstance(next_end(session), AttemptUnknown)


def test_what_never_began_can_begin_in_the_next_epoch_and_only_there(tmp_path: Path) -> None:
    (tmp_path / "go").touch()
    problem = one(tmp_path)
    with taken_over("local", problem, tmp_path / "runs") as (session, fate):
        assert fate == NotBegun()
        (late,), (anew,) = starts_of(problem, epoch=1), starts_of(problem, epoch=2)
        assert not Claims(tmp_path / "runs", TOKEN).take(name_of(late), Identity.here())
        session.start(anew)
        end = next_end(session)
    assert isinstance(end, AttemptEnded)
    assert end.observation.outcome is Outcome.SUCCEEDED
    assert noted(tmp_path, "t") == ["begun", "over"]


def test_a_late_start_is_refused_by_the_one_who_would_run_it(tmp_path: Path) -> None:
    (tmp_path / "go").touch()
    problem = one(tmp_path)
    with taken_over("local", problem, tmp_path / "runs") as (session, fate):
        assert fate == NotBegun()
        session.start(starts_of(problem, epoch=1)[0])
        end = next_end(session)
    assert isinstance(end, AttemptUnknown)
    assert noted(tmp_path, "t") == []


def test_what_was_let_go_is_adopted(tmp_path: Path) -> None:
    problem = one(tmp_path)
    with begun("local", problem, tmp_path / "runs") as agent:
        assert within(100, lambda: noted(tmp_path, "t") == ["begun"])
        assert agent.stdin is not None
        agent.stdin.write("let go\n")
        agent.stdin.flush()
        assert agent.wait(100) == 0
    with taken_over("local", problem, tmp_path / "runs") as (session, fate):
        assert fate == Running()
        (tmp_path / "go").touch()
        assert isinstance(next_end(session), AttemptEnded)
    assert noted(tmp_path, "t") == ["begun", "over"]


def test_an_adopted_attempt_is_stopped_when_asked(tmp_path: Path) -> None:
    problem = one(tmp_path)
    with begun("local", problem, tmp_path / "runs") as agent:
        assert within(100, lambda: noted(tmp_path, "t") == ["begun"])
        killed(agent)
    with taken_over("local", problem, tmp_path / "runs") as (session, fate):
        assert fate == Running()
        session.stop(Stop("t", 1, "w"))
        end = next_end(session)
    assert isinstance(end, AttemptEnded)
    assert end.observation.outcome is Outcome.CANCELLED
    assert noted(tmp_path, "t") == ["begun"]


def test_a_session_that_ends_well_stops_what_it_began(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measured, "SECONDS_TO_LEAVE", 100.0)  # it has an end to keep
    problem = one(tmp_path)
    with executor_of("local", tmp_path / "runs").open(problem, Charge(TOKEN, epoch=1)) as session:
        (start,) = starts_of(problem, epoch=1)
        session.start(start)
        assert within(100, lambda: noted(tmp_path, "t") == ["begun"])
    ended = Claims(tmp_path / "runs", TOKEN).ended(name_of(start))
    assert ended is not None
    assert ended["outcome"] == "cancelled"


def test_a_running_attempt_is_stopped_when_asked(executor: str, tmp_path: Path) -> None:
    problem = one(tmp_path)
    with executor_of(executor, tmp_path / "runs").open(problem, Charge(TOKEN, epoch=1)) as session:
        session.start(starts_of(problem, epoch=1)[0])
        assert within(100, lambda: noted(tmp_path, "t") == ["begun"])
        session.stop(Stop("t", 1, "w"))
        end = next_end(session)
    assert isinstance(end, AttemptEnded)
    assert end.observation.outcome is Outcome.CANCELLED


def test_an_attempt_is_told_which_it_is(tmp_path: Path) -> None:
    told = "; ".join(f"f.write(__import__('os').environ[{name!r}] + '\\n')" for name in _MARKS)
    problem = one(tmp_path, told)
    (tmp_path / "go").touch()
    with executor_of("local", tmp_path / "runs").open(problem, Charge(TOKEN, epoch=1)) as session:
        (start,) = starts_of(problem, epoch=1)
        session.start(start)
        next_end(session)
    lines = (tmp_path / "t").read_text().splitlines()
    assert lines[1:4] == list(marks(TOKEN, name_of(start)).values())


def test_an_attempt_with_a_guardian_goes_on_without_its_agent_and_ends_with_the_guardian(
    tmp_path: Path,
) -> None:
    problem = one(tmp_path)
    (start,) = starts_of(problem, epoch=1)
    charge, claims = Charge(TOKEN, epoch=1), Claims(tmp_path / "runs", TOKEN)
    ordering = Ordering(charge, {}, tmp_path / "runs", hold=True, survives=True)
    with subprocess.Popen(["sleep", "600"]) as guardian:
        guarded = {"guardian": vars(Identity.of(guardian.pid))}
        nursery = Nursery(1, apart=True)
        nursery.begin(ordering.order(problem, start) | guarded)
        assert within(100, lambda: noted(tmp_path, "t") == ["begun"])
        nursery.let_go()
        time.sleep(1)
        assert claims.state(name_of(start)) == Found("running")
        guardian.kill()
    assert within(100, lambda: claims.state(name_of(start)).fate == "unknown")
    assert noted(tmp_path, "t") == ["begun"]


_MARKS = ("ALLOT_RUN", "ALLOT_TASK", "ALLOT_ATTEMPT")
