from itertools import product

import numpy as np
import pytest

from benchmarks.assigning.lists import Batches, told


def batches(times, machines):
    times = np.array(times, dtype=float)
    return Batches(times, [np.arange(len(times))], np.arange(machines))


def test_true_times_are_as_good_as_the_oracle() -> None:
    times = np.random.default_rng(0).lognormal(size=(30, 3))
    assert batches(times, 3).regret(times).tolist() == [1.0]


def test_equal_predictions_deal_tasks_out_in_turn() -> None:
    """Four tasks on two machines that are told to be equal: each gets two, whatever they take."""
    times = [[1, 9], [1, 9], [1, 9], [1, 9]]
    assert batches(times, 2).regret(np.ones((4, 2)))[0] == pytest.approx(18 / 4)


def test_the_list_never_beats_the_best_of_all_placements() -> None:
    times = np.random.default_rng(1).lognormal(size=(6, 2))
    best = min(
        max(sum(times[i, m] for i in range(6) if where[i] == m) for m in range(2))
        for where in product(range(2), repeat=6)
    )
    one = batches(times, 2)
    wrong = np.random.default_rng(2).lognormal(size=(6, 2))
    assert one.regret(wrong)[0] * one.makespan(times, times) >= best - 1e-12


def test_the_ninth_decile_is_told_beside_the_mean() -> None:
    assert told(np.arange(11.0)) == {"mean": 5.0, "p90": 9.0}
