"""Clusters that may not share their logs and learn one network together: federated averaging.

McMahan and others 2017, algorithm 1: in each round every site learns from its own records, and
what goes around are weights, averaged by how many attempts each site learned from. Before that the
sites agree on names, and on offsets from sums over groups of attempts. No record leaves its site.

What crosses the border are bytes in which nothing can be executed: numbers and plain values.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import load, save

from learner.examples import Examples, Split
from learner.features import MOST_NAMES, MOST_SIZES, UNKNOWN, Columns, Known, Number
from learner.networks.network import Network, Plan
from learner.offsets import Offsets
from learner.offsets.sums import FEWEST, Groups, groups_of, offsets_of
from learner.targets import target_named
from learner.training.fit import losses
from learner.training.lesson import Batch, Lesson, lessons_of
from learner.training.settings import TrainingSettings
from scheduler.errors import InvalidInput
from scheduler.records import TaskRecord

Arrays = Mapping[str, NDArray[Any]]
Plain = Mapping[str, Any]
WARM = 1 / 3  # the share of rounds before which none can be the best
RISE = 0.2  # the share of rounds in which the rate rises
NAMES = {"names.kind": "kind", "names.workflow": "workflow", "skills": "worker"}


def packed(plain: Plain, arrays: Arrays | None = None) -> bytes:
    """Plain values and arrays as bytes."""
    text = np.frombuffer(json.dumps(plain).encode(), dtype=np.uint8)
    told = {f".{name}": np.ascontiguousarray(each) for name, each in (arrays or {}).items()}
    return save({"": text, **told})


def unpacked(message: bytes) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """What was packed."""
    arrays = load(message)
    plain: dict[str, Any] = json.loads(arrays.pop("").tobytes())
    return plain, {name.removeprefix("."): each for name, each in arrays.items()}


class Reached(Protocol):
    """A site, wherever it is: bytes in, bytes out."""

    def answer(self, message: bytes) -> bytes:
        """What the site says to a message."""
        ...


class Site:
    """One cluster with records of its own. It answers what the federation asks, and no more.

    `split` says which records it learns from, checks and judges with; by time unless it is given.
    """

    def __init__(
        self,
        records: Sequence[TaskRecord],
        settings: TrainingSettings | None = None,
        *,
        split: Split | None = None,
    ) -> None:
        self.settings = settings or TrainingSettings()
        self.records, self.split = records, split
        self._course: _Course | None = None
        self.examples: Examples | None = None
        self._asked: dict[str, Callable[[dict[str, Any], Arrays], bytes]] = {
            "names": self._names,
            "sums": self._sums,
            "begin": self._begin,
            "learn": self._learn,
            "check": self._check,
        }

    def answer(self, message: bytes) -> bytes:
        """What it says to one message; raises InvalidInput for a question that it does not know."""
        plain, arrays = unpacked(message)
        if (question := plain.get("ask")) not in self._asked:
            raise InvalidInput(
                f"A site answers to {', '.join(self._asked)}, found {question!r}; "
                "are all sites of the same release?"
            )
        with torch.random.fork_rng(devices=[]):
            return self._asked[question](plain, arrays)

    @property
    def course(self) -> "_Course":
        """The learning that began here."""
        if self._course is None:
            raise InvalidInput("This site was not told to begin; a federation asks names first.")
        return self._course

    def _names(self, plain: dict[str, Any], arrays: Arrays) -> bytes:
        """Names that come at least FEWEST times, with how often, and sums of the sizes."""
        del plain, arrays
        examples = Examples.of(self.records, split=self.split)
        rows = [Known.of_record(each) for each in examples.part(examples.split.train)]
        names = {
            name: _often([getattr(row, name) for row in rows])
            for name in ("kind", "worker", "workflow")
        }
        sizes: dict[str, list[float]] = {}
        for each in sorted({name for row in rows for name in row.numbers}):
            logs = np.log1p([row.numbers[each] for row in rows if each in row.numbers])
            if len(logs) >= FEWEST:
                sizes[each] = [len(logs), float(logs.sum()), float((logs**2).sum())]
        return packed({"names": names, "sizes": sizes})

    def _sums(self, plain: dict[str, Any], arrays: Arrays) -> bytes:
        """The groups of attempts under each quantity, on the columns that were agreed."""
        del arrays
        columns = Columns.from_plain(plain["columns"])
        whole = Examples.of(self.records, split=self.split)
        self.examples = Examples.of(whole.records, split=whole.split, columns=columns)
        told = {}
        for name, each in groups_of(self.examples).items():
            told |= {f"{name}.{part}": array for part, array in vars(each).items()}
        return packed({}, told)

    def _begin(self, plain: dict[str, Any], arrays: Arrays) -> bytes:
        """Offsets and plan are agreed; how many attempts it will learn from, by name too."""
        if self.examples is None:
            raise InvalidInput("This site was not asked for its sums; a federation does that first.")
        offsets = Offsets.from_arrays(arrays)
        settings = replace(self.settings, seed=plain["seed"])
        self._course = _Course(self.examples, offsets, settings, plain["sharing"], plain["rounds"])
        inputs = self.examples.inputs.take(self.examples.split.train)
        columns, forget = self.examples.columns, settings.forget
        counts = {}
        for name in ("kind", "worker", "workflow"):
            count = np.bincount(getattr(inputs, name), minlength=len(getattr(columns, f"{name}s")))
            count[count < FEWEST] = 0
            counts[name] = count.astype(np.float64)
            counts[name][UNKNOWN] += forget * len(inputs)
        return packed({"attempts": len(inputs)}, counts)

    def _learn(self, plain: dict[str, Any], arrays: Arrays) -> bytes:
        """One round on its own records, from these weights on; the weights after it."""
        return packed({}, self.course.learned(arrays, plain["round"]))

    def _check(self, plain: dict[str, Any], arrays: Arrays) -> bytes:
        """The sum of the losses of these weights on the records that it checks with."""
        del plain
        return packed({"losses": self.course.checked(arrays)})


@dataclass(frozen=True, eq=False)
class Federated:
    """What a federation learned: the same at every site, but for the last correction.

    `checked` is the validation loss of all sites after each round, `best` the round of the weights.
    """

    columns: Columns
    offsets: Offsets
    network: Network
    checked: tuple[float, ...] = field(repr=False)
    best: int = 0


def federated(
    sites: Sequence[Reached],
    settings: TrainingSettings | None = None,
    *,
    rounds: int | None = None,
    watch: Callable[[int, float], None] = lambda *_: None,
) -> Federated:
    """One network that learned from all sites, and the offsets that it stands on.

    `rounds` are as many as the settings' epochs unless they are given. `watch` hears of each round
    with its validation loss. Raises InvalidInput without a site.
    """
    settings = settings or TrainingSettings()
    if not sites:
        raise InvalidInput("A federation needs at least one site, found none.")
    rounds = rounds or settings.epochs
    columns = agreed([unpacked(s.answer(packed({"ask": "names"})))[0] for s in sites])
    question = packed({"ask": "sums", "columns": columns.as_plain()})
    offsets = offsets_of(_joined([unpacked(site.answer(question))[1] for site in sites]), columns)
    plan = Plan.over(columns, settings.sharing, settings.shape)
    begun = _all(sites, "begin", offsets.as_arrays(), rounds=rounds, settings=settings)
    shares = _shares([(plain["attempts"], arrays) for plain, arrays in begun])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        network = Network(plan)
    weights = {name: each.numpy() for name, each in network.state_dict().items()}
    best, kept, checked = 0, weights, list[float]()
    for number in range(rounds):
        told = _all(sites, "learn", weights, number=number)
        weights = _averaged([arrays for _, arrays in told], shares)
        checked.append(_mean_loss([plain for plain, _ in _all(sites, "check", weights)]))
        watch(number, checked[-1])
        if number <= rounds * WARM or checked[-1] < checked[best]:
            best, kept = number, weights
        elif number - best >= settings.patience:
            break
    network.load_state_dict({name: torch.from_numpy(each.copy()) for name, each in kept.items()})
    return Federated(columns, offsets, network.eval(), tuple(checked), best)


def agreed(told: Sequence[Plain]) -> Columns:
    """The columns of all sites, from their names and sums: the rarest names are left out."""
    vocabularies = {}
    for name in ("kind", "worker", "workflow"):
        counts: dict[str, int] = {}
        for each in told:
            for key, count in each["names"][name].items():
                counts[key] = counts.get(key, 0) + count
        most = sorted(counts, key=lambda key, counts=counts: (-counts[key], key))  # type: ignore[misc]
        vocabularies[f"{name}s"] = ("", *sorted(most[: MOST_NAMES[name]]))
    sums: dict[str, NDArray[np.float64]] = {}
    for each in told:
        for key, parts in each["sizes"].items():
            sums[key] = sums.get(key, np.zeros(3)) + np.array(parts)
    common = sorted(sorted(sums, key=lambda key: -sums[key][0])[:MOST_SIZES])
    return Columns(**vocabularies, numbers=tuple(_number(key, sums[key]) for key in common))


def _number(name: str, sums: NDArray[np.float64]) -> Number:
    count, total, squares = sums.tolist()
    spread = np.sqrt(max(squares / count - (total / count) ** 2, 0.0))
    return Number(name, total / count, float(spread) if spread > 1e-6 else 1.0)


def _often(names: Sequence[str | None]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for name in names:
        if name is not None:
            counts[name] = counts.get(name, 0) + 1
    return {name: count for name, count in counts.items() if count >= FEWEST}


def _all(
    sites: Sequence[Reached],
    question: str,
    arrays: Arrays,
    *,
    number: int = 0,
    rounds: int = 0,
    settings: TrainingSettings | None = None,
) -> list[tuple[dict[str, Any], dict[str, NDArray[Any]]]]:
    """The same question to every site, and what each answers."""
    plain: dict[str, Any] = {"ask": question, "round": number}
    if settings is not None:
        plain |= {"rounds": rounds, "sharing": settings.sharing, "seed": settings.seed}
    message = packed(plain, arrays)
    return [unpacked(site.answer(message)) for site in sites]


def _joined(told: Sequence[Arrays]) -> dict[str, Groups]:
    names = {name.rpartition(".")[0] for each in told for name in each}
    parts = ("kind", "worker", "sums")
    return {
        name: Groups.joined([Groups(*(each[f"{name}.{part}"] for part in parts)) for each in told])
        for name in sorted(names)
    }


@dataclass(frozen=True, eq=False)
class _Shares:
    """How much each site counts: of all weights, and of the rows of embeddings that names have.

    Shape: all: sites; named: by name, sites x places, zero where no site knows one.
    """

    all: NDArray[np.float64]
    named: Mapping[str, NDArray[np.float64]]


def _shares(told: Sequence[tuple[int, Arrays]]) -> _Shares:
    attempts = np.array([count for count, _ in told], dtype=np.float64)
    named = {}
    for name in ("kind", "worker", "workflow"):
        counts = np.array([arrays[name] for _, arrays in told])
        total = counts.sum(0)
        usual = np.repeat((attempts / attempts.sum())[:, None], counts.shape[1], axis=1)
        named[name] = np.where(total > 0, counts / np.maximum(total, 1e-9), usual)
    return _Shares(attempts / attempts.sum(), named)


def _averaged(told: Sequence[Arrays], shares: _Shares) -> dict[str, NDArray[Any]]:
    """The mean of the sites' weights; a name's embedding counts as often as a site has seen it.

    Where one site alone has a worker, what it learned of it stays whole.
    """
    found = {}
    for name, first in told[0].items():
        stacked = np.stack([each[name] for each in told]).astype(np.float64)
        owner = NAMES.get(name.removesuffix(".weight"))
        share = shares.all if owner is None else shares.named[owner]
        wide = share.reshape(share.shape + (1,) * (stacked.ndim - share.ndim))
        found[name] = (stacked * wide).sum(0).astype(first.dtype)
    return found


def _mean_loss(told: Sequence[Plain]) -> float:
    """Over all sites, the mean loss of each target, added up."""
    total = 0.0
    for name in told[0]["losses"]:
        sums = np.array([each["losses"][name] for each in told]).sum(0)
        total += float(sums[0] / max(sums[1], 1e-9))
    return total


class _Course:
    """A network on its way at one site."""

    def __init__(
        self,
        examples: Examples,
        offsets: Offsets,
        settings: TrainingSettings,
        sharing: str,
        rounds: int,
    ) -> None:
        self.settings, self.rounds = settings, rounds
        self.lessons = lessons_of(examples, offsets, seed=settings.seed)
        self.network = Network(Plan.over(examples.columns, sharing, settings.shape))
        self.optimiser = torch.optim.AdamW(
            self.network.parameters(), lr=settings.rate, weight_decay=settings.decay
        )

    @property
    def lesson(self) -> Lesson:
        return self.lessons["train"]

    def learned(self, weights: Arrays, number: int) -> dict[str, NDArray[Any]]:
        """The weights after one pass over the site's rows."""
        self._take(weights)
        torch.manual_seed(self.settings.seed * 1_000_003 + number)
        self.network.train()
        for group in self.optimiser.param_groups:
            group["lr"] = self.settings.rate * _pace((number + 0.5) / self.rounds)
        size = self.settings.batch_of(len(self.lesson))
        seed, forget = self.settings.seed * 1_000_003 + number, self.settings.forget
        for batch in self.lesson.batches(size, seed=seed, forget=forget):
            self._step(batch)
        return {name: each.numpy().copy() for name, each in self.network.state_dict().items()}

    def checked(self, weights: Arrays) -> dict[str, list[float]]:
        """By target, the sum of the losses and of what they weigh."""
        self._take(weights)
        self.network.eval()
        whole = self.lessons["validation"].whole()
        with torch.no_grad():
            found = losses(self.network, whole)
        known = {name: whole.counts[name] for name in found if not target_named(name).auxiliary}
        return {name: [float(found[name]) * count, count] for name, count in known.items()}

    def _step(self, batch: Batch) -> None:
        total = torch.stack(list(losses(self.network, batch).values())).sum()
        total = total + self.network.penalty(batch.rows)
        self.optimiser.zero_grad()
        total.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.settings.clip)
        self.optimiser.step()

    def _take(self, weights: Arrays) -> None:
        tensors = {name: torch.from_numpy(np.array(each)) for name, each in weights.items()}
        self.network.load_state_dict(tensors)


def _pace(progress: float) -> float:
    """The share of the rate: it rises, and falls like a cosine."""
    if progress < RISE:
        return progress / RISE
    return float((1 + np.cos(np.pi * (progress - RISE) / (1 - RISE))) / 2)
