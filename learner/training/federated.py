"""Federated averaging: sites that may not share their logs learn one network together.

McMahan and others 2017, algorithm 1: in each round every site learns from its own records, and what
goes around are weights, averaged by how many attempts each site learned from. Before that the sites
agree on names, and tell each other what they would forecast. No record leaves its site.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from learner.features import Columns
from learner.federation.messages import Arrays, Plain, packed, unpacked
from learner.federation.names import agreed
from learner.federation.site import Site
from learner.networks.network import Network, Plan
from learner.training.settings import TrainingSettings
from scheduler.errors import AllotError, InvalidInput

WARM = 1 / 3  # the share of rounds before which none can be the best
NAMES = {"names.kind": "kind", "names.workflow": "workflow", "skills": "worker"}
Floats = NDArray[np.float64]
Ask = Callable[[Sequence[bytes]], Sequence[bytes]]
Told = list[tuple[dict[str, Any], dict[str, NDArray[Any]]]]


@dataclass(frozen=True, eq=False)
class Federated:
    """What a federation learned. Offsets and corrections are each site's own.

    `checked` is the validation loss of all sites after each round, `best` the round of the weights,
    `told` what each site said when it was over.
    """

    columns: Columns
    network: Network
    checked: tuple[float, ...] = field(repr=False)
    best: int = 0
    told: tuple[Plain, ...] = ()


def here(sites: Sequence[Site]) -> Ask:
    """Sites of this process, one after the other."""
    return lambda messages: [s.answer(each) for s, each in zip(sites, messages, strict=True)]


def federated(
    ask: Ask,
    sites: int,
    settings: TrainingSettings | None = None,
    *,
    watch: Callable[[int, float], None] = lambda *_: None,
) -> Federated:
    """One network that learned from all sites, in as many rounds as the settings have epochs.

    `ask` takes one message for each site and gives back their answers. `watch` hears of each round
    with its validation loss. Raises InvalidInput without a site, AllotError where losses stop being
    numbers.
    """
    settings = settings or TrainingSettings()
    if sites < 1:
        raise InvalidInput("A federation needs at least one site, found none.")
    everybody = _Everybody(ask, sites)
    columns = agreed([plain for plain, _ in everybody.asked("names")])
    said = everybody.asked("offsets", columns=columns.as_plain())
    shares = _Shares.of(everybody.begun([arrays for _, arrays in said], settings))
    network = _fresh(Plan.over(columns, settings.sharing, settings.shape), settings.seed)
    weights: Arrays = {name: each.numpy() for name, each in network.state_dict().items()}
    best, kept, checked = 0, weights, list[float]()
    for number in range(settings.epochs):
        told = everybody.asked("learn", weights, round=number)
        weights = shares.averaged([arrays for _, arrays in told])
        checked.append(_mean_loss([plain for plain, _ in everybody.asked("check", weights)]))
        if not np.isfinite(checked[-1]):
            raise AllotError(f"The federation diverged in round {number}; try a smaller rate.")
        watch(number, checked[-1])
        if number < settings.epochs * WARM or checked[-1] < checked[best]:
            best, kept = number, weights
        elif number - best >= settings.patience:
            break
    ended = tuple(plain for plain, _ in everybody.asked("end", kept))
    network.load_state_dict({name: torch.from_numpy(each.copy()) for name, each in kept.items()})
    return Federated(columns, network.eval(), tuple(checked), best, ended)


@dataclass(frozen=True)
class _Everybody:
    """All sites, asked together."""

    ask: Ask
    count: int

    def asked(self, question: str, arrays: Arrays | None = None, **plain: Any) -> Told:
        """The same question to each, and their answers."""
        message = packed({"ask": question, **plain}, arrays)
        return [unpacked(answer) for answer in self.ask([message] * self.count)]

    def begun(self, said: Sequence[Arrays], settings: TrainingSettings) -> Told:
        """Each hears what the others said, under their places among the others."""
        plain = {"ask": "begin", "settings": settings.as_plain(), "rounds": settings.epochs}
        messages = []
        for place in range(self.count):
            others = [each for number, each in enumerate(said) if number != place]
            heard = {f"{i}.{n}": a for i, each in enumerate(others) for n, a in each.items()}
            messages.append(packed({**plain, "others": len(others)}, heard))
        return [unpacked(answer) for answer in self.ask(messages)]


@dataclass(frozen=True, eq=False)
class _Shares:
    """How much each site counts: of all weights, and of the embeddings of names.

    Shape: every: sites; named: by name, sites x places.
    """

    every: Floats
    named: Mapping[str, Floats]

    @classmethod
    def of(cls, told: Told) -> "_Shares":
        """By attempts, and where somebody knows a name by the attempts with it."""
        attempts = np.array([plain["attempts"] for plain, _ in told], dtype=np.float64)
        every, named = attempts / attempts.sum(), {}
        for name in NAMES.values():
            counts = np.array([arrays[name] for _, arrays in told])
            total = counts.sum(0)
            named[name] = np.where(total > 0, counts / np.maximum(total, 1e-9), every[:, None])
        return cls(every, named)

    def averaged(self, told: Sequence[Arrays]) -> dict[str, NDArray[Any]]:
        """The mean of the sites' weights; where one site alone has a worker, what it learned of it
        stays whole."""
        found = {}
        for name, first in told[0].items():
            stacked = np.stack([each[name] for each in told]).astype(np.float64)
            owner = NAMES.get(name.removesuffix(".weight"))
            share = self.every if owner is None else self.named[owner]
            wide = share.reshape(share.shape + (1,) * (stacked.ndim - share.ndim))
            found[name] = (stacked * wide).sum(0).astype(first.dtype)
        return found


def _fresh(plan: Plan, seed: int) -> Network:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Network(plan)


def _mean_loss(told: Sequence[Plain]) -> float:
    """Over all sites, the mean loss of each target, added up."""
    total = 0.0
    for name in told[0]["losses"]:
        sums = np.array([each["losses"][name] for each in told]).sum(0)
        total += float(sums[0] / max(sums[1], 1e-9))
    return total
