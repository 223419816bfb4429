"""A training that waits where an epoch has been kept, until it is let go on, or lost."""

import time
from pathlib import Path

from learner.training.checkpoints import Checkpoints, State

EPOCH = 5  # after which it waits
HERE, GO = "here", "go"


class Waiting(Checkpoints):
    """Checkpoints that say that they have come to the epoch, and wait there.

    So what is to happen on the way of a training does, however long it takes to make it happen.
    """

    def save(self, state: State, *, epoch: int) -> None:
        """Keeps the state; after EPOCH epochs it returns once it may go on."""
        super().save(state, epoch=epoch)
        if epoch == EPOCH:
            (self.folder.parent / HERE).touch()
            while not (self.folder.parent / GO).exists():
                time.sleep(0.02)


def waits(folder: Path) -> bool:
    """Whether a training of a store in this folder has come to where it waits."""
    return any(folder.glob(f"*-models/trainings/{HERE}"))


def go_on(folder: Path) -> None:
    """Lets it go on, and those that come after it."""
    for here in folder.glob(f"*-models/trainings/{HERE}"):
        here.with_name(GO).touch()
