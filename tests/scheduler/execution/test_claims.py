"""Claims against real processes: what becomes of an attempt when whoever began it is gone."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from scheduler.execution.claims import Claims, Found, Name, claims_root, end_all_of, marks, tidy
from scheduler.processes import Identity

NAME = Name("a task", 1, 1)


@pytest.fixture
def claims(tmp_path: Path) -> Claims:
    return Claims(tmp_path / "runs", "store-1 run 7")


@pytest.fixture
def other() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(200)"])
    yield process
    process.kill()
    process.wait()


def within(seconds: float, holds: Callable[[], bool]) -> bool:
    until = time.monotonic() + seconds
    while not holds() and time.monotonic() < until:
        time.sleep(0.01)
    return holds()


def of(process: "subprocess.Popen[bytes]") -> Identity:
    found = Identity.of(process.pid)
    assert found is not None
    return found


def dead(process: "subprocess.Popen[bytes]") -> Identity:
    identity = of(process)
    process.kill()
    process.wait()
    return identity


def test_an_attempt_is_claimed_once(claims: Claims) -> None:
    assert claims.take(NAME, Identity.here())
    assert not claims.take(NAME, Identity.here())
    assert claims.take(Name("a task", 2, 1), Identity.here())
    assert claims.take(Name("a task", 1, 2), Identity.here())


def test_of_many_who_claim_at_the_same_moment_one_gets_it(claims: Claims) -> None:
    for attempt in range(20):
        name, got, together = Name("raced", attempt, 1), list[bool](), threading.Barrier(8)

        def take(
            name: Name = name, got: list[bool] = got, together: threading.Barrier = together
        ) -> None:
            together.wait()
            got.append(claims.take(name, Identity.here()))

        threads = [threading.Thread(target=take) for _ in range(8)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        assert sorted(got) == [False] * 7 + [True]


def test_a_start_that_comes_after_it_was_recalled_is_refused(claims: Claims) -> None:
    assert claims.recall(NAME, by=Identity.here()) == Found("not_begun")
    assert not claims.take(NAME, Identity.here())
    assert claims.recall(NAME, by=Identity.here()) == Found("not_begun")


def test_a_start_and_a_recall_at_the_same_moment_never_both_have_their_way(claims: Claims) -> None:
    for attempt in range(50):
        name, together = Name("raced", attempt, 1), threading.Barrier(2)
        began: list[bool] = []

        def take(
            name: Name = name, began: list[bool] = began, together: threading.Barrier = together
        ) -> None:
            together.wait()
            began.append(claims.take(name, Identity.here()))

        thread = threading.Thread(target=take)
        thread.start()
        together.wait()
        fate = claims.recall(name, by=Identity.here()).fate
        thread.join()
        assert (fate, began[0]) in {("not_begun", False), ("running", True)}


def test_one_whose_watcher_lives_runs(claims: Claims, other: "subprocess.Popen[bytes]") -> None:
    claims.take(NAME, of(other))
    assert claims.recall(NAME, by=Identity.here()) == Found("running")


def test_one_whose_end_was_kept_has_ended_whoever_lives(
    claims: Claims, other: "subprocess.Popen[bytes]"
) -> None:
    claims.take(NAME, of(other))
    answer = {"outcome": "succeeded", "message": "", "duration": 1.5}
    claims.end(NAME, answer)
    assert claims.recall(NAME, by=Identity.here()) == Found("ended", answer)
    dead(other)
    assert claims.recall(NAME, by=Identity.here()) == Found("ended", answer)


def test_one_whose_watcher_is_gone_without_an_end_is_unknown(
    claims: Claims, other: "subprocess.Popen[bytes]"
) -> None:
    claims.take(NAME, of(other))
    dead(other)
    found = claims.recall(NAME, by=Identity.here())
    assert (found.fate, found.answer) == ("unknown", None)
    assert "watched it is gone" in found.why


def test_a_zombie_does_not_watch(claims: Claims, other: "subprocess.Popen[bytes]") -> None:
    claims.take(NAME, of(other))
    os.kill(other.pid, signal.SIGKILL)
    assert within(50, lambda: claims.recall(NAME, by=Identity.here()).fate == "unknown")


@pytest.mark.parametrize("change", [{"started": "1"}, {"boot": "another"}])
def test_a_later_process_of_the_same_number_is_another(
    claims: Claims, other: "subprocess.Popen[bytes]", change: dict[str, str]
) -> None:
    claims.take(NAME, Identity(**vars(of(other)) | change))
    assert claims.recall(NAME, by=Identity.here()).fate == "unknown"


def test_what_ran_on_another_machine_is_unknown_by_name(claims: Claims) -> None:
    claims.take(NAME, Identity(**vars(Identity.here()) | {"host": "elsewhere"}))
    found = claims.recall(NAME, by=Identity.here())
    assert found.fate == "unknown"
    assert "'elsewhere'" in found.why


def test_one_that_was_stopped_as_nobody_waited_is_unknown(claims: Claims) -> None:
    claims.take(NAME, Identity.here())
    claims.end(NAME, {"outcome": "lost", "message": "stopped as nobody waits for its answer"})
    found = claims.recall(NAME, by=Identity.here())
    assert found.fate == "unknown"
    assert "nobody waits" in found.why


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"kind": "claim", "pid": "x"}'])
@pytest.mark.parametrize("sort", ["claim", "ended"])
def test_a_damaged_file_is_unknown_and_never_begins(
    claims: Claims, sort: str, content: str
) -> None:
    claims.take(NAME, Identity.here())
    (claims.folder / f"{NAME.stem}.{sort}").write_text(content)
    assert claims.recall(NAME, by=Identity.here()).fate == "unknown"
    assert not claims.take(NAME, Identity.here())


def test_processes_that_a_dead_watcher_left_are_ended(
    claims: Claims, other: "subprocess.Popen[bytes]"
) -> None:
    variables = os.environ | marks(claims.run, NAME)
    left = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(200)"], env=variables)
    try:
        assert within(50, lambda: _told(left.pid, "ALLOT_TASK"))
        claims.take(NAME, dead(other))
    except AssertionError:
        left.kill()
        raise
    found = claims.recall(NAME, by=Identity.here())
    assert left.wait(50) == -signal.SIGKILL
    assert "1 of its processes still ran" in found.why


def test_processes_of_other_attempts_are_let_be(claims: Claims) -> None:
    variables = os.environ | marks(claims.run, NAME)
    program = [sys.executable, "-c", "import time; time.sleep(200)"]
    with subprocess.Popen(program, env=variables) as another:
        assert within(50, lambda: _told(another.pid, "ALLOT_TASK"))
        for run, name in [(claims.run, Name("a task", 2, 1)), (claims.run, Name("b", 1, 1))]:
            assert end_all_of(run, name) == 0
        assert end_all_of("another run", NAME) == 0
        assert another.poll() is None
        another.kill()


def _told(pid: int, variable: str) -> bool:
    return f"{variable}=".encode() in Path(f"/proc/{pid}/environ").read_bytes()


@pytest.mark.parametrize(
    "task", ["../../outside", "a/b", "\x01\x02", "🜁" * 300, "a" * 900, "con", ".", "=cmd()"]
)
def test_no_name_of_a_task_leads_out_of_the_folder(
    claims: Claims, tmp_path: Path, task: str
) -> None:
    name = Name(task, 1, 1)
    assert claims.take(name, Identity.here())
    claims.end(name, {"outcome": "succeeded", "message": ""})
    assert claims.recall(name, by=Identity.here()).fate == "ended"
    assert {each.parent for each in tmp_path.rglob("*") if each.is_file()} == {claims.folder}


def test_no_name_of_a_run_leads_out_of_the_root(tmp_path: Path) -> None:
    claims = Claims(tmp_path / "runs", "../../../x")
    claims.take(NAME, Identity.here())
    assert claims.folder.parent == tmp_path / "runs"
    assert [each.name for each in (tmp_path / "runs").iterdir()] == ["..%2F..%2F..%2Fx"]


def test_nothing_is_left_beside_a_claim_and_its_end(claims: Claims) -> None:
    claims.take(NAME, Identity.here())
    claims.take(NAME, Identity.here())
    claims.end(NAME, {"outcome": "succeeded"})
    assert sorted(each.suffix for each in claims.folder.iterdir()) == [".claim", ".ended"]


def test_a_claim_is_for_its_owner_only(claims: Claims) -> None:
    claims.take(NAME, Identity.here())
    assert {each.stat().st_mode & 0o077 for each in claims.folder.iterdir()} == {0}
    assert claims.folder.stat().st_mode & 0o077 == 0


def test_a_folder_that_cannot_be_made_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file")
    with pytest.raises(OSError, match="runs"):
        Claims(tmp_path / "runs", "1").take(NAME, Identity.here())


def test_the_folder_of_claims_is_told_by_the_environment() -> None:
    assert claims_root({"ALLOT_RUNS": "/somewhere"}) == Path("/somewhere")
    assert claims_root({}) == Path.home() / ".allot" / "runs"


def test_an_identity_is_read_as_it_was_written() -> None:
    here = Identity.here()
    assert Identity.read(json.loads(json.dumps(vars(here)))) == here
    assert here.lives
    assert here.local


def test_old_runs_are_tidied_away_but_not_those_that_go_on(tmp_path: Path) -> None:
    over, fenced, going, young = (Claims(tmp_path, each) for each in ("a", "b", "c", "d"))
    for each in (over, going, young):
        each.take(NAME, Identity.here())
    fenced.recall(NAME, by=Identity.here())
    for each in (over, young):
        each.end(NAME, {"outcome": "succeeded"})
    for each in (over, fenced, going):
        os.utime(each.folder, (1000, 1000))
    assert tidy(tmp_path, before=2000) == 2
    assert sorted(each.name for each in tmp_path.iterdir()) == ["c", "d"]
    assert tidy(tmp_path / "none", before=2000) == 0
