"""How much lies below the quantiles that say 10 and 90 %: for each machine, and for each kind."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import erf, sqrt
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.base import Benchmark, Found, Goal, Part, combined
from benchmarks.public.lotaru import VALIDATION, Row, read, unseen_inputs
from benchmarks.rivals.pilot_work import work_of
from benchmarks.rivals.quantile_boosted import quantiles, shifted
from learner.examples import Examples, Split
from learner.making import make
from learner.training.settings import TrainingSettings
from scheduler.errors import NotFound

Floats = NDArray[np.float64]
QUANTITIES = ("duration", "memory", "cpu")
LEVELS = (0.1, 0.9)
POINTS = 0.02  # how far from the level is near enough
FEWEST = 100  # test rows of a machine, or of a kind, that are looked at
SURE = 1.96  # standard errors of a 95 % interval
SPLITS, FOLDS, SEED = 3, 4, 0
OURS = "ours"
WORK = """Lotaru, inputs never seen: whole inputs are held out. `drawn` pools {splits} splits of the
kind that all benchmarks on these data use; `each input once` pools {folds} splits whose tests hold
every input exactly once, so that no input counts by luck. The share of test rows at or below the
10 % and the 90 % quantile, for duration, memory and cpu, on each machine and for each kind with at
least 100 test rows. A cell is one machine or kind, one quantity, one level. `binomial` is the share
of cells inside the 95 % interval of as many independent rows; rows of one input are not
independent, and `clustered` takes inputs as units. `reachable` is the share of cells that a
forecaster with the right quantiles would have within two points, by that spread. `shifted` rivals
are moved once by the validation rows (split-conformal)."""


@dataclass(frozen=True, eq=False)
class Told:
    """What was said of test rows, and whether the truth lies below: n x levels."""

    quantity: str
    rows: Sequence[Row]
    below: NDArray[np.bool_]
    width: float
    pinball: float
    crossed: int


@dataclass(frozen=True)
class Cell:
    """One machine or kind, one quantity, one level: how many rows, how far off, how sure."""

    count: int
    off: float
    clustered: float

    @property
    def binomial(self) -> float:
        """The standard error of as many independent rows."""
        return sqrt(LEVELS[0] * LEVELS[-1] / self.count)


class Coverage(Benchmark):
    """Quantiles of the product, as it comes, beside LightGBM's."""

    title = "Coverage: as much below a quantile as it says"

    def run(self, *, data: Path | None, quick: bool) -> Found:
        """Needs Lotaru's measurements; quick takes one split."""
        if data is None:
            raise NotFound("The coverage benchmark needs public logs; give --data DIR.")
        rows, count = read(data), 1 if quick else SPLITS
        parts = [_part(rows, [unseen_inputs(rows, each) for each in range(count)], "drawn")]
        if not quick:
            parts.append(_part(rows, every_input_once(rows), "each input once"))
        return combined(WORK.format(splits=count, folds=FOLDS), parts)


def every_input_once(rows: list[Row]) -> list[Split]:
    """Splits whose tests hold each input exactly once; of the others 15 % of all validate."""
    groups = sorted({row.group for row in rows})
    drawn = np.random.default_rng(SEED).permutation(len(groups))
    place = {groups[g]: i for i, g in enumerate(drawn)}
    at, checks = np.array([place[row.group] for row in rows]), int(VALIDATION * len(groups))
    found = []
    for fold in range(FOLDS):
        test = at % FOLDS == fold
        turned = (at - fold - 1) % len(groups)
        others = np.unique(turned[~test])
        validation = ~test & (turned < others[checks])
        train = ~test & ~validation
        found.append(Split(*(np.flatnonzero(each) for each in (train, validation, test))))
    return found


def _part(rows: list[Row], splits: Sequence[Split], words: str) -> Part:
    told: dict[str, list[Told]] = {}
    for seed, split in enumerate(splits):
        for name, each in _split(rows, split, seed):
            told.setdefault(name, []).extend(each)
    figures = {name: figures_of(each) for name, each in told.items()}
    mine, others = figures[OURS], {name: each for name, each in figures.items() if name != OURS}
    return Part(
        ours={f"{OURS}, {words}": mine},
        goals=tuple(_goals(mine, others, words)),
        peers={f"{name}, {words}": each for name, each in others.items()},
        ratios={
            f"mean off by {of}, {words}: ours / {name}": mine[f"{of}_mean"] / each[f"{of}_mean"]
            for name, each in others.items()
            for of in ("machine", "kind")
            if each[f"{of}_cells"]
        },
    )


def _split(rows: Sequence[Row], split: Split, seed: int) -> Iterator[tuple[str, list[Told]]]:
    work = work_of(rows)
    examples = Examples.of([row.record for row in rows], split=split)
    made = make(examples, TrainingSettings(seed=seed, refit=False))
    ours = made.judged.quantities(examples.inputs.take(split.test))
    yield OURS, [_told(rows, split.test, n, ours[n], examples.truth[n]) for n in QUANTITIES]
    for ridge in (False, True):
        name = "LightGBM on ridge" if ridge else "LightGBM"
        plain = quantiles(work.only(QUANTITIES), split, seed=seed, ridge=ridge)
        moved = shifted(plain, work.only(QUANTITIES), split)
        for words, found in ((name, plain), (f"{name}, shifted", moved)):
            said = np.moveaxis(found[split.test], 1, 0)
            yield (
                words,
                [
                    _told(rows, split.test, n, each, examples.truth[n])
                    for n, each in zip(QUANTITIES, said, strict=True)
                ],
            )


def _told(
    rows: Sequence[Row], part: NDArray[np.int64], name: str, said: Floats, truth: Floats
) -> Told:
    seen = ~np.isnan(truth[part])
    known, told = truth[part][seen][:, None], said[seen]
    levels, miss = np.array([LEVELS[0], 0.5, LEVELS[-1]]), known - told
    return Told(
        quantity=name,
        rows=[rows[i] for i in part[seen]],
        below=known <= told[:, [0, -1]],
        width=float((told[:, -1] - told[:, 0]).mean()),
        pinball=float(np.maximum(levels * miss, (levels - 1) * miss).mean()),
        crossed=int((np.diff(told, axis=1) < 0).any(axis=1).sum()),
    )


def figures_of(told: Sequence[Told]) -> dict[str, float]:
    """Shares and deviations over all cells of machines and of kinds, and how wide it is."""
    found: dict[str, float] = {}
    for of in ("machine", "kind"):
        cells = list(cells_of(told, of))
        off = np.array([abs(cell.off) for cell in cells])
        found |= {
            f"{of}_cells": len(cells),
            f"{of}_worst": float(off.max(initial=0.0)),
            f"{of}_mean": float(off.mean()) if len(off) else 0.0,
            f"{of}_near": _share([each <= POINTS for each in off]),
            f"{of}_binomial": _share([abs(c.off) <= SURE * c.binomial for c in cells]),
            f"{of}_clustered": _share([abs(c.off) <= SURE * c.clustered for c in cells]),
            f"{of}_reachable": _share([erf(POINTS / (c.clustered * sqrt(2))) for c in cells]),
        }
    below = {level: [each.below[:, j] for each in told] for j, level in enumerate(LEVELS)}
    return found | {
        "below_10": float(np.concatenate(below[LEVELS[0]]).mean()),
        "below_90": float(np.concatenate(below[LEVELS[-1]]).mean()),
        "width": float(np.mean([each.width for each in told])),
        "pinball": float(np.mean([each.pinball for each in told])),
        "crossings": sum(each.crossed for each in told),
    }


def cells_of(told: Sequence[Told], of: str) -> Iterator[Cell]:
    """Every machine (or kind) with enough test rows, for each quantity and level."""
    for quantity in QUANTITIES:
        mine = [each for each in told if each.quantity == quantity]
        rows = [row for each in mine for row in each.rows]
        below = np.concatenate([each.below for each in mine])
        names = np.array([r.record.worker if of == "machine" else r.record.kind for r in rows])
        groups = np.array([row.group for row in rows])
        for name in np.unique(names):
            there = names == name
            if there.sum() < FEWEST:
                continue
            for j, level in enumerate(LEVELS):
                yield _cell(below[there, j], groups[there], level)


def _cell(below: NDArray[np.bool_], groups: NDArray[np.str_], level: float) -> Cell:
    """The standard error of a share whose rows come in groups: sums over groups are the units.

    Deviations are taken from the level, so that a cell without any spread is not held for sure.
    """
    off = below - level
    sums = np.bincount(np.unique(groups, return_inverse=True)[1], weights=off)
    return Cell(len(below), float(off.mean()), float(np.sqrt((sums**2).sum()) / len(below)))


def _goals(
    ours: Mapping[str, float], others: Mapping[str, Mapping[str, float]], words: str
) -> Iterator[Goal]:
    for of in ("machine", "kind"):
        if not ours[f"{of}_cells"]:
            continue
        near, cells = ours[f"{of}_near"], int(ours[f"{of}_cells"])
        least = min(each[f"{of}_mean"] for each in others.values())
        yield Goal(
            f"coverage by {of}, {words}",
            "every cell within 2 points",
            f"{near:.0%} of {cells} within, reachable {ours[f'{of}_reachable']:.0%}; off by "
            f"{ours[f'{of}_mean'] * 100:.1f} points in the mean, at worst "
            f"{ours[f'{of}_worst'] * 100:.1f}; the best rival in the mean {least * 100:.1f}",
            near == 1.0,
        )
    yield Goal(
        f"quantiles that cross, {words}", "0", f"{ours['crossings']:.0f}", ours["crossings"] == 0
    )


def _share(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else 0.0
