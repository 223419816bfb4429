"""Workers, what each can do, and the cluster that they form."""

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
    hour. `labels` are free words that actions and executors may read.
    """

    name: str
    cores: float
    memory: int
    skills: frozenset[str] = frozenset()
    speed: float = 1.0
    scores: Mapping[str, float] = field(default_factory=dict)
    price: float = 0.0
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


@dataclass(frozen=True)
class Allocation:
    """What is reserved for one attempt: `cores` and `memory` in bytes."""

    cores: float
    memory: int


class Cluster:
    """The workers, and how fast bytes travel between two of them.

    `bandwidth` is bytes per second between any two different workers and `latency` seconds per
    transfer; within a worker bytes do not travel. Raises InvalidCluster for a cluster without
    workers or with one name twice.
    """

    def __init__(
        self,
        name: str,
        workers: Iterable[Worker],
        *,
        bandwidth: float = 125e6,
        latency: float = 0.0,
    ) -> None:
        def refuse(message: str) -> InvalidCluster:
            return InvalidCluster(f"Cluster {name!r}: {message}")

        storable(name, "a cluster's name", InvalidCluster)
        self.name, self.workers = name, tuple(workers)
        self.bandwidth, self.latency = bandwidth, latency
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

    def worker(self, name: str) -> Worker:
        """The worker of that name; KeyError when there is none."""
        return self.workers[self.index[name]]

    def transfer_seconds(self, size: float, source: str, target: str) -> float:
        """Seconds until `size` bytes have gone from one worker to another; zero within a worker."""
        return 0.0 if source == target else self.latency + size / self.bandwidth

    def __len__(self) -> int:
        return len(self.workers)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Cluster):
            return NotImplemented
        return (self.name, self.workers, self.bandwidth, self.latency) == (
            other.name,
            other.workers,
            other.bandwidth,
            other.latency,
        )

    def __hash__(self) -> int:
        return hash((self.name, tuple(self.index)))

    def __repr__(self) -> str:
        return f"Cluster({self.name!r}, {len(self.workers)} workers)"
