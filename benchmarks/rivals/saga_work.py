"""The algorithms of SAGA, run in whatever interpreter has them: problems in, schedules out.

Reads one JSON object a line, writes one JSON object a line. This file imports nothing of Allot, so
that SAGA may live in an environment of its own (its newer versions want a newer Python).
"""

import importlib
import itertools
import json
import logging
import signal
import sys
import time
from typing import Any

# Beside these SAGA has exact solvers for a handful of tasks, DPS (exponential on any graph that
# comes together again) and combinations of the others, of which the best of all is the best too.
ALGORITHMS = (
    "BIL", "Cpop", "ETF", "FCP", "FLB", "FastestNode", "GDL", "Hbmct", "Heft", "MCT", "MET",
    "MST", "MaxMin", "MinMin", "Msbc", "OLB", "PEFT", "Peft", "Sufferage", "WBA",
)  # fmt: skip


class TooLong(Exception):
    """The limit of CPU seconds is spent."""


def answers(problem: dict[str, Any], limit: float) -> dict[str, Any]:
    """What each algorithm makes of the problem, within so many CPU seconds each."""
    saga = importlib.import_module("saga")
    schedulers = importlib.import_module("saga.schedulers")
    network, graph = _network(saga, problem), _graph(saga, problem)
    found = {}
    for name in ALGORITHMS:
        part = getattr(schedulers, f"{name}Scheduler", None)
        if part is not None and name not in problem.get("without", ()):
            found[name] = _timed(part(), network, graph, limit)
    return found


def _timed(scheduler: Any, network: Any, graph: Any, limit: float) -> dict[str, Any]:
    begun = time.process_time()
    signal.setitimer(signal.ITIMER_PROF, limit)
    try:
        schedule = scheduler.schedule(network, graph)
    except TooLong:
        return {"fault": f"took more than {limit:g} CPU seconds"}
    except Exception as error:  # whatever a rival raises is its result
        return {"fault": f"{type(error).__name__}: {error}"[:200]}
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    rows = [
        [each.name, each.node, float(each.start), float(each.end)]
        for _, tasks in schedule.items()
        for each in tasks
        if not each.name.startswith("__")
    ]
    return {"seconds": time.process_time() - begun, "rows": rows}


def _network(saga: Any, problem: dict[str, Any]) -> Any:
    names = [f"w{k}" for k in range(len(problem["speed"]))]
    rate = problem["rate"]
    edges = [
        (names[a], names[b], rate[a][b]) for a, b in itertools.combinations(range(len(names)), 2)
    ]
    return saga.Network.create(
        nodes=list(zip(names, problem["speed"], strict=True)),
        edges=[*edges, *((each, each, float("inf")) for each in names)],
    )


def _graph(saga: Any, problem: dict[str, Any]) -> Any:
    return saga.TaskGraph.create(
        tasks=[(f"t{i}", work) for i, work in enumerate(problem["work"])],
        dependencies=[(f"t{a}", f"t{b}", size) for a, b, size in problem["edges"]],
    )


def _stop(signum: int, frame: Any) -> None:
    del signum, frame
    raise TooLong


def main() -> None:
    """Answers until the input ends; the first line out says which version this is."""
    logging.disable(logging.CRITICAL)
    signal.signal(signal.SIGPROF, _stop)
    version = importlib.import_module("importlib.metadata").version("anrg-saga")
    importlib.import_module("saga.schedulers")
    sys.stdout.write(json.dumps({"version": version}) + "\n")
    sys.stdout.flush()
    for line in sys.stdin:
        asked = json.loads(line)
        sys.stdout.write(json.dumps(answers(asked["problem"], asked["limit"])) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
