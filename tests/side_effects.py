"""What tasks of fault tests do: they leave a mark that nobody takes back."""

import os
import time
from pathlib import Path


def mark(_place: object, *, file: str, name: str, seconds: float, gate: str = "") -> None:
    """Says in the file that it has begun, then takes its time.

    With a `gate` it waits there for a file of its own name, or for one that lets all go on.
    """
    descriptor = os.open(file, os.O_APPEND | os.O_CREAT | os.O_WRONLY, 0o600)
    try:
        os.write(descriptor, f"{name}\n".encode())
    finally:
        os.close(descriptor)
    time.sleep(seconds)
    while gate and not any(Path(gate, each).exists() for each in (name, "all")):
        time.sleep(0.02)
