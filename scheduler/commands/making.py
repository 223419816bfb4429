"""Agents made of what is kept with each run, so that anybody can go on with it."""

from collections.abc import Callable, Collection, Mapping
from typing import Any

from scheduler.agent import Agent
from scheduler.commands.beliefs import choose, sizing
from scheduler.commands.parts import adapting, executor, planner
from scheduler.door import Door
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
) -> Agent:
    """The agent that carries runs out in this way.

    `how` has `executor`, `address`, `seed`, `replan`, `planner` and `predictor`, each with a usual
    value. `kinds` are those of the tasks that it will meet.
    """
    how = {**USUAL, **how}
    return Agent(
        choose(store, how.get("predictor")),
        planner(how.get("planner") or "heft"),
        executor(how["executor"], address=how["address"], seed=how["seed"]),
        store,
        door.now,
        sizing=sizing(store, now=door.now(), kinds=kinds),
        adapting=adapting(how["executor"]) if how["replan"] else None,
        how=how,
        stop=stop,
        grace=grace,
    )
