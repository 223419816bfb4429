"""What tasks of fault tests do: they leave a mark that nobody takes back."""

import os
import time
from pathlib import Path

LONGEST = 400.0  # seconds at a gate: more than any test takes


def mark(_place: object, *, file: str, name: str, seconds: float, gate: str = "") -> None:
    """Says in the file that it has begun, then takes its time.

    With a `gate` it waits there for a file of its own name, or for one that lets all go on, and
    leaves after some minutes where a test that failed has put none there.
    """
    descriptor = os.open(file, os.O_APPEND | os.O_CREAT | os.O_WRONLY, 0o600)
    try:
        os.write(descriptor, f"{name}\n".encode())
    finally:
        os.close(descriptor)
    time.sleep(seconds)
    until = time.monotonic() + LONGEST
    while gate and time.monotonic() < until:
        if any(Path(gate, each).exists() for each in (name, "all")):
            break
        time.sleep(0.02)
