"""The product's own learning on given rows, as the benchmarks call it: defaults, one process."""

from collections.abc import Sequence
from dataclasses import dataclass
from time import process_time

import numpy as np
from numpy.typing import NDArray

from learner.arms.network import NetworkArm
from learner.arms.offset import OffsetArm
from learner.calibration import Calibration
from learner.examples import Examples, Split
from learner.learned import Learned
from learner.offsets import Offsets
from learner.targets.quantities import MIDDLE
from learner.training.settings import TrainingSettings
from scheduler.records import TaskRecord

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Ours:
    """Medians of all rows by quantity, logarithms; weights of the network, CPU seconds in all."""

    network: dict[str, Floats]
    offset: dict[str, Floats]
    parameters: int
    seconds: float


def learned(records: Sequence[TaskRecord], split: Split, settings: TrainingSettings) -> Ours:
    """Offsets and one network, fitted on the training rows; the validation rows stop it."""
    began = process_time()
    examples = Examples.of(records, split=split)
    offsets = Offsets.fit(examples)
    network = NetworkArm.fit(examples, offsets, settings).network
    seconds = process_time() - began
    made = Learned(network, examples.columns, offsets, Calibration.none())
    alone = OffsetArm.fit(examples, offsets)
    by_itself = Learned(
        network, made.columns, offsets, made.calibration, dict.fromkeys(made.serves, alone)
    )
    return Ours(
        network=_medians(made, examples),
        offset=_medians(by_itself, examples),
        parameters=sum(each.numel() for each in network.parameters()),
        seconds=seconds,
    )


def _medians(made: Learned, examples: Examples) -> dict[str, Floats]:
    return {n: each[:, MIDDLE] for n, each in made.quantities(examples.inputs).items()}
