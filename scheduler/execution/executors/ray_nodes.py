"""Asking on the node of a worker what its claims tell, beside whatever the worker is busy with."""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from scheduler.execution.claims import Found, claim_from
from scheduler.processes import Identity

SECONDS_BETWEEN = 0.05


class NotThere(Exception):
    """No node that is alive offers the worker."""


def call(resource: str, what: Callable[..., Any], *arguments: Any) -> Any:
    """Begins a call on the node that offers the resource, of which it takes nothing.

    Raises NotThere where there is no such node.
    """
    for node in ray.nodes():  # type: ignore[no-untyped-call]
        if node["Alive"] and resource in node["Resources"]:
            there = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
            options = {"num_cpus": 0, "max_retries": 0, "scheduling_strategy": there}
            return remote(what).options(**options).remote(*arguments)
    raise NotThere(resource)


@cache
def remote(what: Callable[..., Any]) -> Any:
    """The function for Ray, made once: Ray sends each one that is made to every worker anew."""
    return ray.remote(what)


def recalled(plain: Sequence[Mapping[str, Any]], by: Mapping[str, Any]) -> list[Found]:
    """On the node: what became of attempts there; those that have not begun never will."""
    each_claim = [claim_from(each, os.environ) for each in plain]
    return [claims.recall(name, by=Identity.read(by)) for claims, name in each_claim]


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
