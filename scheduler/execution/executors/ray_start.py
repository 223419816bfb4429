"""A Ray of our own on this machine, or one that is already there."""

import logging
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import ray

ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.05",  # reports of a training wait for this poll
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
    kept in the environment and never written to a file.
    """
    if ray.is_initialized():
        yield
        return
    _prepare_environment(local=address == "local")
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if address == "local":
        ray.init("local", include_dashboard=False, num_cpus=cpus, resources=resources, **quiet)
    else:
        ray.init(address, **quiet)
    try:
        yield
    finally:
        ray.shutdown()


def _prepare_environment(*, local: bool) -> None:
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    if local:  # Ray turns token authentication on by itself, and takes the token it finds
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
