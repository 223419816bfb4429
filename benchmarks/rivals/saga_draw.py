"""Problems that SAGA and wfcommons draw themselves, in whatever interpreter has them.

Reads one JSON list of wishes and writes one JSON list: for each wish a problem, or why there is
none. This file imports nothing of Allot.
"""

import importlib
import json
import logging
import random
import sys
from typing import Any

TREES = {"out_tree": "gen_out_trees", "in_tree": "gen_in_trees", "chains": "gen_parallel_chains"}
FLOWS = ("etl", "stats", "train", "predict")  # of RIoTBench, on tiers of edge, fog and cloud
LEAST = 0.05  # of a usual link or speed: SAGA also draws links that are as good as cut


def drawn(wish: dict[str, Any]) -> dict[str, Any]:
    """The problem of this wish; random numbers start at its seed."""
    random.seed(wish["seed"])
    importlib.import_module("numpy").random.seed(wish["seed"])
    try:
        return _recipe(wish) if wish["from"] == "wfcommons" else _saga(wish)
    except (ImportError, AttributeError) as error:
        return {"fault": f"{type(error).__name__}: {error}"}


def _saga(wish: dict[str, Any]) -> dict[str, Any]:
    if wish["kind"] in FLOWS:
        loader = importlib.import_module("saga.schedulers.data.riotbench")
        [graph] = getattr(loader, f"get_{wish['kind']}_task_graphs")(1)
        [network] = loader.get_fog_networks(1)
    else:
        loader = importlib.import_module("saga.schedulers.data.random")
        [graph] = getattr(loader, TREES[wish["kind"]])(1, *wish["shape"])
        network = _whole_network(loader, wish["workers"])
    return _told(network.scale_to_ccr(graph, wish["ccr"]), graph)


def _whole_network(loader: Any, workers: int) -> Any:
    while True:
        [network] = loader.gen_random_networks(1, workers)
        speeds = [each.speed for each in (*network.nodes, *network.edges)]
        if min(speeds) >= LEAST:
            return network


def _told(network: Any, graph: Any) -> dict[str, Any]:
    nodes = sorted(network.nodes, key=lambda each: str(each.name))
    tasks = sorted(
        (each for each in graph.tasks if not each.name.startswith("__")),
        key=lambda each: str(each.name),
    )
    place = {each.name: i for i, each in enumerate(tasks)}
    where = {each.name: k for k, each in enumerate(nodes)}
    rate = [[1.0] * len(nodes) for _ in nodes]
    for each in network.edges:
        if each.source != each.target:
            a, b = where[each.source], where[each.target]
            rate[a][b] = rate[b][a] = each.speed
    edges = [
        (place[each.source], place[each.target], each.size)
        for each in graph.dependencies
        if each.source in place and each.target in place
    ]
    return {
        "work": [each.cost for each in tasks],
        "edges": sorted(edges),
        "speed": [each.speed for each in nodes],
        "rate": rate,
    }


def _recipe(wish: dict[str, Any]) -> dict[str, Any]:
    """Runtimes and, for each dependency, the bytes of all that the first task has written."""
    recipes = importlib.import_module("wfcommons.wfchef.recipes")
    recipe = getattr(recipes, f"{wish['kind'].capitalize()}Recipe")
    workflow = recipe.from_num_tasks(wish["tasks"]).build_workflow()
    place = {name: i for i, name in enumerate(workflow.nodes)}
    tasks = [workflow.nodes[name]["task"] for name in workflow.nodes]
    written = [sum(each.size for each in task.output_files) for task in tasks]
    edges = sorted((place[a], place[b]) for a, b in workflow.edges)
    return {
        "work": [each.runtime for each in tasks],
        "edges": [(a, b, written[a]) for a, b in edges],
    }


def main() -> None:
    """Answers one list of wishes."""
    logging.disable(logging.CRITICAL)
    json.dump([drawn(each) for each in json.load(sys.stdin)], sys.stdout)


if __name__ == "__main__":
    main()
