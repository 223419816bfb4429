"""What else can be done about a machine never seen, after some of its rows.

The pilot's MMoE with a median shift, with its machine embedding or all of it trained further, and
LightGBM fitted again with the rows.
"""

from dataclasses import dataclass

import numpy as np

from benchmarks.rivals.pilot import Pilot, trained
from benchmarks.rivals.pilot_work import MACHINE, Floats, Ints, Work, boosted
from learner.examples import Split

EPOCHS = 25
TUNING = {"all": (3e-4, 60, False), "embedding": (1e-2, 60, True)}  # rate, steps, machines only


@dataclass(frozen=True, eq=False)
class Rivals:
    """The rivals before they see a row of the machine held out."""

    work: Work
    split: Split
    targets: tuple[str, ...]
    seed: int
    net: Pilot

    @classmethod
    def learn(cls, work: Work, split: Split, targets: tuple[str, ...], *, seed: int) -> "Rivals":
        """Trains the network on the other machines; the one held out gets their mean embedding.

        It learns all targets of the work; what is told is of those given.
        """
        net = trained(work, split, sharing="mmoe", epochs=EPOCHS, seed=seed, ridge=False)
        net.meet(int(work.names[split.test[0], MACHINE]))
        return cls(work, split, targets, seed, net)

    def after(self, revealed: Ints) -> dict[str, Floats]:
        """What each rival says of all rows, n x targets, once these rows are known."""
        before = self.net.predict()
        told = {"shift": before + self._shift(before, revealed)}
        for name, (rate, steps, only) in TUNING.items():
            tuned = self.net
            if len(revealed):
                tuned = self.net.tuned(revealed, rate=rate, steps=steps, only_machines=only)
            told[f"tuned {name}"] = tuned.predict()
        places = [self.work.targets.index(name) for name in self.targets]
        told = {name: each[:, places] for name, each in told.items()}
        return told | {"boosted": self._boosted(revealed)}

    def _shift(self, before: Floats, revealed: Ints) -> Floats:
        if not len(revealed):
            return np.zeros(before.shape[1])
        left = self.work.truth[revealed] - before[revealed]
        return np.array([np.nanmedian(each) if (~np.isnan(each)).any() else 0.0 for each in left.T])

    def _boosted(self, revealed: Ints) -> Floats:
        train = np.concatenate([self.split.train, revealed])
        known = Split(train, self.split.validation, self.split.test)
        return boosted(self.work.only(self.targets), known, seed=self.seed, ridge=False)[0]
