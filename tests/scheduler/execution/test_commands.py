"""Commands as attempts: what reaches the program, what it may know, and what it is held to."""

import base64
import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from scheduler.execution.events import Observation
from scheduler.execution.measured import Nursery, passed_on
from scheduler.execution.place import THREADS
from scheduler.records import Outcome

MB = 10**6
WAYS = (  # of making a shell write the canary file C
    *("; touch C", "&& touch C", "|| touch C", "| touch C", "& touch C", "$(touch C)", "`touch C`"),
    *("\ntouch C\n", "\r\ntouch C", "'; touch C; '", '"; touch C; "', "';touch C #"),
    *("${IFS}touch${IFS}C", "$(touch${IFS}C)", "<(touch C)", ">(touch C)", "> C", ">> C", "2> C"),
    *("$((touch C))", "{touch,C}", "~/../C", "*", "?", "[a-z]*", "!!", "!touch", "^touch^C", "\\"),
    *("$@", "$*", "$0", "$$", "${x:-$(touch C)}", "a=$(touch C) b", "%s$(touch C)", "\\$(touch C)"),
    *("-c 'touch C'", "--eval=touch C", "-e touch C", "--", "-", "-rf /", "@C", "@/etc/passwd", ""),
    *(" ", "\t", "\x01\x02\x1b[2J", "\x7f", "é\u202e\u2066", "🜁", "\ufeff", "a" * 100_000, "'"),
    *("%PATH%", "%0a touch C", "^& touch C", "$(echo dG91Y2ggQw==|base64 -d|sh)", "eval touch C"),
    *("\\x3b touch C", "\\u003b touch C", "\\\ntouch C", "#\ntouch C", "/*", "*/", "<!--", "]]>"),
    *("{{7*7}}", "${7*7}", "#{touch C}", "<%= `touch C` %>", "__import__('os').system('touch C')"),
    *("() { :;}; touch C", "env X='() { :;}; touch C' bash", "exec touch C", "nohup touch C &"),
    *("sh -c 'touch C'", "/bin/sh -c touch\\ C", "../../C", "/dev/tcp/127.0.0.1/1", "C; :", ";;"),
    *(";touch C;", "|touch C|", "&touch C&", "\vtouch C", "\ftouch C", "a;b", "a|b", "a>b", "a<b"),
)  # fmt: skip
SHOW = "import json, os, sys; print(json.dumps([os.fsencode(a).hex() for a in sys.argv[1:]]))"


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AGENTS_OWN_SECRET", "never to be seen")
        with Nursery(1) as running:
            yield running


def order_of(*command: str, **fields: Any) -> dict[str, Any]:
    place = {"worker": "w", "cores": 2.0, "memory": fields.pop("memory", 500 * MB), "labels": {}}
    order = {"command": list(command), "place": place, "timeout": None, "hold": True}
    return order | fields


def tried(nursery: Nursery, *command: str, **fields: Any) -> Observation:
    return nursery.carry_out(order_of(*command, **fields))


def python(nursery: Nursery, program: str, *arguments: str, **fields: Any) -> Observation:
    return tried(nursery, sys.executable, "-c", program, *arguments, **fields)


def written(seen: Observation, stream: str = "stdout") -> str:
    return "".join(each.text for each in seen.outputs if each.stream == stream)


def test_a_hundred_payloads_reach_the_program_byte_for_byte_and_no_shell(
    nursery: Nursery, tmp_path: Path
) -> None:
    plain = [each.replace("C", str(tmp_path / "canary")) for each in WAYS]
    payloads = [*plain, *(f"--name={each}" for each in plain if "canary" in each)]
    assert len(set(payloads)) >= 100
    seen = python(nursery, SHOW, *payloads, folder=str(tmp_path))
    assert seen.outcome is Outcome.SUCCEEDED
    sizes = [len(each) for each in payloads]
    assert sizes.index(100_000)  # left out of the output, so checked on its own below
    short = [each for each in payloads if len(each) < 1000]
    told = json.loads(written(python(nursery, SHOW, *short, folder=str(tmp_path))))
    assert [bytes.fromhex(each).decode() for each in told] == short
    count = "import sys; assert sys.argv[1] == 'a' * 100_000"
    assert python(nursery, count, "a" * 100_000).outcome is Outcome.SUCCEEDED
    assert list(tmp_path.iterdir()) == []


def test_the_canary_does_appear_where_a_shell_reads_a_payload(
    nursery: Nursery, tmp_path: Path
) -> None:
    tried(nursery, "sh", "-c", f"echo x; touch {tmp_path / 'canary'}")
    assert (tmp_path / "canary").exists()


@pytest.mark.parametrize("payload", ["; touch C", "$(touch C)", "`touch C`", "| touch C"])
def test_a_program_is_never_called_through_a_shell(
    nursery: Nursery, tmp_path: Path, payload: str
) -> None:
    seen = tried(nursery, f"true{payload}", folder=str(tmp_path))
    assert (seen.outcome, seen.exit_code) == (Outcome.FAILED, 127)
    assert "cannot be started: No such file" in seen.message
    assert list(tmp_path.iterdir()) == []


def test_a_file_without_a_program_in_it_is_given_to_no_shell(
    nursery: Nursery, tmp_path: Path
) -> None:
    script = tmp_path / "script"
    script.write_text(f"touch {tmp_path / 'canary'}\n")
    script.chmod(0o755)
    assert "Exec format error" in tried(nursery, str(script)).message
    assert not (tmp_path / "canary").exists()


def test_it_knows_its_allocation_and_nothing_of_the_agents_secrets(nursery: Nursery) -> None:
    told = json.loads(
        written(python(nursery, "import os, json; print(json.dumps(dict(os.environ)))"))
    )
    assert (told["ALLOT_CORES"], told["ALLOT_MEMORY_BYTES"], told["ALLOT_WORKER"]) == (
        "2",
        str(500 * MB),
        "w",
    )
    assert {told[each] for each in THREADS} == {"2"}
    assert "AGENTS_OWN_SECRET" not in told
    allowed = passed_on(os.environ).keys() | THREADS
    assert {name for name in told if not name.startswith("ALLOT_")} <= allowed


def test_an_action_knows_nothing_of_them_either(nursery: Nursery) -> None:
    place = {"worker": "w", "cores": 1.0, "memory": 500 * MB, "labels": {}}
    order = {"action": "os:getenv", "arguments": {}, "place": place, "timeout": None, "hold": True}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", "tests")
        patch.setenv("AGENTS_OWN_SECRET", "x")
        with Nursery(1) as running:
            order["action"] = "attempt_actions:expect_no_secret"
            assert running.carry_out(order).outcome is Outcome.SUCCEEDED


def test_it_gets_the_variables_of_its_task(nursery: Nursery) -> None:
    program = "import os; print(os.environ['A'], os.environ['OMP_NUM_THREADS'])"
    seen = python(nursery, program, environment={"A": "$B; `c`", "OMP_NUM_THREADS": "7"})
    assert written(seen) == "$B; `c` 7\n"


def test_it_runs_in_its_folder(nursery: Nursery, tmp_path: Path) -> None:
    assert written(tried(nursery, "pwd", folder=str(tmp_path))) == f"{tmp_path}\n"


def test_a_folder_that_is_not_there_is_told(nursery: Nursery, tmp_path: Path) -> None:
    seen = tried(nursery, "true", folder=str(tmp_path / "no"))
    assert (seen.outcome, seen.message) == (
        Outcome.FAILED,
        f"its folder {str(tmp_path / 'no')!r} is not there",
    )


def test_inputs_must_be_there_before_and_outputs_after(nursery: Nursery, tmp_path: Path) -> None:
    files = {"folder": str(tmp_path), "inputs": ["in"], "outputs": ["out", "more"]}
    seen = tried(nursery, "cp", "in", "out", **files)
    assert (seen.outcome, seen.duration) == (Outcome.FAILED, None)
    assert seen.message == "its input 'in' is not there"
    (tmp_path / "in").write_text("x")
    seen = tried(nursery, "cp", "in", "out", **files)
    assert (seen.outcome, seen.exit_code) == (Outcome.FAILED, 0)
    assert seen.message == "it ended well, but its output 'more' is not there"
    assert tried(nursery, "cp", "in", "more", **files).outcome is Outcome.SUCCEEDED


def test_a_failure_is_told_with_its_code_and_last_words(nursery: Nursery) -> None:
    seen = python(nursery, "import sys; sys.exit('no such customer')")
    assert (seen.exit_code, seen.message) == (1, "ended with code 1: no such customer")
    seen = python(nursery, "import os; os.kill(os.getpid(), 11)")
    assert (seen.outcome, seen.message) == (Outcome.FAILED, "ended by SIGSEGV")


def test_one_that_ignores_being_asked_to_end_is_ended(nursery: Nursery) -> None:
    program = "import signal, time; signal.signal(15, signal.SIG_IGN); print('on'); time.sleep(200)"
    seen = python(nursery, program, timeout=0.5)
    assert seen.outcome is Outcome.TIMED_OUT
    assert seen.duration is not None
    assert seen.duration < 100


def test_one_that_is_asked_to_end_may_tidy_up(nursery: Nursery, tmp_path: Path) -> None:
    program = (
        "import signal, sys, time\n"
        "def tidy(*_): open('tidied', 'w').close(); sys.exit(0)\n"
        "signal.signal(15, tidy); open('ready', 'w').close(); time.sleep(200)"
    )
    nursery.begin(order_of(sys.executable, "-c", program, folder=str(tmp_path)))
    until = time.monotonic() + 100
    while not (tmp_path / "ready").exists() and time.monotonic() < until:
        time.sleep(0.01)
    nursery.stop()
    assert nursery.answer().outcome is Outcome.CANCELLED
    assert (tmp_path / "tidied").exists()


@pytest.mark.parametrize("how", ["plain", "own group", "own session", "orphan"])
def test_no_process_that_it_started_is_left(nursery: Nursery, tmp_path: Path, how: str) -> None:
    lead = {"plain": "", "own group": "os.setpgid(0, 0)", "own session": "os.setsid()"}
    orphan = "os.setsid()\n    if os.fork(): os._exit(0)"
    program = (
        "import os, sys, time\n"
        "if os.fork() == 0:\n"
        f"    {lead.get(how, orphan) or 'pass'}\n"
        "    open('child', 'w').write(str(os.getpid()))\n"
        "    os.rename('child', 'pid')\n"
        "    time.sleep(60)\n"
        "    os._exit(0)\n"
        "while not os.path.exists('pid'): time.sleep(0.01)\n"
    )
    assert python(nursery, program, folder=str(tmp_path)).outcome is Outcome.SUCCEEDED
    child = int((tmp_path / "pid").read_text())
    until = time.monotonic() + 30
    while psutil.pid_exists(child) and time.monotonic() < until:
        time.sleep(0.01)
    assert not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE


@pytest.mark.parametrize("lead", ["", "os.setsid(); os.fork() and os._exit(0);"])
def test_memory_counts_whatever_it_has_started(nursery: Nursery, lead: str) -> None:
    grand = f"import os, time; {lead} data = b'x' * {300 * MB}; time.sleep(60)"
    program = (
        "import subprocess, sys, time; "
        f"subprocess.Popen([sys.executable, '-c', {grand!r}]); time.sleep(60)"
    )
    seen = python(nursery, program, memory=250 * MB, timeout=50)
    assert seen.outcome is Outcome.OUT_OF_MEMORY
    assert seen.peak_memory is not None
    assert seen.peak_memory > 250 * MB


def test_a_gigabyte_of_output_is_kept_in_bounded_memory(nursery: Nursery) -> None:
    size = 1000 * MB
    lines = "line = b'0123456\\n' * 8192"
    program = f"import os\n{lines}\nfor _ in range({size // 65536}): os.write(1, line)"
    seen = python(nursery, program)
    (output,) = seen.outputs
    assert seen.outcome is Outcome.SUCCEEDED
    assert output.left_out == size // 65536 * 65536 - 2 * 65536
    assert len(output.text) < 140_000
    watcher = psutil.Process(nursery._process.pid)  # noqa: SLF001  what is tested
    assert watcher.memory_info().rss < 150 * MB


def test_both_streams_are_kept_apart(nursery: Nursery) -> None:
    seen = python(nursery, "import sys; print('out'); print('err', file=sys.stderr)")
    assert (written(seen), written(seen, "stderr")) == ("out\n", "err\n")


def test_what_is_written_is_text_that_every_store_can_keep(nursery: Nursery) -> None:
    seen = python(nursery, r"import os; os.write(1, b'\xff\x00\xc3\xa9\n')")
    assert written(seen) == "\\xff\\x00é\n"


CANARIES = {f"SECRET_{i}": f"canary-{i}-{'xyz' * (i + 1)}" for i in range(16)} | {
    "MANY_LINES": "canary-first-line\ncanary-second-line",
    "ODD": "canary \"quoted\" & 100% ÿ",
    "SLASHED": "canary/with+slash=",
    "LONG": "canary" * 200,
}  # fmt: skip


def test_twenty_secrets_are_nowhere_in_what_is_told(nursery: Nursery) -> None:
    assert len(CANARIES) == 20
    program = (
        "import base64, json, os, sys, urllib.parse\n"
        "told = [v for k, v in os.environ.items() if 'canary' in v]\n"
        "assert len(told) == 20\n"
        "for each in told:\n"
        "    print(each, file=sys.stderr); print('x' * 70, each, sep='')\n"
        "    print(urllib.parse.quote(each), base64.b64encode(each.encode()).decode())\n"
        "    print(json.dumps(told), f'psql://u:{each}@db')\n"
        "raise SystemExit('|'.join(told))"
    )
    seen = python(nursery, program, secrets=CANARIES, environment={"PYTHONUTF8": "1"})
    assert (seen.outcome, seen.exit_code) == (Outcome.FAILED, 1)
    told = json.dumps([seen.message, [vars(each) for each in seen.outputs]], ensure_ascii=False)
    assert "***" in told
    assert "canary" not in told
    assert base64.b64encode(b"canary").decode()[:7] not in told


def test_the_canaries_are_told_where_nothing_masks_them(nursery: Nursery) -> None:
    seen = python(nursery, "import os; print(os.environ['A'])", environment={"A": "canary-1"})
    assert written(seen) == "canary-1\n"


def test_a_secret_that_is_not_set_fails_by_name(nursery: Nursery) -> None:
    seen = tried(nursery, "true", refused="its secrets are not set where Allot runs: 'X'")
    assert (seen.outcome, seen.message) == (
        Outcome.FAILED,
        "its secrets are not set where Allot runs: 'X'",
    )


@pytest.mark.parametrize("before", [0, 3990, 4000, 4005])
def test_what_an_action_raises_tells_no_secret_not_even_a_part(
    monkeypatch: pytest.MonkeyPatch, before: int
) -> None:
    monkeypatch.setenv("PYTHONPATH", "tests")
    secret = "0123456789!"
    order = {
        "action": "attempt_actions:break_down",
        "arguments": {"words": secret + "x" * before},
        "secrets": {"S": secret},
        "place": {"worker": "w", "cores": 1.0, "memory": 500 * MB, "labels": {}},
        "timeout": None,
        "hold": True,
    }
    with Nursery(1) as running:
        seen = running.carry_out(order)
    assert seen.outcome is Outcome.FAILED
    assert "9!" not in seen.message
    assert len(seen.message) <= 4100
