"""A synthetic world as the simulator's truth."""

from dataclasses import dataclass

import numpy as np

from scheduler.execution.events import Start
from scheduler.execution.executors.simulator import Draw, Truth
from scheduler.planning.problem import Problem
from scheduler.workloads.synthetic import World


@dataclass(frozen=True)
class AsWorld(Truth):
    """Attempts need what the world says, times a log-normal factor of spread `noise`."""

    world: World
    noise: float = 0.0

    def draw(self, problem: Problem, start: Start, rng: np.random.Generator) -> Draw:  # noqa: ARG002
        """What the attempt needs in this world."""
        where = (start.task, start.worker)
        return Draw(
            duration=self.world.true_duration(*where) * float(np.exp(self.noise * rng.normal())),
            memory=self.world.true_memory(*where),
            cpu=self.world.true_cpu(*where),
            fails=bool(rng.uniform() < self.world.failure_probability(*where)),
        )
