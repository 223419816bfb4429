"""Federations over stores: in this process, or each site in a Ray actor of its own."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import ray
from ray.exceptions import RayActorError, RayTaskError

from learner.federation.keeping import StoreSite
from learner.training.federated import Federated, federated, here
from learner.training.settings import TrainingSettings
from scheduler.errors import AllotError, InvalidInput
from scheduler.execution.executors.ray_start import ray_running


def federate(
    urls: Sequence[str],
    settings: TrainingSettings | None = None,
    *,
    at: datetime,
    address: str = "local",
    actors: bool = True,
    watch: Callable[[int, float], None] = lambda *_: None,
) -> Federated:
    """One network for several stores; each gets it as a version of its own.

    With `actors`, each store is opened, read and written by a Ray actor alone, and nothing but the
    messages of `learner.federation` passes between them; else one after the other here. Raises
    InvalidInput for a store that is named twice, or below two of them.
    """
    settings = settings or TrainingSettings()
    if len(set(urls)) < max(len(urls), 2):
        raise InvalidInput(
            f"A federation needs at least two different stores, found {', '.join(urls) or 'none'}."
        )
    options: dict[str, Any] = {"at": at, "cores": settings.threads}
    if not actors:
        sites = [StoreSite(url, seed=settings.seed + i, **options) for i, url in enumerate(urls)]
        return federated(here(sites), len(sites), settings, watch=watch)
    with ray_running(address=address, cpus=len(urls)):
        far: Any = ray.remote(StoreSite)
        made: list[Any] = [
            far.remote(url, seed=settings.seed + i, **options) for i, url in enumerate(urls)
        ]

        def ask(messages: Sequence[bytes]) -> list[bytes]:
            answers = [a.answer.remote(m) for a, m in zip(made, messages, strict=True)]
            return list(ray.get(answers))

        try:
            return federated(ask, len(urls), settings, watch=watch)
        except (RayTaskError, RayActorError) as error:
            last = str(error).strip().splitlines()[-1].strip()
            raise AllotError(f"A site failed: {last}") from error
