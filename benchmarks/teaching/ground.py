"""What methods are compared on: the same rows, the same offsets, one network at a time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.public import lotaru
from learner.arms.network import NetworkArm
from learner.calibration import Calibration
from learner.examples import Examples, Split
from learner.learned import Learned
from learner.metrics import Naive, evaluate
from learner.offsets import Offsets
from learner.offsets.level import levels
from learner.training.fit import Fitted, fit
from learner.training.settings import TrainingSettings
from scheduler.errors import NotFound
from scheduler.records import TaskRecord

Ints = NDArray[np.int64]
Errors = Mapping[str, float]
UNDER = {True: "on offsets", False: "without offsets"}


@dataclass(frozen=True, eq=False)
class Ground:
    """Examples and what lies under the networks that learn them."""

    examples: Examples
    offsets: Offsets
    naive: Naive

    @classmethod
    def of(cls, records: Sequence[TaskRecord], split: Split, *, under: bool) -> "Ground":
        """With the product's offsets `under` the network, or with plain levels."""
        examples = Examples.of(records, split=split)
        offsets = Offsets.fit(examples)
        chosen = offsets if under else levels(examples, offsets)
        return cls(examples, chosen, Naive.of(examples))

    def fitted(
        self, settings: TrainingSettings, champion: Learned | None = None
    ) -> tuple[Learned, int]:
        """A network of these settings, as it would forecast alone and not calibrated; and how many
        epochs were run for it."""
        ran: list[int] = []

        def learn(*given: Any) -> Fitted:
            found = fit(*given)
            ran.append(len(found.losses))
            return found

        examples, offsets = self.examples, self.offsets
        arm = NetworkArm.fit(examples, offsets, settings, learn=learn, champion=champion)
        learned = Learned(arm.network, examples.columns, offsets, Calibration.none())
        return learned, ran[0]

    def errors(self, learned: Learned, rows: Ints | None = None) -> dict[str, float]:
        """By target: pinball loss, Brier score, and seconds that the chosen workers cost.

        Targets of which no row tells anything are left out, and failures where there is none.
        """
        scores = evaluate(learned, self.examples, rows, naive=self.naive)
        found = {}
        for name, each in scores.items():
            error = each.get("pinball", each["error"])
            if error is not None and each.get("failures") != 0:
                found[name] = error + (each.get("best_cost") or 0.0)
        return found


@dataclass(frozen=True, eq=False)
class Ledger:
    """Errors by arm, one entry a seed."""

    noted: dict[str, list[Errors]] = field(default_factory=dict)

    def note(self, arm: str, errors: Errors) -> None:
        """Adds what one fit was off."""
        self.noted.setdefault(arm, []).append(errors)

    def mean(self, arm: str) -> dict[str, float]:
        """By target, over seeds."""
        first = self.noted[arm][0]
        return {n: float(np.mean([each[n] for each in self.noted[arm]])) for n in first}

    def share(self, arm: str, of: str) -> dict[str, float]:
        """The mean error of one arm as a share of another's, by target."""
        mine, theirs = self.mean(arm), self.mean(of)
        return {name: mine[name] / theirs[name] for name in mine}

    def told(self, prefix: str) -> dict[str, dict[str, float]]:
        """What the results page tells."""
        return {
            f"{prefix}: {arm}": {n: round(e, 4) for n, e in self.mean(arm).items()}
            for arm in self.noted
        }


def mean(shares: Mapping[str, float]) -> float:
    """Over targets, each counting alike."""
    return float(np.mean(list(shares.values())))


def lotaru_rows(data: Path | None, part: str) -> list[lotaru.Row]:
    """All of Lotaru; raises NotFound without data."""
    if data is None:
        raise NotFound(f"The part {part} of the methods reads public logs; give --data DIR.")
    return lotaru.read(data)


def seeds(quick: bool) -> range:
    """One when quick, else five."""
    return range(1 if quick else 5)
