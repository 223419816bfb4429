"""The nodes under a training on Ray: Ray waits for lost ones without end, people should not."""

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import ray
from ray.train.torch import TorchTrainer
from ray.util.placement_group import (
    PlacementGroup,
    placement_group_table,
    remove_placement_group,
)

LOOK = 1.0  # seconds between two looks at the cluster
STUCK = 60.0  # seconds in which Ray itself lets go of the workers of a lost node, where it does
WAIT = 300.0  # seconds for nodes to come: autoscalers and Kubernetes start one in minutes
FREE, GIVE_UP = "free", "give up"


@dataclass(eq=False)
class Patience:
    """How long a training has gone without its workers.

    `least` is the number of training workers that it cannot do without.
    """

    least: int
    broken_since: float | None = None
    short_since: float | None = None

    def see(self, states: Sequence[str], offered: int, *, now: float) -> str | None:
        """What to do, from the states of the training's placement groups and the nodes' offer.

        FREE when workers that were starting wait for a lost node, which Ray would do without end:
        the training is to be run again. GIVE_UP when the nodes that are left offer too few workers
        for too long. For cores that are there and used by others it waits, as in a queue.
        """
        without = "CREATED" not in states
        broken = without and "RESCHEDULING" in states
        self.broken_since = _since(self.broken_since, broken, now)
        self.short_since = _since(self.short_since, without and offered < self.least, now)
        if self.short_since is not None and now - self.short_since >= WAIT:
            return GIVE_UP
        if self.broken_since is not None and now - self.broken_since >= STUCK:
            return FREE
        return None


def _since(before: float | None, holds: bool, now: float) -> float | None:
    if not holds:
        return None
    return now if before is None else before


class Trainer(TorchTrainer):
    """Ray's trainer, with a controller that can be ended when it waits without end."""

    controller: Any = None

    def _register_sigint_handler(self, controller: Any) -> None:
        # nowhere else does Ray show its controller; it comes here from a main thread only
        self.controller = controller
        super()._register_sigint_handler(controller)  # type: ignore[misc]


@dataclass(eq=False)
class Seen:
    """What a watch did: why it gave a training up, or that it let go of stuck workers."""

    given_up: str = ""
    freed: bool = False


@contextmanager
def watching_nodes(trainer: Trainer, least: int, need: Mapping[str, float]) -> Iterator[Seen]:
    """Watches the nodes under a training for as long as the block lasts.

    `need` is what each training worker takes. A training that is ended, to be given up or to be run
    again, ends with an error of Ray.
    """
    seen, patience, over = Seen(), Patience(least), threading.Event()

    def watch() -> None:
        while not (seen.freed or seen.given_up or over.wait(LOOK)):
            groups, offer = own_groups(), offered(need)
            verdict = patience.see(list(groups.values()), offer, now=time.monotonic())
            if verdict is None or trainer.controller is None:
                continue
            seen.freed = verdict == FREE
            seen.given_up = "" if seen.freed else _too_few(offer, least, need)
            ray.kill(trainer.controller)  # else it waits on, even for a group that is removed
            _remove(groups)

    watcher = threading.Thread(target=watch, name="nodes under a training", daemon=True)
    watcher.start()
    try:
        yield seen
    finally:
        over.set()
        watcher.join()


def offered(need: Mapping[str, float]) -> int:
    """How many training workers the living nodes have room for, whatever else runs there."""
    nodes: list[Mapping[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
    alive = [each["Resources"] for each in nodes if each["Alive"]]
    return sum(
        int(min(has.get(name, 0.0) // amount for name, amount in need.items())) for has in alive
    )


def own_groups() -> dict[str, str]:
    """The states of the placement groups that this program has made, by their ids."""
    mine = ray.get_runtime_context().get_job_id()  # in which their ids end
    found: Mapping[str, Any] = placement_group_table()
    return {name: each["state"] for name, each in found.items() if name.endswith(mine)}


def _remove(groups: Mapping[str, str]) -> None:
    for name, state in groups.items():
        if state != "REMOVED":
            remove_placement_group(PlacementGroup(ray.PlacementGroupID(bytes.fromhex(name))))


def _too_few(offer: int, least: int, need: Mapping[str, float]) -> str:
    each = " and ".join(f"{amount:g} {name}" for name, amount in need.items())
    return (
        f"Ray's nodes have room for {offer} training workers ({each} for each), {least} are "
        f"needed, and no node came in {WAIT:g} seconds; start the nodes that are missing and go "
        "on with the training (allot train --resume), or ask for fewer workers."
    )
