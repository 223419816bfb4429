"""What happens to attempts: they begin, end, fail, or are believed to end otherwise."""

from dataclasses import dataclass, replace

from scheduler.errors import InvalidInput
from scheduler.planning import array_edits as arrays
from scheduler.planning.flat import Flat
from scheduler.planning.schedule import Placement
from scheduler.planning.world import Edit, World


@dataclass(frozen=True, kw_only=True)
class Began(Edit):
    """An attempt has begun as placed here; its end is what is believed now."""

    placement: Placement

    def on_values(self, world: World) -> World:
        task = self.placement.task
        world.row(task)
        world.column(self.placement.worker)
        if task in world.fixed:
            raise InvalidInput(f"Task {task!r} must not begin twice; say first that it failed.")
        return world.with_fixed(task, self.placement, runs=True)

    def on_arrays(self, flat: Flat, world: World) -> Flat:
        row = world.index[self.placement.task]
        return arrays.with_fixed(flat, row, self.placement, world.cluster)

    def sentence(self) -> str:
        return f"{self.placement.task} began on {self.placement.worker}"


@dataclass(frozen=True, kw_only=True)
class Reopened(Edit):
    """A task that was over, because it was given up, is to be done after all."""

    task: str

    def on_values(self, world: World) -> World:
        world.row(self.task)
        if self.task not in world.fixed or self.task in world.running:
            raise InvalidInput(f"Task {self.task!r} is not over, so it cannot be opened again.")
        return world.with_fixed(self.task, None, runs=False)

    def on_arrays(self, flat: Flat, world: World) -> Flat:
        return arrays.with_fixed(flat, world.index[self.task], None, world.cluster)

    def sentence(self) -> str:
        return f"{self.task} is tried again"


@dataclass(frozen=True, kw_only=True)
class OfRunning(Edit):
    """What happens to an attempt that runs."""

    task: str

    def _placed(self, world: World) -> Placement:
        world.row(self.task)
        if self.task not in world.running:
            raise InvalidInput(f"Task {self.task!r} does not run; say first that it began.")
        return world.fixed[self.task]


@dataclass(frozen=True, kw_only=True)
class Ended(OfRunning):
    """The attempt that ran has succeeded, `at` this moment."""

    def on_values(self, world: World) -> World:
        ended = replace(self._placed(world), end=self.at)
        return world.with_fixed(self.task, ended, runs=False)

    def on_arrays(self, flat: Flat, world: World) -> Flat:
        row = world.index[self.task]
        return flat._replace(fixed_end=arrays.set_at(flat.fixed_end, row, self.at))

    def sentence(self) -> str:
        return f"{self.task} ended at {self.at:.6g} s"


@dataclass(frozen=True, kw_only=True)
class Expected(OfRunning):
    """The attempt that runs is now believed to end at `end` (seconds)."""

    end: float

    def on_values(self, world: World) -> World:
        later = replace(self._placed(world), end=self.end)
        return world.with_fixed(self.task, later, runs=True)

    def on_arrays(self, flat: Flat, world: World) -> Flat:
        row = world.index[self.task]
        return flat._replace(fixed_end=arrays.set_at(flat.fixed_end, row, self.end))

    def sentence(self) -> str:
        return f"{self.task} is now believed to end at {self.end:.6g} s"


@dataclass(frozen=True, kw_only=True)
class Failed(OfRunning):
    """The attempt that ran has failed: the task is free again."""

    def on_values(self, world: World) -> World:
        self._placed(world)
        return world.with_fixed(self.task, None, runs=False)

    def on_arrays(self, flat: Flat, world: World) -> Flat:
        return arrays.with_fixed(flat, world.index[self.task], None, world.cluster)

    def sentence(self) -> str:
        return f"{self.task} failed at {self.at:.6g} s"
