"""A Ray of our own on this machine, or one that is already there."""

import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import ray

ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.05",  # reports of a training wait for this poll
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}


@contextmanager
def ray_running(
    *, address: str = "local", cpus: float | None = None, resources: Mapping[str, float] | None = None
) -> Iterator[None]:
    """Ray for the length of the block; one that is running already is used and left running.

    `local` starts one that only this process and its children can use: its token is made here,
    kept in the environment and never written to a file.
    """
    if ray.is_initialized():
        yield
        return
    _prepare_environment(local=address == "local")
    own = {} if address != "local" else {"num_cpus": cpus, "resources": dict(resources or {})}
    ray.init(
        address=address, include_dashboard=False if address == "local" else None,
        log_to_driver=False, logging_level="ERROR", **own,
    )
    try:
        yield
    finally:
        ray.shutdown()


def _prepare_environment(*, local: bool) -> None:
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    if local:  # Ray turns token authentication on by itself, and takes the token it finds
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
