import numpy as np
import pytest
import torch
from numpy.random import default_rng

from learner.networks.base import Shape
from learner.policy_network import PolicyNetwork, PolicyNetworkSettings

SMALL = Shape(experts=2, width=16, dropout=0.0)


def world(n: int, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Of three workers the first is best below zero, the second above."""
    x = default_rng(seed).normal(size=(n, 3))
    return x, np.column_stack([x[:, 0], -x[:, 0], np.ones(n)])


def fitted(sharing: str, *, seed: int = 0, epochs: int = 20) -> PolicyNetwork:
    settings = PolicyNetworkSettings(sharing=sharing, shape=SMALL, epochs=epochs)
    return PolicyNetwork.fit(*world(300), settings, seed=seed)


@pytest.mark.parametrize("sharing", ["mmoe", "hard", "separate", "cgc"])
def test_a_network_finds_the_best_worker_whatever_workers_share(sharing: str) -> None:
    x, cost = world(200, seed=1)
    assert (fitted(sharing).costs(x).argmin(1) == cost.argmin(1)).mean() > 0.9


def test_one_seed_gives_one_network_and_leaves_the_callers_chance_alone() -> None:
    torch.manual_seed(9)
    before = torch.get_rng_state()
    x, _ = world(10)
    one, two, other = (fitted("mmoe", seed=seed, epochs=2).costs(x) for seed in (1, 1, 2))
    assert (one == two).all()
    assert (one != other).any()
    assert torch.equal(before, torch.get_rng_state())


def test_rows_held_back_choose_the_epoch() -> None:
    """Costs that are noise: the best epoch says little, and the last one has learned the noise."""
    rng = default_rng(3)
    x, cost, new = rng.normal(size=(60, 20)), rng.normal(size=(60, 3)), rng.normal(size=(500, 20))
    settings = PolicyNetworkSettings(shape=Shape(dropout=0.0), epochs=60, rate=1e-2)
    told = PolicyNetwork.fit(x, cost, settings, seed=0)
    assert told.costs(new).std() < 0.5
    assert ((told.costs(x) - cost) ** 2).mean() > 0.3
