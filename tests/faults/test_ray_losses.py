"""Processes and nodes of Ray that are lost at known moments: no task is lost, none begins twice."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parent.parent


@pytest.mark.ray
@pytest.mark.timeout(600)
def test_nothing_is_lost_or_begins_twice_with_the_processes_and_nodes_of_ray(
    tmp_path: Path,
) -> None:
    program = [sys.executable, str(TESTS / "faults/ray_losses.py"), str(tmp_path / "losses")]
    options = ["--losses", "4", "--seed", "1", "--control", "1"]
    done = subprocess.run(
        [*program, *options],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(TESTS.parent), str(TESTS)])},
        capture_output=True,
        text=True,
        check=False,
        timeout=560,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    sys.stdout.write(done.stdout)
    found = json.loads(done.stdout)
    assert found["landed"] == 4
    assert found["known_longest"].keys() == {"process", "node", "frozen"}
    assert (found["lost"], found["double_starts"], found["wrong_ends"]) == ([], [], [])
    assert max(found["known_longest"].values()) < 45  # Ray needs 65 seconds for a frozen node
    control = found["control"]
    assert control["double_starts"], "without claims nothing went wrong: the test shows nothing"
