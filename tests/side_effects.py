"""What tasks of fault tests do: they leave a mark that nobody takes back."""

import os
import time


def mark(_place: object, *, file: str, name: str, seconds: float) -> None:
    """Says in the file that it has begun, then takes its time."""
    descriptor = os.open(file, os.O_APPEND | os.O_CREAT | os.O_WRONLY, 0o600)
    try:
        os.write(descriptor, f"{name}\n".encode())
    finally:
        os.close(descriptor)
    time.sleep(seconds)
