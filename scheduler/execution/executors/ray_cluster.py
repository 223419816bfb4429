"""Real work through Ray: each attempt is a Ray task on the worker that its placement names.

A worker `w` is the Ray resource `allot:w`, as many units as it has cores; a Ray node that offers
that resource is (or houses) the worker. On one machine the executor makes such a Ray itself.

Attempts of a kept run are no children of Ray's processes: they outlive the agent, whose end would
otherwise end them, but not their node. Their claims lie on the node that they run on, and are
asked for there.
"""

import json
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scheduler.cluster import Cluster
from scheduler.errors import AllotError
from scheduler.execution.charge import NEW, Charge
from scheduler.execution.executors.base import Executor
from scheduler.execution.executors.ray_housing import Housing, missing_from, resource
from scheduler.execution.executors.ray_nodes import living
from scheduler.execution.executors.ray_session import RaySession
from scheduler.execution.executors.ray_start import ray_running
from scheduler.execution.executors.ray_watch import Watch
from scheduler.execution.ordering import Ordering, demand_work
from scheduler.planning.problem import Problem


@dataclass(frozen=True)
class RayCluster(Executor):
    """Runs actions and commands on a Ray cluster.

    `address` is `local` for a Ray of our own, `auto` or `host:port` for one that is there. With
    `hold_memory` an attempt that takes more than its allocation is stopped. `runs` is the folder of
    the claims on every node; without it what ALLOT_RUNS says there, or one at home.
    """

    address: str = "local"
    hold_memory: bool = True
    runs: Path | None = None

    @contextmanager
    def open(self, problem: Problem, charge: Charge = NEW) -> Iterator["RaySession"]:
        """Connects, checks that every worker is there and every task has something to run."""
        demand_work(problem)
        ordering = Ordering(
            charge, dict(os.environ), self.runs, hold=self.hold_memory, survives=True
        )
        with local_ray(problem.cluster, address=self.address):
            _demand_workers(problem.cluster)
            with Watch() as watch:
                housing = Housing(problem.cluster, watch)
                session = RaySession(problem, ordering, housing, guarded=self.address != "local")
                try:
                    yield session
                finally:
                    session.close()


def local_ray(cluster: Cluster, *, address: str = "local") -> Any:
    """Ray with one resource per worker of the cluster, for the length of a block."""
    offered = {resource(each.name): each.cores for each in cluster.workers}
    return ray_running(address=address, cpus=math.ceil(sum(offered.values())), resources=offered)


def _demand_workers(cluster: Cluster) -> None:
    missing = sorted(missing_from(cluster, living()))
    if missing:
        offer = {resource(name): cluster.worker(name).cores for name in missing}
        raise AllotError(
            f"Ray offers no place for the workers {', '.join(map(repr, missing))}: start a node "
            f"with --resources='{json.dumps(offer)}'."
        )
