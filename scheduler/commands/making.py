"""Agents made of what is kept with each run, so that anybody can go on with it."""

import math
from collections.abc import Callable, Collection, Mapping
from time import monotonic, sleep
from typing import Any

from scheduler.agent import Agent
from scheduler.asked import Newcomers
from scheduler.cluster import Cluster
from scheduler.commands.beliefs import choose, sizing
from scheduler.commands.parts import adapting, executor, planner
from scheduler.door import Door
from scheduler.errors import InvalidInput
from scheduler.governor import Governor, keep_policy
from scheduler.planning.objective import Objective
from scheduler.policy import policy_from, read_policy
from scheduler.predictors.base import Predictor
from scheduler.processes import user
from scheduler.store import Store

USUAL: Mapping[str, Any] = {"executor": "ray", "address": "local", "seed": 1, "replan": True}


def agent_of(
    how: Mapping[str, Any],
    door: Door,
    store: Store,
    *,
    kinds: Collection[str] | None = None,
    stop: Callable[[], float | None] = lambda: None,
    grace: float = 30.0,
    waits: float = math.inf,
) -> Agent:
    """The agent that carries runs out in this way.

    `how` has `executor`, `address`, `seed`, `replan`, `planner` and `predictor`, each with a usual
    value. `kinds` are those of the tasks that it will meet. `stop`, `grace` and `waits` are those
    of `Agent`.
    """
    how, predictor = {**USUAL, **how}, choose(store, how.get("predictor"))
    newcomers = Newcomers() if how["replan"] else None
    return Agent(
        predictor,
        planner(how.get("planner") or "heft"),
        executor(how["executor"], address=how["address"], seed=how["seed"]),
        store,
        door.now,
        sizing=sizing(store, now=door.now(), kinds=kinds),
        adapting=None if newcomers is None else adapting(how["executor"], meanwhile=newcomers),
        how=how,
        stop=stop,
        grace=grace,
        waits=waits,
        governor=governor(door, store, predictor=predictor, newcomers=newcomers),
    )


def governor(
    door: Door,
    store: Store,
    *,
    predictor: Predictor | None = None,
    newcomers: Newcomers | None = None,
) -> Governor:
    """Who holds runs to the policy of the settings; raises InvalidInput where that breaks rules."""
    announced(door, store)
    found = policy_from(policy(door))
    return Governor(
        store, found, door.now, monotonic, sleep, predictor=predictor, newcomers=newcomers
    )


def within_policy(door: Door, objective: Objective, cluster: Cluster) -> Objective:
    """The objective within the policy, as though nothing of the day's money were spent.

    A planner is chosen by it: one that knows of budgets where the policy has one.
    """
    found = policy_from(policy(door))
    return found.bounded(objective, cluster, left=found.cost_a_day)


def announced(door: Door, store: Store) -> None:
    """Has the policy that the settings write in force for whoever promotes networks, too.

    Where they write none the one in force stays: whoever starts a run from another folder lifts
    nothing. Raises InvalidInput where it breaks rules.
    """
    if document := policy(door):
        keep_policy(store, document, by=user(), at=door.now())


def policy(door: Door) -> Mapping[str, Any]:
    """The policy's document by the settings, checked: `[policy]`, or the file that they name."""
    named, written = door.settings.policy_file, door.settings.policy
    if named is not None and written:
        raise InvalidInput(
            f"The settings must have [policy] or policy_file, found both ({named}); keep one."
        )
    if named is not None:
        return read_policy(named)
    policy_from(written)
    return written
