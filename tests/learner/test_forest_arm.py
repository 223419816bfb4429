"""A forest finds where a worker fails, and so becomes dear, from sizes together."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
from logged_worlds import MORNING, SMALL, attempt, compared_logs
from numpy.random import default_rng

from learner.arms.base import Arm
from learner.arms.forest import FEWEST, ForestArm
from learner.arms.offset import OffsetArm
from learner.calibration import Calibration
from learner.examples import Examples
from learner.features import Inputs
from learner.learned import Learned
from learner.metrics import evaluate
from learner.networks.network import Network, Plan
from learner.offsets import Offsets
from learner.targets import targets
from learner.targets.quantities import MIDDLE
from scheduler.records import Outcome, TaskRecord


def traded(works: int) -> list[TaskRecord]:
    """Beta is twice as fast as alpha, and runs out of memory where there are more rows."""
    rng = default_rng(0)
    records = []
    for i in range(works):
        rows, columns = np.exp(rng.normal(12, 2, 2))
        for j, worker in enumerate(("alpha", "beta")):
            plain = attempt(2 * i + j, "sort", worker, 3.0, rng=rng, task=f"task-{i}-{worker}")
            bad = worker == "beta" and rows > columns
            records.append(
                replace(
                    plain,
                    sizes={"rows": float(rows), "columns": float(columns)},
                    outcome=Outcome.OUT_OF_MEMORY if bad else Outcome.SUCCEEDED,
                    duration=(10.0 if worker == "alpha" else 5.0) * np.exp(rng.normal(0, 0.05)),
                    started=None,
                    ended=MORNING + timedelta(minutes=2 * i + j),
                    measured={},
                )
            )
    return records


def regret(arm: Arm, examples: Examples) -> float:
    network = Network(Plan.over(examples.columns, SMALL.sharing, SMALL.shape))
    by_target = dict.fromkeys(targets(), arm)
    offsets = Offsets.fit(examples)
    alone = Learned(network, examples.columns, offsets, Calibration.none(), by_target)
    found = evaluate(alone, examples)["assignment"]["regret"]
    assert found is not None
    return found


def test_a_forest_finds_that_a_ratio_of_sizes_tells_where_a_worker_fails() -> None:
    examples = Examples.of(traded(400))
    offsets = Offsets.fit(examples)
    plain = regret(OffsetArm.fit(examples, offsets), examples)
    assert regret(ForestArm.fit(examples, offsets), examples) < 0.25 * plain


def test_of_all_else_it_says_what_the_offset_does() -> None:
    examples = Examples.of(compared_logs(60))
    arm = ForestArm.fit(examples, Offsets.fit(examples))
    said = arm.raw(examples.inputs, ["duration", "memory", "failure"])
    assert (said["duration"][:, MIDDLE] == 0).all()
    assert (said["memory"][:, MIDDLE] == 0).all()
    assert (said["failure"] == 0).all()


def test_without_choices_it_is_the_offset() -> None:
    examples = Examples.of(compared_logs(FEWEST // 2))
    offsets = Offsets.fit(examples)
    arm = ForestArm.fit(examples, offsets)
    assert (arm.raw(examples.inputs, ["assignment"])["assignment"] == 0).all()
    again = ForestArm.from_arrays(arm.as_arrays())
    assert again.forest is None


def test_of_a_worker_that_no_log_knows_it_says_nothing() -> None:
    examples = Examples.of(traded(60))
    arm = ForestArm.fit(examples, Offsets.fit(examples))
    nobody = examples.inputs.on(np.zeros(len(examples), dtype=np.int64))
    assert (arm.raw(nobody, ["assignment"])["assignment"] == 0).all()


def test_it_is_the_same_when_read_from_its_arrays() -> None:
    examples = Examples.of(traded(60))
    arm = ForestArm.fit(examples, Offsets.fit(examples))
    one, two = (
        each.raw(examples.inputs, ["assignment"])["assignment"]
        for each in (arm, ForestArm.from_arrays(arm.as_arrays()))
    )
    assert np.abs(one).max() > 0.5
    np.testing.assert_array_equal(one, two)


def test_all_pairs_are_told_as_their_rows_and_the_forest_is_asked_once_for_each_task() -> None:
    examples = Examples.of(traded(60))
    arm = ForestArm.fit(examples, Offsets.fit(examples))
    assert arm.forest is not None
    asked: list[int] = []

    class Counted(ForestArm):
        def _scores(self, inputs: Inputs) -> np.ndarray:
            asked.append(len(inputs))
            return super()._scores(inputs)

    counted = Counted(arm.kinds, arm.workers, arm.encoding, arm.forest)
    tasks, workers = examples.inputs.take(np.arange(7)), np.array([2, 0, 1, 2])
    told = counted.pairs(tasks, workers, ["assignment"])["assignment"]
    assert asked == [7]
    rows = tasks.take(np.repeat(np.arange(7), 4)).on(np.tile(workers, 7))
    alone = arm.raw(rows, ["assignment"])["assignment"]
    np.testing.assert_array_equal(told.reshape(-1, 1), alone)
    assert np.ptp(told) > 0
