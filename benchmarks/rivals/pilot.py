"""The pilot's networks: hard sharing, MMoE, CGC and single-target nets, as they were measured.

Rebuilt from the protocol, apart from the product's own networks, so that these can change.
"""

import math
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from time import process_time
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import smooth_l1_loss

from benchmarks.rivals.pilot_net import PilotNet
from benchmarks.rivals.pilot_work import Floats, Ints, Work, ridge_under, standardised
from learner.examples import Split

Sharing = Literal["hard", "mmoe", "cgc", "single"]
RATE, DECAY, BATCH, CLIP, FARTHEST = 3e-3, 1e-3, 256, 1.0, 8.0


@dataclass(frozen=True, eq=False)
class Piloted:
    """Predictions of all rows (n x targets, logarithms), and what they cost."""

    told: Floats
    parameters: int
    seconds: float


def pilot(
    work: Work, split: Split, *, sharing: Sharing, epochs: int, seed: int, ridge: bool
) -> Piloted:
    """Trains the pilot's network on the training rows and predicts every row.

    `ridge` lets it learn what a ridge per kind leaves over. `single` trains one network for each
    target.
    """
    if sharing == "single":
        alone = [
            trained(work.only([name]), split, sharing="hard", epochs=epochs, seed=seed, ridge=ridge)
            for name in work.targets
        ]
        told = np.hstack([each.predict() for each in alone])
        parts = sum(each.parameters for each in alone), sum(each.seconds for each in alone)
        return Piloted(told, *parts)
    made = trained(work, split, sharing=sharing, epochs=epochs, seed=seed, ridge=ridge)
    return Piloted(made.predict(), made.parameters, made.seconds)


@dataclass(eq=False)
class Pilot:
    """A trained network with its rows, all of them as it reads them.

    Shape: goal: n x targets, standardised; under, centre and scale turn it into logarithms.
    """

    net: PilotNet
    names: Tensor
    numbers: Tensor
    goal: Tensor
    under: Floats
    centre: Floats
    scale: Floats
    seconds: float

    @property
    def parameters(self) -> int:
        """How many weights there are."""
        return sum(each.numel() for each in self.net.parameters())

    def predict(self) -> Floats:
        """Logarithms of all rows: n x targets."""
        self.net.eval()
        with torch.inference_mode():
            said = self.net(self.names, self.numbers).double().numpy()
        return np.asarray(self.under + self.centre + self.scale * said)

    def tuned(self, rows: Ints, *, rate: float, steps: int, only_machines: bool) -> "Pilot":
        """A copy trained further on some rows, all weights or the machines' embedding only."""
        net = deepcopy(self.net)
        learning = [net.machines] if only_machines else list(net.parameters())
        optimiser = torch.optim.AdamW(learning, lr=rate, weight_decay=DECAY)
        net.train()
        for _ in range(steps):
            _step(net, self.names[rows], self.numbers[rows], self.goal[rows], optimiser)
        return replace(self, net=net)

    def meet(self, machine: int) -> None:
        """Gives a machine never seen the mean of the others' embeddings."""
        weight = self.net.machines
        others = [place for place in range(len(weight)) if place != machine]
        with torch.no_grad():
            weight[machine] = weight[others].mean(0)


def trained(
    work: Work, split: Split, *, sharing: Sharing, epochs: int, seed: int, ridge: bool
) -> Pilot:
    """One network over all targets of the work."""
    began = process_time()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        made = _prepared(work, split, sharing, ridge)
        _learn(made, split, epochs)
    made.seconds = process_time() - began
    return made


def _prepared(work: Work, split: Split, sharing: Sharing, ridge: bool) -> Pilot:
    train = split.train
    under = ridge_under(work, train) if ridge else np.zeros_like(work.truth)
    rest = work.truth - under
    centre = np.zeros(rest.shape[1]) if ridge else np.nanmean(rest[train], axis=0)
    scale = np.maximum(np.nanstd(rest[train], axis=0), 1e-6)
    goal = (rest - centre) / scale
    if ridge:
        goal = np.clip(goal, -FARTHEST, FARTHEST)
    numbers = standardised(work.numbers, train)
    net = PilotNet(work.counts, numbers.shape[1], rest.shape[1], sharing)
    names, read, wanted = (torch.from_numpy(each) for each in (work.names, numbers, goal))
    return Pilot(net, names, read.float(), wanted.float(), under, centre, scale, 0.0)


def _learn(made: Pilot, split: Split, epochs: int) -> None:
    """AdamW, one cycle; keeps the best validation epoch of the last two thirds."""
    net, train, checked = (
        made.net,
        torch.from_numpy(split.train),
        torch.from_numpy(split.validation),
    )
    optimiser = torch.optim.AdamW(net.parameters(), lr=RATE, weight_decay=DECAY)
    steps = epochs * math.ceil(len(train) / BATCH)
    cycle = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=steps + 1)
    best: tuple[float, Mapping[str, Tensor]] = (math.inf, {})
    for epoch in range(epochs):
        net.train()
        for rows in torch.split(train[torch.randperm(len(train))], BATCH):
            _step(net, made.names[rows], made.numbers[rows], made.goal[rows], optimiser)
            cycle.step()
        if epoch >= epochs // 3:
            net.eval()
            with torch.no_grad():
                said = net(made.names[checked], made.numbers[checked])
            loss = float(_loss(said, made.goal[checked]))
            if loss < best[0]:
                best = loss, deepcopy(net.state_dict())
    net.load_state_dict(best[1])


def _step(
    net: nn.Module, names: Tensor, numbers: Tensor, goal: Tensor, optimiser: torch.optim.Optimizer
) -> None:
    optimiser.zero_grad()
    _loss(net(names, numbers), goal).backward()  # type: ignore[no-untyped-call]
    nn.utils.clip_grad_norm_(net.parameters(), CLIP)
    optimiser.step()


def _loss(said: Tensor, goal: Tensor) -> Tensor:
    """The sum over targets of the mean smooth L1 of what was observed."""
    seen = ~goal.isnan()
    cost = smooth_l1_loss(said, goal.nan_to_num(), reduction="none") * seen
    return (cost.sum(0) / seen.sum(0).clamp_min(1)).sum()
