"""A network on its way at one site: it learns from the site's own rows, a round at a time."""

import numpy as np
import torch
from numpy.typing import NDArray

from learner.examples import Examples
from learner.federation.messages import Arrays
from learner.networks.network import Network, Plan
from learner.offsets import Offsets
from learner.targets import target_named
from learner.training.lesson import Batch, lessons_of
from learner.training.losses import losses
from learner.training.settings import TrainingSettings

RISE = 0.2  # the share of rounds in which the rate rises
Weights = dict[str, NDArray[np.float32]]


class Course:
    """The site's network, its optimiser (which stays here) and its lessons."""

    def __init__(
        self, examples: Examples, offsets: Offsets, settings: TrainingSettings, *, rounds: int
    ) -> None:
        self.examples, self.offsets = examples, offsets
        self.settings, self.rounds = settings, rounds
        self.lessons = lessons_of(examples, offsets, seed=settings.seed)
        self.network = Network(Plan.over(examples.columns, settings.sharing, settings.shape))
        self.optimiser = torch.optim.AdamW(
            self.network.parameters(), lr=settings.rate, weight_decay=settings.decay
        )

    def learned(self, weights: Arrays, number: int) -> Weights:
        """The weights after one pass over the site's rows."""
        self.take(weights)
        seed, lesson = self.settings.seed * 1_000_003 + number, self.lessons["train"]
        torch.manual_seed(seed)
        self.network.train()
        for group in self.optimiser.param_groups:
            group["lr"] = self.settings.rate * pace((number + 0.5) / self.rounds)
        size = self.settings.batch_of(len(lesson))
        for batch in lesson.batches(size, seed=seed, forget=self.settings.forget):
            self._step(batch)
        return {name: each.numpy().copy() for name, each in self.network.state_dict().items()}

    def checked(self, weights: Arrays) -> dict[str, list[float]]:
        """By target, the sum of the losses on the rows that are checked with, and their weight."""
        self.take(weights)
        self.network.eval()
        whole = self.lessons["validation"].whole()
        with torch.no_grad():
            found = losses(self.network, whole)
        known = {name: whole.counts[name] for name in found if not target_named(name).auxiliary}
        return {name: [float(found[name]) * count, count] for name, count in known.items()}

    def take(self, weights: Arrays) -> None:
        """Goes on from these weights."""
        tensors = {name: torch.from_numpy(np.array(each)) for name, each in weights.items()}
        self.network.load_state_dict(tensors)

    def _step(self, batch: Batch) -> None:
        total = torch.stack(list(losses(self.network, batch).values())).sum()
        total = total + self.network.penalty(batch.rows)
        self.optimiser.zero_grad()
        total.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.settings.clip)
        self.optimiser.step()


def pace(progress: float) -> float:
    """The share of the rate: it rises, and falls like a cosine."""
    if progress < RISE:
        return progress / RISE
    return float((1 + np.cos(np.pi * (progress - RISE) / (1 - RISE))) / 2)
