"""A Ray of our own on this machine, or one that is already there."""

import logging
import os
import re
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import ray
from ray.exceptions import RpcError

from scheduler.errors import AllotError

PATIENCE = 5.0  # seconds to wait for an answer from a Ray that is said to be there
STARTS = 3  # of a Ray of our own, where it does not come up in time
_LATE = "timed out during startup"  # what Ray says then

ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.25",  # reports of a training wait for this poll
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}


@contextmanager
def ray_running(
    *,
    address: str = "local",
    cpus: int | None = None,
    resources: dict[str, float] | None = None,
) -> Iterator[None]:
    """Ray for the length of the block; one that is running already is used and left running.

    `local` starts one that only this process and its children can use: its token is made here,
    kept in the environment and never written to a file. Other addresses are `auto`, the Ray that
    was started on this machine, or `host:port`, its GCS. Raises AllotError where nobody answers.
    """
    if ray.is_initialized():
        yield
        return
    there = _started_here() if address == "auto" else address
    if there != "local":
        _refuse_unreachable(there)
    _prepare_environment(local=address == "local")
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if address == "local":
        _start(include_dashboard=False, num_cpus=cpus, resources=resources, **quiet)
    else:
        _join(there, quiet)
    try:
        yield
    finally:
        ray.shutdown()


def _start(**how: Any) -> None:
    """A Ray of our own; once more where it was not there in the half minute that Ray gives it.

    So long it takes on a machine that does much else, and nothing lets Ray wait for longer.
    """
    for left in reversed(range(STARTS)):
        others = _of_ray()
        try:
            ray.init("local", **how)
        except Exception as error:  # Ray has no word of its own for it
            if _LATE not in str(error):
                raise
            _end(_of_ray() - others)
            if not left:
                raise AllotError(
                    f"Ray did not start within half a minute, {STARTS} times in a row: too much "
                    "else runs on this machine."
                ) from error
        else:
            return


def _of_ray() -> set[psutil.Process]:
    """The processes of Ray itself that this one has begun."""
    found, home = set(), str(Path(ray.__file__).parent)
    for each in psutil.Process().children():
        with suppress(psutil.Error):  # it is over meanwhile
            if any(home in part for part in each.cmdline()):
                found.add(each)
    return found


def _end(begun: set[psutil.Process]) -> None:
    """Ends what a start that failed has left behind."""
    for each in begun:
        with suppress(psutil.NoSuchProcess):
            each.kill()
    psutil.wait_procs(list(begun), timeout=PATIENCE)


def _prepare_environment(*, local: bool) -> None:
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    if local:  # Ray turns token authentication on by itself, and takes the token it finds
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))


def _join(address: str, quiet: dict[str, Any]) -> None:
    try:
        ray.init(address, **quiet)
    except (ConnectionError, RpcError) as error:
        raise AllotError(
            f"The Ray at the address {address!r} lets nobody in ({error}); is RAY_AUTH_TOKEN the "
            "one it was started with? Otherwise leave the address at local."
        ) from error


def _started_here() -> str:
    """What `auto` means: the Ray that was told, or the last one started here to be shared.

    Ray itself would then look through the machine's processes, find what another program keeps
    for itself alone, and wait for minutes to be let in.
    """
    told = os.environ.get("RAY_ADDRESS", "")
    folder = os.environ.get("RAY_TMPDIR") or os.environ.get("TMPDIR") or "/tmp"
    noted = Path(folder) / "ray" / "ray_current_cluster"
    if not told and noted.is_file():
        told = noted.read_text(encoding="utf-8").strip()
    if told in ("", "auto", "local"):
        raise AllotError(
            "No Ray was started on this machine to be shared; start one with: ray start --head, "
            "or leave the address at local."
        )
    return told


def _refuse_unreachable(address: str) -> None:
    """Ray itself would try for minutes to reach an address at which nobody is."""
    found = re.fullmatch(r"([^\s:/]+):(\d{1,5})", address)
    if found is None:
        raise AllotError(
            f"Ray's address must be local, auto or host:port here, found {address!r}; ask for the "
            "port with: ray status"
        )
    try:
        socket.create_connection((found[1], int(found[2])), timeout=PATIENCE).close()
    except (OSError, OverflowError) as error:
        raise AllotError(
            f"Nobody answers at Ray's address {address!r} ({error}); start one with: ray start "
            "--head, or leave the address at local."
        ) from error
