"""Workers that are lost or added."""

from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from scheduler.cluster import Cluster, Worker
from scheduler.errors import InvalidInput
from scheduler.forecast import Forecast
from scheduler.planning import array_edits as arrays
from scheduler.planning.bars import open_to
from scheduler.planning.flat import Flat
from scheduler.planning.world import Edit, World

FOREVER = 1e18  # seconds: the end of a window that never opens again


@dataclass(frozen=True, kw_only=True)
class WorkerLost(Edit):
    """The worker runs nothing from now on; what ran there is free again.

    What has ended there stays reachable.
    """

    worker: str

    def on_values(self, world: World) -> World:
        column = world.column(self.worker)
        workers = list(world.cluster.workers)
        since = (*workers[column].closed, (world.now, FOREVER))
        workers[column] = replace(workers[column], closed=since)
        gone = self._stopped(world)
        fixed = {task: each for task, each in world.fixed.items() if task not in gone}
        cluster = _cluster(world.cluster, workers)
        return replace(world, cluster=cluster, fixed=fixed, running=world.running - gone)

    def on_arrays(self, flat: Flat, world: World) -> Flat:
        column = world.cluster.index[self.worker]
        for task in sorted(self._stopped(world)):
            flat = arrays.with_fixed(flat, world.index[task], None, world.cluster)
        closed = (*world.cluster.workers[column].closed, (world.now, FOREVER))
        return arrays.with_windows(flat, column, closed)

    def _stopped(self, world: World) -> frozenset[str]:
        return frozenset(t for t in world.running if world.fixed[t].worker == self.worker)

    def sentence(self) -> str:
        return f"{self.worker} is gone"


@dataclass(frozen=True, kw_only=True)
class WorkerDrained(WorkerLost):
    """The worker begins nothing more; what runs there goes on to its end."""

    def _stopped(self, world: World) -> frozenset[str]:  # noqa: ARG002
        return frozenset()

    def sentence(self) -> str:
        return f"{self.worker} takes nothing more"


@dataclass(frozen=True, kw_only=True)
class WorkerChanged(Edit):
    """The worker has other cores or memory; of what runs there nothing changes.

    Raises InvalidInput where attempts that run hold more than it then has.
    """

    changes_work = True

    worker: str
    cores: float | None = None
    memory: int | None = None

    def on_values(self, world: World) -> World:
        column = world.column(self.worker)
        workers, old = list(world.cluster.workers), world.cluster.workers[column]
        cores = old.cores if self.cores is None else self.cores
        memory = old.memory if self.memory is None else self.memory
        held = [world.fixed[task].allocation for task in world.running
                if world.fixed[task].worker == self.worker]  # fmt: skip
        in_use = sum(each.cores for each in held), sum(each.memory for each in held)
        if cores < in_use[0] or memory < in_use[1]:
            raise InvalidInput(
                f"The attempts that run on {self.worker!r} hold {in_use[0]:g} cores and "
                f"{in_use[1] / 1e9:.3g} GB; it cannot have {cores:g} cores and "
                f"{memory / 1e9:.3g} GB before they have ended. Drain it first."
            )
        workers[column] = replace(old, cores=cores, memory=memory)
        return replace(world, cluster=_cluster(world.cluster, workers))

    def on_arrays(self, flat: Flat, world: World) -> Flat:
        return _from_values(flat, self.on_values(world).problem.flat)

    def sentence(self) -> str:
        cores = [] if self.cores is None else [f"{self.cores:g} cores"]
        memory = [] if self.memory is None else [f"{self.memory / 1e9:.3g} GB"]
        return f"{self.worker} has {' and '.join(cores + memory)}"


@dataclass(frozen=True, kw_only=True)
class WorkerBack(Edit):
    """A worker that was lost is there again."""

    worker: str

    def on_values(self, world: World) -> World:
        workers = list(world.cluster.workers)
        column = world.column(self.worker)
        workers[column] = replace(workers[column], closed=self._closed(world))
        return replace(world, cluster=_cluster(world.cluster, workers))

    def on_arrays(self, flat: Flat, world: World) -> Flat:
        column = world.cluster.index[self.worker]
        return arrays.with_windows(flat, column, self._closed(world))

    def _closed(self, world: World) -> tuple[tuple[float, float], ...]:
        closed = world.cluster.workers[world.column(self.worker)].closed
        if all(until < FOREVER for _, until in closed):
            raise InvalidInput(f"The worker {self.worker!r} must be lost before it can be back.")
        known = ((since, min(until, world.now)) for since, until in closed if since < world.now)
        later = (
            (since, until) for since, until in closed if world.now <= since and until < FOREVER
        )
        return (*known, *later)

    def sentence(self) -> str:
        return f"{self.worker} is back"


@dataclass(frozen=True, kw_only=True)
class WorkerAdded(Edit):
    """A worker more, with what is believed of every task there (a forecast of it alone)."""

    changes_work = True

    worker: Worker
    forecast: Forecast

    def __post_init__(self) -> None:
        object.__setattr__(self, "forecast", self.forecast.by_task())

    def on_values(self, world: World) -> World:
        if self.worker.name in world.cluster.index:
            raise InvalidInput(f"There is a worker named {self.worker.name!r} already.")
        if self.forecast.workers != (self.worker.name,):
            raise InvalidInput(
                f"The forecast must be of {self.worker.name!r} alone, found one of "
                f"{', '.join(self.forecast.workers)}."
            )
        cluster = _cluster(world.cluster, [*world.cluster.workers, self.worker])
        return replace(
            world,
            cluster=cluster,
            believed=cache(lambda: arrays.beside(world.forecast, self.forecast, axis=1)),
        )

    def on_arrays(self, flat: Flat, world: World) -> Flat:
        tasks, aim, worker = world.tasks.values(), world.objective, self.worker
        skills = [task.skills for task in tasks]
        skilled = {each: each <= worker.skills for each in set(skills)}
        able = np.array([skilled[each] for each in skills]) & (flat.cores <= worker.cores)
        able &= open_to(aim.bars, tuple(tasks), (worker,))[:, 0]
        asked = np.array([task.memory for task in tasks], dtype=np.float64)  # NaN for None
        free = np.isnan(asked)
        usual = self.forecast.at("memory", 0.5)[:, 0]
        wanted = self.forecast.at("memory", aim.memory_quantile)[:, 0] * aim.memory_margin
        wanted = np.maximum(usual, wanted)
        if world.forecast.allocations is not None:
            wanted = world.forecast.allocations[..., 0].max(axis=1)
        whole = arrays.given_whole(flat, np.flatnonzero(free & able))
        if whole or aim.memory_chance is not None:
            return _from_values(flat, self.on_values(world).problem.flat)
        fits = able & (usual <= worker.memory)
        memory = np.where(fits, np.minimum(wanted, worker.memory), wanted)
        memory = np.ceil(np.where(free, memory, asked))
        seconds = self.forecast.at("duration", aim.duration_quantile)[:, 0]
        duration = np.where(able & (memory <= worker.memory), seconds, np.inf)
        rate = 1.0 / world.cluster.bandwidth
        return arrays.with_worker(flat, worker, duration, memory, rate, world.shelf)

    def sentence(self) -> str:
        return f"{self.worker.name} is added"


def _from_values(flat: Flat, whole: Flat) -> Flat:
    """The arrays of a problem put together anew, but for its order of tasks, which any may be."""
    return whole._replace(order=flat.order)


def _cluster(old: Cluster, workers: list[Worker]) -> Cluster:
    return Cluster(
        old.name, workers, bandwidth=old.bandwidth, latency=old.latency,
        links=old.links, pools=old.pools,
    )  # fmt: skip
