"""Which node of a Ray cluster houses which worker, as Ray and our own watch see it."""

import time
from collections.abc import Callable, Sequence

from scheduler.cluster import Cluster
from scheduler.execution.executors.ray_nodes import Node, living
from scheduler.execution.executors.ray_watch import Watch

PATIENCE = 2.0  # seconds between two looks at what nodes there are


def resource(worker: str) -> str:
    """The Ray resource that stands for a worker."""
    return f"allot:{worker}"


def missing_from(cluster: Cluster, nodes: Sequence[Node]) -> frozenset[str]:
    """The workers of which these nodes do not offer all cores."""
    return frozenset(
        each.name
        for each in cluster.workers
        if sum(node.offers.get(resource(each.name), 0.0) for node in nodes) < each.cores
    )


class Housing:
    """The nodes of one session. A node is gone when Ray says so, or when it answers no longer."""

    def __init__(
        self, cluster: Cluster, watch: Watch, *, nodes: Callable[[], Sequence[Node]] = living
    ) -> None:
        self._cluster, self._watch, self._nodes = cluster, watch, nodes
        self.looks, self._looked, self._unheard = 0, -PATIENCE, frozenset[str]()
        self._living: dict[str, Node] = {}
        self._home: dict[str, str] = {}
        self._missing: frozenset[str] = frozenset()
        self.look(at_once=True)

    def follow(self, cluster: Cluster) -> None:
        """Houses the workers of this cluster from now on."""
        self._cluster = cluster
        self.look(at_once=True)

    def look(self, *, at_once: bool = False) -> None:
        """Looks again where that is due; `looks` counts how often it was."""
        fresh = time.monotonic() - self._looked < PATIENCE and self._unheard == self._watch.gone
        if fresh and not at_once:
            return
        self._looked, self._unheard = time.monotonic(), self._watch.gone
        offered = {resource(each.name): each.name for each in self._cluster.workers}
        nodes = [each for each in self._nodes() if not offered.keys().isdisjoint(each.offers)]
        self._watch.follow({each.id: each.address for each in nodes})
        self._living = {each.id: each for each in nodes if each.id not in self._unheard}
        self._home = {}
        for node in self._living.values():
            for offer in node.offers.keys() & offered.keys():
                self._home.setdefault(offered[offer], node.id)
        self._missing = missing_from(self._cluster, tuple(self._living.values()))
        self.looks += 1

    @property
    def missing(self) -> frozenset[str]:
        """The workers that no node houses."""
        return self._missing

    def home(self, worker: str) -> str | None:
        """The node that houses a worker, by its id."""
        return self._home.get(worker)

    def lives(self, node: str) -> bool:
        """Whether a node was there when somebody looked last."""
        return node in self._living
