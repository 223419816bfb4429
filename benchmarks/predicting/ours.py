"""The product's own learning on given rows, as the benchmarks call it: defaults, one process."""

from collections.abc import Sequence
from dataclasses import dataclass
from time import process_time

import numpy as np
from numpy.typing import NDArray

from learner.arms.network import NetworkArm
from learner.examples import Examples, Split
from learner.offsets import Offsets
from learner.targets.quantities import MIDDLE
from learner.training.lesson import measured_along, with_along
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
    """Offsets and one network, fitted on the training rows; the validation rows stop it.

    What logs measure beside (`auxiliary`) is told too.
    """
    began = process_time()
    examples = Examples.of(records, split=split)
    offsets = Offsets.fit(examples)
    arm = NetworkArm.fit(examples, offsets, settings)
    seconds = process_time() - began
    along = measured_along(examples) if settings.auxiliary else {}
    ridges = with_along(offsets, examples, along).ridges
    under = {name: ridge.at(examples.inputs) for name, ridge in ridges.items()}
    said = arm.raw(examples.inputs, list(ridges))
    return Ours(
        network={n: under[n] + said[n][:, MIDDLE] * ridges[n].scale for n in ridges},
        offset=under,
        parameters=sum(each.numel() for each in arm.network.parameters()),
        seconds=seconds,
    )
