"""Offsets of all pairs at once are those of the rows, whatever each quantity was observed of."""

import numpy as np

from learner.features import Columns, Inputs, Number
from learner.offsets.pairs import offset_pairs
from learner.offsets.ridge import Ridge, fit_ridge
from learner.targets import targets
from learner.targets.quantities import Quantity

COLUMNS = Columns(("", "a", "b"), ("", "w"), ("",), (Number("size", 3.0, 1.0),))
SIZES = np.tile(np.linspace(-2, 2, 100), 2)


def rows(kind: list[int], sizes: np.ndarray) -> Inputs:
    ones, none = np.ones(len(sizes), dtype=np.int64), np.zeros(len(sizes), dtype=np.int64)
    return Inputs(np.array(kind), ones, none, sizes[:, None], np.zeros((len(sizes), 1)))


def ridge(name: str, truth: np.ndarray) -> Ridge:
    target = targets()[name]
    assert isinstance(target, Quantity)
    return fit_ridge(rows([1] * 100 + [2] * 100, SIZES), truth, target, COLUMNS)[0]


def test_quantities_seen_in_other_ranges_share_no_bells_of_another_kind() -> None:
    """Duration ends early for one kind, memory for the other; both tasks have the same size."""
    small, first = SIZES <= 0, np.arange(200) < 100
    bent = np.sin(3 * SIZES)
    ridges = {
        "duration": ridge("duration", np.where(first | small, bent, np.nan)),
        "memory": ridge("memory", np.where(~first | small, bent, np.nan)),
    }
    tasks = rows([1, 2], np.array([1.0, 1.0]))
    told = offset_pairs(ridges, tasks, np.array([1]))
    for name, each in ridges.items():
        np.testing.assert_allclose(told[name][:, 0], each.at(tasks), atol=1e-9)
