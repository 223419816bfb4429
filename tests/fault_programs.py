"""Campaigns of faults, each in a process of its own."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

TESTS = Path(__file__).parent


def campaign(program: str, *options: str, timeout: float = 560) -> dict[str, Any]:
    """What became of a campaign of faults; told on stdout too."""
    folder = tempfile.mkdtemp(prefix="allot-faults-")  # short, and open to the user of a server
    try:
        done = subprocess.run(
            [sys.executable, str(TESTS / "faults" / program), folder, *options],
            env=os.environ | {"PYTHONPATH": os.pathsep.join([str(TESTS.parent), str(TESTS)])},
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
        )
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    assert done.returncode == 0, done.stderr
    sys.stdout.write(done.stdout)
    found: dict[str, Any] = json.loads(done.stdout)
    return found
