"""Agents that are killed or overtaken at known moments: no task is lost, none begins twice."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

TESTS = Path(__file__).parent.parent


def campaign(folder: Path, *options: str) -> dict[str, Any]:
    """What became of a campaign of faults; told on stdout too."""
    program = [sys.executable, str(TESTS / "faults/agent_lives.py"), str(folder), *options]
    paths = os.pathsep.join([str(TESTS.parent), str(TESTS)])
    done = subprocess.run(
        program,
        env=os.environ | {"PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=False,
        timeout=250,
    )
    assert done.returncode == 0, done.stderr
    sys.stdout.write(done.stdout)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_no_task_is_lost_and_none_begins_twice_however_agents_are_killed(tmp_path: Path) -> None:
    found = campaign(tmp_path, "--kills", "20", "--frozen", "6", "--seed", "2")
    assert found["landed"] == 26
    assert len(found["moments"]) >= 4  # before and after what matters, killed and frozen
    assert (found["lost"], found["double_starts"], found["wrong_ends"]) == ([], [], [])
    assert found["unknown"] == 0  # what runs outlives its agent, so that all can be found out
    assert found["takeover_longest"] < 30


@pytest.mark.parametrize(
    ("without", "options"),
    [
        ("claims", ["--blind", "--kills", "6", "--frozen", "0"]),
        ("epochs", ["--unfenced", "--kills", "0", "--frozen", "4"]),
    ],
)
def test_without_claims_or_epochs_the_same_faults_are_seen_to_do_harm(
    tmp_path: Path, without: str, options: list[str]
) -> None:
    found = campaign(tmp_path, *options, "--seed", "3")
    harm = [*found["double_starts"], *found["lost"], *found["wrong_ends"]]
    assert harm, f"nothing went wrong without {without}: the test shows nothing"
