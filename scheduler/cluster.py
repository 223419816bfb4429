"""Workers, what each can do, and the cluster that they form."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from scheduler.errors import InvalidCluster
from scheduler.numbers import not_negative, positive, storable


@dataclass(frozen=True, kw_only=True)
class Worker:
    """A place or agent that runs tasks.

    `cores` and `memory` (bytes) are what it can give at one time. It takes a task when it has all
    the task's `skills`. `speed` is relative to a usual worker (2.0 is twice as fast) and is used
    where nothing has been observed yet. `scores` are results of benchmarks, higher is faster,
    comparable between workers; one that is named as a kind speaks for that kind alone. They tell
    of a worker that no log knows how it differs from those that logs know. `price` is money per
    hour and `power` watts, both of the whole worker in full use. In each of the `closed` windows
    (from, to; seconds from the start of the run) it runs nothing. `labels` are free words that
    actions and executors may read.
    """

    name: str
    cores: float
    memory: int
    skills: frozenset[str] = frozenset()
    speed: float = 1.0
    scores: Mapping[str, float] = field(default_factory=dict)
    price: float = 0.0
    power: float = 0.0
    closed: tuple[tuple[float, float], ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        def refuse(message: str) -> InvalidCluster:
            return InvalidCluster(f"Worker {self.name!r}: {message}", [self.name])

        storable(self.name, "name", refuse)
        positive(self.cores, "cores", refuse)
        positive(self.memory, "memory", refuse)
        positive(self.speed, "speed", refuse)
        for name, score in self.scores.items():
            storable(name, "a score's name", refuse)
            positive(score, f"scores[{name!r}]", refuse)
        not_negative(self.price, "price", refuse)
        not_negative(self.power, "power", refuse)
        for first, last in self.closed:
            not_negative(first, "the start of a closed window", refuse)
            if not first < last < math.inf:
                raise refuse(
                    f"a closed window must end after it starts, found {first!r} to {last!r}."
                )


@dataclass(frozen=True, slots=True)
class Allocation:
    """What is reserved for one attempt: `cores` and `memory` in bytes."""

    cores: float
    memory: int


class Cluster:
    """The workers, and how fast bytes travel between two of them.

    `bandwidth` is bytes per second between any two different workers and `latency` seconds per
    transfer; within a worker bytes do not travel. `links` says the bandwidth between two workers
    where it differs, for both directions unless the other one is named too. `pools` are amounts
    that all tasks that run at one time share, wherever they run. Raises InvalidCluster for a
    cluster without workers, with one name twice, or with a link of a worker that it does not have.
    """

    def __init__(
        self,
        name: str,
        workers: Iterable[Worker],
        *,
        bandwidth: float = 125e6,
        latency: float = 0.0,
        links: Mapping[tuple[str, str], float] | None = None,
        pools: Mapping[str, float] | None = None,
    ) -> None:
        def refuse(message: str) -> InvalidCluster:
            return InvalidCluster(f"Cluster {name!r}: {message}")

        storable(name, "a cluster's name", InvalidCluster)
        self.name, self.workers = name, tuple(workers)
        self.bandwidth, self.latency = bandwidth, latency
        self.links, self.pools = dict(links or {}), dict(pools or {})
        self.index: Mapping[str, int] = {worker.name: i for i, worker in enumerate(self.workers)}
        if not self.workers:
            raise refuse("there are no workers; a cluster needs at least one.")
        if len(self.index) < len(self.workers):
            twice = sorted(
                {each.name for i, each in enumerate(self.workers) if self.index[each.name] != i}
            )
            raise InvalidCluster(
                f"Cluster {name!r}: each worker's name must be unique, "
                f"found twice: {', '.join(twice)}.",
                twice,
            )
        positive(bandwidth, "bandwidth", refuse)
        not_negative(latency, "latency", refuse)
        for ends, rate in self.links.items():
            if not set(ends) <= self.index.keys():
                raise refuse(f"the link {' - '.join(ends)} must join two of its workers.")
            positive(rate, f"the bandwidth of the link {' - '.join(ends)}", refuse)
        for name, amount in self.pools.items():
            storable(name, "the name of a pool", refuse)
            not_negative(amount, f"pools[{name!r}]", refuse)

    def worker(self, name: str) -> Worker:
        """The worker of that name; KeyError when there is none."""
        return self.workers[self.index[name]]

    def transfer_seconds(self, size: float, source: str, target: str) -> float:
        """Seconds until `size` bytes have gone from one worker to another; zero within a worker."""
        if source == target:
            return 0.0
        return self.latency + size / self.bandwidth_between(source, target)

    def bandwidth_between(self, source: str, target: str) -> float:
        """Bytes per second from one worker to another, different one."""
        other_way = self.links.get((target, source), self.bandwidth)
        return self.links.get((source, target), other_way)

    @property
    def _values(self) -> tuple[object, ...]:
        rates = (self.bandwidth, self.latency, self.links, self.pools)
        return (self.name, self.workers, *rates)

    def __len__(self) -> int:
        return len(self.workers)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Cluster):
            return NotImplemented
        return self._values == other._values

    def __hash__(self) -> int:
        return hash((self.name, tuple(self.index)))

    def __repr__(self) -> str:
        return f"Cluster({self.name!r}, {len(self.workers)} workers)"
