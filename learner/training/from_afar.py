"""A training asked of a Ray cluster from outside of it, through Ray's client (`ray://host:port`).

Ray Train has to run inside a cluster, so the whole training does, as one Ray task that needs no
core of its own; this process waits, and tells of progress from the store.
"""

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import ray

from learner.training.noted import PULSE, Progress, Watch, utc_now
from scheduler.errors import AllotError, InvalidInput, NotFound
from scheduler.store import Store
from scheduler.store.engine import sqlite_file
from scheduler.store.values import ModelVersion

AFAR = "ray://"
CALLS = 4  # times a head that answers is asked for a server
GOODBYE = 30.0  # seconds in which a training that is stopped may note that it is
Call = Callable[..., ModelVersion]


def far(address: str) -> bool:
    """Whether an address is that of a cluster to be asked from outside."""
    return address.startswith(AFAR)


def asked_there(
    call: Call, store: Store, *arguments: Any, address: str, on_progress: Watch, **options: Any
) -> ModelVersion:
    """What `call(store, *arguments, **options)` gives back, run inside the cluster.

    `call` is a function of a module that the cluster has too. The cluster must reach the store
    under the same URL, and its folder: PostgreSQL and a folder that all share, or files on one
    machine. Raises what `call` raises; NotFound without Ray's client, AllotError where nobody
    answers, InvalidInput where the cluster finds another store. Interrupted, so is the training.
    """
    there = ray.remote(inside)
    place = (store.url, str(store.folder.absolute()), store.newest_record())
    options |= {"address": "auto"}
    with _connected(address), _telling(store, on_progress):
        waiting = there.options(num_cpus=0, max_retries=0).remote(call, place, arguments, options)
        try:
            version: ModelVersion = ray.get(waiting)
        except KeyboardInterrupt:
            ray.cancel(waiting, force=False)
            ray.wait([waiting], timeout=GOODBYE)  # a client that is gone takes its task with it
            raise
        except ray.exceptions.RayTaskError as error:
            if isinstance(error.cause, AllotError):
                raise error.cause from None
            raise AllotError(f"The cluster at {address} could not train: {error.cause}") from error
    return version


def inside(
    call: Call,
    place: tuple[str, str, int],
    arguments: tuple[Any, ...],
    options: Mapping[str, Any],
) -> ModelVersion:
    """In the cluster: makes the call on the store, if it is the one that was meant.

    `place` is its URL, its folder, and the newest record that it must have.
    """
    url, folder, newest = place
    file = sqlite_file(url)
    if file is not None and not file.is_file():
        raise InvalidInput(_elsewhere(f"there is no file {file}"))
    with Store.open(url, folder=Path(folder)) as store:
        if store.newest_record() < newest:
            raise InvalidInput(_elsewhere(f"its newest record is {store.newest_record()}"))
        return call(store, *arguments, **options)


def _elsewhere(why: str) -> str:
    return (
        f"The cluster does not see this store ({why}); keep it in PostgreSQL, or in a file that "
        "all nodes share, under the same path."
    )


@contextmanager
def _connected(address: str) -> Iterator[None]:
    try:
        import_module("grpc")  # Ray's client needs it, and Ray itself does not
    except ImportError as error:
        raise NotFound(
            f"An address such as {address!r} needs Ray's client: pip install 'allot[client]'"
        ) from error
    client = _called(address)
    try:
        yield
    finally:
        client.disconnect()


def _called(address: str) -> Any:
    """Ray's client at an address, asked more than once where the head answers and then fails.

    The head forks a server for each client out of a process full of gRPC's threads, and now and
    then that child dies before it has begun; the next one lives.
    """
    for left in reversed(range(CALLS)):
        try:
            return ray.init(address, logging_level=logging.ERROR, log_to_driver=False)
        except ConnectionAbortedError as error:
            if not left:
                raise AllotError(
                    f"The head at {address!r} answers, but cannot serve: {error}"
                ) from error
        except ConnectionError as error:
            raise AllotError(
                f"Nobody answers at {address!r}, or with another token ({error}); the head has "
                "to be started with --ray-client-server-port."
            ) from error
    raise AssertionError("unreachable: the last call returns or raises")


@contextmanager
def _telling(store: Store, on_progress: Watch) -> Iterator[None]:
    """Tells of the epochs of the training that runs while the block lasts."""
    over = threading.Event()

    def look() -> None:
        told = None
        while not over.wait(PULSE):
            found = _running(store)
            if found is not None and found != told:
                on_progress(found)
                told = found

    thread = threading.Thread(target=look, name="training-watch", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _running(store: Store) -> Progress | None:
    """How far the newest training is that runs; None where none does."""
    running = (each for each in store.trainings(now=utc_now(), limit=5) if each.state == "running")
    if (training := next(running, None)) is None:
        return None
    losses = {
        each.epoch: each.value
        for each in store.training_metrics(training.id)
        if (each.target, each.name) == ("all", "validation_loss")
    }
    epochs = training.settings.get("epochs", 0)
    if not losses:
        return Progress("reading records on the cluster", 0, epochs)
    return Progress("learning", max(losses) + 1, epochs, losses[max(losses)])
