"""An evolution strategy: the direct way to a few good numbers where there is no gradient."""

from collections.abc import Callable

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class Evolution:
    """CMA-ES with a diagonal covariance, in mirrored pairs, and a step that never gets too small.

    Ros and Hansen, "A simple modification in CMA-ES achieving linear time and space complexity"
    (2008). The least step keeps it going where each generation is judged on other problems.
    """

    def __init__(
        self, rng: Generator, mean: Floats, *, step: float, least: float, population: int
    ) -> None:
        n, parents = mean.size, population // 2
        raw = np.log(parents + 0.5) - np.log(np.arange(1, parents + 1))
        self.rng, self.mean, self.step, self.least = rng, mean.copy(), step, least
        self.population, self.share = population, raw / raw.sum()
        mass = 1.0 / float((self.share**2).sum())
        self.path_rate = (mass + 2) / (n + mass + 5)
        self.damping = 1 + 2 * max(0.0, float(np.sqrt((mass - 1) / (n + 1))) - 1) + self.path_rate
        self.rank_one_rate = (4 + mass / n) / (n + 4 + 2 * mass / n)
        faster = (n + 2) / 3  # a diagonal is learned faster than a matrix
        self.one = 2 / ((n + 1.3) ** 2 + mass) * faster
        self.many = min(1 - self.one, 2 * (mass - 2 + 1 / mass) / ((n + 2) ** 2 + mass) * faster)
        self.mass, self.usual = mass, float(np.sqrt(n) * (1 - 1 / (4 * n) + 1 / (21 * n * n)))
        self.variance, self.path, self.drift = np.ones(n), np.zeros(n), np.zeros(n)
        self.generation = 0

    def ask(self) -> Floats:
        """The next candidates, population x n."""
        drawn = self.rng.normal(size=(self.population // 2, self.mean.size))
        away = np.concatenate([drawn, -drawn]) * np.sqrt(self.variance)
        candidates: Floats = self.mean + self.step * away
        return candidates

    def tell(self, candidates: Floats, loss: Floats) -> None:
        """Learns from the loss of each candidate."""
        self.generation += 1
        chosen = candidates[np.argsort(loss, kind="stable")[: self.share.size]]
        steps = (chosen - self.mean) / self.step
        moved = self.share @ steps
        self.mean = self.mean + self.step * moved
        rate = self.path_rate
        self.path = (1 - rate) * self.path + np.sqrt(rate * (2 - rate) * self.mass) * (
            moved / np.sqrt(self.variance)
        )
        length = float(np.linalg.norm(self.path))
        settled = length / np.sqrt(1 - (1 - rate) ** (2 * self.generation))
        steady = settled < (1.4 + 2 / (self.mean.size + 1)) * self.usual
        rate = self.rank_one_rate
        self.drift = (1 - rate) * self.drift + steady * np.sqrt(
            rate * (2 - rate) * self.mass
        ) * moved
        self.variance = (
            (1 - self.one - self.many) * self.variance
            + self.one * self.drift**2
            + self.many * (self.share @ steps**2)
        )
        grown = self.step * np.exp(self.path_rate / self.damping * (length / self.usual - 1))
        self.step = max(self.least, float(grown))


def evolved(
    evolution: Evolution,
    loss: Callable[[Floats, int], float],
    *,
    generations: int,
) -> Floats:
    """The mean of the means of the last third of so many generations.

    Averaging takes out the noise of generations that are judged on other problems: `loss` of a
    candidate may differ by generation (Polyak and Juditsky, "Acceleration of stochastic
    approximation by averaging", 1992).
    """
    last = []
    for generation in range(generations):
        candidates = evolution.ask()
        found = [loss(each, generation) for each in candidates]
        evolution.tell(candidates, np.array(found))
        if 3 * generation >= 2 * generations - 2:
            last.append(evolution.mean)
    average: Floats = np.mean(last, axis=0)
    return average
