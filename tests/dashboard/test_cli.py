import contextlib
import json
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path
from types import SimpleNamespace

import pytest

from dashboard import cli
from scheduler.errors import InvalidInput
from tests.dashboard.serving import PATIENCE, ROOT, end, free_port, start

pytestmark = pytest.mark.timeout(300)


def test_the_dashboard_serves_until_it_is_interrupted(full_url: str, tmp_path: Path) -> None:
    port = free_port()
    process = start("--store", full_url, "--port", str(port), "--json", folder=tmp_path)
    assert process.stdout is not None
    document = json.loads("".join(process.stdout.readline() for _ in range(4)))
    health = f"{document['url']}/_stcore/health"
    with urllib.request.urlopen(health, timeout=PATIENCE) as answer:
        assert answer.read() == b"ok"
    code, said, words = end(process)
    assert document == {"url": f"http://127.0.0.1:{port}", "store": full_url}
    assert (code, said) == (0, "")
    assert "Traceback" not in words


def test_a_dashboard_that_is_told_to_terminate_leaves_no_process(
    full_url: str, tmp_path: Path
) -> None:
    port = free_port()
    process = start("--store", full_url, "--port", str(port), "--json", folder=tmp_path)
    assert process.stdout is not None
    process.stdout.readline()
    end(process, signal.SIGTERM)
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0


def test_where_the_dashboard_is_is_told_also_where_it_takes_minutes_to_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answers = iter([*[OSError("refused")] * 240, contextlib.nullcontext()])
    clock, told = [0.0], list[float]()

    def asked(*_: object, **__: object) -> object:
        answer = next(answers)
        if isinstance(answer, OSError):
            clock[0] += 1.0
            raise answer
        return answer

    monkeypatch.setattr(urllib.request, "urlopen", asked)
    monkeypatch.setattr(cli, "time", SimpleNamespace(monotonic=lambda: clock[0], sleep=lambda _: 0))
    cli._when_ready("http://127.0.0.1:1", lambda: told.append(clock[0]))  # noqa: SLF001
    assert told == [240.0]


def test_a_port_that_is_asked_for_and_taken_is_refused() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(InvalidInput, match=f"Port {port} on 127.0.0.1 cannot be used"):
            cli.free_port("127.0.0.1", port)


def test_without_a_wish_the_next_free_port_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        monkeypatch.setattr(cli, "FIRST_PORT", taken.getsockname()[1])
        assert cli.free_port("127.0.0.1", None) > taken.getsockname()[1]


def test_an_address_of_another_machine_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"on 192\.0\.2\.1 can be used"):
        cli.free_port("192.0.2.1", None)


def test_streamlit_is_not_imported_before_the_command_runs() -> None:
    code = "import sys, dashboard.cli; print(sorted({'streamlit', 'pandas'} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert done.stdout.strip() == "[]"
