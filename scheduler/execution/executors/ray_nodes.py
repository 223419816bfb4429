"""Nodes of a Ray cluster: which there are, and asking on one what the claims of its attempts tell.

What is asked there takes nothing of the node: it runs beside whatever workers are busy with.
"""

import atexit
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from scheduler.execution.claims import Found, claim_from
from scheduler.execution.events import Observation
from scheduler.execution.executors.ray_watch import Address
from scheduler.execution.measured import Nursery
from scheduler.execution.place import Place
from scheduler.processes import Identity

SECONDS_BETWEEN = 0.05


@dataclass(frozen=True)
class Node:
    """A node that Ray believes in: its id, the address of its raylet, and what it offers."""

    id: str
    address: Address
    offers: Mapping[str, float]


def living() -> list[Node]:
    """The nodes that Ray believes in."""
    return [
        Node(
            each["NodeID"], (each["NodeManagerAddress"], each["NodeManagerPort"]), each["Resources"]
        )
        for each in ray.nodes()  # type: ignore[no-untyped-call]
        if each["Alive"]
    ]


def on(node: str) -> NodeAffinitySchedulingStrategy:
    """Makes Ray take this node and no other."""
    return NodeAffinitySchedulingStrategy(node, soft=False)


def call(node: str, what: Callable[..., Any], *arguments: Any) -> Any:
    """Begins a call on the node of this id, of which it takes nothing."""
    options = {"num_cpus": 0, "max_retries": 0, "scheduling_strategy": on(node)}
    return remote(what).options(**options).remote(*arguments)


@cache
def remote(what: Callable[..., Any]) -> Any:
    """The function for Ray, made once: Ray sends each one that is made to every worker anew."""
    return ray.remote(what)


def recalled(plain: Sequence[Mapping[str, Any]], by: Mapping[str, Any], sure: bool) -> list[Found]:
    """On the node: what became of attempts there; those that have not begun never will.

    Where it is not `sure` that it was this node on which they would have begun, one that has never
    claimed anything of their run cannot say that they have not: their worker may have moved here.
    """
    each_claim = [claim_from(each, os.environ) for each in plain]
    return [
        claims.recall(name, by=Identity.read(by))
        if sure or claims.folder.is_dir()
        else Found("unknown", why="its worker is on a node now that knows nothing of its run")
        for claims, name in each_claim
    ]


def ends(plain: Sequence[Mapping[str, Any]], seconds: float) -> list[Found]:
    """On the node: how attempts there stand, after so long, or when one of them is over."""
    until = time.monotonic() + seconds
    each_claim = [claim_from(each, os.environ) for each in plain]
    while True:
        found = [claims.state(name) for claims, name in each_claim]
        if any(each.fate != "running" for each in found) or time.monotonic() > until:
            return found
        time.sleep(SECONDS_BETWEEN)


def ask_to_stop(plain: Sequence[Mapping[str, Any]]) -> None:
    """On the node: has attempts there stopped."""
    for claims, name in (claim_from(each, os.environ) for each in plain):
        claims.ask_to_stop(name)


_nurseries: dict[int, Nursery] = {}  # of one Ray worker process, by number of threads


def carry_out(order: dict[str, Any]) -> Observation:
    """In a Ray worker process: runs one order in this process's nursery."""
    threads = Place(**order["place"]).threads
    if order.pop("guarded"):
        raylet = Identity.of(os.getppid())
        order["guardian"] = None if raylet is None else vars(raylet)
    nursery = _nurseries.get(threads)
    if nursery is None or not nursery.alive:
        nursery = _nurseries[threads] = Nursery(threads, apart=True)
        atexit.register(nursery.hang_up)
    return nursery.carry_out(order)
