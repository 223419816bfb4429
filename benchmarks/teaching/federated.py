"""Federated averaging: three clusters of two machines each, which may not share their logs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.base import Goal, Part
from benchmarks.cold_start import TARGETS
from benchmarks.public import lotaru
from learner.arms.network import NetworkArm
from learner.calibration import Calibration
from learner.examples import Examples, Split
from learner.federation.site import Site
from learner.learned import Learned
from learner.offsets import Offsets
from learner.targets.quantities import MIDDLE
from learner.training.federated import federated, here
from learner.training.settings import TrainingSettings
from scheduler.errors import NotFound
from scheduler.records import TaskRecord

SITES, EPOCHS = 3, 15
ALL, FEW = 10_000, 200  # rows of a site to learn from
ALONE, POOLED, FEDERATED = "each alone", "pooled", "federated"
MOST = 1.03
Floats = NDArray[np.float64]
Errors = dict[str, list[Floats]]


def part(data: Path | None, *, quick: bool) -> Part:
    """Errors of each site's own rows of unseen inputs, over all sites."""
    if data is None:
        raise NotFound("The part federated of the methods reads public logs; give --data DIR.")
    rows = lotaru.read(data)
    found: dict[int, Errors] = {}
    for most in (FEW,) if quick else (ALL, FEW):
        for seed in range(1 if quick else 5):
            for name, each in _one(rows, seed, most).items():
                found.setdefault(most, {}).setdefault(name, []).append(each)
    parts = [_told(most, errors) for most, errors in found.items()]
    return Part(
        ours={name: each for one in parts for name, each in one.ours.items()},
        ratios={name: each for one in parts for name, each in one.ratios.items()},
        goals=tuple(goal for one in parts for goal in one.goals),
    )


def _told(most: int, errors: Errors) -> Part:
    rows = "all rows" if most == ALL else f"{most} rows a site"
    mean = {name: np.mean(each, axis=0) for name, each in errors.items()}
    ratios = {
        f"federated, {rows}: {target} over {other}": float(mean[FEDERATED][i] / mean[other][i])
        for i, target in enumerate(TARGETS)
        for other in (POOLED, ALONE)
    }
    pooled, alone = (float((mean[FEDERATED] / mean[other]).mean()) for other in (POOLED, ALONE))
    return Part(
        ours={
            f"federated, {rows}: {name}": dict(zip(TARGETS, each.round(4).tolist(), strict=True))
            for name, each in mean.items()
        },
        ratios=ratios,
        goals=(
            Goal(
                f"federated, {rows}: error over the pooled network's, mean of targets",
                f"<= {MOST}",
                f"{pooled:.3f}",
                pooled <= MOST,
            ),
            Goal(
                f"federated, {rows}: error over each alone, mean of targets",
                "< 1",
                f"{alone:.3f}",
                alone < 1,
            ),
        ),
    )


@dataclass(frozen=True, eq=False)
class _World:
    """All records, and the rows of each site."""

    records: Sequence[TaskRecord]
    parts: Sequence[Split]

    def off(self, learned: Learned, examples: Examples, split: Split) -> Floats:
        """Absolute errors on a site's rows to test: n x targets."""
        told = learned.predict(examples.inputs.take(split.test))
        medians = np.stack([told[name][:, MIDDLE] for name in TARGETS], axis=1)
        truth = np.stack([examples.truth[name][split.test] for name in TARGETS], axis=1)
        off: Floats = np.abs(medians - truth)
        return off


def _one(rows: Sequence[lotaru.Row], seed: int, most: int) -> Mapping[str, Floats]:
    world = _World([row.record for row in rows], _parts(rows, seed, most))
    settings = TrainingSettings(seed=seed, epochs=EPOCHS)
    names = ("train", "validation", "test")
    whole = Split(*(np.concatenate([getattr(p, n) for p in world.parts]) for n in names))
    pooled, examples = _by_itself(world.records, whole, settings)
    found = {POOLED: [world.off(pooled, examples, each) for each in world.parts]}
    for each in world.parts:
        alone, own = _by_itself(world.records, each, settings)
        found.setdefault(ALONE, []).append(world.off(alone, own, each))
    sites = [Site(world.records, split=each, seed=i) for i, each in enumerate(world.parts)]
    federated(here(sites), len(sites), settings)
    for site, each in zip(sites, world.parts, strict=True):
        found.setdefault(FEDERATED, []).append(
            world.off(site.learned(), site.course.examples, each)
        )
    return {name: np.nanmean(np.concatenate(each), axis=0) for name, each in found.items()}


def _parts(rows: Sequence[lotaru.Row], seed: int, most: int) -> list[Split]:
    """Each site has two machines; inputs to test are seen at none."""
    machine = np.array([row.record.worker for row in rows])
    rng = np.random.default_rng([seed, 17])
    mixed = rng.permutation(np.unique(machine))
    whole, found = lotaru.unseen_inputs(list(rows), seed % 3), []
    for place in range(SITES):
        mine = np.isin(machine, mixed[2 * place : 2 * place + 2])
        train, validation, test = (
            each[mine[each]] for each in (whole.train, whole.validation, whole.test)
        )
        kept = np.sort(rng.permutation(train)[:most])
        checked = np.sort(rng.permutation(validation)[: max(most // 3, 1)])
        found.append(Split(kept, checked, test))
    return found


def _by_itself(
    records: Sequence[TaskRecord], split: Split, settings: TrainingSettings
) -> tuple[Learned, Examples]:
    """The product's own offsets and network on these rows."""
    examples = Examples.of(records, split=split)
    offsets = Offsets.fit(examples)
    network = NetworkArm.fit(examples, offsets, settings).network
    return Learned(network, examples.columns, offsets, Calibration.none()), examples
